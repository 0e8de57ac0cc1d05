use std::time::Duration;

use proptest::prelude::*;

use super::{at, duration, pause};
use crate::fuzz::target;

#[test]
fn a_time_is_within_what_can_be_written_and_a_pause_within_bounds() {
    let now = 1_773_483_705_102;
    target("moment").check_text(|text| {
        for direction in [-1, 1] {
            if let Ok(time) = at(text, now, direction) {
                prop_assert!(!time.to_string().is_empty());
            }
        }
        let _any = duration(text);
        if let Ok(pause) = pause(text) {
            prop_assert!(
                (Duration::from_millis(100)..=Duration::from_secs(3_600)).contains(&pause)
            );
        }
        Ok(())
    });
}
