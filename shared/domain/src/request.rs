//! The request of an attempt as a value: what is sent, and what a record shows of it.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    content::{self, Content},
    endpoint::Method,
    job::Job,
    redaction,
    signing::{Signed, Signer},
    time::Timestamp,
    trace::TraceParent,
};

/// Headers that a config may not set: hop-by-hop ones, those of the message, and ours.
const FORBIDDEN: [&str; 21] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "te",
    "trailer",
    "trailers",
    "upgrade",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "expect",
    "user-agent",
    "traceparent",
    "tracestate",
    "baggage",
    "http2-settings",
    "date",
];
/// Prefixes of headers that a config may not set.
const FORBIDDEN_PREFIXES: [&str; 6] = ["webhook-", "x-posthorn-", "upstash-", ":", "sec-", "ce-"];

/// Returns whether a config may set the header; the name's case does not matter.
#[must_use]
pub fn may_set(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !FORBIDDEN.contains(&name.as_str())
        && !FORBIDDEN_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// What is the same for every request to an endpoint.
#[derive(Debug, Clone)]
pub struct Template {
    /// The method.
    pub method: Method,
    /// The config's own headers, their values opened.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Signs the requests.
    pub signer: Signer,
}

/// The span of an attempt and what travels with it.
#[derive(Debug, Clone, Copy)]
pub struct Trace<'a> {
    /// The attempt's span.
    pub parent: TraceParent,
    /// The producer's `tracestate`.
    pub state: Option<&'a str>,
}

/// Makes the headers of an attempt's request. A `GET` has no body and signs the empty one.
#[must_use]
pub fn headers(
    template: &Template,
    job: &Job,
    body: &[u8],
    now: Timestamp,
    trace: Trace<'_>,
) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(template.headers.len() + 10);
    map.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("Posthorn/", env!("CARGO_PKG_VERSION"))),
    );
    for (name, value) in &template.headers {
        map.append(name, value.clone());
    }
    describe(&mut map, &job.content);
    let body = match template.method {
        Method::Get => {
            map.remove(header::CONTENT_TYPE);
            &[]
        }
        Method::Post | Method::Put => body,
    };
    insert(&mut map, "webhook-id", job.event.as_str());
    insert(&mut map, "webhook-timestamp", &now.seconds().to_string());
    let signed = Signed {
        id: &job.event,
        at: now,
        span: trace.parent,
        body,
    };
    if let Some((name, signature)) = template.signer.sign(signed) {
        map.insert(name, signature);
    }
    insert(&mut map, "x-posthorn-event", job.name.as_str());
    insert(&mut map, "x-posthorn-attempt", &job.attempt.to_string());
    insert(&mut map, "x-posthorn-delivery", job.id.as_str());
    insert(&mut map, "traceparent", &trace.parent.to_string());
    if let Some(state) = trace.state {
        insert(&mut map, "tracestate", state);
    }
    map
}

/// Adds the headers that travel with the event's body.
fn describe(map: &mut HeaderMap, content: &Content) {
    if content.is_own() {
        map.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
    }
    for (name, value) in content.headers() {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value))
            && content::travels(name.as_str())
        {
            map.insert(name, value);
        }
    }
}

/// Returns a request's headers as a record keeps them: in order, secrets masked.
#[must_use]
pub fn recorded(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            // A signature's header may have any name.
            let is_secret = value.is_sensitive();
            let value = String::from_utf8_lossy(value.as_bytes());
            let shown = if is_secret || redaction::is_sensitive(name.as_str()) {
                redaction::mask(&value)
            } else {
                value.into_owned()
            };
            (name.as_str().to_owned(), shown)
        })
        .collect()
}

