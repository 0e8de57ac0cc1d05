//! Saving configs: who owns a URL, and how concurrent savers meet.
//!
//! **Invariant:** an endpoint is written only under the revision that was read, and made only under
//! the id that claimed its URL, so that of several savers one wins and the others see what it did. A
//! claim that a crash left behind is taken over.

mod filters;
mod lookup;
mod pausing;
mod plan;
mod refusal;
mod room;
mod rotating;

use std::{collections::HashSet, sync::Arc, time::Duration};

use catalogue::Catalogue;
use domain::{
    destination::Policy,
    draft::{Change, ConfigDraft, Context, url_key},
    endpoint::Endpoint,
    name::{EndpointId, OrganisationId},
};
use jetstream::{
    bucket,
    endpoint_bucket::{EndpointBucket, Endpoints, Stored},
    health_bucket::HealthBucket,
    sealing::Keyring,
};
use parking_lot::Mutex;

use self::lookup::Lookups;
pub(crate) use self::{plan::Target, refusal::Refusal};
use crate::{
    Settings,
    following::Following,
    now,
    secrets::{self, SealedChange},
};

/// How often a save is tried again after somebody else's.
const TRIES: usize = 10;
/// How long a claim without its endpoint is given before it counts as left behind by a crash.
const CLAIM_PATIENCE: Duration = Duration::from_secs(1);
/// How long a save waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(5);
/// How often such a claim is looked at.
const CLAIM_LOOK: Duration = Duration::from_millis(50);
/// The most bytes of a config as it is kept: it must fit into one message of a broker with the default
/// `max_payload` of 1 MiB.
const STORED_MAX_BYTES: usize = 768 * 1024;

/// Saves configs.
#[derive(Debug)]
pub(crate) struct Configs {
    bucket: EndpointBucket,
    healths: HealthBucket,
    endpoints: Arc<Endpoints>,
    catalogue: Arc<Catalogue>,
    keyring: Arc<Keyring>,
    destinations: Arc<Policy>,
    /// Endpoints whose generated secret was in an answer that turned into an error.
    untold: Mutex<HashSet<EndpointId>>,
    /// Resolves the names in URLs.
    lookups: Lookups,
    /// Lets one write of this replica after the other, so that only replicas contend.
    turn: tokio::sync::Mutex<()>,
}

/// A config as it is saved.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) endpoint: Endpoint,
    pub(crate) revision: u64,
    /// Whether its secret was generated and has not been told yet.
    pub(crate) is_untold: bool,
}

/// The revision that a request wants to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Whatever is there.
    Any,
    /// This one.
    Revision(u64),
}

impl Expected {
    fn check(self, revision: u64) -> Result<(), Refusal> {
        match self {
            Self::Revision(expected) if expected != revision => Err(Refusal::Changed),
            Self::Any | Self::Revision(_) => Ok(()),
        }
    }

    /// Checks that a config may be made: one that is not there has no revision.
    fn check_absent(self) -> Result<(), Refusal> {
        match self {
            Self::Revision(_) => Err(Refusal::Changed),
            Self::Any => Ok(()),
        }
    }
}

