//! What signs the requests to one endpoint: its scheme and its live secrets, made ready once.

use std::fmt;

use http::{HeaderName, HeaderValue};

use super::{
    InvalidSecret, Scheme, SigningKey,
    asymmetric::{InvalidKey, PrivateKey},
    hmac_hex, jwt, standard,
};
use crate::{name::EventId, time::Timestamp, trace::TraceParent};

const STANDARD_HEADER: HeaderName = HeaderName::from_static("webhook-signature");

/// Signs the requests to one endpoint.
#[derive(Debug, Clone)]
pub enum Signer {
    /// Standard Webhooks, the newest key first.
    Standard {
        /// The keys of `v1`.
        keys: Vec<SigningKey>,
        /// The keys of `v1a`.
        private_keys: Vec<PrivateKey>,
    },
    /// The body alone.
    HmacHex {
        /// The header that carries the signature.
        header: HeaderName,
        /// The key.
        key: SigningKey,
    },
    /// A JSON Web Token.
    Jwt {
        /// The header that carries the token.
        header: HeaderName,
        /// The key.
        key: SigningKey,
        /// The endpoint's URL.
        url: String,
    },
    /// Nothing.
    None,
}

/// A live secret in the clear.
#[derive(Clone, Copy)]
pub struct LiveSecret<'a> {
    /// The secret as it is shown.
    pub text: &'a str,
    /// The private key of its pair, if it has one.
    pub private_key: Option<&'a str>,
}

/// What is signed of a request.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The event's id.
    pub id: &'a EventId,
    /// When it is sent.
    pub at: Timestamp,
    /// The attempt's span, which no other attempt has.
    pub span: TraceParent,
    /// The body as it is sent; empty for a `GET`.
    pub body: &'a [u8],
}

/// Why nothing can sign as an endpoint asks for. It is a fault of ours: what is saved has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSigner {
    /// A secret does not fit the scheme.
    #[error("signing secret {0}")]
    Secret(#[from] InvalidSecret),
    /// A private key can't be read.
    #[error("signing key {0}")]
    Key(#[from] InvalidKey),
    /// The scheme signs, and there is no live secret.
    #[error("there is no live signing secret")]
    NoSecret,
}

impl fmt::Debug for LiveSecret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LiveSecret(***)")
    }
}

