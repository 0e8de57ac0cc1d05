//! What a person asks for when a signing secret is rotated.

use std::{fmt, ops::RangeInclusive, time::Duration};

use serde::Deserialize;
use utoipa::ToSchema;

use super::{Fault, check, form::SecretText};
use crate::endpoint::Endpoint;

const OVERLAP_MS: RangeInclusive<i64> = 0..=7 * 24 * 60 * 60 * 1_000;
const OVERLAP_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);

/// A rotation as it is sent to the Admin API.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = SecretRotation)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotationDraft {
    /// The new secret; one is generated unless it is given.
    #[schema(value_type = Option<String>, write_only)]
    secret: Option<SecretText>,
    /// How long earlier secrets sign on, in milliseconds: at most 7 days, and 24 hours unless given.
    #[schema(value_type = Option<u32>, minimum = 0, maximum = 604_800_000, default = 86_400_000)]
    overlap_ms: Option<i64>,
}

/// What a rotation comes to.
#[derive(Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The new secret; `None` if one is to be generated.
    pub secret: Option<String>,
    /// How long earlier secrets sign on.
    pub overlap: Duration,
}

impl RotationDraft {
    /// Checks what is asked for an endpoint.
    ///
    /// # Errors
    /// [`Fault`] names the field that is wrong. It never repeats a secret.
    pub fn check(&self, endpoint: &Endpoint) -> Result<Rotation, Fault> {
        let secret = match &self.secret {
            Some(secret) if secret.is_masked() => {
                return Err(Fault::new("secret", "must not be masked"));
            }
            Some(secret) => {
                check::secret(secret, &endpoint.signing)?;
                Some(secret.expose().to_owned())
            }
            None => None,
        };
        let overlap = match self.overlap_ms {
            None => OVERLAP_DEFAULT,
            Some(millis) => {
                let millis = check::within("overlapMs", millis, OVERLAP_MS)?;
                Duration::from_millis(millis.into())
            }
        };
        Ok(Rotation { secret, overlap })
    }
}

impl fmt::Debug for RotationDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RotationDraft")
            .field("overlap_ms", &self.overlap_ms)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotation")
            .field("overlap", &self.overlap)
            .finish_non_exhaustive()
    }
}
