use attempt_store::PAGE_LIMIT;
use proptest::prelude::*;

use super::Query;
use crate::fuzz::{assert_names_a_parameter, organisation, target};

#[test]
fn a_query_gives_a_filter_and_a_page_or_a_short_fault() {
    target("delivery-query").check_text(|text| {
        let Ok(query) = http_api::query::read::<Query>(Some(text), "listDeliveries") else {
            return Ok(());
        };

        if let Err(fault) = query.filter(organisation()) {
            assert_names_a_parameter(&fault);
        }
        match query.limit() {
            Ok(limit) => prop_assert!((1..=PAGE_LIMIT).contains(&limit)),
            Err(fault) => assert_names_a_parameter(&fault),
        }
        match query.cursor() {
            Ok(cursor) => prop_assert!(cursor.is_none_or(|c| c.to_string().parse() == Ok(c))),
            Err(fault) => assert_names_a_parameter(&fault),
        }
        Ok(())
    });
}
