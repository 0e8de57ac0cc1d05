//! CloudEvents 1.0, structured and binary: which event of ours one is. Its bytes and headers stay as they are.
//!
//! `type` is the event's name and `subject` its source id. `source` and `id` together name an event, so our id
//! is a hash of both: the same event is the same in whichever form it is sent.

mod context;
mod header_value;

use std::{borrow::Cow, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use self::context::{ATTRIBUTES_MAX, Context};
use crate::{
    content::{ATTRIBUTE_PREFIX, CONTENT_TYPE, Content},
    event::{self, Event, Fault},
    incoming::Headers,
    name::OrganisationId,
};

/// The most bytes of the attributes that travel in headers, names and values together.
const HEADERS_MAX_BYTES: usize = 8 * 1024;
/// The attribute that is the media type of the data.
const MEDIA_TYPE: &str = "datacontenttype";

/// Reads a CloudEvent that is written as one JSON object.
///
/// # Errors
/// [`Fault`] names the attribute.
pub(crate) fn structured(
    organisation: &OrganisationId,
    body: &Bytes,
    limit: usize,
) -> Result<Event, Fault> {
    event::check_size(body, limit)?;
    let Members(members) = event::object(event::utf8(body)?)?;
    let mut context = Context::default();
    let (mut data, mut data_base64) = (None, None);
    for (Key(name), value) in members {
        let once = match &*name {
            "data" => data.replace(value).is_none(),
            "data_base64" => data_base64.replace(value).is_none(),
            name => {
                if let Some(text) = attribute(name, value)? {
                    context.add(name, text)?;
                }
                true
            }
        };
        if !once {
            return Err(Fault::field(name.into_owned(), "must be given once"));
        }
    }
    check_data(data, data_base64)?;
    context.event(organisation, body.clone(), Content::cloud_event())
}

/// Reads a CloudEvent whose data is the body and whose attributes stand in headers.
///
/// # Errors
/// [`Fault`] names the attribute.
pub(crate) fn binary(
    organisation: &OrganisationId,
    headers: &Headers<'_>,
    body: &Bytes,
    limit: usize,
) -> Result<Event, Fault> {
    event::check_size(body, limit)?;
    let mut context = Context::default();
    let mut kept = Vec::with_capacity(headers.attributes.len() + 1);
    let mut bytes = 0;
    for (name, raw) in &headers.attributes {
        let text = header_value::text(name, raw)?;
        bytes += ATTRIBUTE_PREFIX.len() + name.len() + text.len();
        if bytes > HEADERS_MAX_BYTES {
            let problem = format!("must be at most {HEADERS_MAX_BYTES} bytes together");
            return Err(Fault::field("ce-*", problem));
        }
        context.add(name, header_value::decode(name, &text)?)?;
        if name != MEDIA_TYPE {
            kept.push((format!("{ATTRIBUTE_PREFIX}{name}"), text));
        }
    }
    if let Some(raw) = headers.content_type {
        // Not percent-encoded, unlike attributes.
        let text = std::str::from_utf8(raw.trim_ascii())
            .map_err(|_error| Fault::field(MEDIA_TYPE, "must be ASCII"))?;
        match context.get(MEDIA_TYPE) {
            None => context.add(MEDIA_TYPE, text.to_owned())?,
            Some(named) if named == text => {}
            Some(_) => return Err(Fault::field(MEDIA_TYPE, "must be what content-type says")),
        }
    }
    if let Some(media_type) = context.get(MEDIA_TYPE) {
        kept.push((CONTENT_TYPE.to_owned(), media_type.to_owned()));
    }
    context.event(organisation, body.clone(), Content::new(kept))
}

/// Returns an attribute's value as text; `None` if it is not set.
fn attribute(name: &str, raw: &RawValue) -> Result<Option<String>, Fault> {
    let text = raw.get();
    if text == "null" {
        return Ok(None);
    }
    if text == "true" || text == "false" || text.parse::<i32>().is_ok() {
        return Ok(Some(text.to_owned()));
    }
    match event::string(raw) {
        Some(text) => Ok(Some(text.into_owned())),
        None => Err(Fault::field(
            context::shown(name),
            "must be a string, a whole number of 32 bits, true or false",
        )),
    }
}

/// Refuses data that is given twice, or in base64 that is none.
fn check_data(data: Option<&RawValue>, data_base64: Option<&RawValue>) -> Result<(), Fault> {
    let is_set = |raw: &&RawValue| raw.get() != "null";
    let Some(encoded) = data_base64.filter(is_set) else {
        return Ok(());
    };
    let fault = |problem: &str| Fault::field("data_base64", problem);
    if data.filter(is_set).is_some() {
        return Err(fault("must not stand beside data"));
    }
    let text = event::string(encoded).ok_or_else(|| fault("must be a string"))?;
    STANDARD
        .decode(text.as_bytes())
        .map(|_data| ())
        .map_err(|_error| fault("must be base64"))
}

/// The members of a CloudEvent's object, at most one more than it may have: the rest is read and not kept.
struct Members<'a>(Vec<(Key<'a>, &'a RawValue)>);

/// The name of a member.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a CloudEvent")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                // Two more than attributes, for the data; one more, to be noticed.
                while members.len() < ATTRIBUTES_MAX + 3 {
                    match map.next_entry()? {
                        Some(member) => members.push(member),
                        None => return Ok(Members(members)),
                    }
                }
                while map
                    .next_entry::<de::IgnoredAny, de::IgnoredAny>()?
                    .is_some()
                {}
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests;
