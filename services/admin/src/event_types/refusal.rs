//! Why an event type is not saved, and what is answered then.

use domain::{
    draft::Fault,
    event_type::{SCHEMAS_ROOM, TYPES_MAX},
};
use http_api::problem::Problem;
use jetstream::bucket;

/// Why an event type is not saved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is no event type of that name.
    #[error("there is no such event type")]
    NotFound,
    /// Nothing was saved under that name, and what is seeded can't be deleted.
    #[error("name: comes with Posthorn, and nothing of it was changed")]
    Seed,
    /// The event type has another revision than `If-Match` names.
    #[error("If-Match: the event type has been changed since")]
    Changed,
    /// The request names one event type twice.
    #[error("name: is the same as in [{earlier}]")]
    Doublet {
        /// The place of the earlier item.
        earlier: usize,
    },
    /// The organisation has as many event types as it may have.
    #[error("the organisation would have more than {TYPES_MAX} event types")]
    Full,
    /// The organisation's schemas are as large as they may be.
    #[error(
        "the organisation's schemas would take more than {} KiB, a regular expression counted as 4",
        SCHEMAS_ROOM / 1024
    )]
    SchemasTooLarge,
    /// A field is wrong.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Somebody else keeps changing the same event type.
    #[error("the event type is being changed by somebody else, repeat the request")]
    Busy,
    /// The broker does not answer, or holds what can't be read.
    #[error("not saved, repeat the request")]
    Bucket(#[from] bucket::Error),
}

impl Refusal {
    /// Makes the answer. `item` is where the event type stands, such as `[2]`; empty if there is but one.
    pub(crate) fn problem(self, operation: &'static str, item: &str) -> Problem {
        match self {
            Self::NotFound => Problem::not_found(operation, self.to_string()),
            Self::Seed | Self::Changed | Self::Busy => {
                Problem::conflict(operation, self.to_string())
            }
            Self::Doublet { .. } | Self::Fault(_) => {
                Problem::bad_request(operation, format!("{item}.{self}"))
            }
            Self::Full | Self::SchemasTooLarge => {
                Problem::bad_request(operation, format!("{item}: {self}"))
            }
            Self::Bucket(ref error) => {
                tracing::warn!(error = %error, operation, "the broker did not take a change");
                Problem::unavailable(operation, self.to_string())
            }
        }
    }
}
