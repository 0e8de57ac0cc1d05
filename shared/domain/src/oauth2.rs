//! OAuth 2.0 client credentials towards an endpoint: what is asked of its token server, and what comes
//! back (RFC 6749, sections 2.3.1 and 4.4).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::form_urlencoded::{self, byte_serialize};

use crate::{
    access::Hidden,
    outcome::{ErrorKind, Failure, status_message},
};

/// How long a token is used whose server does not say how long it lasts.
const UNSAID: Duration = Duration::from_secs(300);
/// The longest that a token is used.
const LONGEST: Duration = Duration::from_secs(86_400);
/// How long before its end a token is no longer used, at most: clocks differ and requests take time.
const RESERVE: Duration = Duration::from_secs(60);
const TOKEN_MAX_BYTES: usize = 8_192;
const ERROR_MAX_BYTES: usize = 64;

/// Where and as whom a token is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OAuth2 {
    /// The token server's URL.
    pub token_url: String,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Hidden,
    /// The scope that is asked for: words separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The audience that is asked for, which some servers want.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

/// An access token.
#[derive(Clone, PartialEq, Eq)]
pub struct Granted {
    /// What stands behind `Bearer`.
    pub token: String,
    /// How long it may be used.
    pub usable: Duration,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoToken {
    /// The server refused.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error code that came with it, such as `invalid_client`.
        code: Option<String>,
    },
    /// The server's answer holds no token that can be sent.
    Unusable,
}

impl OAuth2 {
    /// Returns the body of the request for a token, a form.
    #[must_use]
    pub fn form(&self) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        for (name, value) in [("scope", &self.scope), ("audience", &self.audience)] {
            if let Some(value) = value {
                form.append_pair(name, value);
            }
        }
        form.finish()
    }

    /// Returns the value of the request's `authorization`.
    #[must_use]
    pub fn authorization(&self, secret: &str) -> String {
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(&self.client_id), encoded(secret));
        format!("Basic {}", STANDARD.encode(pair))
    }
}

/// Reads a token server's answer.
///
/// # Errors
/// [`NoToken`]; it repeats nothing of the answer but an error code.
pub fn read_answer(status: u16, body: &[u8]) -> Result<Granted, NoToken> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    if !(200..300).contains(&status) {
        let code = text("error").filter(|code| is_error_code(code));
        let code = code.map(str::to_owned);
        return Err(NoToken::Refused { status, code });
    }
    // A server that does not name the type means the only one that it has.
    let is_bearer = text("token_type").is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    let token = text("access_token").filter(|token| is_bearer && is_sendable(token));
    let token = token.ok_or(NoToken::Unusable)?.to_owned();
    let usable = usable(answer.get("expires_in").and_then(seconds));
    Ok(Granted { token, usable })
}

impl NoToken {
    /// Returns what the attempt comes to that needed the token.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Refused { status, code } => {
                let status = status_message(*status);
                let code = code.as_ref().map(|code| format!(" ({code})"));
                Failure {
                    kind: ErrorKind::Status,
                    message: format!("token server: {status}{}", code.unwrap_or_default()),
                }
            }
            Self::Unusable => Failure {
                kind: ErrorKind::Protocol,
                message: "token server: the answer holds no bearer token".to_owned(),
            },
        }
    }
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Granted(***, {:?})", self.usable)
    }
}

/// Returns how long a token is used that lasts so long.
fn usable(lasts: Option<Duration>) -> Duration {
    let lasts = lasts.unwrap_or(UNSAID).min(LONGEST);
    lasts - RESERVE.min(lasts / 10)
}

/// Reads seconds, which some servers write as a text.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    Some(Duration::from_secs(seconds))
}

fn is_sendable(token: &str) -> bool {
    (1..=TOKEN_MAX_BYTES).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic())
}

