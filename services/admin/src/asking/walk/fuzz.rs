use proptest::prelude::*;

use super::Place;
use crate::fuzz::target;

#[test]
fn a_place_prints_what_it_parses() {
    target("place").check_text(|text| {
        if let Ok(place) = text.parse::<Place>() {
            prop_assert_eq!(place.to_string(), text);
        }
        Ok(())
    });
}
