//! The bucket of the endpoints' health, and all of it in memory.

use std::collections::{BTreeMap, HashMap};

use domain::{
    health::{Health, State},
    name::{EndpointId, OrganisationId},
};
use parking_lot::RwLock;

use crate::{
    bucket::{Bucket, Change, Error, View},
    connection::Broker,
    endpoint_bucket::parse_key,
    subject,
    wire::value::{decode, encode},
};

/// Health with the revision that the next write names.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The health.
    pub health: Health,
    /// Its revision.
    pub revision: u64,
}

/// The bucket of health; cheap to clone. Keys are `<organisation>.<endpoint>`.
#[derive(Debug, Clone)]
pub struct HealthBucket(Bucket);

impl HealthBucket {
    /// Opens the bucket.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn open(broker: &Broker) -> Result<Self, Error> {
        Bucket::open(broker, subject::Bucket::Health)
            .await
            .map(Self)
    }

    /// Returns the bucket, to follow it.
    #[must_use]
    pub fn bucket(&self) -> &Bucket {
        &self.0
    }

    /// Reads an endpoint's health; what can't be read counts as none.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn get(
        &self,
        organisation: &OrganisationId,
        endpoint: &EndpointId,
    ) -> Result<Option<Stored>, Error> {
        let entry = self.0.get(&key(organisation, endpoint)).await?;
        Ok(entry.and_then(|entry| {
            read(&entry.value).map(|health| Stored {
                health,
                revision: entry.revision,
            })
        }))
    }

    /// Reads the health of all endpoints; what can't be read is left out.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn all(&self) -> Result<BTreeMap<(OrganisationId, EndpointId), Health>, Error> {
        let mut all = BTreeMap::new();
        let note = |change: Change| {
            let Some(id) = parse_key(&change.key) else {
                return;
            };
            match change.value.as_ref().and_then(|value| read(value)) {
                Some(health) => all.insert(id, health),
                None => all.remove(&id),
            };
        };
        self.0.each_revision(note).await?;
        Ok(all)
    }

    /// Writes an endpoint's health if its revision is still the given one, or if there is none yet;
    /// returns the new revision.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody else was faster.
    pub async fn write(
        &self,
        organisation: &OrganisationId,
        endpoint: &EndpointId,
        health: &Health,
        revision: Option<u64>,
    ) -> Result<u64, Error> {
        let key = key(organisation, endpoint);
        match revision {
            Some(revision) => self.0.update(&key, encode(health), revision).await,
            None => self.0.create(&key, encode(health)).await,
        }
    }

    /// Writes an endpoint's health, whatever it was.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn put(
        &self,
        organisation: &OrganisationId,
        endpoint: &EndpointId,
        health: &Health,
    ) -> Result<u64, Error> {
        self.0
            .put(&key(organisation, endpoint), encode(health))
            .await
    }

    /// Forgets the health of an endpoint that is no more.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn delete(
        &self,
        organisation: &OrganisationId,
        endpoint: &EndpointId,
    ) -> Result<(), Error> {
        self.0.delete(&key(organisation, endpoint), None).await
    }
}

/// The health of all endpoints in memory; those of which nothing bad is known are not there.
#[derive(Debug, Default)]
pub struct Healths(RwLock<HashMap<EndpointId, Stored>>);

impl Healths {
    /// Returns an endpoint's health.
    #[must_use]
    pub fn get(&self, endpoint: &EndpointId) -> Option<Stored> {
        self.0.read().get(endpoint).cloned()
    }

    /// Returns how many endpoints have a health in that state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        let all = self.0.read();
        all.values()
            .filter(|stored| stored.health.state == state)
            .count()
    }

    /// Takes in what we have just written or read, before the watch tells us.
    pub fn note(&self, endpoint: &EndpointId, stored: Stored) {
        let mut all = self.0.write();
        if all
            .get(endpoint)
            .is_none_or(|known| known.revision < stored.revision)
        {
            all.insert(endpoint.clone(), stored);
        }
    }

    fn change(all: &mut HashMap<EndpointId, Stored>, change: &Change) {
        let endpoint = change.key.split_once('.').map(|(_, id)| id.parse());
        let Some(Ok(endpoint)) = endpoint else {
            return;
        };
        match change.value.as_ref().and_then(|value| read(value)) {
            Some(health) => {
                let revision = change.revision;
                all.insert(endpoint, Stored { health, revision });
            }
            None => {
                all.remove(&endpoint);
            }
        }
    }
}

impl View for Healths {
    fn replace(&self, all: Vec<Change>) {
        let mut held = HashMap::new();
        all.iter()
            .for_each(|change| Self::change(&mut held, change));
        *self.0.write() = held;
    }

    fn apply(&self, changes: Vec<Change>) {
        let mut held = self.0.write();
        for change in &changes {
            Self::change(&mut held, change);
        }
    }
}

fn key(organisation: &OrganisationId, endpoint: &EndpointId) -> String {
    format!("{organisation}.{endpoint}")
}

fn read(value: &[u8]) -> Option<Health> {
    match decode(value) {
        Ok(health) => Some(health),
        Err(error) => {
            tracing::error!(error = %error, "health of an endpoint is not readable");
            None
        }
    }
}
