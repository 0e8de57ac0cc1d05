use domain::time::Timestamp;
use proptest::prelude::*;

use super::Query;
use crate::fuzz::{assert_names_a_parameter, target};

#[test]
fn a_window_that_is_taken_is_a_month_at_most_and_has_few_points() {
    let now = Timestamp::from_millis(1_773_483_705_102);
    target("stats-query").check_text(|text| {
        let Ok(query) = http_api::query::read::<Query>(Some(text), "getWebhookConfigStats") else {
            return Ok(());
        };

        match query.window(now) {
            Err(fault) => assert_names_a_parameter(&fault),
            Ok(window) => {
                let length = window.until().since(window.from());
                prop_assert!(length.as_secs() <= 31 * 86_400, "{:?}", length);
                prop_assert!(window.parts(1).len() <= 100);
            }
        }
        Ok(())
    });
}
