//! What came of an attempt: the exchange with the receiver, and its classification.
//!
//! A failed delivery is an [`Outcome`], never an error.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why an attempt did not succeed: a closed set, safe as a label.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The host name did not resolve.
    Dns,
    /// No connection could be made, or it broke before an answer began.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The attempt's time ran out.
    Timeout,
    /// An answer came, and its status is not 2xx.
    Status,
    /// The address may not be called.
    BlockedAddress,
    /// The answer's body broke off.
    Body,
    /// What came was not HTTP.
    Protocol,
    /// The attempt was given up by us.
    Cancelled,
}

impl ErrorKind {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Status,
        Self::BlockedAddress,
        Self::Body,
        Self::Protocol,
        Self::Cancelled,
    ];

    /// Returns the name as it stands in records, metrics and policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::BlockedAddress => "blocked-address",
            Self::Body => "body",
            Self::Protocol => "protocol",
            Self::Cancelled => "cancelled",
        }
    }

    /// Returns the kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A transport failure: why no answer came, or none that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// A sentence for the log record, without secrets.
    pub message: String,
}

/// What the receiver said, as far as a decision needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status, 100 to 999.
    pub status: u16,
    /// How long the receiver asked us to wait, if it did.
    pub asked_wait: Option<Duration>,
    /// Whether the header `Upstash-NonRetryable-Error: true` came with it.
    pub non_retryable: bool,
    /// Why its body did not come whole, if it did not.
    pub broke_off: Option<Failure>,
}

/// One exchange with a receiver: its answer as far as it came, or why there is none.
pub type Exchange = Result<Answer, Failure>;

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took the event (2xx).
    Accepted {
        /// The HTTP status.
        status: u16,
    },
    /// The receiver answered with another status.
    Rejected(Answer),
    /// No complete answer came.
    Failed(Failure),
}

impl Outcome {
    /// Returns whether the event was taken.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }

    /// Returns the kind of error, or `None` for a success.
    #[must_use]
    pub fn error_kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Accepted { .. } => None,
            Self::Rejected(_) => Some(ErrorKind::Status),
            Self::Failed(failure) => Some(failure.kind),
        }
    }

    /// Returns the sentence that a log record carries, or `None` for a success.
    #[must_use]
    pub fn error_message(&self) -> Option<String> {
        match self {
            Self::Accepted { .. } => None,
            Self::Rejected(answer) => Some(status_message(answer.status)),
            Self::Failed(failure) => Some(failure.message.clone()),
        }
    }
}

/// Classifies an exchange: only 2xx with a whole body is success, and redirects are not followed.
///
/// A refusal stands whatever becomes of the body behind it: a 410 that breaks off is a 410.
#[must_use]
pub fn classify(exchange: Exchange) -> Outcome {
    match exchange {
        Ok(Answer {
            status: status @ 200..300,
            broke_off,
            ..
        }) => match broke_off {
            Some(failure) => Outcome::Failed(failure),
            None => Outcome::Accepted { status },
        },
        Ok(answer) => Outcome::Rejected(answer),
        Err(failure) => Outcome::Failed(failure),
    }
}

/// Returns `HTTP 500: Internal Server Error`, or `HTTP 599` for a status without a name.
pub(crate) fn status_message(status: u16) -> String {
    let name = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|s| s.canonical_reason());
    match name {
        Some(name) => format!("HTTP {status}: {name}"),
        None => format!("HTTP {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, ErrorKind, Failure, Outcome, classify};

    #[test]
    fn only_2xx_is_success() {
        for status in 100..=999 {
            let outcome = classify(Ok(answer(status)));

            assert_eq!(
                outcome.is_success(),
                (200..300).contains(&status),
                "{status}"
            );
        }
    }

    #[test]
    fn a_status_is_told_with_its_name() {
        let message = |status| classify(Ok(answer(status))).error_message();

        assert_eq!(
            message(500).as_deref(),
            Some("HTTP 500: Internal Server Error")
        );
        assert_eq!(message(489).as_deref(), Some("HTTP 489"));
        assert_eq!(message(200), None);
    }

    #[test]
    fn a_transport_failure_keeps_its_kind() {
        let outcome = classify(Err(Failure {
            kind: ErrorKind::Dns,
            message: "no such host".to_owned(),
        }));

        assert_eq!(outcome.error_kind(), Some(ErrorKind::Dns));
        assert_eq!(outcome.error_message().as_deref(), Some("no such host"));
        assert!(matches!(outcome, Outcome::Failed(_)));
    }

    #[test]
    fn an_answer_that_breaks_off_is_no_success_and_a_refusal_stays_one() {
        let broken = |status| {
            let failure = Failure {
                kind: ErrorKind::Body,
                message: "answer broke off".to_owned(),
            };
            classify(Ok(Answer {
                broke_off: Some(failure),
                ..answer(status)
            }))
        };

        assert_eq!(broken(200).error_kind(), Some(ErrorKind::Body));
        assert!(!broken(204).is_success());
        for status in [101, 302, 410, 500] {
            assert_eq!(broken(status).error_kind(), Some(ErrorKind::Status));
        }
    }

    #[test]
    fn names_lead_back_to_kinds() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_name(kind.as_str()), Some(kind));
            assert_eq!(
                serde_json::to_string(&kind).unwrap(),
                format!("\"{}\"", kind.as_str())
            );
        }
    }

    fn answer(status: u16) -> Answer {
        Answer {
            status,
            asked_wait: None,
            non_retryable: false,
            broke_off: None,
        }
    }
}
