//! The bucket of event types, under `<organisation>.<event name>`. What is kept of it in memory is the
//! crate `catalogue`'s.

use domain::{
    event_type::EventType,
    name::{EventName, OrganisationId},
};

use crate::{
    bucket::{Bucket, Error},
    connection::Broker,
    subject,
    wire::{
        DecodeError,
        value::{self, encode},
    },
};

/// An event type with its revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The event type.
    pub event_type: EventType,
    /// The revision that the next write names.
    pub revision: u64,
}

/// The bucket of event types; cheap to clone.
#[derive(Debug, Clone)]
pub struct EventTypeBucket(Bucket);

impl EventTypeBucket {
    /// Opens the bucket.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn open(broker: &Broker) -> Result<Self, Error> {
        Bucket::open(broker, subject::Bucket::EventTypes)
            .await
            .map(Self)
    }

    /// Returns the bucket, to follow it.
    #[must_use]
    pub fn bucket(&self) -> &Bucket {
        &self.0
    }

    /// Reads an event type.
    ///
    /// # Errors
    /// [`Error::Unavailable`], also when the value is not readable.
    pub async fn get(
        &self,
        organisation: &OrganisationId,
        name: &EventName,
    ) -> Result<Option<Stored>, Error> {
        let Some(entry) = self.0.get(&key(organisation, name)).await? else {
            return Ok(None);
        };
        let event_type = decode(&entry.value).map_err(crate::bucket::unavailable)?;
        Ok(Some(Stored {
            event_type,
            revision: entry.revision,
        }))
    }

    /// Writes an event type whose revision must be the given one; without one, it must not be there.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody else changed it.
    pub async fn write(
        &self,
        organisation: &OrganisationId,
        event_type: &EventType,
        revision: Option<u64>,
    ) -> Result<u64, Error> {
        let (key, value) = (key(organisation, &event_type.name), encode(event_type));
        match revision {
            Some(revision) => self.0.update(&key, value, revision).await,
            None => self.0.create(&key, value).await,
        }
    }

    /// Deletes an event type whose revision must be the given one, and returns a revision that is not
    /// before the deletion's.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody else changed it.
    pub async fn delete(
        &self,
        organisation: &OrganisationId,
        name: &EventName,
        revision: u64,
    ) -> Result<u64, Error> {
        let key = key(organisation, name);
        self.0.delete(&key, Some(revision)).await?;
        self.0.last_revision().await
    }
}

/// Returns organisation and event name of a key.
#[must_use]
pub fn parse_key(key: &str) -> Option<(OrganisationId, EventName)> {
    let (organisation, name) = key.split_once('.')?;
    Some((organisation.parse().ok()?, name.parse().ok()?))
}

fn key(organisation: &OrganisationId, name: &EventName) -> String {
    format!("{organisation}.{name}")
}

/// Reads a value of the bucket.
///
/// # Errors
/// [`DecodeError`] tells a newer form from a damaged one.
pub fn decode(value: &[u8]) -> Result<EventType, DecodeError> {
    value::decode(value)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode, parse_key};
    use crate::wire::DecodeError;

    /// The bytes that versions in the field write: additive changes only.
    const GOLDEN: &str = "{\"schema\":1,\"name\":\"a.b\",\"category\":\"c\",\"description\":\"d\",\
        \"entityType\":\"e\",\"payloadSchema\":{\"type\":\"object\"},\
        \"createdAt\":\"2026-03-14T10:21:45.102Z\",\"updatedAt\":\"2026-03-14T10:21:45.102Z\"}";

    #[test]
    fn the_form_is_pinned() {
        let event_type = decode(GOLDEN.as_bytes()).unwrap();

        let written = encode(&event_type);
        assert_eq!(String::from_utf8(written.to_vec()).unwrap(), GOLDEN);
    }

    #[test]
    fn fields_of_a_later_version_are_kept_and_newer_forms_left_alone() {
        let later = GOLDEN.replacen("{\"schema\":1,", "{\"schema\":1,\"owner\":\"x\",", 1);
        let written = encode(&decode(later.as_bytes()).unwrap());

        assert!(String::from_utf8_lossy(&written).contains("\"owner\":\"x\""));
        let newer = decode(b"{\"schema\":2,\"all\":\"else\"}");
        assert!(matches!(newer, Err(DecodeError::Newer(2))));
        assert!(matches!(decode(b"{}"), Err(DecodeError::Malformed(_))));
    }

    #[test]
    fn keys_hold_names_with_dots() {
        let (organisation, name) = parse_key("acme.reward.earned").unwrap();

        assert_eq!(
            (organisation.as_str(), name.as_str()),
            ("acme", "reward.earned")
        );
        assert!(parse_key("acme").is_none());
        assert!(parse_key("acme.a..b").is_none());
    }
}
