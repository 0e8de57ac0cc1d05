//! Why a config is not saved, and what is answered then.

use domain::{draft::Fault, endpoint::TooManySecrets};
use http_api::problem::Problem;
use jetstream::{bucket, sealing};

use super::{
    plan::CONFIGS_MAX,
    room::{EVENTS_MAX, ROOM_MAX},
};

/// Why a config is not saved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is no such config in the organisation.
    #[error("there is no such webhook config")]
    NotFound,
    /// The config has another revision than `If-Match` names.
    #[error("If-Match: the webhook config has been changed since")]
    Changed,
    /// Another config has the URL.
    #[error("url: another webhook config has it")]
    UrlTaken,
    /// The request names one config or one URL twice.
    #[error("{field}: is the same as in [{earlier}]")]
    Doublet {
        /// The field by which they are the same.
        field: &'static str,
        /// The place of the earlier item.
        earlier: usize,
    },
    /// The request names another organisation.
    #[error("organisationId: is not the organisation of the request")]
    Foreign,
    /// The organisation has as many configs as it may have.
    #[error("the organisation would have more than {CONFIGS_MAX} webhook configs")]
    Full,
    /// The organisation's configs take as much room as they may.
    #[error("the organisation's large webhook configs would take more than {} MiB", ROOM_MAX / 1024 / 1024)]
    NoRoom,
    /// The organisation's configs list as many events as they may.
    #[error(
        "the organisation's webhook configs of more than ten events would list more than {EVENTS_MAX}"
    )]
    TooManyEvents,
    /// The config with everything in it is too large to be kept.
    #[error("must be at most 768 KiB altogether")]
    TooLarge,
    /// The endpoint does not sign, so it has no secret to rotate.
    #[error("signing: is none, so there is no secret to rotate")]
    NotSigned,
    /// The endpoint has as many live secrets as it may have.
    #[error("secret: {0}")]
    TooManySecrets(#[from] TooManySecrets),
    /// A field is wrong.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Somebody else keeps changing the same config.
    #[error("the webhook config is being changed by somebody else, repeat the request")]
    Busy,
    /// The broker does not answer, or holds what can't be read.
    #[error("not saved, repeat the request")]
    Bucket(#[from] bucket::Error),
    /// A secret can't be sealed.
    #[error("secrets can't be sealed")]
    Sealing(#[from] sealing::Error),
}

impl Refusal {
    /// Makes the answer. `item` is what stands before a field's name, such as `[2].`.
    pub(crate) fn problem(self, operation: &'static str, item: &str) -> Problem {
        match self {
            Self::NotFound if item.is_empty() => Problem::not_found(operation, self.to_string()),
            Self::NotFound => Problem::not_found(operation, format!("{item}id: {self}")),
            Self::UrlTaken => Problem::conflict(operation, format!("{item}{self}")),
            Self::Changed | Self::Busy | Self::NotSigned | Self::TooManySecrets(_) => {
                Problem::conflict(operation, self.to_string())
            }
            Self::Foreign => Problem::forbidden(operation, format!("{item}{self}")),
            Self::Doublet { .. } | Self::Fault(_) => {
                Problem::bad_request(operation, format!("{item}{self}"))
            }
            Self::Full | Self::NoRoom | Self::TooManyEvents | Self::TooLarge => {
                let place = item.strip_suffix('.').unwrap_or("body");
                Problem::bad_request(operation, format!("{place}: {self}"))
            }
            Self::Bucket(ref error) => {
                tracing::warn!(error = %error, operation, "the broker did not take a change");
                Problem::unavailable(operation, self.to_string())
            }
            Self::Sealing(ref error) => Problem::internal(operation, error),
        }
    }
}
