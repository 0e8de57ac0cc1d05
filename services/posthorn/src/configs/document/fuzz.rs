use proptest::prelude::*;

use super::{read, text};
use crate::fuzz::target;

#[test]
fn a_file_that_is_read_is_written_and_read_again() {
    target("configs-file").check(|file| {
        if let Ok(configs) = read(file) {
            for as_json in [false, true] {
                let written = text(&configs, as_json).unwrap();
                prop_assert_eq!(&read(written.as_bytes()).unwrap(), &configs, "{}", written);
            }
        }
        Ok(())
    });
}
