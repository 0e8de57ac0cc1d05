use domain::retry::{Expression, LONGEST_DELAY};
use proptest::prelude::*;

use crate::{assert_short, target};

const WORDS: &[&str] = &[
    "retried",
    "pow(",
    "sqrt(",
    "min(",
    "exp(",
    ")",
    ",",
    "1e308",
    "0/0",
    "-(",
    "(((((((((((",
];

#[test]
fn an_expression_that_is_taken_never_leaves_a_day() {
    target("expression", WORDS).check_text(|input| {
        match Expression::parse(input) {
            Err(error) => assert_short(&error),
            Ok(expression) => {
                for retried in [0, 1, 7, 100, 65_536, u32::MAX] {
                    if let Some(millis) = expression.millis(retried) {
                        let longest = LONGEST_DELAY.as_secs_f64() * 1_000.0;
                        prop_assert!((0.0..=longest).contains(&millis), "{millis}");
                    }
                }
                let text = serde_json::to_string(&expression).unwrap();
                prop_assert_eq!(
                    serde_json::from_str::<Expression>(&text).unwrap(),
                    expression
                );
            }
        }
        Ok(())
    });
}
