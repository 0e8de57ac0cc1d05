//! The bucket of endpoints: the source of truth of webhook configs.
//!
//! An endpoint stands under `<organisation>.<endpoint id>`; the claim of a URL, which makes concurrent
//! creates of the same URL meet, under `<organisation>.url.<hash>`.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use domain::{
    endpoint::Endpoint,
    name::{EndpointId, OrganisationId},
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

/// An endpoint with the revision of its config.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The revision that the next write names.
    pub revision: u64,
}

/// The bucket of endpoints; cheap to clone.
#[derive(Debug, Clone)]
pub struct EndpointBucket(Bucket);

impl EndpointBucket {
    /// Opens the bucket.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn open(broker: &Broker) -> Result<Self, Error> {
        Bucket::open(broker, subject::Bucket::Endpoints)
            .await
            .map(Self)
    }

    /// Returns the bucket, to follow it.
    #[must_use]
    pub fn bucket(&self) -> &Bucket {
        &self.0
    }

    /// Reads an endpoint.
    ///
    /// # Errors
    /// [`Error::Unavailable`], also when the value is not readable.
    pub async fn get(
        &self,
        organisation: &OrganisationId,
        id: &EndpointId,
    ) -> Result<Option<Stored>, Error> {
        let Some(entry) = self.0.get(&key(organisation, id)).await? else {
            return Ok(None);
        };
        let endpoint = decode(&entry.value).map_err(crate::bucket::unavailable)?;
        Ok(Some(Stored {
            endpoint,
            revision: entry.revision,
        }))
    }

    /// Writes a new endpoint.
    ///
    /// # Errors
    /// [`Error::Conflict`] if its id is taken.
    pub async fn create(&self, endpoint: &Endpoint) -> Result<u64, Error> {
        self.0
            .create(
                &key(&endpoint.organisation_id, &endpoint.id),
                encode(endpoint),
            )
            .await
    }

    /// Writes an endpoint whose revision must be the given one.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody else changed it.
    pub async fn update(&self, endpoint: &Endpoint, revision: u64) -> Result<u64, Error> {
        self.0
            .update(
                &key(&endpoint.organisation_id, &endpoint.id),
                encode(endpoint),
                revision,
            )
            .await
    }

    /// Deletes an endpoint whose revision must be the given one, if one is given.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody else changed it.
    pub async fn delete(
        &self,
        organisation: &OrganisationId,
        id: &EndpointId,
        revision: Option<u64>,
    ) -> Result<(), Error> {
        self.0.delete(&key(organisation, id), revision).await
    }

    /// Claims a URL (by its hash) for an endpoint id, or returns the id that has it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn claim_url(
        &self,
        organisation: &OrganisationId,
        url_hash: &str,
        id: &EndpointId,
    ) -> Result<EndpointId, Error> {
        let key = claim_key(organisation, url_hash);
        match self
            .0
            .create(&key, Bytes::copy_from_slice(id.as_str().as_bytes()))
            .await
        {
            Ok(_) => Ok(id.clone()),
            Err(Error::Conflict) => {
                let entry = self.0.get(&key).await?.ok_or(Error::Conflict)?;
                let text = std::str::from_utf8(&entry.value).map_err(crate::bucket::unavailable)?;
                text.parse().map_err(crate::bucket::unavailable)
            }
            Err(error) => Err(error),
        }
    }

    /// Releases the claim of a URL.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn release_url(
        &self,
        organisation: &OrganisationId,
        url_hash: &str,
    ) -> Result<(), Error> {
        self.0
            .delete(&claim_key(organisation, url_hash), None)
            .await
    }
}

/// All endpoints in memory, by organisation and id.
#[derive(Debug, Default)]
pub struct Endpoints(RwLock<HashMap<OrganisationId, Owned>>);

/// One organisation's endpoints.
#[derive(Debug, Default)]
struct Owned {
    readable: HashMap<EndpointId, Arc<Stored>>,
    /// Endpoints whose values this version can't read.
    unreadable: HashSet<EndpointId>,
}

impl Endpoints {
    /// Returns an endpoint.
    #[must_use]
    pub fn get(&self, organisation: &OrganisationId, id: &EndpointId) -> Option<Arc<Stored>> {
        self.0
            .read()
            .get(organisation)?
            .readable
            .get(id)
            .map(Arc::clone)
    }

    /// Returns whether every endpoint of an organisation can be read. Where one can't, a later
    /// version wrote it, and nobody may act as if it were not there.
    #[must_use]
    pub fn all_readable(&self, organisation: &OrganisationId) -> bool {
        self.0
            .read()
            .get(organisation)
            .is_none_or(|owned| owned.unreadable.is_empty())
    }

    /// Returns an organisation's endpoints, the oldest first.
    #[must_use]
    pub fn of(&self, organisation: &OrganisationId) -> Vec<Arc<Stored>> {
        let mut all: Vec<_> = self
            .0
            .read()
            .get(organisation)
            .map(|owned| owned.readable.values().map(Arc::clone).collect())
            .unwrap_or_default();
        all.sort_by(|a: &Arc<Stored>, b| {
            (a.endpoint.created_at, &a.endpoint.id).cmp(&(b.endpoint.created_at, &b.endpoint.id))
        });
        all
    }

