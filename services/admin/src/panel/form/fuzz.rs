use proptest::prelude::*;

use super::{FIELDS_MAX, Pairs};
use crate::fuzz::target;

#[test]
fn a_form_has_a_bounded_number_of_fields_and_is_written_as_it_was_read() {
    target("form").check(|body| {
        let form = Pairs::parse(body);
        prop_assert!(form.0.len() <= FIELDS_MAX);
        let names = ["url", "events", "a", ""];
        let written = Pairs::parse(form.query_of(&names).as_bytes());
        for name in names {
            prop_assert_eq!(written.text(name), form.text(name));
        }
        Ok(())
    });
}
