//! What comes in: in which form a message holds its events, and the events that it holds.

use bytes::Bytes;

use crate::{
    cloud_event,
    content::{ATTRIBUTE_PREFIX, CONTENT_TYPE},
    event::{self, Event, Fault},
    name::OrganisationId,
    time::Timestamp,
};

/// What each CloudEvent must have: a message with a header for one of them is one in binary form.
pub(crate) const REQUIRED: [&str; 4] = ["id", "source", "specversion", "type"];

/// How a message holds events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As JSON in Posthorn's own form.
    Own,
    /// As one CloudEvent in JSON.
    Structured,
    /// As an array of CloudEvents in JSON.
    Batch,
    /// As the data of a CloudEvent, its attributes in headers.
    Binary,
    /// As CloudEvents in a format that is not JSON.
    Unknown,
}

/// The headers of a message that say what it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    /// The media type, as it was sent.
    pub(crate) content_type: Option<&'a [u8]>,
    /// Attributes of a CloudEvent by their names in lower case, in the order of the names.
    pub(crate) attributes: Vec<(String, &'a [u8])>,
}

/// Which event of a request is refused, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its place, from 0; `None` if the request is not an array, or the fault is the array's.
    pub at: Option<usize>,
    /// What is wrong.
    pub fault: Fault,
}

impl<'a> FromIterator<(&'a str, &'a [u8])> for Headers<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a [u8])>>(headers: I) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            if name.eq_ignore_ascii_case(CONTENT_TYPE) {
                found.content_type.get_or_insert(value);
                continue;
            }
            let name = name.to_ascii_lowercase();
            if let Some(attribute) = name.strip_prefix(ATTRIBUTE_PREFIX) {
                found.attributes.push((attribute.to_owned(), value));
            }
        }
        // One order, so that what was sent in another one is the same.
        found.attributes.sort();
        found
    }
}

impl Headers<'_> {
    /// Returns how the message holds events.
    #[must_use]
    pub fn form(&self) -> Form {
        let media_type = self.content_type.unwrap_or_default();
        let essence = media_type.split(|byte| *byte == b';').next();
        let essence = essence.unwrap_or_default().trim_ascii();
        match essence.to_ascii_lowercase().as_slice() {
            b"application/cloudevents" | b"application/cloudevents+json" => Form::Structured,
            b"application/cloudevents-batch" | b"application/cloudevents-batch+json" => Form::Batch,
            other if other.starts_with(b"application/cloudevents") => Form::Unknown,
            _ if self.holds_attributes() => Form::Binary,
            _ => Form::Own,
        }
    }

    fn holds_attributes(&self) -> bool {
        (self.attributes.iter()).any(|(name, _)| REQUIRED.contains(&name.as_str()))
    }
}

/// Reads the one event of a message, as any client may have published it.
///
/// # Errors
/// [`Fault`] names the field or attribute.
pub fn read_message(
    organisation: &OrganisationId,
    headers: &Headers<'_>,
    body: &Bytes,
    received_at: Timestamp,
    limit: usize,
) -> Result<Event, Fault> {
    match headers.form() {
        Form::Own => match Event::read(organisation, body, received_at, limit) {
            // The NATS binding of CloudEvents 1.0 knows no headers: such an event shows itself.
            Err(Fault::CloudEvent) => cloud_event::structured(organisation, body, limit),
            read => read,
        },
        Form::Structured => cloud_event::structured(organisation, body, limit),
        Form::Binary => cloud_event::binary(organisation, headers, body, limit),
        Form::Batch => Err(Fault::NotAnObject(
            "must be one event, not a batch".to_owned(),
        )),
        Form::Unknown => Err(Fault::UnknownFormat),
    }
}

/// Reads the events of a request: one, or the items of an array.
///
/// # Errors
/// [`Refused`]: the first that is wrong refuses them all.
pub fn read_request(
    organisation: &OrganisationId,
    headers: &Headers<'_>,
    body: &Bytes,
    received_at: Timestamp,
    limit: usize,
) -> Result<Vec<Event>, Refused> {
    let own = |item: &Bytes| Event::read(organisation, item, received_at, limit);
    let structured = |item: &Bytes| cloud_event::structured(organisation, item, limit);
    let whole = |fault| Refused { at: None, fault };
    match headers.form() {
        Form::Own if body.trim_ascii_start().starts_with(b"[") => read_items(body, own),
        Form::Own => own(&body.slice_ref(body.trim_ascii()))
            .map(|event| vec![event])
            .map_err(whole),
        Form::Structured => structured(body).map(|event| vec![event]).map_err(whole),
        Form::Batch => read_items(body, structured),
        Form::Binary => cloud_event::binary(organisation, headers, body, limit)
            .map(|event| vec![event])
            .map_err(whole),
        Form::Unknown => Err(whole(Fault::UnknownFormat)),
    }
}

fn read_items(
    body: &Bytes,
    read: impl Fn(&Bytes) -> Result<Event, Fault>,
) -> Result<Vec<Event>, Refused> {
    let items = event::items(body).map_err(|fault| Refused { at: None, fault })?;
    items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            read(item).map_err(|fault| Refused {
                at: Some(at),
                fault,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
