use proptest::prelude::*;

use super::{decode, encode};
use crate::fuzz::target;

#[test]
fn an_answer_is_read_as_it_was_written() {
    target("test-answer").check(|input| {
        if let Ok(answer) = decode(input) {
            prop_assert_eq!(decode(&encode(&answer)), Ok(answer));
        }
        Ok(())
    });
}