impl Signer {
    /// Makes what signs by a scheme with live secrets, the newest first, requests to a URL.
    ///
    /// A header holds one signature of `hmac-hex` or `jwt`. It is that of the oldest live secret: the one
    /// that receivers know until the time that they have been given for a new one is over.
    ///
    /// # Errors
    /// [`NoSigner`]; it never repeats a secret.
    pub fn new(scheme: &Scheme, live: &[LiveSecret<'_>], url: &str) -> Result<Self, NoSigner> {
        let oldest = || {
            let secret = live.last().ok_or(NoSigner::NoSecret)?;
            Ok::<_, NoSigner>(scheme.key(secret.text)?)
        };
        Ok(match scheme {
            Scheme::None => Self::None,
            Scheme::HmacHex { header } => Self::HmacHex {
                header: header.clone(),
                key: oldest()?,
            },
            Scheme::Jwt { header } => Self::Jwt {
                header: header.clone(),
                key: oldest()?,
                url: url.to_owned(),
            },
            Scheme::Standard { .. } if live.is_empty() => return Err(NoSigner::NoSecret),
            Scheme::Standard { asymmetric } => {
                let keys = live.iter().map(|secret| scheme.key(secret.text));
                let texts = live.iter().filter_map(|secret| secret.private_key);
                let private_keys = texts.filter(|_| *asymmetric).map(PrivateKey::parse);
                Self::Standard {
                    keys: keys.collect::<Result<_, _>>()?,
                    private_keys: private_keys.collect::<Result<_, _>>()?,
                }
            }
        })
    }

    /// Signs a request: the header that carries the signature, and its value, which is marked as sensitive.
    #[must_use]
    pub fn sign(&self, request: Signed<'_>) -> Option<(HeaderName, HeaderValue)> {
        let Signed {
            id, at, span, body, ..
        } = request;
        let (header, text) = match self {
            Self::Standard { keys, private_keys } => (
                STANDARD_HEADER,
                standard::sign(keys, private_keys, id, at, body),
            ),
            Self::HmacHex { header, key } => (header.clone(), hmac_hex::sign(key, body)),
            Self::Jwt { header, key, url } => {
                let token = jwt::sign(key, url, &format!("jwt_{span}"), at, body);
                (header.clone(), token)
            }
            Self::None => return None,
        };
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some((header, value))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{LiveSecret, NoSigner, Signed, Signer};
    use crate::{
        name::EventId,
        signing::{
            Scheme, SigningKey,
            asymmetric::{self, PrivateKey},
            hmac_hex,
            jwt::{self, Expected},
            secret_from, standard,
        },
        time::Timestamp,
        trace::TraceParent,
    };

    const BODY: &[u8] = b"{}";
    const URL: &str = "https://a.example/";

    #[test]
    fn standard_signs_with_every_live_secret_and_key_pair() {
        let pair = PrivateKey::from_seed([3; 32]);
        let (header, value) = signed(
            json!({"scheme": "standard", "asymmetric": true}),
            Some(&pair),
        );

        assert_eq!(header, "webhook-signature");
        for key in keys() {
            assert!(standard::verify(&key, "evt-1", 1, BODY, &value));
        }
        assert!(asymmetric::verify(
            &pair.public_key(),
            "evt-1",
            1,
            BODY,
            &value
        ));
        assert!(!signed(json!("standard"), Some(&pair)).1.contains("v1a"));
    }

    #[test]
    fn schemes_with_room_for_one_signature_use_the_oldest_live_secret() {
        let [new, old] = secrets();
        let (header, value) = signed(json!({"scheme": "hmac-hex", "header": "x-sig"}), None);
        let (token_header, token) = signed(json!("jwt"), None);
        let text_key = |secret: &str| SigningKey::of_text(secret, 16).unwrap();
        let expected = Expected {
            url: Some(URL),
            body: BODY,
            now: at(),
        };

        assert_eq!(header, "x-sig");
        assert!(hmac_hex::verify(&text_key(&old), BODY, &value));
        assert!(!hmac_hex::verify(&text_key(&new), BODY, &value));
        assert_eq!(token_header, "upstash-signature");
        let claims = jwt::verify(&text_key(&old), &token, expected).unwrap();
        assert!(claims.jti.starts_with("jwt_00-01010101"), "{}", claims.jti);
    }

    #[test]
    fn who_does_not_sign_needs_no_secret_and_who_signs_does() {
        let none = Signer::new(&Scheme::None, &[], URL).unwrap();
        assert!(none.sign(request(&id())).is_none());
        for form in ["standard", "hmac-hex", "jwt"] {
            let scheme = Scheme::parse(&form.into()).unwrap();

            assert_eq!(
                Signer::new(&scheme, &[], URL).unwrap_err(),
                NoSigner::NoSecret
            );
        }
    }

    #[test]
    fn a_secret_of_another_scheme_is_not_repeated() {
        let live = [LiveSecret {
            text: "a-secret-of-another-scheme",
            private_key: None,
        }];
        let error = Signer::new(&Scheme::default(), &live, URL).unwrap_err();

        assert_eq!(
            error.to_string(),
            "signing secret must be whsec_ and the base64 of 24 to 64 bytes"
        );
    }

    fn signed(scheme: serde_json::Value, pair: Option<&PrivateKey>) -> (String, String) {
        let secrets = secrets();
        let private_key = pair.map(PrivateKey::expose);
        let live = secrets.each_ref().map(|text| LiveSecret {
            text,
            private_key: private_key.as_deref(),
        });
        let signer = Signer::new(&Scheme::parse(&scheme).unwrap(), &live, URL).unwrap();
        let (header, value) = signer.sign(request(&id())).unwrap();
        assert!(value.is_sensitive());
        (header.to_string(), value.to_str().unwrap().to_owned())
    }

    fn secrets() -> [String; 2] {
        [secret_from([1; 32]), secret_from([2; 32])]
    }

    fn keys() -> [SigningKey; 2] {
        secrets().map(|secret| SigningKey::decode(&secret).unwrap())
    }

    fn id() -> EventId {
        EventId::try_new("evt-1").unwrap()
    }

    fn request(id: &EventId) -> Signed<'_> {
        Signed {
            id,
            at: at(),
            span: TraceParent::root([1; 16], [2; 8]),
            body: BODY,
        }
    }

    fn at() -> Timestamp {
        Timestamp::from_millis(1_999)
    }
}
