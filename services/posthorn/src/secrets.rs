//! `posthorn secrets`: what operators do with the secrets at rest.

use std::process::ExitCode;

use clap::Subcommand;

mod config;
mod reseal;

/// What `posthorn secrets` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Seals all secrets at rest anew under the first key of `POSTHORN_SECRETS_KEY`.
    ///
    /// Put a new key in front of the old one, restart the services, run this, and take the old key away once
    /// `--check` exits with 0. It may run beside the services, be stopped and be repeated.
    Reseal(reseal::Arguments),
}

/// Runs the command to its end.
pub(crate) fn main(command: Command) -> ExitCode {
    match command {
        Command::Reseal(arguments) => reseal::main(&arguments),
    }
}
