use std::time::Duration;

use domain::{
    signing::{SigningKey, asymmetric::PrivateKey},
    time::Timestamp,
};
use proptest::prelude::*;

use super::{Key, Signed, check};
use crate::fuzz::target;

#[test]
fn a_request_that_nobody_signed_fails_a_check() {
    let secret = || SigningKey::of_text("a-secret-that-is-shown-to-nobody", 32).unwrap();
    let keys = [
        Key::Standard(secret()),
        Key::HmacHex(secret()),
        Key::Jwt(secret()),
        Key::Public(PrivateKey::from_seed([7; 32]).public_key()),
    ];
    target("signed").check(|input| {
        let (headers, body) = fuzzing::message(input);
        let named = |name: &str| {
            let found = headers.iter().find(|(own, _)| *own == name);
            let text = found.and_then(|(_, value)| std::str::from_utf8(value).ok());
            text.unwrap_or_default()
        };
        let signed = Signed {
            id: named("webhook-id"),
            timestamp: named("webhook-timestamp"),
            signature: named("webhook-signature"),
            body,
        };
        for key in &keys {
            let now = Timestamp::from_millis(1_773_483_705_102);
            let checks = check(key, &signed, now, Duration::from_secs(300));
            prop_assert!(checks.iter().any(|checked| checked.problem.is_some()));
        }
        Ok(())
    });
}
