//! Pausing and resuming endpoints, and letting those go on that were stopped.

use domain::{
    endpoint::Endpoint,
    health::{Health, State},
    name::{EndpointId, OrganisationId},
};
use jetstream::bucket;

use super::{Configs, Expected, Refusal, Saved, TRIES};
use crate::now;

impl Configs {
    /// Pauses or resumes an endpoint; one that is so already is left as it is.
    pub(crate) async fn set_paused(
        &self,
        organisation: &OrganisationId,
        id: &EndpointId,
        is_paused: bool,
        expected: Expected,
    ) -> Result<Saved, Refusal> {
        let _turn = self.turn().await?;
        for _ in 0..TRIES {
            let stored = self
                .bucket
                .get(organisation, id)
                .await?
                .ok_or(Refusal::NotFound)?;
            expected.check(stored.revision)?;
            let mut saved = Saved {
                endpoint: stored.endpoint,
                revision: stored.revision,
                is_untold: false,
            };
            if saved.endpoint.is_paused == is_paused {
                return Ok(saved);
            }
            saved.endpoint.is_paused = is_paused;
            saved.endpoint.updated_at = now();
            if !is_paused {
                self.ramp_up(&saved.endpoint).await?;
            }
            match self.bucket.update(&saved.endpoint, saved.revision).await {
                Ok(revision) => return Ok(Saved { revision, ..saved }),
                Err(bucket::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Busy)
    }

    /// Gives an endpoint that is enabled again a clean window. It is done before the config says so: a
    /// crash in between leaves a disabled endpoint of good health, and never the opposite.
    pub(super) async fn let_back(&self, endpoint: &Endpoint) -> Result<(), Refusal> {
        let (organisation, id) = (&endpoint.organisation_id, &endpoint.id);
        self.healths
            .put(organisation, id, &Health::back(now()))
            .await?;
        Ok(())
    }

    /// Lets what was held by a pause go on little by little. What a breaker holds is the breaker's, and a
    /// pause takes no endpoint off the ladder.
    async fn ramp_up(&self, endpoint: &Endpoint) -> Result<(), Refusal> {
        let (organisation, id) = (&endpoint.organisation_id, &endpoint.id);
        for _ in 0..TRIES {
            let stored = self.healths.get(organisation, id).await?;
            let (health, revision) = match stored {
                Some(stored) if stored.health.state == State::Open => return Ok(()),
                Some(stored) => (stored.health.resumed(now()), Some(stored.revision)),
                None => (Health::back(now()), None),
            };
            match self
                .healths
                .write(organisation, id, &health, revision)
                .await
            {
                Ok(_) => return Ok(()),
                Err(bucket::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Busy)
    }

    /// Forgets the health of an endpoint that was deleted. What stays is never read again.
    pub(super) async fn forget_health(&self, endpoint: &Endpoint) {
        let (organisation, id) = (&endpoint.organisation_id, &endpoint.id);
        if let Err(error) = self.healths.delete(organisation, id).await {
            tracing::info!(error = %error, "health of a deleted endpoint is left behind");
        }
    }
}
