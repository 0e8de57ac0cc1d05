//! The payload of an event: what a schema is about.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    content::CONTENT_TYPE,
    event::{Event, Fault},
};

/// An event's payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// What it is called where it stands: `payload`, or a CloudEvent's `data`.
    pub field: &'static str,
    /// The payload; `null` if the event has none.
    pub value: Value,
}

#[derive(Deserialize)]
struct Own<'a> {
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Structured<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data_base64: Option<&'a RawValue>,
}

impl Payload {
    /// Reads the payload of an event.
    ///
    /// # Errors
    /// [`Fault`] if it stands there twice, or is no JSON that can be checked.
    pub fn of(event: &Event) -> Result<Self, Fault> {
        if event.content.is_own() {
            let field = "payload";
            let Own { payload } = serde_json::from_slice(&event.body).map_err(twice(field))?;
            return Self::read(field, payload.map(RawValue::get));
        }
        let field = "data";
        if is_binary(event) {
            let text = str::from_utf8(&event.body)
                .ok()
                .filter(|_| holds_json(event));
            let text = text.ok_or_else(|| Fault::field(field, "must be JSON"))?;
            return Self::read(field, (!text.trim_ascii().is_empty()).then_some(text));
        }
        let Structured { data, data_base64 } =
            serde_json::from_slice(&event.body).map_err(twice(field))?;
        if data_base64.is_some() {
            return Err(Fault::field(field, "must be JSON"));
        }
        Self::read(field, data.map(RawValue::get))
    }

    fn read(field: &'static str, text: Option<&str>) -> Result<Self, Fault> {
        // It is JSON already, but for the data of a binary CloudEvent; what else fails are numbers.
        let value = text.map_or(Ok(Value::Null), serde_json::from_str);
        let value = value
            .map_err(|_error| Fault::field(field, "must be JSON whose numbers fit 64 bits"))?;
        Ok(Self { field, value })
    }
}

fn twice(field: &'static str) -> impl FnOnce(serde_json::Error) -> Fault {
    move |_error| Fault::field(field, "must be given once")
}

/// Returns whether a CloudEvent's attributes are in its headers, and its body is its data.
fn is_binary(event: &Event) -> bool {
    let mut names = event.content.headers().iter().map(|(name, _)| name);
    names.any(|name| name != CONTENT_TYPE)
}

/// Returns whether the data of a binary CloudEvent says that it is JSON; so does what says nothing.
fn holds_json(event: &Event) -> bool {
    let mut headers = event.content.headers().iter();
    let media_type = headers.find_map(|(name, value)| (name == CONTENT_TYPE).then_some(value));
    let Some(media_type) = media_type else {
        return true;
    };
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::Payload;
    use crate::{
        content::Content,
        event::{Event, Fault},
        time::Timestamp,
    };

    const BINARY: [(&str, &str); 2] = [("ce-id", "1"), ("content-type", "application/json")];

    #[test]
    fn it_is_found_in_every_form_of_an_event() {
        let own = |body| of(body, &[]);
        let structured = |body| of(body, &[("content-type", "application/cloudevents+json")]);
        let binary = |body| of(body, &BINARY);

        check(own("{\"payload\":{\"a\":1}}"), "payload", json!({"a": 1}));
        check(own("{\"data\":1}"), "payload", Value::Null);
        check(structured("{\"data\":[1]}"), "data", json!([1]));
        check(structured("{\"payload\":1}"), "data", Value::Null);
        check(binary("{\"payload\":1}"), "data", json!({"payload": 1}));
        check(binary(" "), "data", Value::Null);
        let silent = of("7", &[("ce-id", "1")]);
        check(silent, "data", json!(7));
    }

    #[test]
    fn what_is_no_json_that_can_be_checked_is_refused() {
        let text = of("7", &[("ce-id", "1"), ("content-type", "text/plain")]);
        let coded = "{\"data_base64\":\"AA==\"}";
        let coded = of(coded, &[("content-type", "application/cloudevents+json")]);
        for (event, message) in [
            (text, "data: must be JSON"),
            (coded, "data: must be JSON"),
            (
                of("{", &BINARY),
                "data: must be JSON whose numbers fit 64 bits",
            ),
            (
                of("{\"payload\":{\"a\":1e999}}", &[]),
                "payload: must be JSON whose numbers fit 64 bits",
            ),
            (
                of("{\"payload\":1,\"payload\":2}", &[]),
                "payload: must be given once",
            ),
        ] {
            let fault: Fault = Payload::of(&event).unwrap_err();
            assert_eq!(fault.to_string(), message);
        }
    }

    fn check(event: Event, field: &str, value: Value) {
        let payload = Payload::of(&event).unwrap();
        assert_eq!((payload.field, payload.value), (field, value));
    }

    fn of(body: &'static str, headers: &[(&str, &str)]) -> Event {
        let named = Bytes::from_static(b"{\"eventSubCategory\":\"a\"}");
        let at = Timestamp::from_millis(1);
        let headers = headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Event {
            body: Bytes::from_static(body.as_bytes()),
            content: Content::new(headers.collect()),
            ..Event::read(&"acme".parse().unwrap(), &named, at, 1_000).unwrap()
        }
    }
}
