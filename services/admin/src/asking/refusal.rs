//! Why an attempt is not made, and what is answered then.

use attempt_store::ReadError;
use http_api::problem::Problem;
use jetstream::{dead_letters::Unavailable, publisher, test_send::NoAnswer};

/// Why an attempt that was asked for is not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Its endpoint is gone.
    #[error("the webhook config is deleted")]
    EndpointDeleted,
    /// Its endpoint gets nothing.
    #[error("the webhook config is disabled: enable it first")]
    EndpointDisabled,
    /// The record is that of a test, whose event is kept nowhere.
    #[error("a test is not retried: send another one")]
    IsTest,
    /// The event's body is not in the archive yet.
    #[error("not archived yet, repeat the request")]
    NotArchived,
    /// The event's body is in the archive no more.
    #[error("the event's body is no longer kept")]
    Expired,
    /// As many tests are under way as may be.
    #[error("too many tests are being sent, repeat the request")]
    TestsBusy,
    /// Delivery could not send the test, for a reason that is ours.
    #[error("the test was not sent, repeat the request")]
    TestNotSent(String),
    /// Delivery does not answer.
    #[error("delivery does not answer: {0}")]
    NoAnswer(#[from] NoAnswer),
    /// The store does not answer.
    #[error("the log can't be read at the moment")]
    Store(#[from] ReadError),
    /// The broker does not answer.
    #[error("the broker does not answer, repeat the request")]
    Broker(String),
    /// The attempt is not acknowledged; it may be made all the same.
    #[error("the attempt is not confirmed: look into the log before you repeat the request")]
    Publish(#[from] publisher::Error),
}

impl From<Unavailable> for Refusal {
    fn from(error: Unavailable) -> Self {
        Self::Broker(error.to_string())
    }
}

impl Refusal {
    /// Makes the answer.
    pub(crate) fn problem(&self, operation: &'static str) -> Problem {
        match self {
            Self::EndpointDeleted | Self::EndpointDisabled | Self::IsTest | Self::Expired => {
                Problem::conflict(operation, self.to_string())
            }
            Self::TestsBusy => Problem::too_many_requests(operation, self.to_string()),
            Self::NotArchived => Problem::unavailable(operation, self.to_string()),
            Self::Store(error) if !error.is_transient() => Problem::internal(operation, error),
            Self::NoAnswer(NoAnswer::TooLarge) => {
                Problem::bad_request(operation, format!("body: {}", NoAnswer::TooLarge))
            }
            Self::NoAnswer(NoAnswer::Broken(reason))
            | Self::TestNotSent(reason)
            | Self::Broker(reason) => {
                tracing::warn!(reason, operation, "an attempt is not made");
                Problem::unavailable(operation, self.public())
            }
            Self::Store(_) | Self::Publish(_) | Self::NoAnswer(NoAnswer::Nobody | NoAnswer::Late) => {
                tracing::warn!(error = %self, operation, "an attempt is not made");
                Problem::unavailable(operation, self.to_string())
            }
        }
    }

    /// Returns the message without what the broker or delivery said, which is for the log alone.
    fn public(&self) -> String {
        match self {
            Self::NoAnswer(NoAnswer::Broken(_)) => "delivery can't be asked".to_owned(),
            Self::EndpointDeleted
            | Self::EndpointDisabled
            | Self::IsTest
            | Self::NotArchived
            | Self::Expired
            | Self::TestsBusy
            | Self::TestNotSent(_)
            | Self::NoAnswer(_)
            | Self::Store(_)
            | Self::Broker(_)
            | Self::Publish(_) => self.to_string(),
        }
    }
}
