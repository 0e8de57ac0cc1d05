use proptest::prelude::*;

use super::{LIMIT_MAX, Query};
use crate::api::log::query::fuzz::assert_names_a_parameter;

const EXAMPLES: &[&str] = &[
    "webhookConfigId=ep_1&eventId=evt%3A1&eventSubCategory=a.b&reason=exhausted",
    "since=2026-03-14T12%3A00%3A00%2B02%3A00&until=2026-03-14T11:00:00Z&limit=100",
    "cursor=19cebddc30e.1&fromDate=2026-03-14T12:00:00Z&organisationId=acme",
];
const WORDS: &[&str] = &[
    "limit=",
    "reason=",
    "webhookConfigId=",
    "eventId=",
    "fromDate=",
    "toDate=",
    "18446744073709551616",
    "%",
    "+",
    "&&",
    "&=",
];

proptest! {
    #![proptest_config(fuzzing::config())]

    #[test]
    fn what_changes_many_dead_letters_names_some_of_them(text in fuzzing::near_text(EXAMPLES, WORDS)) {
        let Ok(query) = http_api::query::read::<Query>(Some(&text), "retryDeadLetters") else {
            return Ok(());
        };

        match query.deliberate_filter() {
            Ok(filter) => {
                prop_assert!(!filter.is_empty());
                prop_assert_eq!(query.filter(), Ok(filter));
            }
            Err(fault) => assert_names_a_parameter(&fault),
        }
        match query.limit() {
            Ok(limit) => prop_assert!((1..=LIMIT_MAX).contains(&limit)),
            Err(fault) => assert_names_a_parameter(&fault),
        }
    }
}