impl Configs {
    pub(crate) fn new(settings: &Settings, following: &Following) -> Self {
        Self {
            bucket: following.endpoint_bucket.clone(),
            healths: following.health_bucket.clone(),
            endpoints: Arc::clone(&following.endpoints),
            catalogue: Arc::clone(&following.catalogue),
            keyring: Arc::clone(&settings.keyring),
            destinations: Arc::clone(&settings.destinations),
            untold: Mutex::default(),
            lookups: Lookups::new(settings.resolves_names),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Saves a planned item. One that is expected to have a revision is not made.
    pub(crate) async fn save(
        &self,
        organisation: &OrganisationId,
        draft: &ConfigDraft,
        target: &Target,
        expected: Expected,
    ) -> Result<Saved, Refusal> {
        let _turn = self.turn().await?;
        match target {
            Target::Existing(id) => self.update_in_turn(organisation, id, draft, expected).await,
            Target::Url { key, known } => {
                if let Some(id) = known {
                    match self.update_in_turn(organisation, id, draft, expected).await {
                        Err(Refusal::NotFound) => {}
                        settled => return settled,
                    }
                }
                expected.check_absent()?;
                self.create(organisation, key, draft).await
            }
        }
    }

    /// Updates an endpoint; a draft that changes nothing writes nothing.
    pub(crate) async fn update(
        &self,
        organisation: &OrganisationId,
        id: &EndpointId,
        draft: &ConfigDraft,
        expected: Expected,
    ) -> Result<Saved, Refusal> {
        if let Some(stored) = self.endpoints.get(organisation, id) {
            let change = draft.apply(
                Some(&stored.endpoint),
                &self.context(organisation, id.clone()),
            )?;
            let hosts = plan::new_hosts(Some(&stored.endpoint), &change.endpoint);
            self.check_hosts(&hosts).await?;
        }
        let _turn = self.turn().await?;
        self.update_in_turn(organisation, id, draft, expected).await
    }

    /// Waits until no other write of this replica is under way.
    async fn turn(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, Refusal> {
        tokio::time::timeout(TURN_PATIENCE, self.turn.lock())
            .await
            .map_err(|_elapsed| Refusal::Busy)
    }

    async fn update_in_turn(
        &self,
        organisation: &OrganisationId,
        id: &EndpointId,
        draft: &ConfigDraft,
        expected: Expected,
    ) -> Result<Saved, Refusal> {
        for _ in 0..TRIES {
            let stored = self
                .bucket
                .get(organisation, id)
                .await?
                .ok_or(Refusal::NotFound)?;
            expected.check(stored.revision)?;
            let change = draft.apply(
                Some(&stored.endpoint),
                &self.context(organisation, id.clone()),
            )?;
            let sealed = self.seal(Some(&stored.endpoint), change)?;
            let mut endpoint = sealed.endpoint;
            if endpoint == stored.endpoint {
                let is_untold = self.untold.lock().remove(id);
                return Ok(Saved {
                    endpoint,
                    revision: stored.revision,
                    is_untold,
                });
            }
            endpoint.updated_at = now();
            if endpoint.is_enabled && !stored.endpoint.is_enabled {
                self.let_back(&endpoint).await?;
            }
            let (old_key, new_key) = (url_key(&stored.endpoint.url), url_key(&endpoint.url));
            if old_key != new_key {
                self.take_url(organisation, &new_key, id).await?;
            }
            match self.bucket.update(&endpoint, stored.revision).await {
                Ok(revision) => {
                    if old_key != new_key {
                        self.leave_url(organisation, &old_key).await;
                    }
                    let is_untold = self.untold.lock().remove(id) || sealed.is_generated;
                    return Ok(Saved {
                        endpoint,
                        revision,
                        is_untold,
                    });
                }
                Err(bucket::Error::Conflict) if old_key != new_key => {
                    self.leave_url(organisation, &new_key).await;
                }
                Err(bucket::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Busy)
    }

    /// Makes an endpoint under the id that claims its URL, or updates the one that has it.
    async fn create(
        &self,
        organisation: &OrganisationId,
        key: &str,
        draft: &ConfigDraft,
    ) -> Result<Saved, Refusal> {
        let own = new_id()?;
        for _ in 0..TRIES {
            let Some(id) = self.claim(organisation, key, &own).await? else {
                continue;
            };
            if let Some(stored) = self.bucket.get(organisation, &id).await? {
                if !has_key(&stored, key) {
                    match self.release_if_left(organisation, key, &id).await {
                        Ok(()) | Err(Refusal::UrlTaken) => continue,
                        Err(refusal) => return Err(refusal),
                    }
                }
                match self
                    .update_in_turn(organisation, &id, draft, Expected::Any)
                    .await
                {
                    Err(Refusal::NotFound) => continue,
                    settled => return settled,
                }
            }
            let change = draft.apply(None, &self.context(organisation, id))?;
            let sealed = self.seal(None, change)?;
            match self.bucket.create(&sealed.endpoint).await {
                Ok(revision) => {
                    let endpoint = sealed.endpoint;
                    return Ok(Saved {
                        endpoint,
                        revision,
                        is_untold: sealed.is_generated,
                    });
                }
                Err(bucket::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Busy)
    }

    /// Deletes an endpoint. Its URL is released first: what a crash leaves behind then is an endpoint
    /// that can be deleted again, and not a claim of nothing.
    pub(crate) async fn delete(
        &self,
        organisation: &OrganisationId,
        id: &EndpointId,
        expected: Expected,
    ) -> Result<u64, Refusal> {
        let _turn = self.turn().await?;
        for _ in 0..TRIES {
            let stored = self
                .bucket
                .get(organisation, id)
                .await?
                .ok_or(Refusal::NotFound)?;
            expected.check(stored.revision)?;
            let key = url_key(&stored.endpoint.url);
            self.bucket.release_url(organisation, &key).await?;
            match self
                .bucket
                .delete(organisation, id, Some(stored.revision))
                .await
            {
                Ok(()) => {
                    self.untold.lock().remove(id);
                    self.forget_health(&stored.endpoint).await;
                    return Ok(self.bucket.bucket().last_revision().await?);
                }
                // Somebody changed it meanwhile: it has its URL again until it is decided anew.
                Err(bucket::Error::Conflict) => {
                    self.claim(organisation, &key, id).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Busy)
    }

    /// Returns a generated secret, once it can be told.
    pub(crate) fn generated_secret(&self, saved: &Saved) -> Option<String> {
        saved
            .is_untold
            .then(|| secrets::current(&self.keyring, &saved.endpoint))
            .flatten()
    }

    /// Remembers generated secrets that an answer could not tell, for when the request is repeated.
    pub(crate) fn not_told<'a>(&self, saved: impl Iterator<Item = &'a Saved>) {
        let ids = saved
            .filter(|saved| saved.is_untold)
            .map(|saved| saved.endpoint.id.clone());
        self.untold.lock().extend(ids);
    }

    /// Claims a URL for an endpoint that moves to it.
    async fn take_url(
        &self,
        organisation: &OrganisationId,
        key: &str,
        id: &EndpointId,
    ) -> Result<(), Refusal> {
        if self
            .holders(organisation)
            .get(key)
            .is_some_and(|holder| holder != id)
        {
            return Err(Refusal::UrlTaken);
        }
        for _ in 0..TRIES {
            match self.claim(organisation, key, id).await? {
                Some(holder) if holder == *id => return Ok(()),
                Some(holder) => self.release_if_left(organisation, key, &holder).await?,
                None => {}
            }
        }
        Err(Refusal::Busy)
    }

    /// Claims a URL; returns who has it, or `None` if it was released at this very moment.
    async fn claim(
        &self,
        organisation: &OrganisationId,
        key: &str,
        id: &EndpointId,
    ) -> Result<Option<EndpointId>, Refusal> {
        match self.bucket.claim_url(organisation, key, id).await {
            Ok(holder) => Ok(Some(holder)),
            Err(bucket::Error::Conflict) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Releases a URL that an endpoint does not have any more. A claim that stays is taken over by
    /// whoever wants the URL.
    async fn leave_url(&self, organisation: &OrganisationId, key: &str) {
        if let Err(error) = self.bucket.release_url(organisation, key).await {
            tracing::info!(error = %error, "claim of a url not released");
        }
    }

    /// Releases a claim that a crash left behind. One that is in use is in use within moments: its
    /// endpoint is being made, or is moving to the URL.
    ///
    /// # Errors
    /// [`Refusal::UrlTaken`] if the claim is in use.
    async fn release_if_left(
        &self,
        organisation: &OrganisationId,
        key: &str,
        holder: &EndpointId,
    ) -> Result<(), Refusal> {
        let looks = CLAIM_PATIENCE.as_millis() / CLAIM_LOOK.as_millis();
        for _ in 0..looks {
            let stored = self.bucket.get(organisation, holder).await?;
            if stored.is_some_and(|stored| has_key(&stored, key)) {
                return Err(Refusal::UrlTaken);
            }
            tokio::time::sleep(CLAIM_LOOK).await;
        }
        tracing::info!({ telemetry::field::ENDPOINT_ID } = %holder, "claim of a url taken over");
        self.bucket.release_url(organisation, key).await?;
        Ok(())
    }

    /// Seals what is secret in a change, and checks the size of what comes of it.
    fn seal(&self, existing: Option<&Endpoint>, change: Change) -> Result<SealedChange, Refusal> {
        self.check_filters(existing, &change.endpoint)?;
        let sealed = secrets::seal(&self.keyring, existing, change)?;
        check_size(&sealed.endpoint)?;
        self.check_room(existing, &sealed.endpoint)?;
        Ok(sealed)
    }

    fn context(&self, organisation: &OrganisationId, id: EndpointId) -> Context<'_> {
        Context {
            id,
            organisation: organisation.clone(),
            now: now(),
            destination: &self.destinations,
        }
    }
}

fn check_size(endpoint: &Endpoint) -> Result<(), Refusal> {
    match serde_json::to_vec(endpoint) {
        Ok(kept) if kept.len() <= STORED_MAX_BYTES => Ok(()),
        Ok(_) | Err(_) => Err(Refusal::TooLarge),
    }
}

fn has_key(stored: &Stored, key: &str) -> bool {
    url_key(&stored.endpoint.url) == key
}

/// Makes an id for a new endpoint.
fn new_id() -> Result<EndpointId, Refusal> {
    format!("ep_{}", lifecycle::entropy::uuid_v7())
        .parse()
        .map_err(|_invalid| Refusal::Busy)
}
