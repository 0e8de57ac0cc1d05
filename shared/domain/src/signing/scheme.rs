//! How an endpoint's requests are signed, as it is configured.

use std::borrow::Cow;

use http::HeaderName;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::{InvalidSecret, SigningKey};
use crate::request;

/// The header of `hmac-hex` unless the endpoint names another.
const HMAC_HEX_HEADER: HeaderName = HeaderName::from_static("x-posthorn-signature");
/// The header of `jwt` unless the endpoint names another: the one of `QStash`.
const JWT_HEADER: HeaderName = HeaderName::from_static("upstash-signature");
const HEADER_MAX_BYTES: usize = 128;
/// The fewest characters of a secret that a body is signed with: shorter ones can be guessed from one
/// signature.
const HMAC_HEX_MIN_CHARS: usize = 16;
/// The fewest characters of a secret for HS256, by RFC 7518, section 3.2.
const JWT_MIN_CHARS: usize = 32;
/// How much of an option's name is repeated in an error.
const OPTION_SHOWN_CHARS: usize = 64;

/// How an endpoint's requests are signed.
///
/// It is written as the scheme's name, or with options as an object:
/// `{"scheme": "hmac-hex", "header": "x-signature"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// Standard Webhooks: `v1` for every live secret, and `v1a` for every live key pair.
    Standard {
        /// Whether the endpoint has key pairs.
        asymmetric: bool,
    },
    /// `sha256=` and the HMAC-SHA256 of the body in hex, under the oldest live secret.
    HmacHex {
        /// The header that carries it.
        header: HeaderName,
    },
    /// A JSON Web Token in the form of `QStash`, under the oldest live secret.
    Jwt {
        /// The header that carries it.
        header: HeaderName,
    },
    /// No signature.
    None,
}

/// What is wrong with a scheme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct InvalidScheme {
    /// Where, with its dot: `.header`; empty for the scheme as a whole.
    pub place: String,
    /// What it must be.
    pub problem: &'static str,
}

impl Scheme {
    /// Parses the form in which a scheme is written.
    ///
    /// # Errors
    /// [`InvalidScheme`] names the option that is wrong.
    pub fn parse(value: &Value) -> Result<Self, InvalidScheme> {
        let without = Map::new();
        let (name, options, place) = match value.as_object() {
            Some(options) => (options.get("scheme"), options, ".scheme"),
            None => (Some(value), &without, ""),
        };
        let name = name.and_then(Value::as_str);
        let (scheme, option) = match name {
            Some("standard") => {
                let asymmetric = flag(options, "asymmetric")?;
                (Self::Standard { asymmetric }, "asymmetric")
            }
            Some("hmac-hex") => {
                let header = header(options, HMAC_HEX_HEADER)?;
                (Self::HmacHex { header }, "header")
            }
            Some("jwt") => {
                let header = header(options, JWT_HEADER)?;
                (Self::Jwt { header }, "header")
            }
            Some("none") => (Self::None, "scheme"),
            Some(_) | None => {
                return Err(invalid(place, "must be standard, hmac-hex, jwt or none"));
            }
        };
        match options
            .keys()
            .find(|key| !["scheme", option].contains(&key.as_str()))
        {
            Some(stray) => Err(invalid(stray, "is no option of this scheme")),
            None => Ok(scheme),
        }
    }

    /// Makes the key of a secret: for `standard` what the secret encodes, for the others its characters.
    ///
    /// # Errors
    /// [`InvalidSecret`] says what a secret of this scheme is; it never repeats the text.
    pub fn key(&self, secret: &str) -> Result<SigningKey, InvalidSecret> {
        match self {
            Self::Standard { .. } => SigningKey::decode(secret),
            Self::Jwt { .. } => SigningKey::of_text(secret, JWT_MIN_CHARS),
            Self::HmacHex { .. } | Self::None => SigningKey::of_text(secret, HMAC_HEX_MIN_CHARS),
        }
    }

    /// Returns whether requests are signed at all.
    #[must_use]
    pub fn signs(&self) -> bool {
        *self != Self::None
    }

    /// Returns whether the endpoint has key pairs.
    #[must_use]
    pub fn is_asymmetric(&self) -> bool {
        *self == Self::Standard { asymmetric: true }
    }