    /// Applies one change, and returns the organisation that it belongs to, unless it is no
    /// endpoint's.
    pub fn apply_one(&self, change: &Change) -> Option<OrganisationId> {
        let (organisation, id) = parse_key(&change.key)?;
        let decoded = change.value.as_ref().map(|value| decode(value));
        let mut all = self.0.write();
        let owned = all.entry(organisation.clone()).or_default();
        owned.readable.remove(&id);
        owned.unreadable.remove(&id);
        match decoded {
            Some(Ok(endpoint)) => {
                let stored = Arc::new(Stored {
                    endpoint,
                    revision: change.revision,
                });
                owned.readable.insert(id, stored);
            }
            Some(Err(error)) => {
                tracing::error!(error = %error, key = change.key, "endpoint is not readable");
                owned.unreadable.insert(id);
            }
            None => {}
        }
        Some(organisation)
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.write().clear();
    }
}

impl View for Endpoints {
    fn replace(&self, all: Vec<Change>) {
        let fresh = Self::default();
        for change in &all {
            let _organisation = fresh.apply_one(change);
        }
        *self.0.write() = fresh.0.into_inner();
    }

    fn apply(&self, changes: Vec<Change>) {
        for change in &changes {
            let _organisation = self.apply_one(change);
        }
    }
}

/// Returns organisation and endpoint of a key; `None` for a claim.
#[must_use]
pub fn parse_key(key: &str) -> Option<(OrganisationId, EndpointId)> {
    let (organisation, id) = key.split_once('.')?;
    Some((organisation.parse().ok()?, id.parse().ok()?))
}

pub(crate) fn key(organisation: &OrganisationId, id: &EndpointId) -> String {
    format!("{organisation}.{id}")
}

fn claim_key(organisation: &OrganisationId, url_hash: &str) -> String {
    format!("{organisation}.url.{url_hash}")
}

pub(crate) fn decode(value: &[u8]) -> Result<Endpoint, DecodeError> {
    value::decode(value)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Endpoints, decode, encode, parse_key};
    use crate::bucket::{Change, View as _};

    /// The bytes that versions in the field write: additive changes only.
    const GOLDEN: &str = "{\"schema\":1,\"id\":\"ep_1\",\"organisationId\":\"acme\",\
        \"url\":\"https://a.example/\",\"events\":[\"a.b\",\"reward.*\",\"*\"],\
        \"entityFilters\":{\"a.b\":[\"x\"]},\"httpMethod\":\"POST\",\"isEnabled\":true,\
        \"maxRetries\":5,\"headers\":[{\"name\":\"X-A\",\"value\":\"b\"},{\"name\":\"Authorization\",\
        \"sealed\":{\"text\":\"k:c\",\"shown\":\"Bearer ***\"}}],\"signing\":\"standard\",\
        \"secrets\":[{\"sealed\":\"k:c\"}],\"retryPolicy\":{\"preset\":\"nudj\"},\"timeoutMs\":10000,\
        \"createdAt\":\"2026-03-14T10:21:45.102Z\",\"updatedAt\":\"2026-03-14T10:21:45.102Z\"}";

    #[test]
    fn the_form_is_pinned() {
        let endpoint = decode(GOLDEN.as_bytes()).unwrap();

        assert_eq!(
            String::from_utf8(encode(&endpoint).to_vec()).unwrap(),
            GOLDEN
        );
    }

    #[test]
    fn fields_of_a_later_version_are_kept() {
        let later = GOLDEN.replacen(
            "{\"schema\":1,",
            "{\"schema\":1,\"ordering\":\"strict\",",
            1,
        );
        let endpoint = decode(later.as_bytes()).unwrap();

        assert!(
            String::from_utf8(encode(&endpoint).to_vec())
                .unwrap()
                .contains("\"ordering\":\"strict\"")
        );
    }

    #[test]
    fn an_endpoint_of_a_later_version_is_there_and_not_readable() {
        let endpoints = Endpoints::default();
        let organisation = "acme".parse().unwrap();
        let change = |value: &str| Change {
            key: "acme.ep_1".to_owned(),
            value: Some(Bytes::copy_from_slice(value.as_bytes())),
            revision: 1,
            stored_at: domain::time::Timestamp::from_millis(0),
        };

        endpoints.apply(vec![change("{\"schema\":2,\"events\":{}}")]);
        assert!(!endpoints.all_readable(&organisation));
        endpoints.apply(vec![change(GOLDEN)]);
        assert!(endpoints.all_readable(&organisation));
    }

    #[test]
    fn claims_are_no_endpoints() {
        assert!(parse_key("acme.ep_1").is_some());
        assert!(parse_key("acme.url.abc").is_none());
        assert!(parse_key("acme").is_none());
    }
}
