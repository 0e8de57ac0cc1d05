//! The message of an event: its body as payload, the headers that travel with it as headers.
//!
//! Ingest writes it, and so may any client that is allowed to publish on the subject.

use async_nats::HeaderMap;
use domain::{
    content::{Content, travels},
    event::Event,
    incoming::{self, Headers},
    name::OrganisationId,
};

use crate::{consumer::Delivery, subject::Names};

/// Writes the headers that travel with an event's body.
pub fn write(content: &Content, headers: &mut HeaderMap) {
    for (name, value) in content.headers() {
        headers.insert(name.as_str(), value.as_str());
    }
}

/// Reads the event of a message, of at most `limit` bytes. Ingest has checked its own ones in the same way,
/// but nothing on the subject proves that it came from there.
///
/// # Errors
/// Says what is wrong with the message.
pub fn read(names: &Names, delivery: &Delivery, limit: usize) -> Result<Event, String> {
    let (organisation, name) = names
        .parse_event(&delivery.subject)
        .ok_or("subject: is no event's")?;
    let organisation: OrganisationId = organisation
        .parse()
        .map_err(|error| format!("organisation in subject: {error}"))?;
    let headers = headers(delivery.headers.as_ref());
    let event = incoming::read_message(
        &organisation,
        &headers,
        &delivery.payload,
        delivery.stored_at,
        limit,
    )
    .map_err(|fault| fault.to_string())?;
    if event.name.as_str() == name {
        return Ok(event);
    }
    let field = if event.content.is_own() {
        "eventSubCategory"
    } else {
        "type"
    };
    Err(format!("{field}: is not the event's name in the subject"))
}

/// Returns the headers of a message that travel with an event's body.
pub(crate) fn travelling(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().flat_map(|(name, values)| {
        let name: &str = name.as_ref();
        let travels = travels(&name.to_ascii_lowercase());
        let values = values.iter().filter(move |_| travels);
        values.map(move |value| (name, value.as_str()))
    })
}

fn headers(map: Option<&HeaderMap>) -> Headers<'_> {
    let pairs = map.into_iter().flat_map(travelling);
    pairs
        .map(|(name, value)| (name, value.as_bytes()))
        .collect()
}
