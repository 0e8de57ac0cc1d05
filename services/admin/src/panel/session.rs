//! Signing in and out. The token itself is the session, in a cookie that scripts can't read: no replica keeps
//! anything, and a token that is revoked is signed out everywhere within a second.

use std::{net::SocketAddr, sync::Arc};

use askama::Template;
use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use http_api::{
    auth::{Caller, TOKEN_HEADER},
    span,
};

use super::{COUNTED_AS, Panel, ROOT, answer, assets, failure::Failure, form::Form};

/// The cookie that holds the token, in base64 since a token may have any characters.
const COOKIE: &str = "posthorn_panel";
/// How long a browser keeps it.
const KEPT_S: u32 = 12 * 3_600;
/// More than any token has.
const TOKEN_MAX_BYTES: usize = 1_024;

/// Somebody who is signed in.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) caller: Caller,
    /// The token, for the API.
    pub(super) credential: HeaderValue,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    version: &'a str,
    message: Option<&'a str>,
}

/// Shows the form.
pub(super) async fn form() -> Result<Response, Failure> {
    sign_in_page(StatusCode::OK, None)
}

/// Checks a token and keeps it in the browser.
pub(super) async fn sign_in(
    State(panel): State<Arc<Panel>>,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    check_origin(&parts)?;
    let form = Form::read(&parts, body).await?;
    let token = form.text("token").trim();
    let credential = HeaderValue::from_str(token).ok();
    let Some(mut credential) =
        credential.filter(|_| !token.is_empty() && token.len() <= TOKEN_MAX_BYTES)
    else {
        let message = "Paste the whole token, as it was shown when it was made.";
        return sign_in_page(StatusCode::BAD_REQUEST, Some(message));
    };
    credential.set_sensitive(true);
    match identify(&panel, &parts, &credential) {
        Ok(_caller) => {}
        Err(Failure::SignedOut) => {
            let message =
                "This token is not known here: it is mistyped, has expired, or was revoked.";
            return sign_in_page(StatusCode::UNAUTHORIZED, Some(message));
        }
        Err(failure @ (Failure::PartSignedOut | Failure::Refused { .. })) => return Err(failure),
    }
    let value = URL_SAFE_NO_PAD.encode(token);
    let mut response = answer::see(&format!("{ROOT}?signed=in"));
    set_cookie(&mut response, &parts, &value, KEPT_S);
    Ok(response)
}

/// Makes the browser forget the token, which stays valid.
pub(super) async fn sign_out(request: Request) -> Result<Response, Failure> {
    let (parts, _body) = request.into_parts();
    check_origin(&parts)?;
    let mut response = answer::see(&format!("{ROOT}sign-in"));
    set_cookie(&mut response, &parts, "", 0);
    Ok(response)
}

/// Shows the form to somebody whose browser did not keep the cookie.
pub(super) fn not_kept() -> Result<Response, Failure> {
    let message = "Your browser did not keep you signed in. Open the panel by https: over plain http that works at \
                   localhost only.";
    sign_in_page(StatusCode::BAD_REQUEST, Some(message))
}

fn sign_in_page(status: StatusCode, message: Option<&str>) -> Result<Response, Failure> {
    let page = SignInPage {
        version: &assets::VERSION,
        message,
    };
    answer::page_with(status, &page)
}

impl FromRequestParts<Arc<Panel>> for Signed {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, panel: &Arc<Panel>) -> Result<Self, Failure> {
        if parts.method != Method::GET {
            check_origin(parts)?;
        }
        let found = credential(&parts.headers).ok_or(Failure::SignedOut);
        let found = found.and_then(|credential| {
            let caller = identify(panel, parts, &credential)?;
            Ok((caller, credential))
        });
        let (caller, credential) = found.map_err(|failure| match failure {
            Failure::SignedOut if parts.headers.contains_key("hx-request") => {
                Failure::PartSignedOut
            }
            Failure::SignedOut | Failure::PartSignedOut | Failure::Refused { .. } => failure,
        })?;
        let own = caller.own_organisation();
        panel
            .admin
            .guard
            .spend(&caller, own, (1, "requests"), COUNTED_AS)
            .map_err(Failure::of)?;
        Ok(Self { caller, credential })
    }
}

