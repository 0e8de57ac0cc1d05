//! The bucket of organisations' settings, under the organisation's id, and all of them in memory.

use std::collections::HashMap;

use domain::{name::OrganisationId, organisation::Settings};
use parking_lot::RwLock;

use crate::{
    bucket::{Bucket, Change, Error, View},
    connection::Broker,
    subject,
    wire::{
        DecodeError,
        value::{self, encode},
    },
};

/// Settings with the revision that the next write names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The settings.
    pub settings: Settings,
    /// Their revision.
    pub revision: u64,
}

/// The bucket of settings; cheap to clone.
#[derive(Debug, Clone)]
pub struct OrganisationBucket(Bucket);

impl OrganisationBucket {
    /// Opens the bucket.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn open(broker: &Broker) -> Result<Self, Error> {
        Bucket::open(broker, subject::Bucket::Organisations)
            .await
            .map(Self)
    }

    /// Returns the bucket, to follow it.
    #[must_use]
    pub fn bucket(&self) -> &Bucket {
        &self.0
    }

    /// Reads an organisation's settings.
    ///
    /// # Errors
    /// [`Error::Unavailable`], also when they are not readable.
    pub async fn get(&self, organisation: &OrganisationId) -> Result<Option<Stored>, Error> {
        let Some(entry) = self.0.get(organisation.as_str()).await? else {
            return Ok(None);
        };
        let settings = decode(&entry.value).map_err(crate::bucket::unavailable)?;
        Ok(Some(Stored {
            settings,
            revision: entry.revision,
        }))
    }

    /// Writes settings whose revision must be the given one; without one, there must be none yet.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody else changed them.
    pub async fn write(
        &self,
        organisation: &OrganisationId,
        settings: &Settings,
        revision: Option<u64>,
    ) -> Result<u64, Error> {
        let (key, value) = (organisation.as_str(), encode(settings));
        match revision {
            Some(revision) => self.0.update(key, value, revision).await,
            None => self.0.create(key, value).await,
        }
    }
}

/// The settings of all organisations in memory; those that have none are not there.
#[derive(Debug, Default)]
pub struct Organisations(RwLock<HashMap<OrganisationId, Settings>>);

impl Organisations {
    /// Returns all settings.
    #[must_use]
    pub fn all(&self) -> Vec<(OrganisationId, Settings)> {
        let all = self.0.read();
        all.iter()
            .map(|(organisation, settings)| (organisation.clone(), settings.clone()))
            .collect()
    }
}

impl View for Organisations {
    fn replace(&self, all: Vec<Change>) {
        let mut fresh = HashMap::new();
        all.into_iter().for_each(|change| note(&mut fresh, &change));
        *self.0.write() = fresh;
    }

    fn apply(&self, changes: Vec<Change>) {
        let mut held = self.0.write();
        changes.iter().for_each(|change| note(&mut held, change));
    }
}

/// Takes in a change. Settings that can't be read are none: nothing is deleted on a guess.
fn note(held: &mut HashMap<OrganisationId, Settings>, change: &Change) {
    let Ok(organisation) = change.key.parse() else {
        return;
    };
    match change.value.as_ref().map(|value| decode(value)) {
        Some(Ok(settings)) => {
            held.insert(organisation, settings);
        }
        Some(Err(error)) => {
            tracing::error!(error = %error, key = change.key, "settings are not readable");
            held.remove(&organisation);
        }
        None => {
            held.remove(&organisation);
        }
    }
}

fn decode(value: &[u8]) -> Result<Settings, DecodeError> {
    value::decode(value)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use domain::{organisation::Settings, time::Timestamp};

    use super::{Organisations, decode, encode};
    use crate::{
        bucket::{Change, View as _},
        wire::DecodeError,
    };

    #[test]
    fn settings_are_read_as_they_were_written() {
        let text = encode(&settings());

        assert_eq!(
            text,
            "{\"schema\":1,\"bodyRetentionDays\":7,\"updatedAt\":\"1970-01-01T00:00:00.001Z\"}"
        );
        assert_eq!(decode(&text).unwrap(), settings());
        assert_eq!(decode(b"{\"schema\":1}").unwrap(), Settings::default());
        assert!(matches!(
            decode(b"{\"schema\":2}"),
            Err(DecodeError::Newer(2))
        ));
    }

    #[test]
    fn what_is_not_readable_deletes_nothing() {
        let organisations = Organisations::default();
        let change = |value: &[u8]| Change {
            key: "acme".to_owned(),
            value: Some(Bytes::copy_from_slice(value)),
            revision: 1,
            stored_at: Timestamp::from_millis(0),
        };

        organisations.replace(vec![change(&encode(&settings()))]);
        let held = organisations.all();
        organisations.apply(vec![change(b"{\"schema\":2}")]);

        assert_eq!(held, [("acme".parse().unwrap(), settings())]);
        assert_eq!(organisations.all(), []);
    }

    fn settings() -> Settings {
        Settings {
            body_retention_days: Some(7),
            updated_at: Some(Timestamp::from_millis(1)),
            ..Settings::default()
        }
    }
}
