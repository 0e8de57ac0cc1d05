use attempt_store::{Filter, PAGE_LIMIT, Page, Position};
use proptest::prelude::*;

use super::{Query, SKIP_MAX};

/// No fault that names a parameter needs more.
const FAULT_MAX_CHARS: usize = 300;
const EXAMPLES: &[&str] = &[
    "eventSubCategory=a.b&success=false&webhookConfigId=ep_1&eventId=evt%3A1",
    "responseStatus=500&attempt=2&limit=100&skip=20&sort=createdAt",
    "since=2026-03-14T12%3A00%3A00%2B02%3A00&until=2026-03-14T11:00:00Z",
    "fromDate=2026-03-14T12:00:00 02:00&toDate=2026-03-14",
    "settled=true&sort=createdAt&cursor=19cebddc30e.019cec05f30e7d0a8f6e3c2b1a000001",
    "organisationId=acme&sort=-createdAt&success=true",
];
const WORDS: &[&str] = &[
    "limit=",
    "skip=",
    "cursor=",
    "sort=",
    "settled=",
    "success=",
    "attempt=",
    "fromDate=",
    "toDate=",
    "9999-12-31T23:59:60Z",
    "-9223372036854775808",
    "4294967296",
    "%",
    "+",
    "&&",
    "&=",
];

proptest! {
    #![proptest_config(fuzzing::config())]

    #[test]
    fn a_query_gives_a_filter_within_bounds_or_a_short_fault(
        text in fuzzing::near_text(EXAMPLES, WORDS),
    ) {
        let Ok(query) = http_api::query::read::<Query>(Some(&text), "listWebhookLogs") else {
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
                let again: Query = http_api::query::read(Some(&written(&filter)), "listWebhookLogs").unwrap();
                prop_assert_eq!(again.filter(organisation()).unwrap(), filter);
            }
            Err(fault) => assert_names_a_parameter(&fault),
        }
    }
}

fn organisation() -> domain::name::OrganisationId {
    "acme".parse().unwrap()
}

fn assert_bounded(page: &Page) {
    assert!((1..=PAGE_LIMIT).contains(&page.limit), "{page:?}");
    if let Position::Skip(skip) = page.after {
        assert!((1..=SKIP_MAX).contains(&skip), "{page:?}");
    }
}

/// Asserts that a fault is short, and begins with the name of a parameter.
pub(in crate::api) fn assert_names_a_parameter(fault: &str) {
    let (name, _) = fault.split_once(": ").unwrap();
    assert!(
        name.bytes().all(|byte| byte.is_ascii_alphabetic()),
        "{fault}"
    );
    assert!(fault.chars().count() <= FAULT_MAX_CHARS, "{fault}");
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
