//! Events published straight to the broker, as trusted producers do it.

use bytes::Bytes;
use config::Source;
use domain::name::{EventName, OrganisationId};
use jetstream::{
    HeaderMap,
    publisher::{Error, Outgoing, Publisher},
};
use serde_json::Value;

use super::{Sent, events_in};
use crate::{broker, failure::Failure, remote::Remote};

/// Publishes the events of a body one by one; what was published before a failure stays published.
///
/// # Errors
/// [`Failure`] naming the event that can't be published.
pub(super) async fn publish(body: &[u8], remote: &Remote) -> Result<Vec<Sent>, Failure> {
    let source = Source::environment();
    let organisation = remote.organisation(&source)?.ok_or_else(|| {
        let message =
            "--nats: the organisation must be named by --organisation or POSTHORN_ORGANISATION";
        Failure::Usage(message.to_owned())
    })?;
    let organisation: OrganisationId = organisation
        .parse()
        .map_err(|error| Failure::Usage(format!("--organisation: {error}")))?;
    let events = events_in(body)?;
    // All are looked at before the first is published.
    let named: Vec<(Value, EventName)> = events
        .into_iter()
        .enumerate()
        .map(|(at, event)| name(&event, at).map(|name| (event, name)))
        .collect::<Result<_, _>>()?;
    let settings = broker::settings(&source)?;
    let broker = broker::connect(&settings, "send").await?;
    let publisher = Publisher::new(&broker);
    let mut sent = Vec::with_capacity(named.len());
    for (at, (event, name)) in named.iter().enumerate() {
        let message = Outgoing {
            subject: broker.names.event(&organisation, name),
            message_id: (id(event)).map_or_else(String::new, |id| format!("{organisation}:{id}")),
            headers: HeaderMap::new(),
            // A single event goes out as its own bytes.
            payload: match named.len() {
                1 if !body.trim_ascii_start().starts_with(b"[") => Bytes::copy_from_slice(body),
                _ => Bytes::from(event.to_string()),
            },
        };
        let stored = publisher
            .publish(message)
            .await
            .map_err(|error| unpublished(at, &error))?;
        sent.push(Sent {
            id: id(event).map(str::to_owned),
            deduplicated: stored.duplicate,
            sequence: Some(stored.sequence),
        });
    }
    Ok(sent)
}

/// Returns what the event is called: its name goes into the subject.
fn name(event: &Value, at: usize) -> Result<EventName, Failure> {
    let field = if event.get("specversion").is_some() {
        "type"
    } else {
        "eventSubCategory"
    };
    let text = event.get(field).and_then(Value::as_str);
    let text = text.ok_or_else(|| Failure::Failed(format!("[{at}].{field}: is required")))?;
    text.parse()
        .map_err(|error| Failure::Failed(format!("[{at}].{field}: {error}")))
}

fn id(event: &Value) -> Option<&str> {
    // A CloudEvent's id is one only together with its source, which fan-out sees to.
    let is_cloud_event = event.get("specversion").is_some();
    event.get("id")?.as_str().filter(|_| !is_cloud_event)
}

fn unpublished(at: usize, error: &Error) -> Failure {
    let message = format!("[{at}]: {error}");
    match error {
        Error::Refused(_) | Error::TooLarge => Failure::Failed(message),
        Error::Unavailable(_) => Failure::Unavailable(message),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{id, name};

    #[test]
    fn a_cloud_event_is_named_by_its_type() {
        let own = json!({"eventSubCategory": "a.b", "id": "evt-1", "type": "x"});
        let cloud = json!({"specversion": "1.0", "type": "c.d", "id": "1", "source": "/s"});

        assert_eq!(name(&own, 0).unwrap().as_str(), "a.b");
        assert_eq!(name(&cloud, 0).unwrap().as_str(), "c.d");
        assert_eq!((id(&own), id(&cloud)), (Some("evt-1"), None));
        assert!(name(&json!({}), 3).is_err());
        assert!(name(&json!({"eventSubCategory": "a b"}), 3).is_err());
    }
}
