//! `jwt`: a JSON Web Token in the form of `QStash`, so that its receivers work as they are.
//!
//! The token is signed by HS256 and says who sent the request, where to and when, and the hash of the body:
//! <https://upstash.com/docs/qstash/features/security>.

use base64::{
    Engine as _,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::SigningKey;
use crate::time::Timestamp;

/// Who says to have sent the request. The receivers' libraries of `QStash` take no other name.
pub const ISSUER: &str = "Upstash";
/// How long a token is valid, in seconds.
pub const LIFETIME_S: i64 = 300;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// Who sent the request: [`ISSUER`].
    pub iss: String,
    /// The URL that it was sent to.
    pub sub: String,
    /// When it was sent, in seconds since the epoch.
    pub iat: i64,
    /// From when on the token is valid, in seconds since the epoch: always, so that a receiver whose clock
    /// is late takes it.
    pub nbf: i64,
    /// When it ends, in seconds since the epoch.
    pub exp: i64,
    /// The token's own id.
    pub jti: String,
    /// The URL-safe base64 of the body's SHA-256, with or without padding.
    pub body: String,
}

/// What a receiver knows of a request besides its token.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The URL that it should have been sent to, if that matters.
    pub url: Option<&'a str>,
    /// Its body.
    pub body: &'a [u8],
    /// The time now.
    pub now: Timestamp,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has not three parts, or they can't be read.
    #[error("is no JSON Web Token")]
    Malformed,
    /// It is signed in another way than HS256, if at all.
    #[error("is not signed by HS256")]
    Algorithm,
    /// It is signed with another key.
    #[error("is signed with another key")]
    Signature,
    /// Somebody else issued it.
    #[error("is issued by somebody else than {ISSUER}")]
    Issuer,
    /// It is for another URL.
    #[error("is for another URL")]
    Subject,
    /// It is not valid yet.
    #[error("is not valid yet")]
    NotYet,
    /// It has ended.
    #[error("has ended")]
    Ended,
    /// It is for another body.
    #[error("is for another body")]
    Body,
}

/// Makes the token of a request that is sent to a URL. `id` must not be given to two tokens.
#[must_use]
pub fn sign(key: &SigningKey, url: &str, id: &str, at: Timestamp, body: &[u8]) -> String {
    let iat = at.seconds();
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let claims = json!({
        "iss": ISSUER,
        "sub": url,
        "iat": iat,
        "nbf": 0,
        "exp": iat + LIFETIME_S,
        "jti": id,
        "body": URL_SAFE.encode(Sha256::digest(body)),
    });
    let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
    let code = key.code(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(code, &mut token);
    token
}

/// Verifies the token of a request.
///
/// # Errors
/// [`Refused`] says what is wrong; the signature is looked at before what it signs.
pub fn verify(key: &SigningKey, token: &str, expected: Expected<'_>) -> Result<Claims, Refused> {
    let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
    let header: Value = part(header)?;
    if header.get("alg").and_then(Value::as_str) != Some("HS256") {
        return Err(Refused::Algorithm);
    }
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_error| Refused::Malformed)?;
    if !bool::from(key.code(signed.as_bytes()).ct_eq(&signature)) {
        return Err(Refused::Signature);
    }
    let claims: Claims = part(claims)?;
    check(&claims, expected).map(|()| claims)
}

fn check(claims: &Claims, expected: Expected<'_>) -> Result<(), Refused> {
    let now = expected.now.seconds();
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(expected.body));
    if claims.iss != ISSUER {
        return Err(Refused::Issuer);
    }
    if expected.url.is_some_and(|url| url != claims.sub) {
        return Err(Refused::Subject);
    }
    if now < claims.nbf {
        return Err(Refused::NotYet);
    }
    if now >= claims.exp {
        return Err(Refused::Ended);
    }
    if claims.body.trim_end_matches('=') != hash {
        return Err(Refused::Body);
    }
    Ok(())
}

fn part<T: for<'de> Deserialize<'de>>(encoded: &str) -> Result<T, Refused> {
    let json = URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_error| Refused::Malformed)?;
    serde_json::from_slice(&json).map_err(|_error| Refused::Malformed)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::{Claims, Expected, Refused, sign, verify};
    use crate::{
        signing::{Scheme, SigningKey},
        time::Timestamp,
    };

    /// A key of the development server of `QStash`, which is public.
    const SECRET: &str = "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r";
    const URL: &str = "https://a.example/hook?tenant=\"7\"";
    const BODY: &[u8] = b"{\"a\":1}";

    #[test]
    fn a_token_says_who_where_when_and_what() {
        let claims = verified(&token(), URL, BODY, 0).unwrap();

        assert_eq!(
            claims,
            Claims {
                iss: "Upstash".to_owned(),
                sub: URL.to_owned(),
                iat: 1_614_265_330,
                nbf: 0,
                exp: 1_614_265_630,
                jti: "jwt_1".to_owned(),
                body: "AVq9f1zFei3ZS3WQ8ErYCEJzkF7jPsXOvq5iJ2qX-GI=".to_owned(),
            }
        );
        let header = token().split('.').next().unwrap().to_owned();
        assert_eq!(header, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let token = token();

        assert_eq!(
            verified(&token, "https://b.example/", BODY, 0),
            Err(Refused::Subject)
        );
        assert_eq!(verified(&token, URL, b"", 0), Err(Refused::Body));
        assert!(verified(&token, URL, BODY, 299).is_ok());
        assert_eq!(verified(&token, URL, BODY, 300), Err(Refused::Ended));
        assert!(
            verified(&token, URL, BODY, -300).is_ok(),
            "a clock that is late"
        );
        let other = key("sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs");
        assert_eq!(
            verify(&other, &token, expected(URL, BODY, 0)),
            Err(Refused::Signature)
        );
    }

    #[test]
    fn another_algorithm_and_other_texts_are_refused() {
        let token = token();
        let claims = token.split('.').nth(1).unwrap();
        for algorithm in ["none", "HS512", "RS256"] {
            let header = URL_SAFE_NO_PAD.encode(format!("{{\"alg\":\"{algorithm}\"}}"));
            let forged = format!("{header}.{claims}.");

            assert_eq!(verified(&forged, URL, BODY, 0), Err(Refused::Algorithm));
        }
        for text in [
            "",
            "a",
            "a.b",
            "a.b.c",
            "....",
            &token[5..],
            &format!("{token}="),
        ] {
            assert_eq!(
                verified(text, URL, BODY, 0),
                Err(Refused::Malformed),
                "{text}"
            );
        }
        let cut = &token[..token.len() - 4];
        assert_eq!(verified(cut, URL, BODY, 0), Err(Refused::Signature));
    }

    fn token() -> String {
        sign(&key(SECRET), URL, "jwt_1", at(0), BODY)
    }

    fn verified(token: &str, url: &str, body: &[u8], later_s: i64) -> Result<Claims, Refused> {
        verify(&key(SECRET), token, expected(url, body, later_s))
    }

    fn expected<'a>(url: &'a str, body: &'a [u8], later_s: i64) -> Expected<'a> {
        Expected {
            url: Some(url),
            body,
            now: at(later_s),
        }
    }

    fn at(later_s: i64) -> Timestamp {
        Timestamp::from_millis((1_614_265_330 + later_s) * 1000)
    }

    fn key(secret: &str) -> SigningKey {
        let scheme = Scheme::parse(&"jwt".into()).unwrap();
        scheme.key(secret).unwrap()
    }
}
