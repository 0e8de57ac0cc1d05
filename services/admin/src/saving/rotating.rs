//! Rotating the signing secrets of endpoints.

use domain::{
    draft::RotationDraft,
    name::{EndpointId, OrganisationId},
};
use jetstream::bucket;

use super::{Configs, Expected, Refusal, Saved, TRIES, check_size};
use crate::{now, secrets};

impl Configs {
    /// Rotates the signing secret of an endpoint, and its key pair with it.
    pub(crate) async fn rotate(
        &self,
        organisation: &OrganisationId,
        id: &EndpointId,
        draft: &RotationDraft,
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
            let mut endpoint = stored.endpoint.clone();
            if !endpoint.signing.signs() {
                return Err(Refusal::NotSigned);
            }
            let rotation = draft.check(&endpoint)?;
            let now = now();
            let is_untold = self.untold.lock().contains(id);
            let is_generated =
                secrets::rotate(&self.keyring, &mut endpoint, &rotation, is_untold, now)?;
            let is_untold = is_generated || (is_untold && rotation.secret.is_none());
            let written = if endpoint == stored.endpoint {
                Ok(stored.revision)
            } else {
                endpoint.updated_at = now;
                check_size(&endpoint)?;
                self.bucket.update(&endpoint, stored.revision).await
            };
            match written {
                Ok(revision) => {
                    self.untold.lock().remove(id);
                    return Ok(Saved {
                        endpoint,
                        revision,
                        is_untold,
                    });
                }
                Err(bucket::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Busy)
    }

    /// Returns the secret that a rotation made the current one.
    pub(crate) fn rotated_secret(&self, saved: &Saved) -> Option<String> {
        secrets::current(&self.keyring, &saved.endpoint)
    }
}
