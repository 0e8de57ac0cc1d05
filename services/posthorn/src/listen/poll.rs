//! Follows the log of attempts in the place of listening, and sends bodies on.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use domain::{
    endpoint::EventPattern,
    name::EventId,
    signing::{SigningKey, standard},
    time::Timestamp,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use super::{
    forward::Forward,
    show::{Format, Seen, Signature},
};
use crate::{
    api::{Api, Call},
    failure::{Ended, Failure},
    following::Follower,
    output,
    record::{Filter, Record, Shown},
};

/// How often the log is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long to wait after the API did not answer.
const PAUSE: Duration = Duration::from_secs(2);
/// How often a record is read again whose body is not archived yet, and after how long.
const BODY_TRIES: u32 = 10;
const BODY_PAUSE: Duration = Duration::from_millis(500);
/// The value of a header that a record does not show.
const MASK: &str = "***";

/// What is followed, and what is done with it.
#[derive(Debug)]
pub(super) struct Poll<'a> {
    pub(super) api: &'a Api,
    pub(super) events: &'a [EventPattern],
    pub(super) config: Option<String>,
    pub(super) forward: Option<&'a Url>,
    /// What requests that are sent on are signed with; records hold no signatures.
    pub(super) key: Option<SigningKey>,
    pub(super) format: Format,
}

impl Poll<'_> {
    /// Follows the log for ever.
    ///
    /// # Errors
    /// [`Failure`] when the API refuses or nothing can be shown.
    pub(super) async fn run(self) -> Ended {
        let filter = Filter::of_config(self.config.clone());
        let (mut follower, _before) = Follower::start(self.api, filter, 0).await?;
        output::note("following the log of attempts");
        loop {
            match self.look(&mut follower).await {
                Ok(()) => tokio::time::sleep(LOOK_EVERY).await,
                Err(Failure::Unavailable(why)) => {
                    output::note(format_args!("waiting: {why}"));
                    tokio::time::sleep(PAUSE).await;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn look(&self, follower: &mut Follower) -> Ended {
        for shown in follower.look(self.api).await? {
            let name = &shown.record.event_sub_category;
            if self.events.iter().any(|pattern| pattern.matches(name)) {
                self.handle(shown.record).await?;
            }
        }
        Ok(())
    }

    async fn handle(&self, record: Record) -> Ended {
        let record = self.with_body(record).await?;
        let body = body_of(&record);
        let headers = self.headers(&record, &body);
        let method = record.http_method.parse().unwrap_or(Method::POST);
        let forwarded = match self.forward {
            Some(url) => {
                let forward = Forward::new(self.api.transport().clone(), url.clone());
                Some(forward.send(method.clone(), &headers, body.clone()).await)
            }
            None => None,
        };
        let path = Url::parse(&record.url)
            .map_or_else(|_error| String::new(), |url| url.path().to_owned());
        Seen {
            at: record.created_at,
            method,
            path,
            headers,
            body,
            signature: Signature::NotThere,
            answered: record.response_status,
            forwarded,
        }
        .show(self.format)
    }

    /// Reads the record again until its event's body is archived, which takes a moment.
    async fn with_body(&self, mut record: Record) -> Result<Record, Failure> {
        for _ in 0..BODY_TRIES {
            let is_there = record.request_body.is_some() || record.request_body_expired;
            if is_there || record.http_method == Method::GET.as_str() {
                break;
            }
            tokio::time::sleep(BODY_PAUSE).await;
            let call = Call::admin(Method::GET, &["webhooks", "logs", &record.id]);
            record = Shown::read(self.api.read(&call).await?)?.record;
        }
        Ok(record)
    }

    /// Returns the headers of a record, signed anew where that is possible.
    fn headers(&self, record: &Record, body: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &record.request_headers {
            let parsed = (name.parse::<HeaderName>(), HeaderValue::from_str(value));
            if let (Ok(name), Ok(value)) = parsed
                && !value.as_bytes().ends_with(MASK.as_bytes())
            {
                headers.append(name, value);
            }
        }
        if let Some((key, id)) = self
            .key
            .as_ref()
            .zip(EventId::try_new(&record.event_id).ok())
        {
            let now = Timestamp::from_millis(lifecycle::clock::now_ms());
            let signature = standard::sign(std::slice::from_ref(key), &[], &id, now, body);
            headers.insert("webhook-timestamp", HeaderValue::from(now.seconds()));
            if let Ok(signature) = HeaderValue::from_str(&signature) {
                headers.insert("webhook-signature", signature);
            }
        }
        headers
    }
}

/// Returns the bytes that were sent: JSON stands in a record as it is, anything else as a text.
fn body_of(record: &Record) -> Bytes {
    let Some(body) = record
        .request_body
        .as_ref()
        .filter(|_| record.http_method != "GET")
    else {
        return Bytes::new();
    };
    if record.request_body_encoding.as_deref() == Some("base64")
        && let Ok(encoded) = serde_json::from_str::<String>(body.get())
        && let Ok(bytes) = STANDARD.decode(encoded)
    {
        return bytes.into();
    }
    let content_type = record.request_headers.get("content-type");
    let is_json = content_type.is_none_or(|it| it.contains("json"));
    match serde_json::from_str::<String>(body.get()) {
        Ok(text) if !is_json => text.into(),
        _ => Bytes::copy_from_slice(body.get().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::body_of;
    use crate::record::Record;

    fn record(content_type: &str, body: Value, encoding: Option<&str>) -> Record {
        let text = json!({
            "id": "l", "webhookConfigId": "ep_1", "jobId": "j", "eventId": "e", "eventSubCategory": "a",
            "url": "http://a/", "httpMethod": "POST", "requestHeaders": {"content-type": content_type},
            "requestBody": body, "requestBodyEncoding": encoding,
            "responseStatus": null, "responseHeaders": null, "responseBody": null, "attempt": 1, "trigger": "auto",
            "success": false, "errorMessage": null, "errorKind": null, "durationMs": 1, "nextAttemptAt": null,
            "createdAt": "2026-03-14T10:21:45.102Z",
        });
        serde_json::from_str(&text.to_string()).unwrap()
    }

    #[test]
    fn a_body_is_sent_on_as_the_bytes_that_it_was() {
        let body = |content_type, body, encoding| body_of(&record(content_type, body, encoding));
        let json = "application/json";

        assert_eq!(body(json, json!({"a": [1]}), None), "{\"a\":[1]}");
        assert_eq!(body(json, json!("text"), None), "\"text\"");
        assert_eq!(body("text/plain", json!("te\nxt"), None), "te\nxt");
        assert_eq!(
            body("image/png", json!("/wA="), Some("base64")),
            &b"\xff\0"[..]
        );
        assert_eq!(body(json, Value::Null, None), "");
    }
}
