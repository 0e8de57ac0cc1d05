//! How a command ends: its exit code, and what is said when it failed.

use std::{fmt::Display, future::Future, process::ExitCode};

use crate::output;

/// The documented exit codes (those above 2 are of sysexits.h).
const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_UNAVAILABLE: u8 = 69;
const EXIT_CONFIG: u8 = 78;

/// Why a command did not do what it was asked to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It was refused, or it failed.
    Failed(String),
    /// It has said itself what the matter is.
    Told,
    /// It can't be asked for in this way.
    Usage(String),
    /// Somebody who is needed does not answer, or asks us to come back later.
    Unavailable(String),
    /// A variable, or a file that it names, can't be used.
    Config(String),
    /// Whoever read our output has gone, which is no failure of ours.
    Closed,
}

impl Failure {
    /// Makes a failure of an error with all its causes.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        Self::Failed(format!("{error:#}"))
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed(_) | Self::Told => ExitCode::from(EXIT_FAILED),
            Self::Usage(_) => ExitCode::from(EXIT_USAGE),
            Self::Unavailable(_) => ExitCode::from(EXIT_UNAVAILABLE),
            Self::Config(_) => ExitCode::from(EXIT_CONFIG),
            Self::Closed => ExitCode::SUCCESS,
        }
    }

    fn message(&self) -> Option<&str> {
        match self {
            Self::Failed(message)
            | Self::Usage(message)
            | Self::Unavailable(message)
            | Self::Config(message) => Some(message),
            Self::Told | Self::Closed => None,
        }
    }
}

/// What a command comes to.
pub(crate) type Ended = Result<(), Failure>;

/// Returns how to say that something failed, for `map_err`.
pub(crate) fn failed<E: Display>(what: impl Display) -> impl FnOnce(E) -> Failure {
    move |error| Failure::Failed(format!("{what}: {error}"))
}

/// Runs a command to its end, and says why it failed.
pub(crate) fn run<F>(command: F) -> ExitCode
where
    F: Future<Output = Ended>,
{
    let ended = lifecycle::wait_for(command)
        .unwrap_or_else(|error| Err(Failure::Failed(format!("start the runtime: {error}"))));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                output::error(message);
            }
            failure.exit_code()
        }
    }
}
