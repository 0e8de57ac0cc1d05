//! Standard Webhooks, `v1`: HMAC-SHA256 over `id.timestamp.body`.
//!
//! The scheme and its vectors: <https://github.com/standard-webhooks/standard-webhooks>, spec 1.0.0.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::Mac as _;
use subtle::ConstantTimeEq as _;

use super::{SigningKey, asymmetric::PrivateKey};
use crate::{name::EventId, time::Timestamp};

/// The length of `v1,` and the base64 of 32 bytes, and of `v1a,` and that of 64, with a space each.
const V1_BYTES: usize = 48;
const V1A_BYTES: usize = 93;

/// Signs with every live key: the value of `webhook-signature`, `v1` before `v1a`.
#[must_use]
pub fn sign(
    keys: &[SigningKey],
    private_keys: &[PrivateKey],
    id: &EventId,
    at: Timestamp,
    body: &[u8],
) -> String {
    let head = head(id.as_str(), at.seconds());
    let mut header = String::with_capacity(V1_BYTES * keys.len() + V1A_BYTES * private_keys.len());
    for key in keys {
        begin(&mut header, "v1,");
        STANDARD.encode_string(code(key, &head, body), &mut header);
    }
    if !private_keys.is_empty() {
        // Unlike an HMAC, such a signature reads what it signs twice.
        let whole = [head.as_bytes(), body].concat();
        for key in private_keys {
            begin(&mut header, "v1a,");
            STANDARD.encode_string(key.sign(&whole), &mut header);
        }
    }
    header
}

/// Returns whether one of the signatures in a `webhook-signature` header is this key's, in time
/// that does not depend on where they differ. The caller checks the timestamp's age.
#[must_use]
pub fn verify(key: &SigningKey, id: &str, seconds: i64, body: &[u8], header: &str) -> bool {
    let expected = code(key, &head(id, seconds), body);
    signatures(header, "v1,").any(|given| given.ct_eq(&expected).into())
}

/// Returns the signatures of one version in a header.
pub(super) fn signatures<'a>(header: &'a str, version: &'a str) -> impl Iterator<Item = Vec<u8>> {
    header
        .split(' ')
        .filter_map(move |part| part.strip_prefix(version))
        .filter_map(|encoded| STANDARD.decode(encoded).ok())
}

/// Returns what is signed before the body.
pub(super) fn head(id: &str, seconds: i64) -> String {
    format!("{id}.{seconds}.")
}

fn code(key: &SigningKey, head: &str, body: &[u8]) -> [u8; 32] {
    let mut mac = key.begin();
    mac.update(head.as_bytes());
    mac.update(body);
    mac.finalize().into_bytes().into()
}

fn begin(header: &mut String, version: &str) {
    if !header.is_empty() {
        header.push(' ');
    }
    header.push_str(version);
}

#[cfg(test)]
mod tests {
    use super::{sign, verify};
    use crate::{
        name::EventId,
        signing::{SigningKey, secret_from},
        time::Timestamp,
    };

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
            let key = [SigningKey::decode(secret).unwrap()];
            let event = EventId::try_new(id).unwrap();
            let at = Timestamp::from_millis(seconds * 1000 + 999);
            let verify =
                |seconds, header: &str| verify(&key[0], id, seconds, body.as_bytes(), header);

            assert_eq!(sign(&key, &[], &event, at, body.as_bytes()), signature);
            assert!(verify(seconds, &format!("v2,x v1, {signature}")));
            assert!(!verify(seconds + 1, signature));
            assert!(!verify(seconds, "v1,"));
            assert!(!verify(seconds, &signature[..40]));
            assert!(!verify(seconds, ""));
        }
    }

    #[test]
    fn the_reference_library_accepts_every_live_key() {
        let secrets = [secret_from([1; 32]), secret_from([2; 32])];
        let keys: Vec<_> = secrets
            .iter()
            .map(|secret| SigningKey::decode(secret).unwrap())
            .collect();
        let id = EventId::try_new("evt-1").unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "the library compares with the real clock"
        )]
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let header = sign(&keys, &[], &id, Timestamp::from_millis(now * 1000), b"{}");

        for secret in &secrets {
            let webhook = standardwebhooks::Webhook::new(secret).unwrap();
            let mut headers = http::HeaderMap::new();
            headers.insert("webhook-id", "evt-1".parse().unwrap());
            headers.insert("webhook-timestamp", now.to_string().parse().unwrap());
            headers.insert("webhook-signature", header.parse().unwrap());
            webhook.verify(b"{}", &headers).unwrap();
        }
    }
}
