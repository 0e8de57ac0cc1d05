//! The command line of a service, which has settings and no arguments: it is asked for its version, or runs.

use std::{env, process::ExitCode};

/// The exit code for a wrong command line, as that of `posthorn` for wrong usage.
const EXIT_USAGE: u8 = 2;

/// What the arguments of a service ask for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Service,
    Version,
    Unknown,
}

/// Returns the version, with the commit if whoever built this said it by `POSTHORN_COMMIT`.
#[must_use]
pub fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match option_env!("POSTHORN_COMMIT").filter(|commit| !commit.is_empty()) {
        Some(commit) => format!("{version} ({commit})"),
        None => version.to_owned(),
    }
}

/// Answers a command line that asks a service for something else than to run, and returns the exit code for it.
#[must_use]
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is what the process was asked for"
)]
pub fn answer(service: &str) -> Option<ExitCode> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(|text| text.to_str()).collect();
    match asked(&arguments) {
        Asked::Service => None,
        Asked::Version => {
            println!("posthorn-{service} {}", version());
            Some(ExitCode::SUCCESS)
        }
        Asked::Unknown => {
            eprintln!(
                "posthorn-{service} takes no arguments but --version: its settings are environment variables"
            );
            Some(ExitCode::from(EXIT_USAGE))
        }
    }
}

/// Reads arguments, of which those that are no text are not there.
fn asked(arguments: &[Option<&str>]) -> Asked {
    match arguments {
        [] => Asked::Service,
        [Some("--version" | "-V")] => Asked::Version,
        [_, ..] => Asked::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, asked};

    #[test]
    fn a_service_is_asked_for_its_version_or_runs() {
        for (arguments, expected) in [
            (&[][..], Asked::Service),
            (&[Some("--version")], Asked::Version),
            (&[Some("-V")], Asked::Version),
            (&[Some("--version"), Some("-V")], Asked::Unknown),
            (&[Some("--listen")], Asked::Unknown),
            (&[None], Asked::Unknown),
        ] {
            assert_eq!(asked(arguments), expected, "{arguments:?}");
        }
    }
}
