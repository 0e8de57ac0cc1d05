use proptest::prelude::*;

use super::{LIMIT_MAX, Query};
use crate::fuzz::{assert_names_a_parameter, target};

#[test]
fn what_changes_many_dead_letters_names_some_of_them() {
    target("dead-letter-query").check_text(|text| {
        let Ok(query) = http_api::query::read::<Query>(Some(text), "retryDeadLetters") else {
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
        Ok(())
    });
}
