use proptest::prelude::*;

use super::{is_meant, tests::erasure};
use crate::fuzz::target;

#[test]
fn what_stands_under_no_organisation_is_meant_no_sooner_than_what_is_its_own() {
    let erasure = erasure();
    target("rejected").check(|input| {
        let is_own = is_meant(&erasure, true, input);
        prop_assert!(is_own || !is_meant(&erasure, false, input));
        let text = String::from_utf8_lossy(input);
        prop_assert!(!is_own || text.contains(erasure.event_id.as_str()));
        Ok(())
    });
}