    /// Returns whether the other scheme is the same but for its options.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Returns the header that the endpoint chose for its signature, which no other may have.
    #[must_use]
    pub fn own_header(&self) -> Option<&HeaderName> {
        match self {
            Self::HmacHex { header } | Self::Jwt { header } => Some(header),
            Self::Standard { .. } | Self::None => None,
        }
    }
}

impl Default for Scheme {
    fn default() -> Self {
        Self::Standard { asymmetric: false }
    }
}

/// How requests are signed: a scheme's name, or an object with its options.
#[derive(Serialize, ToSchema)]
#[schema(as = Signing)]
#[serde(untagged)]
enum Form<'a> {
    Name(Name),
    Options(Options<'a>),
}

/// The name of a scheme.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningScheme)]
#[serde(rename_all = "kebab-case")]
enum Name {
    Standard,
    HmacHex,
    Jwt,
    None,
}

/// A scheme with its options.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningOptions)]
struct Options<'a> {
    scheme: Name,
    /// For `standard`: whether requests also carry `v1a`, which receivers verify with `publicKey`.
    #[schema(default = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    asymmetric: Option<bool>,
    /// For `hmac-hex` and `jwt`: the header that carries the signature, `x-posthorn-signature` or
    /// `upstash-signature` unless given.
    #[schema(max_length = 128)]
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<&'a str>,
}

impl<'a> From<&'a Scheme> for Form<'a> {
    fn from(scheme: &'a Scheme) -> Self {
        match scheme {
            Scheme::Standard { asymmetric: false } => Self::Name(Name::Standard),
            Scheme::Standard { asymmetric: true } => Self::Options(Options {
                scheme: Name::Standard,
                asymmetric: Some(true),
                header: None,
            }),
            Scheme::HmacHex { header } => {
                Self::with_header(Name::HmacHex, header, &HMAC_HEX_HEADER)
            }
            Scheme::Jwt { header } => Self::with_header(Name::Jwt, header, &JWT_HEADER),
            Scheme::None => Self::Name(Name::None),
        }
    }
}

impl<'a> Form<'a> {
    fn with_header(scheme: Name, header: &'a HeaderName, usual: &HeaderName) -> Self {
        if header == usual {
            return Self::Name(scheme);
        }
        Self::Options(Options {
            scheme,
            asymmetric: None,
            header: Some(header.as_str()),
        })
    }
}

impl Serialize for Scheme {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Form::from(self).serialize(serializer)
    }
}

impl PartialSchema for Scheme {
    fn schema() -> RefOr<Schema> {
        Form::schema()
    }
}

impl ToSchema for Scheme {
    fn name() -> Cow<'static, str> {
        Form::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Form::schemas(schemas);
    }
}

impl<'de> Deserialize<'de> for Scheme {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::parse(&value).map_err(D::Error::custom)
    }
}

fn invalid(place: &str, problem: &'static str) -> InvalidScheme {
    let shown = place.trim_start_matches('.').chars();
    let shown: String = shown
        .filter(|c| !c.is_control())
        .take(OPTION_SHOWN_CHARS)
        .collect();
    let place = if place.is_empty() {
        shown
    } else {
        format!(".{shown}")
    };
    InvalidScheme { place, problem }
}

fn flag(options: &Map<String, Value>, name: &str) -> Result<bool, InvalidScheme> {
    match options.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => value
            .as_bool()
            .ok_or_else(|| invalid(name, "must be true or false")),
    }
}

