//! Signals: what an operator or a customer is told about an endpoint.

use async_nats::HeaderMap;
use bytes::Bytes;
use domain::{health::Rung, name::EndpointId, name::OrganisationId, time::Timestamp};
use serde::Serialize;

use crate::{publisher::Outgoing, subject::Names, wire::SCHEMA};

/// A signal that an endpoint has climbed a rung of the ladder.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signal<'a> {
    /// The organisation.
    pub organisation_id: &'a OrganisationId,
    /// The endpoint.
    pub webhook_config_id: &'a EndpointId,
    /// Its URL, as records show it.
    pub url: &'a str,
    /// When the failures began.
    pub failing_since: Option<Timestamp>,
    /// The last error.
    pub error_message: Option<&'a str>,
    /// When it climbed.
    pub at: Timestamp,
}

#[derive(Serialize)]
struct Form<'a> {
    schema: u32,
    kind: &'a str,
    #[serde(flatten)]
    signal: Signal<'a>,
}

/// Makes the message of a signal, or `None` for a rung that has none.
///
/// `revision` is that of the health which the climb changes, 0 if there was none: of several replicas that
/// notice one climb, one is heard.
#[must_use]
pub fn message(names: &Names, rung: Rung, signal: Signal<'_>, revision: u64) -> Option<Outgoing> {
    let kind = rung.signal()?;
    let subject = names.signal(signal.organisation_id, kind);
    let message_id = format!("{}:{kind}:{revision}", signal.webhook_config_id);
    let form = Form {
        schema: SCHEMA,
        kind,
        signal,
    };
    #[expect(
        clippy::expect_used,
        reason = "signals have string keys and no fallible field"
    )]
    let payload = serde_json::to_vec(&form).expect("a signal is always writable as JSON");
    Some(Outgoing {
        subject,
        message_id,
        headers: HeaderMap::new(),
        payload: Bytes::from(payload),
    })
}

#[cfg(test)]
mod tests {
    use domain::{health::Rung, time::Timestamp};

    use super::{Signal, message};
    use crate::subject::Names;

    #[test]
    fn the_form_is_pinned() {
        let signal = Signal {
            organisation_id: &"acme".parse().unwrap(),
            webhook_config_id: &"ep_1".parse().unwrap(),
            url: "https://example.com/hook?key=***",
            failing_since: Some(Timestamp::from_millis(1_000)),
            error_message: Some("HTTP 500: Internal Server Error"),
            at: Timestamp::from_millis(61_000),
        };
        let names = Names::new("posthorn");

        assert!(message(&names, Rung::None, signal.clone(), 7).is_none());
        let message = message(&names, Rung::Failing, signal, 7).unwrap();
        assert_eq!(message.subject, "posthorn.signals.acme.endpoint-failing");
        assert_eq!(message.message_id, "ep_1:endpoint-failing:7");
        assert_eq!(
            std::str::from_utf8(&message.payload).unwrap(),
            "{\"schema\":1,\"kind\":\"endpoint-failing\",\"organisationId\":\"acme\",\"webhookConfigId\":\"ep_1\",\
             \"url\":\"https://example.com/hook?key=***\",\"failingSince\":\"1970-01-01T00:00:01.000Z\",\
             \"errorMessage\":\"HTTP 500: Internal Server Error\",\"at\":\"1970-01-01T00:01:01.000Z\"}"
        );
    }
}
