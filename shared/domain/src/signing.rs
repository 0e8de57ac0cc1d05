//! Standard Webhooks signatures, `v1`: HMAC-SHA256 over `id.timestamp.body`.
//!
//! The scheme and its vectors: <https://github.com/standard-webhooks/standard-webhooks>, spec 1.0.0.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::{name::EventId, time::Timestamp};

/// How an endpoint's requests are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Standard Webhooks, `v1` for every live secret.
    #[default]
    Standard,
    /// No signature.
    None,
}

/// The prefix of a secret as people see it.
const PREFIX: &str = "whsec_";

/// A signing key, ready to use. Its bytes are never shown.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

/// A text that is no signing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be whsec_ and the base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

impl SigningKey {
    /// Parses a secret: `whsec_` and the standard base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// [`InvalidSecret`]; it never repeats the text.
    pub fn parse(secret: &str) -> Result<Self, InvalidSecret> {
        let encoded = secret.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_error| InvalidSecret)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(InvalidSecret);
        }
        Hmac::new_from_slice(&bytes)
            .map(Self)
            .map_err(|_error| InvalidSecret)
    }

    /// Returns `v1,` and the base64 of the signature.
    #[must_use]
    pub fn sign(&self, id: &EventId, at: Timestamp, body: &[u8]) -> String {
        let mut signature = String::with_capacity(47);
        signature.push_str("v1,");
        STANDARD.encode_string(self.mac(id.as_str(), at.seconds(), body), &mut signature);
        signature
    }

    fn mac(&self, id: &str, seconds: i64, body: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(id.as_bytes());
        mac.update(format!(".{seconds}.").as_bytes());
        mac.update(body);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

/// Makes a secret from 32 random bytes, in the form that people see.
#[must_use]
pub fn secret_from(entropy: [u8; 32]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(entropy))
}

/// Signs with every live key: the value of `webhook-signature`.
#[must_use]
pub fn signature_header(keys: &[SigningKey], id: &EventId, at: Timestamp, body: &[u8]) -> String {
    let mut header = String::with_capacity(48 * keys.len());
    for key in keys {
        if !header.is_empty() {
            header.push(' ');
        }
        header.push_str(&key.sign(id, at, body));
    }
    header
}

/// Returns whether one of the signatures in a `webhook-signature` header is this key's, in time
/// that does not depend on where they differ. The caller checks the timestamp's age.
#[must_use]
pub fn verify(key: &SigningKey, id: &str, seconds: i64, body: &[u8], header: &str) -> bool {
    let expected = key.mac(id, seconds, body);
    header
        .split(' ')
        .filter_map(|part| part.strip_prefix("v1,"))
        .filter_map(|encoded| STANDARD.decode(encoded).ok())
        .any(|given| given.ct_eq(&expected).into())
}

#[cfg(test)]
mod tests {
    use super::{SigningKey, secret_from, signature_header, verify};
    use crate::{name::EventId, time::Timestamp};

    /// The vectors of the reference libraries.
    const VECTORS: [(&str, &str, i64, &str, &str); 2] = [
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            "{\"test\": 2432232314}",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            "{\"email\":\"test@example.com\",\"username\":\"test_user\"}",
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
    ];

    #[test]
    fn published_vectors_are_met() {
        for (secret, id, seconds, body, signature) in VECTORS {
            let key = SigningKey::parse(secret).unwrap();
            let id = EventId::try_new(id).unwrap();

            assert_eq!(
                key.sign(
                    &id,
                    Timestamp::from_millis(seconds * 1000 + 999),
                    body.as_bytes()
                ),
                signature
            );
            assert!(verify(
                &key,
                id.as_str(),
                seconds,
                body.as_bytes(),
                &format!("v2,x v1, {signature}")
            ));
            assert!(!verify(
                &key,
                id.as_str(),
                seconds + 1,
                body.as_bytes(),
                signature
            ));
            assert!(!verify(&key, id.as_str(), seconds, body.as_bytes(), "v1,"));
            assert!(!verify(&key, id.as_str(), seconds, body.as_bytes(), ""));
        }
    }

    #[test]
    fn the_reference_library_accepts_every_live_key() {
        let secrets = [secret_from([1; 32]), secret_from([2; 32])];
        let keys: Vec<_> = secrets
            .iter()
            .map(|secret| SigningKey::parse(secret).unwrap())
            .collect();
        let id = EventId::try_new("evt-1").unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "the library compares with the real clock"
        )]
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let header = signature_header(&keys, &id, Timestamp::from_millis(now * 1000), b"{}");

        for secret in &secrets {
            let webhook = standardwebhooks::Webhook::new(secret).unwrap();
            let mut headers = http::HeaderMap::new();
            headers.insert("webhook-id", "evt-1".parse().unwrap());
            headers.insert("webhook-timestamp", now.to_string().parse().unwrap());
            headers.insert("webhook-signature", header.parse().unwrap());
            webhook.verify(b"{}", &headers).unwrap();
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_repeated() {
        for text in [
            "",
            "whsec_",
            "whsec_c2hvcnQ=",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_",
            &format!("whsec_{}", "A".repeat(88)),
        ] {
            let error = SigningKey::parse(text).unwrap_err().to_string();

            assert!(!error.contains("MfKQ"), "{text}");
        }
    }

    #[test]
    fn a_key_does_not_print_itself() {
        let key = SigningKey::parse(&secret_from([7; 32])).unwrap();

        assert_eq!(format!("{key:?}"), "SigningKey(***)");
    }
}
