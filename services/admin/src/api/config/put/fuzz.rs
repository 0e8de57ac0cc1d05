use bytes::Bytes;
use proptest::prelude::*;

use super::{ITEMS_MAX, read};
use crate::fuzz::target;

#[test]
fn a_request_holds_a_bounded_number_of_configs() {
    target("configs").check(|body| {
        for is_bare in [false, true] {
            match read(&Bytes::copy_from_slice(body), is_bare) {
                Ok(drafts) => prop_assert!(drafts.len() <= ITEMS_MAX),
                Err(problem) => prop_assert!(problem.message().len() <= 1_024),
            }
        }
        Ok(())
    });
}
