//! What tells a receiver what the bytes of an event are: the headers that travel with them.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The header that names a body's media type.
pub const CONTENT_TYPE: &str = "content-type";
/// What the headers begin with that hold the attributes of a CloudEvent.
pub const ATTRIBUTE_PREFIX: &str = "ce-";
/// The media type of a CloudEvent that is written as JSON.
pub const CLOUD_EVENT: &str = "application/cloudevents+json";

/// The headers that travel with an event's body from its producer to its receivers; cheap to clone.
///
/// An event in Posthorn's own form has none, and is sent as `application/json`. A structured CloudEvent has
/// its media type; a binary one has that of its data, if it has one, and its attributes, as they stand in
/// headers of HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content(Option<Arc<[(String, String)]>>);

impl Content {
    /// Makes the content of headers that were read back.
    #[must_use]
    pub fn new(headers: Vec<(String, String)>) -> Self {
        Self((!headers.is_empty()).then(|| headers.into()))
    }

    /// Makes the content of a structured CloudEvent.
    #[must_use]
    pub fn cloud_event() -> Self {
        Self::new(vec![(CONTENT_TYPE.to_owned(), CLOUD_EVENT.to_owned())])
    }

    /// Returns whether the event is in Posthorn's own form.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the headers, their names in lower case; none of an event in Posthorn's own form.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// Returns whether a header may travel with a body.
#[must_use]
pub fn travels(name: &str) -> bool {
    name == CONTENT_TYPE || name.starts_with(ATTRIBUTE_PREFIX)
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.headers().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::Content;

    #[test]
    fn the_form_is_pinned() {
        let text = "[[\"ce-id\",\"1\"],[\"content-type\",\"text/plain\"]]";

        let content: Content = serde_json::from_str(text).unwrap();

        assert_eq!(content.headers().len(), 2);
        assert_eq!(serde_json::to_string(&content).unwrap(), text);
        assert_eq!(serde_json::to_string(&Content::default()).unwrap(), "[]");
        assert!(serde_json::from_str::<Content>("[]").unwrap().is_own());
    }
}
