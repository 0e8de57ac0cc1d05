//! The bucket of replays, under `<organisation>.<replay id>`, and all of them in memory.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    name::{OrganisationId, ReplayId},
    replay::Replay,
};
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

/// A replay with its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The replay.
    pub replay: Replay,
    /// The revision that the next write names.
    pub revision: u64,
}

/// The bucket of replays; cheap to clone.
#[derive(Debug, Clone)]
pub struct ReplayBucket(Bucket);

impl ReplayBucket {
    /// Opens the bucket.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn open(broker: &Broker) -> Result<Self, Error> {
        Bucket::open(broker, subject::Bucket::Replays)
            .await
            .map(Self)
    }

    /// Returns the bucket, to follow it.
    #[must_use]
    pub fn bucket(&self) -> &Bucket {
        &self.0
    }

    /// Reads a replay.
    ///
    /// # Errors
    /// [`Error::Unavailable`], also when the value is not readable.
    pub async fn get(
        &self,
        organisation: &OrganisationId,
        id: &ReplayId,
    ) -> Result<Option<Stored>, Error> {
        let Some(entry) = self.0.get(&key(organisation, id)).await? else {
            return Ok(None);
        };
        let replay = decode(&entry.value).map_err(crate::bucket::unavailable)?;
        Ok(Some(Stored {
            replay,
            revision: entry.revision,
        }))
    }

    /// Writes a new replay.
    ///
    /// # Errors
    /// [`Error::Conflict`] if its id is taken.
    pub async fn create(&self, replay: &Replay) -> Result<u64, Error> {
        self.0.create(&key_of(replay), encode(replay)).await
    }

    /// Writes a replay whose revision must be the given one.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody else changed it.
    pub async fn update(&self, replay: &Replay, revision: u64) -> Result<u64, Error> {
        self.0
            .update(&key_of(replay), encode(replay), revision)
            .await
    }

    /// Deletes a replay whose revision must be the given one.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody else changed it.
    pub async fn delete(&self, stored: &Stored) -> Result<(), Error> {
        self.0
            .delete(&key_of(&stored.replay), Some(stored.revision))
            .await
    }
}

/// All replays in memory.
#[derive(Debug, Default)]
pub struct Replays(RwLock<BTreeMap<String, Arc<Stored>>>);

impl Replays {
    /// Returns a replay.
    #[must_use]
    pub fn get(&self, organisation: &OrganisationId, id: &ReplayId) -> Option<Arc<Stored>> {
        self.0.read().get(&key(organisation, id)).map(Arc::clone)
    }

    /// Returns an organisation's replays, the newest first.
    #[must_use]
    pub fn of(&self, organisation: &OrganisationId) -> Vec<Arc<Stored>> {
        let all = self.0.read();
        let begin = format!("{organisation}.");
        let own = all
            .range(begin.clone()..)
            .take_while(|(key, _)| key.starts_with(&begin));
        newest_first(own.map(|(_, stored)| Arc::clone(stored)).collect())
    }

    /// Returns all replays by organisation, the newest of each first.
    #[must_use]
    pub fn all(&self) -> BTreeMap<OrganisationId, Vec<Arc<Stored>>> {
        let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for stored in self.0.read().values() {
            let own = all
                .entry(stored.replay.organisation_id.clone())
                .or_default();
            own.push(Arc::clone(stored));
        }
        all.into_iter()
            .map(|(organisation, own)| (organisation, newest_first(own)))
            .collect()
    }
}

fn newest_first(mut replays: Vec<Arc<Stored>>) -> Vec<Arc<Stored>> {
    let age = |stored: &Stored| (stored.replay.created_at, stored.replay.id.clone());
    replays.sort_by_cached_key(|stored| std::cmp::Reverse(age(stored)));
    replays
}

impl View for Replays {
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
        Some(Ok(replay)) => {
            let stored = Stored {
                replay,
                revision: change.revision,
            };
            held.insert(change.key, Arc::new(stored));
        }
        Some(Err(error)) => {
            tracing::error!(error = %error, key = change.key, "replay is not readable");
            held.remove(&change.key);
        }
        None => {
            held.remove(&change.key);
        }
    }
}

fn key_of(replay: &Replay) -> String {
    key(&replay.organisation_id, &replay.id)
}

fn key(organisation: &OrganisationId, id: &ReplayId) -> String {
    format!("{organisation}.{id}")
}

fn decode(value: &[u8]) -> Result<Replay, DecodeError> {
    value::decode(value)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use domain::{
        name::OrganisationId,
        replay::{Mode, Plan, Replay, Target},
        time::Timestamp,
    };

    use super::{Replays, decode, encode};
    use crate::{
        bucket::{Change, View as _},
        wire::DecodeError,
    };

    #[test]
    fn a_replay_is_read_as_it_was_written() {
        let replay = replay("acme", 1);
        let text = encode(&replay);

        assert!(text.starts_with(b"{\"schema\":1,\"id\":\"rp_1\","));
        assert_eq!(decode(&text).unwrap(), replay);
        assert!(matches!(
            decode(b"{\"schema\":2,\"all\":\"else\"}"),
            Err(DecodeError::Newer(2))
        ));
        assert!(matches!(decode(b"{}"), Err(DecodeError::Malformed(_))));
    }

    #[test]
    fn replays_are_listed_by_organisation_the_newest_first() {
        let replays = Replays::default();
        let ids = |organisation: &str| -> Vec<String> {
            let organisation: OrganisationId = organisation.parse().unwrap();
            let own = replays.of(&organisation);
            assert_eq!(
                own,
                replays.all().remove(&organisation).unwrap_or_default(),
                "both ways say the same"
            );
            own.iter()
                .map(|stored| stored.replay.id.to_string())
                .collect()
        };

        // An organisation whose name begins with another's, on purpose.
        replays.replace(vec![
            put(&replay("acme", 2)),
            put(&replay("acme", 10)),
            put(&replay("acme-2", 3)),
        ]);
        assert_eq!(ids("acme"), ["rp_10", "rp_2"]);
        assert_eq!(ids("acme-2"), ["rp_3"]);
        replays.apply(vec![
            Change {
                value: None,
                ..put(&replay("acme", 10))
            },
            Change {
                value: Some(Bytes::from_static(b"{")),
                ..put(&replay("acme-2", 3))
            },
        ]);
        assert_eq!(ids("acme"), ["rp_2"]);
        assert!(ids("acme-2").is_empty());
    }

    fn replay(organisation: &str, number: i64) -> Replay {
        let now = Timestamp::from_millis(number);
        let from = Timestamp::from_millis(0);
        let target = Target {
            organisation: organisation.parse().unwrap(),
            endpoint: "ep_1".parse().unwrap(),
        };
        let plan = Plan::try_new(Mode::All, from, None, None, now).unwrap();
        Replay::new(
            format!("rp_{number}").parse().unwrap(),
            target,
            plan,
            7,
            now,
        )
    }

    fn put(replay: &Replay) -> Change {
        Change {
            key: super::key_of(replay),
            value: Some(encode(replay)),
            revision: 1,
            stored_at: Timestamp::from_millis(0),
        }
    }
}
