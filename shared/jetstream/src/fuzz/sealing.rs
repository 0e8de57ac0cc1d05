//! Keys, and what is sealed under them.

use domain::endpoint::Sealed;
use proptest::prelude::*;

use super::target;
use crate::sealing::{Keyring, key_id};

const KEY: &str = "b2xkIGtleSBvZiB0aGlydHktdHdvIGJ5dGVzIGxlbmc=";

#[test]
fn keys_that_are_taken_seal_and_open_and_none_is_shown() {
    target("keys").check_text(|input| {
        match Keyring::parse(input) {
            Err(error) => prop_assert!(input.len() < 8 || !error.to_string().contains(input)),
            Ok(keys) => {
                let sealed = keys.seal("acme/ep_1", "whsec_x").unwrap();
                let opened = keys.open("acme/ep_1", &sealed).unwrap();
                prop_assert_eq!(opened.as_str(), "whsec_x");
                prop_assert!(key_id(&sealed).is_some());
                let shown = format!("{keys:?}");
                prop_assert!(!shown.contains(KEY));
            }
        }
        Ok(())
    });
}

#[test]
fn what_nobody_sealed_is_not_opened() {
    let keys = Keyring::parse(&format!("k:{KEY}")).unwrap();
    target("sealed").check_text(|input| {
        let sealed = Sealed(input.to_owned());
        prop_assert!(keys.open("acme/ep_1", &sealed).is_err());
        prop_assert!(keys.is_under_first("acme/ep_1", &sealed).is_err());
        prop_assert!(key_id(&sealed).is_none_or(|id| input.starts_with(id)));
        Ok(())
    });
}
