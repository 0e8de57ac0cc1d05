use proptest::prelude::*;

use super::{IDS_MAX, Object, Wanted, filter_fields, picked};
use crate::{asking::Picked, fuzz::target};

#[test]
fn what_is_picked_is_bounded_or_a_filter_that_means_some() {
    target("picked").check(|body| {
        let Ok(Object(wanted)) = http_api::body::json::<Object<Wanted>>(body, "op") else {
            return Ok(());
        };
        let Ok(query) = filter_fields(&wanted) else {
            return Ok(());
        };
        match picked(&wanted, &query) {
            Err(fault) => prop_assert!(fault.len() <= 1_024, "{}", fault),
            Ok(Picked::Ids(ids)) => prop_assert!((1..=IDS_MAX).contains(&ids.len())),
            Ok(Picked::Filter(filter, _)) => prop_assert!(!filter.is_empty()),
        }
        Ok(())
    });
}
