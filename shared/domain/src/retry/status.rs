//! Which statuses a policy lists.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One status, or a class of them such as `5xx`: a number or a text in JSON.
///
/// Whatever is not 2xx and can end an attempt may be listed: 101 alone of the 1xx, for the others go
/// before an answer, and the 600 to 999 that no standard knows but some servers send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPattern {
    /// One status.
    Exact(u16),
    /// All statuses of a class, by its first digit.
    Class(u8),
}

const MUST: &str = "must be a status: 101, 300 to 999, or a class: 1xx, 3xx, 4xx and so on to 9xx";

impl StatusPattern {
    /// Returns whether the status is meant.
    #[must_use]
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Exact(exact) => exact == status,
            Self::Class(class) => status / 100 == u16::from(class),
        }
    }

    fn of_number(number: u64) -> Option<Self> {
        let status = u16::try_from(number).ok()?;
        matches!(status, 101 | 300..=999).then_some(Self::Exact(status))
    }

    fn of_text(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [class @ (b'1' | b'3'..=b'9'), b'x', b'x'] => Some(Self::Class(class - b'0')),
            _ => None,
        }
    }
}

impl Serialize for StatusPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Exact(status) => serializer.serialize_u16(*status),
            Self::Class(class) => serializer.collect_str(&format_args!("{class}xx")),
        }
    }
}

impl<'de> Deserialize<'de> for StatusPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pattern;

        impl de::Visitor<'_> for Pattern {
            type Value = StatusPattern;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status or a class of statuses")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<StatusPattern, E> {
                self.visit_u64(u64::try_from(number).map_err(|_error| E::custom(MUST))?)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<StatusPattern, E> {
                StatusPattern::of_number(number).ok_or_else(|| E::custom(MUST))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<StatusPattern, E> {
                StatusPattern::of_text(text).ok_or_else(|| E::custom(MUST))
            }
        }

        deserializer.deserialize_any(Pattern)
    }
}
