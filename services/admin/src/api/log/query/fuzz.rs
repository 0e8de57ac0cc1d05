use attempt_store::{Filter, PAGE_LIMIT, Page, Position};
use proptest::prelude::*;

use super::{Query, SKIP_MAX};
use crate::fuzz::{assert_names_a_parameter, organisation, target};

const OPERATION: &str = "listWebhookLogs";

#[test]
fn a_query_gives_a_filter_within_bounds_or_a_short_fault() {
    target("log-query").check_text(|text| {
        let Ok(query) = http_api::query::read::<Query>(Some(text), OPERATION) else {
            return Ok(());
        };

        match query.page() {
            Ok(page) => assert_bounded(&page),
            Err(fault) => assert_names_a_parameter(&fault),
        }
        if let Err(fault) = query.settled() {
            assert_names_a_parameter(&fault);
        }
        match query.filter(organisation()) {
            Ok(filter) => {
                let again: Query =
                    http_api::query::read(Some(&written(&filter)), OPERATION).unwrap();
                prop_assert_eq!(again.filter(organisation()).unwrap(), filter);
            }
            Err(fault) => assert_names_a_parameter(&fault),
        }
        Ok(())
    });
}

fn assert_bounded(page: &Page) {
    assert!((1..=PAGE_LIMIT).contains(&page.limit), "{page:?}");
    if let Position::Skip(skip) = page.after {
        assert!((1..=SKIP_MAX).contains(&skip), "{page:?}");
    }
}

/// Returns a query that asks for what a filter lets through.
fn written(filter: &Filter) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let mut add = |name, value: Option<String>| {
        if let Some(value) = value {
            query.append_pair(name, &value);
        }
    };
    add(
        "eventSubCategory",
        filter.event_name.as_ref().map(ToString::to_string),
    );
    add("success", filter.success.map(|success| success.to_string()));
    add(
        "webhookConfigId",
        filter.endpoint.as_ref().map(ToString::to_string),
    );
    add("eventId", filter.event_id.as_ref().map(ToString::to_string));
    add(
        "responseStatus",
        filter.response_status.map(|status| status.to_string()),
    );
    add("attempt", filter.attempt.map(|attempt| attempt.to_string()));
    add("fromDate", filter.from.map(|time| time.to_string()));
    add("toDate", filter.to.map(|time| time.to_string()));
    query.finish()
}
