//! Why an attempt is not made, and what is answered then.

use attempt_store::ReadError;
use http_api::problem::Problem;
use jetstream::{dead_letters::Unavailable, publisher, test_send::NoAnswer};

/// Why an attempt that was asked for is not made. What the broker, the store or delivery said is in it for
/// the log, and not in its message.
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
    /// The test's event is larger than the broker takes.
    #[error("body: is larger than the broker takes")]
    TestTooLarge,
    /// Delivery could not send the test, for a reason that is ours.
    #[error("the test was not sent, repeat the request")]
    TestNotSent(String),
    /// Delivery took the test and did not say what came of it.
    #[error("no answer came in time: the test may have been sent")]
    TestLate,
    /// The store does not answer.
    #[error("the log can't be read at the moment")]
    Store(#[from] ReadError),
    /// The broker does not answer.
    #[error("the broker does not answer, repeat the request")]
    Broker(String),
    /// The broker does not say that it has the attempt; it may have it all the same.
    #[error("the attempt is not confirmed: look into the log before you repeat the request")]
    Publish(#[from] publisher::Error),
}

impl From<Unavailable> for Refusal {
    fn from(error: Unavailable) -> Self {
        Self::Broker(error.to_string())
    }
}

impl From<NoAnswer> for Refusal {
    fn from(error: NoAnswer) -> Self {
        match error {
            NoAnswer::Late | NoAnswer::Broken(_) => Self::TestLate,
            NoAnswer::TooLarge => Self::TestTooLarge,
            NoAnswer::Nobody => Self::TestNotSent(error.to_string()),
        }
    }
}

impl Refusal {
    /// Makes the answer.
    pub(crate) fn problem(&self, operation: &'static str) -> Problem {
        let message = self.to_string();
        match self {
            Self::EndpointDeleted | Self::EndpointDisabled | Self::IsTest | Self::Expired => {
                Problem::conflict(operation, message)
            }
            Self::TestTooLarge => Problem::bad_request(operation, message),
            Self::TestsBusy => Problem::too_many_requests(operation, message),
            Self::NotArchived => Problem::unavailable(operation, message),
            Self::Store(error) if !error.is_transient() => Problem::internal(operation, error),
            Self::TestNotSent(_)
            | Self::TestLate
            | Self::Store(_)
            | Self::Broker(_)
            | Self::Publish(_) => {
                tracing::warn!(reason = ?self, operation, "an attempt is not made");
                Problem::unavailable(operation, message)
            }
        }
    }
}