fn is_error_code(code: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=ERROR_MAX_BYTES).contains(&code.len()) && code.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Granted, NoToken, OAuth2, read_answer};
    use crate::{access::Hidden, outcome::ErrorKind};

    #[test]
    fn a_request_for_a_token_is_a_form_under_basic_authentication() {
        let plain = oauth2(None, None);
        let full = oauth2(Some("events:write b"), Some("https://api.example/?a=b"));

        assert_eq!(plain.form(), "grant_type=client_credentials");
        assert_eq!(
            full.form(),
            "grant_type=client_credentials&scope=events%3Awrite+b\
             &audience=https%3A%2F%2Fapi.example%2F%3Fa%3Db"
        );
        // `a%3Ab:s%2Fc+t`: both are encoded before they are put together.
        assert_eq!(plain.authorization("s/c t"), "Basic YSUzQWI6cyUyRmMrdA==");
    }

    #[test]
    fn a_token_is_used_until_shortly_before_its_end() {
        for (said, usable_s) in [
            ("", 270.0),
            (",\"expires_in\":3600", 3_540.0),
            (",\"expires_in\":\"3600\"", 3_540.0),
            (",\"expires_in\":60", 54.0),
            (",\"expires_in\":1", 0.9),
            (",\"expires_in\":0", 0.0),
            (",\"expires_in\":-1", 270.0),
            (",\"expires_in\":null", 270.0),
            (",\"expires_in\":18446744073709551615", 86_340.0),
        ] {
            let body = format!("{{\"access_token\":\"t0\",\"token_type\":\"bearer\"{said}}}");

            let granted = read_answer(200, body.as_bytes()).unwrap();

            assert_eq!(granted.token, "t0");
            assert_eq!(granted.usable, Duration::from_secs_f64(usable_s), "{said}");
        }
    }

    #[test]
    fn an_answer_without_a_token_that_can_be_sent_is_none() {
        for body in [
            "",
            "no json",
            "[]",
            "{}",
            "{\"access_token\":\"\"}",
            "{\"access_token\":7}",
            "{\"access_token\":\"two words\"}",
            "{\"access_token\":\"line\\nfeed\"}",
            "{\"access_token\":\"t\u{f6}ken\"}",
            "{\"access_token\":\"t\",\"token_type\":\"mac\"}",
        ] {
            assert_eq!(
                read_answer(200, body.as_bytes()),
                Err(NoToken::Unusable),
                "{body}"
            );
        }
        let long = format!("{{\"access_token\":\"{}\"}}", "t".repeat(8_193));
        assert_eq!(read_answer(200, long.as_bytes()), Err(NoToken::Unusable));
        assert_eq!(NoToken::Unusable.failure().kind, ErrorKind::Protocol);
    }

    #[test]
    fn a_refusal_is_told_with_its_code_and_nothing_else() {
        for (status, body, message) in [
            (
                401,
                "{\"error\":\"invalid_client\",\"error_description\":\"s3cret\"}",
                "token server: HTTP 401: Unauthorized (invalid_client)",
            ),
            (302, "", "token server: HTTP 302: Found"),
            (
                500,
                "{\"error\":\"<b>no</b>\"}",
                "token server: HTTP 500: Internal Server Error",
            ),
        ] {
            let failure = read_answer(status, body.as_bytes()).unwrap_err().failure();

            assert_eq!(failure.kind, ErrorKind::Status);
            assert_eq!(failure.message, message);
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let granted = Granted {
            token: "t0ken".to_owned(),
            usable: Duration::ZERO,
        };
        let printed = format!("{granted:?} {:?}", oauth2(None, None));

        assert!(
            !printed.contains("t0ken") && !printed.contains("s3cret"),
            "{printed}"
        );
    }

    fn oauth2(scope: Option<&str>, audience: Option<&str>) -> OAuth2 {
        OAuth2 {
            token_url: "https://login.example/token".to_owned(),
            client_id: "a:b".to_owned(),
            client_secret: Hidden::Value("s3cret".to_owned()),
            scope: scope.map(str::to_owned),
            audience: audience.map(str::to_owned),
        }
    }
}
