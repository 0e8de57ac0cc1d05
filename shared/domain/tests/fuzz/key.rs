//! Secrets, keys, signatures and certificates.

use domain::{
    certificate::{CERTIFICATES_MAX, Certificates},
    signing::{
        Scheme, SigningKey,
        asymmetric::{self, PrivateKey, PublicKey},
        hmac_hex,
        jwt::{self, Expected},
        standard,
    },
};
use proptest::prelude::*;
use serde_json::Value;

use crate::{assert_short, now, target};

#[test]
fn a_secret_is_never_repeated() {
    target("secret", &["whsec_", "whsk_", "whpk_", "=="]).check_text(|input| {
        let refused = [
            SigningKey::decode(input)
                .err()
                .map(|error| error.to_string()),
            SigningKey::of_text(input, 32)
                .err()
                .map(|error| error.to_string()),
            PrivateKey::parse(input)
                .err()
                .map(|error| error.to_string()),
        ];
        for error in refused.into_iter().flatten() {
            assert_short(&error);
            prop_assert!(input.len() < 8 || !error.contains(input));
        }
        if let Ok(key) = PrivateKey::parse(input) {
            prop_assert_eq!(key.expose(), input);
        }
        if let Ok(key) = PublicKey::parse(input) {
            prop_assert_eq!(key.to_string(), input);
        }
        Ok(())
    });
}

#[test]
fn a_scheme_is_written_as_it_is_read() {
    target("scheme", &["\"scheme\":", "\"header\":", "\"jwt\""]).check_text(|input| {
        let Ok(value) = serde_json::from_str::<Value>(input) else {
            return Ok(());
        };
        match Scheme::parse(&value) {
            Err(error) => assert_short(&error),
            Ok(scheme) => {
                let written = serde_json::to_value(&scheme).unwrap();
                prop_assert_eq!(Scheme::parse(&written).unwrap(), scheme);
            }
        }
        Ok(())
    });
}

#[test]
fn a_signature_that_nobody_made_is_refused() {
    let key = SigningKey::of_text("a-secret-that-is-shown-to-nobody", 32).unwrap();
    let public = PrivateKey::from_seed([7; 32]).public_key();
    target(
        "signature",
        &["v1,", "v1a,", "sha256=", ".", "eyJhbGciOiJIUzI1NiJ9"],
    )
    .check_text(|input| {
        let expected = Expected {
            url: None,
            now: now(),
            body: b"{}",
        };
        let is_taken = [
            standard::verify(&key, "evt-1", 0, b"{}", input),
            asymmetric::verify(&public, "evt-1", 0, b"{}", input),
            hmac_hex::verify(&key, b"{}", input),
        ];
        prop_assert_eq!(is_taken, [false; 3]);
        prop_assert!(jwt::verify(&key, input, expected).is_err());
        Ok(())
    });
}

#[test]
fn certificates_are_taken_a_few_at_a_time_and_never_repeated() {
    let words = &[
        "-----BEGIN CERTIFICATE-----\n",
        "-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\n",
        "MII",
    ];
    target("certificate", words).check_text(|input| {
        match Certificates::parse(input) {
            Err(error) => assert_short(&error),
            Ok(found) => {
                prop_assert!((1..=CERTIFICATES_MAX).contains(&found.ders().len()));
                prop_assert_eq!(&Certificates::parse(&found.to_pem()).unwrap(), &found);
            }
        }
        Ok(())
    });
}
