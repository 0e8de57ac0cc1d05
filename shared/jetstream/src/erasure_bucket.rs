//! The bucket of erasures, under `<organisation>.<erasure id>`, and all of them in memory.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    erasure::Erasure,
    name::{ErasureId, OrganisationId},
};
use parking_lot::RwLock;

use crate::{
    bucket::{Bucket, Change, Error, View, unavailable},
    connection::Broker,
    subject,
    wire::{
        DecodeError,
        value::{self, encode},
    },
};

/// An erasure with its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The erasure.
    pub erasure: Erasure,
    /// The revision that the next write names.
    pub revision: u64,
}

/// The bucket of erasures; cheap to clone.
#[derive(Debug, Clone)]
pub struct ErasureBucket(Bucket);

impl ErasureBucket {
    /// Opens the bucket.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn open(broker: &Broker) -> Result<Self, Error> {
        let bucket = Bucket::open(broker, subject::Bucket::Erasures).await?;
        Ok(Self(bucket))
    }

    /// Returns the bucket, to follow it.
    #[must_use]
    pub fn bucket(&self) -> &Bucket {
        &self.0
    }

    /// Reads an erasure.
    ///
    /// # Errors
    /// [`Error::Unavailable`], also when the value is not readable.
    pub async fn get(
        &self,
        organisation: &OrganisationId,
        id: &ErasureId,
    ) -> Result<Option<Stored>, Error> {
        let Some(entry) = self.0.get(&key(organisation, id)).await? else {
            return Ok(None);
        };
        let erasure = decode(&entry.value).map_err(unavailable)?;
        Ok(Some(Stored {
            erasure,
            revision: entry.revision,
        }))
    }

    /// Writes a new erasure.
    ///
    /// # Errors
    /// [`Error::Conflict`] if its id is taken.
    pub async fn create(&self, erasure: &Erasure) -> Result<u64, Error> {
        self.0.create(&key_of(erasure), encode(erasure)).await
    }

    /// Writes an erasure whose revision must be the given one.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody else changed it.
    pub async fn update(&self, erasure: &Erasure, revision: u64) -> Result<u64, Error> {
        self.0
            .update(&key_of(erasure), encode(erasure), revision)
            .await
    }

    /// Deletes an erasure whose revision must be the given one.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody else changed it.
    pub async fn delete(&self, stored: &Stored) -> Result<(), Error> {
        self.0
            .delete(&key_of(&stored.erasure), Some(stored.revision))
            .await
    }
}

/// All erasures in memory.
#[derive(Debug, Default)]
pub struct Erasures(RwLock<BTreeMap<String, Arc<Stored>>>);

impl Erasures {
    /// Returns an organisation's erasures, the newest first.
    #[must_use]
    pub fn of(&self, organisation: &OrganisationId) -> Vec<Arc<Stored>> {
        let begin = format!("{organisation}.");
        let all = self.0.read();
        let mut own: Vec<_> = all
            .range(begin.clone()..)
            .take_while(|(key, _)| key.starts_with(&begin))
            .map(|(_, stored)| Arc::clone(stored))
            .collect();
        own.sort_by_cached_key(|stored| {
            std::cmp::Reverse((stored.erasure.created_at, stored.erasure.id.clone()))
        });
        own
    }

    /// Returns the erasures that satisfy a condition.
    #[must_use]
    pub fn matching(&self, wanted: impl Fn(&Erasure) -> bool) -> Vec<Arc<Stored>> {
        let all = self.0.read();
        let found = all.values().filter(|stored| wanted(&stored.erasure));
        found.map(Arc::clone).collect()
    }
}

impl View for Erasures {
    fn replace(&self, all: Vec<Change>) {
        let mut fresh = BTreeMap::new();
        all.into_iter().for_each(|change| note(&mut fresh, change));
        *self.0.write() = fresh;
    }

    fn apply(&self, changes: Vec<Change>) {
        let mut held = self.0.write();
        changes
            .into_iter()
            .for_each(|change| note(&mut held, change));
    }
}

fn note(held: &mut BTreeMap<String, Arc<Stored>>, change: Change) {
    match change.value.as_ref().map(|value| decode(value)) {
        Some(Ok(erasure)) => {
            let revision = change.revision;
            held.insert(change.key, Arc::new(Stored { erasure, revision }));
        }
        Some(Err(error)) => {
            tracing::error!(error = %error, key = change.key, "erasure is not readable");
            held.remove(&change.key);
        }
        None => {
            held.remove(&change.key);
        }
    }
}

fn key_of(erasure: &Erasure) -> String {
    key(&erasure.organisation_id, &erasure.id)
}

fn key(organisation: &OrganisationId, id: &ErasureId) -> String {
    format!("{organisation}.{id}")
}

fn decode(value: &[u8]) -> Result<Erasure, DecodeError> {
    value::decode(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::{
        erasure::{Erasure, Place, Target},
        time::Timestamp,
    };

    use super::{Erasures, decode, encode, key_of};
    use crate::{
        bucket::{Change, View as _},
        wire::DecodeError,
    };

    #[test]
    fn an_erasure_is_read_as_it_was_written() {
        let erasure = erasure("acme", 1);
        let text = encode(&erasure);

        assert!(text.starts_with(b"{\"schema\":1,\"id\":\"er_1\","));
        assert_eq!(decode(&text).unwrap(), erasure);
        assert!(matches!(
            decode(b"{\"schema\":2,\"all\":\"else\"}"),
            Err(DecodeError::Newer(2))
        ));
    }

    #[test]
    fn erasures_are_listed_by_organisation_the_newest_first() {
        let erasures = Erasures::default();
        let ids = |organisation: &str| -> Vec<String> {
            let own = erasures.of(&organisation.parse().unwrap());
            own.iter()
                .map(|stored| stored.erasure.id.to_string())
                .collect()
        };

        // An organisation whose name begins with another's, on purpose.
        erasures.replace(vec![
            put(&erasure("acme", 2)),
            put(&erasure("acme", 10)),
            put(&erasure("acme-2", 3)),
        ]);
        assert_eq!(ids("acme"), ["er_10", "er_2"]);
        assert_eq!(ids("acme-2"), ["er_3"]);
        erasures.apply(vec![Change {
            value: None,
            ..put(&erasure("acme", 10))
        }]);
        assert_eq!(ids("acme"), ["er_2"]);
        assert_eq!(erasures.matching(|_| true).len(), 2);
    }

    fn erasure(organisation: &str, number: i64) -> Erasure {
        let now = Timestamp::from_millis(number);
        let target = Target {
            organisation: organisation.parse().unwrap(),
            event: "evt-1".parse().unwrap(),
            until: now,
        };
        let ends = BTreeMap::from(Place::ALL.map(|place| (place, 7)));
        Erasure::new(format!("er_{number}").parse().unwrap(), target, &ends, now)
    }

    fn put(erasure: &Erasure) -> Change {
        Change {
            key: key_of(erasure),
            value: Some(encode(erasure)),
            revision: 1,
            stored_at: Timestamp::from_millis(0),
        }
    }
}
