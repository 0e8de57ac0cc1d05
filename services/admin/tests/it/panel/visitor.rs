//! A browser, as far as requests go.

use std::net::SocketAddr;

use axum::{Router, body::Body, extract::ConnectInfo, response::Response};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, Method, Request, header};
use http_body_util::BodyExt as _;
use tower_service::Service as _;

use crate::installation::{Installation, Reply};

/// Where all visitors come from.
const PEER: ([u8; 4], u16) = ([192, 0, 2, 1], 40_000);

/// Somebody who looks at pages, signed in unless the token is empty.
pub(super) struct Visitor {
    router: Router,
    token: String,
}

impl Installation {
    pub(super) fn visitor(&self, token: &str) -> Visitor {
        Visitor {
            router: self.router(),
            token: token.to_owned(),
        }
    }
}

impl Visitor {
    pub(super) async fn get(&self, path: &str) -> Reply {
        read(self.open(path).await).await
    }

    /// Asks as a part of a page does that renews itself.
    pub(super) async fn get_part(&self, path: &str) -> Reply {
        let request = self.request(Method::GET, path);
        let request = request.header("hx-request", "true");
        read(self.send(request.body(Body::empty()).unwrap()).await).await
    }

    /// Asks for what the browser has already.
    pub(super) async fn get_known(&self, path: &str, tag: &HeaderValue) -> Reply {
        let request = self.request(Method::GET, path);
        let request = request.header(header::IF_NONE_MATCH, tag);
        read(self.send(request.body(Body::empty()).unwrap()).await).await
    }

    /// Asks for a page and leaves its body unread.
    pub(super) async fn open(&self, path: &str) -> Response {
        let request = self.request(Method::GET, path);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Sends a form from a page of the panel.
    pub(super) async fn post(&self, path: &str, form: &str) -> Reply {
        self.post_from("same-origin", path, form).await
    }

    /// Sends a form from some site's page.
    pub(super) async fn post_from(&self, site: &str, path: &str, form: &str) -> Reply {
        let request = self
            .request(Method::POST, path)
            .header("sec-fetch-site", site)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(Body::from(form.to_owned())).unwrap();
        read(self.send(request).await).await
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "panel.example")
            .extension(ConnectInfo(SocketAddr::from(PEER)));
        if self.token.is_empty() {
            return request;
        }
        let value = URL_SAFE_NO_PAD.encode(&self.token);
        request.header(header::COOKIE, format!("posthorn_panel={value}"))
    }

    async fn send(&self, request: Request<Body>) -> Response {
        let Ok(response) = self.router.clone().call(request).await;
        response
    }
}

async fn read(response: Response) -> Reply {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Reply {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

impl Reply {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}