fn header(options: &Map<String, Value>, usual: HeaderName) -> Result<HeaderName, InvalidScheme> {
    let value = match options.get("header") {
        None | Some(Value::Null) => return Ok(usual),
        Some(value) => value.as_str().unwrap_or_default(),
    };
    let name = Some(value)
        .filter(|name| name.len() <= HEADER_MAX_BYTES)
        .and_then(|name| name.parse::<HeaderName>().ok())
        .ok_or_else(|| invalid("header", "must be a header name"))?;
    if [HMAC_HEX_HEADER, JWT_HEADER].contains(&name) || request::may_set(name.as_str()) {
        Ok(name)
    } else {
        Err(invalid("header", "must be a header that may be set"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Scheme;

    #[test]
    fn a_scheme_is_written_as_it_is_read() {
        for form in [
            json!("standard"),
            json!({"scheme": "standard", "asymmetric": true}),
            json!("hmac-hex"),
            json!({"scheme": "hmac-hex", "header": "x-signature"}),
            json!("jwt"),
            json!({"scheme": "jwt", "header": "x-token"}),
            json!("none"),
        ] {
            let scheme: Scheme = serde_json::from_value(form.clone()).unwrap();

            assert_eq!(serde_json::to_value(scheme).unwrap(), form);
        }
    }

    #[test]
    fn options_that_say_nothing_new_are_left_out() {
        for (form, short) in [
            (json!({"scheme": "standard"}), "standard"),
            (
                json!({"scheme": "standard", "asymmetric": false}),
                "standard",
            ),
            (json!({"scheme": "hmac-hex", "header": null}), "hmac-hex"),
            (
                json!({"scheme": "hmac-hex", "header": "X-Posthorn-Signature"}),
                "hmac-hex",
            ),
            (
                json!({"scheme": "jwt", "header": "Upstash-Signature"}),
                "jwt",
            ),
            (json!({"scheme": "none"}), "none"),
        ] {
            let scheme = Scheme::parse(&form).unwrap();

            assert_eq!(serde_json::to_value(scheme).unwrap(), json!(short));
        }
    }

    #[test]
    fn faults_name_the_option() {
        let names = "must be standard, hmac-hex, jwt or none";
        let long = "x".repeat(129);
        for (form, place, problem) in [
            (json!("v1"), "", names),
            (json!(7), "", names),
            (json!([]), "", names),
            (json!({}), ".scheme", names),
            (json!({"scheme": "rsa"}), ".scheme", names),
            (
                json!({"scheme": "standard", "asymmetric": "yes"}),
                ".asymmetric",
                "must be true or false",
            ),
            (
                json!({"scheme": "standard", "header": "x-a"}),
                ".header",
                "is no option of this scheme",
            ),
            (
                json!({"scheme": "jwt", "asymmetric": true}),
                ".asymmetric",
                "is no option of this scheme",
            ),
            (
                json!({"scheme": "none", "x\ny": 1}),
                ".xy",
                "is no option of this scheme",
            ),
            (
                json!({"scheme": "jwt", "header": ""}),
                ".header",
                "must be a header name",
            ),
            (
                json!({"scheme": "jwt", "header": "a b"}),
                ".header",
                "must be a header name",
            ),
            (
                json!({"scheme": "jwt", "header": 7}),
                ".header",
                "must be a header name",
            ),
            (
                json!({"scheme": "jwt", "header": long}),
                ".header",
                "must be a header name",
            ),
        ] {
            let error = Scheme::parse(&form).unwrap_err();

            assert_eq!(
                (error.place.as_str(), error.problem),
                (place, problem),
                "{form}"
            );
        }
    }

    #[test]
    fn a_signature_takes_no_header_that_is_ours() {
        for header in [
            "Content-Length",
            "webhook-signature",
            "X-Posthorn-Event",
            "traceparent",
            "host",
        ] {
            let error = parse(json!({"scheme": "hmac-hex", "header": header})).unwrap_err();

            assert_eq!(error, "must be a header that may be set");
        }
        for header in ["x-hub-signature-256", "Authorization", "upstash-signature"] {
            parse(json!({"scheme": "hmac-hex", "header": header})).unwrap();
        }
    }

    #[test]
    fn each_scheme_says_which_secrets_it_takes() {
        let encoded = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let takes = |form: &str, secret: &str| parse(json!(form)).unwrap().key(secret).is_ok();

        for form in ["standard", "hmac-hex", "jwt", "none"] {
            assert!(takes(form, encoded), "{form}");
        }
        assert!(!takes("standard", "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r"));
        assert!(takes("jwt", "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r"));
        assert!(!takes("jwt", "only-20-characters-!"));
        assert!(takes("hmac-hex", "only-20-characters-!"));
        assert!(!takes("hmac-hex", "short"));
    }

    fn parse(form: Value) -> Result<Scheme, String> {
        Scheme::parse(&form).map_err(|error| error.to_string())
    }
}
