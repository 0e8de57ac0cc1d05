use domain::retry::{Expression, LONGEST_DELAY};
use fuzzing::near_text;
use proptest::prelude::*;

use crate::assert_short;

const EXAMPLES: &[&str] = &[
    "pow(2, retried) * 1000",
    "max(1000, min(60000, 1000 * retried))",
    "1000 * (1 + retried) / 2 - 3",
    "floor(sqrt(exp(retried)) * 1e3)",
    "-abs(round(ceil(2.5 * retried)))",
];
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

proptest! {
    #![proptest_config(fuzzing::config())]

    #[test]
    fn an_expression_that_is_taken_never_leaves_a_day(input in near_text(EXAMPLES, WORDS), retried in any::<u32>()) {
        match Expression::parse(&input) {
            Err(error) => assert_short(&error),
            Ok(expression) => {
                for retried in [0, 1, 100, retried] {
                    if let Some(millis) = expression.millis(retried) {
                        prop_assert!(millis >= 0.0 && millis <= LONGEST_DELAY.as_secs_f64() * 1_000.0);
                    }
                }
                let text = serde_json::to_string(&expression).unwrap();
                prop_assert_eq!(serde_json::from_str::<Expression>(&text).unwrap(), expression);
            }
        }
    }
}