/// Sets one of our own headers; a value that no header can hold is left out.
fn insert(map: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        map.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderName, HeaderValue};

    use super::{Template, Trace, headers, may_set, recorded};
    use crate::{
        content::Content,
        endpoint::Method,
        event::Event,
        job::Job,
        matching::Match,
        signing::{Signer, SigningKey, standard},
        time::Timestamp,
        trace::TraceParent,
    };

    const BODY: &str =
        "{\"id\":\"evt-1\",\"eventSubCategory\":\"a.b\",\"createdAt\":\"2026-01-01T00:00:00Z\"}";

    #[test]
    fn a_request_carries_what_the_contract_lists() {
        let map = made(Method::Post);
        let get = |name: &str| map.get(name).map(|value| value.to_str().unwrap());

        assert_eq!(get("authorization"), Some("Bearer hidden"));
        assert_eq!(get("content-type"), Some("application/json"));
        assert_eq!(get("webhook-id"), Some("evt-1"));
        assert_eq!(get("webhook-timestamp"), Some("1614265330"));
        assert!(get("webhook-signature").unwrap().starts_with("v1,"));
        assert_eq!(get("x-posthorn-event"), Some("a.b"));
        assert_eq!(get("x-posthorn-attempt"), Some("1"));
        assert_eq!(get("x-posthorn-delivery"), Some("evt-1:ep_1"));
        assert_eq!(
            get("traceparent"),
            Some("00-01010101010101010101010101010101-0202020202020202-00")
        );
        assert_eq!(get("tracestate"), Some("a=b"));
        assert!(get("user-agent").unwrap().starts_with("Posthorn/"));
    }

    #[test]
    fn a_get_has_no_content_type_and_signs_the_empty_body() {
        let map = made(Method::Get);
        let signature = map.get("webhook-signature").unwrap().to_str().unwrap();

        assert!(!map.contains_key("content-type"));
        assert!(standard::verify(
            &key(),
            "evt-1",
            1_614_265_330,
            b"",
            signature
        ));
    }

    #[test]
    fn the_headers_of_a_body_are_sent_and_no_others() {
        let content = |headers: &[(&str, &str)]| {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            Content::new(headers.iter().map(own).collect())
        };
        let binary = content(&[
            ("ce-id", "1"),
            ("ce-subject", "a%20b"),
            ("content-type", "text/plain"),
            ("authorization", "Bearer forged"),
            ("ce-bad name", "x"),
            ("ce-bad", "line\nbreak"),
        ]);

        let map = made_with(Method::Post, binary.clone());

        assert_eq!(map.get("ce-id").unwrap(), "1");
        assert_eq!(map.get("ce-subject").unwrap(), "a%20b");
        assert_eq!(map.get("content-type").unwrap(), "text/plain");
        assert_eq!(map.get("authorization").unwrap(), "Bearer hidden");
        assert!(!map.contains_key("ce-bad"));
        let read = made_with(Method::Get, binary);
        assert_eq!(read.get("ce-id").unwrap(), "1");
        assert!(!read.contains_key("content-type"));
        let untyped = made_with(Method::Put, content(&[("ce-id", "1")]));
        assert!(!untyped.contains_key("content-type"));
    }

    #[test]
    fn a_record_masks_what_is_secret() {
        let shown = recorded(&made(Method::Post));

        assert!(shown.contains(&("authorization".to_owned(), "Bearer ***".to_owned())));
        assert!(shown.contains(&("x-webhook-source".to_owned(), "posthorn".to_owned())));
        assert!(shown.contains(&("webhook-signature".to_owned(), "***".to_owned())));
    }

    #[test]
    fn a_record_masks_a_signature_whatever_its_header_is_called() {
        let signer = Signer::HmacHex {
            header: HeaderName::from_static("x-proof"),
            key: key(),
        };

        let map = signed_by(signer, Method::Post, Content::default());

        assert!(
            map.get("x-proof")
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("sha256=")
        );
        assert!(!map.contains_key("webhook-signature"));
        assert!(recorded(&map).contains(&("x-proof".to_owned(), "***".to_owned())));
    }

    #[test]
    fn hop_by_hop_and_own_headers_may_not_be_configured() {
        for name in [
            "Host",
            "content-length",
            "Webhook-Id",
            "transfer-encoding",
            "X-Posthorn-Event",
            "traceparent",
            "CE-Id",
        ] {
            assert!(!may_set(name), "{name}");
        }
        for name in ["Authorization", "X-Webhook-Source", "X-API-Key", "accept"] {
            assert!(may_set(name), "{name}");
        }
    }

    fn made(method: Method) -> http::HeaderMap {
        made_with(method, Content::default())
    }

    fn made_with(method: Method, content: Content) -> http::HeaderMap {
        let signer = Signer::Standard {
            keys: vec![key()],
            private_keys: Vec::new(),
        };
        signed_by(signer, method, content)
    }

    fn signed_by(signer: Signer, method: Method, content: Content) -> http::HeaderMap {
        let at = Timestamp::from_millis(1_614_265_330_000);
        let event = Event::read(
            &"acme".parse().unwrap(),
            &Bytes::from_static(BODY.as_bytes()),
            at,
            1_000,
        )
        .unwrap();
        let found = Match {
            endpoint: "ep_1".parse().unwrap(),
            revision: 1,
        };
        let job = Job {
            content,
            ..Job::first(&event, event.body_hash(), &found, at)
        };
        let template = Template {
            method,
            headers: vec![
                (
                    HeaderName::from_static("authorization"),
                    HeaderValue::from_static("Bearer hidden"),
                ),
                (
                    HeaderName::from_static("x-webhook-source"),
                    HeaderValue::from_static("posthorn"),
                ),
            ],
            signer,
        };
        let trace = Trace {
            parent: TraceParent::root([1; 16], [2; 8]),
            state: Some("a=b"),
        };
        headers(&template, &job, &event.body, at, trace)
    }

    fn key() -> SigningKey {
        SigningKey::decode("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()
    }
}