/// Finds out whose token it is, as the API does.
fn identify(panel: &Panel, parts: &Parts, credential: &HeaderValue) -> Result<Caller, Failure> {
    let (mut own, ()) = http::Request::new(()).into_parts();
    own.headers.insert(TOKEN_HEADER, credential.clone());
    if let Some(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>() {
        own.extensions.insert(*peer);
    }
    let found = panel.admin.guard.authenticate(&own, COUNTED_AS);
    if found.is_ok() {
        span::vouch(parts);
    }
    found.map_err(|problem| match problem.code().status() {
        StatusCode::UNAUTHORIZED => Failure::SignedOut,
        _ => Failure::of(problem),
    })
}

/// Reads the token from the cookie.
fn credential(headers: &HeaderMap) -> Option<HeaderValue> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    let token = URL_SAFE_NO_PAD.decode(value).ok()?;
    let mut credential = HeaderValue::from_bytes(&token).ok()?;
    credential.set_sensitive(true);
    Some(credential)
}

/// Refuses what another site's page sends. Every browser says where a form was sent from.
fn check_origin(parts: &Parts) -> Result<(), Failure> {
    let text = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let is_own = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let host = text("host");
            let of_origin = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && of_origin == host
        }
        (None, None) => false,
    };
    if is_own {
        return Ok(());
    }
    let message = "This was not sent from a page of the panel.";
    Err(Failure::new(StatusCode::FORBIDDEN, message))
}

fn set_cookie(response: &mut Response, parts: &Parts, value: &str, age_s: u32) {
    let secure = if needs_https(&parts.headers) {
        "; Secure"
    } else {
        ""
    };
    let path = ROOT.trim_end_matches('/');
    let cookie = format!(
        "{COOKIE}={value}; Path={path}; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}"
    );
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

/// Returns whether the cookie is for https alone: always, but for plain http to a loopback host.
fn needs_https(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("x-forwarded-proto") == Some("https") {
        return true;
    }
    let host = text("host").unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = bare
        .parse::<std::net::IpAddr>()
        .map_or(bare == "localhost", |address| address.is_loopback());
    !is_loopback
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Request};

    use super::{check_origin, credential, needs_https};

    #[test]
    fn a_cookie_is_for_https_unless_the_host_is_loopback() {
        for (host, forwarded, is_secure) in [
            ("127.0.0.1:8700", None, false),
            ("localhost:8700", None, false),
            ("localhost", None, false),
            ("[::1]:8700", None, false),
            ("localhost:8700", Some("https"), true),
            ("panel.example", None, true),
            ("panel.example:8084", Some("http"), true),
            ("10.0.0.1:8084", None, true),
            ("", None, true),
        ] {
            let mut headers = with(&[("host", host)]);
            if let Some(scheme) = forwarded {
                headers.extend(with(&[("x-forwarded-proto", scheme)]));
            }
            assert_eq!(needs_https(&headers), is_secure, "{host}");
        }
    }

    #[test]
    fn what_another_site_sends_is_refused() {
        for (headers, is_own) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("host", "a:1"), ("origin", "http://a:1")], true),
            (&[("host", "a:1"), ("origin", "http://b")], false),
            (&[("host", "a:1"), ("origin", "null")], false),
            (&[("host", "a:1")], false),
        ] {
            let (mut parts, ()) = Request::new(()).into_parts();
            parts.headers = with(headers);
            assert_eq!(check_origin(&parts).is_ok(), is_own, "{headers:?}");
        }
    }

    #[test]
    fn the_token_is_read_from_the_cookie_alone() {
        let read = |text: &'static str| credential(&with(&[("cookie", text)]));

        assert_eq!(read("a=b; posthorn_panel=cGh0X3g").unwrap(), "pht_x");
        for none in [
            "",
            "posthorn_panel",
            "posthorn_panel=?",
            "other=cGh0X3g",
            "posthorn_panel=Cg",
        ] {
            assert!(read(none).is_none(), "{none}");
        }
    }

    fn with(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }
}
