//! The life of a process: its runtime, its shutdown, its readiness and its probes, and the only
//! places that read the wall clock, draw randomness and install signal handlers.

use std::{fmt::Display, process::ExitCode, time::Duration};

pub mod clock;
pub mod command_line;
pub mod entropy;
pub mod probes;
mod readiness;
mod shutdown;

pub use readiness::{Latch, Readiness, Waiting};
pub use shutdown::Shutdown;

/// The exit code for a wrong configuration (`EX_CONFIG` of sysexits.h).
const EXIT_CONFIG: u8 = 78;
/// How long blocking calls may hold up the end of the process.
const RUNTIME_PATIENCE: Duration = Duration::from_secs(1);

/// Runs a service to its end on a runtime with one worker thread per core.
///
/// Exits with 0, or with 1 after an error, which is logged once with its whole chain.
#[must_use]
pub fn block_on<F>(service: F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    block_on_threads(None, service)
}

/// Runs a command to its end on a runtime with one worker thread, and returns what it comes to.
///
/// # Errors
/// When the runtime can't be made.
pub fn wait_for<F: Future>(command: F) -> std::io::Result<F::Output> {
    run(Some(1), command)
}

/// As [`block_on`], with a given number of worker threads.
#[must_use]
pub fn block_on_threads<F>(worker_threads: Option<usize>, service: F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let ended = run(worker_threads, service);
    match ended.map_err(anyhow::Error::from).flatten() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn run<F: Future>(worker_threads: Option<usize>, service: F) -> std::io::Result<F::Output> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all();
    if let Some(threads) = worker_threads {
        builder.worker_threads(threads.max(1));
    }
    let runtime = builder.build()?;
    // The service may be a large future: it is moved once, to the heap.
    let result = runtime.block_on(Box::pin(service));
    runtime.shutdown_timeout(RUNTIME_PATIENCE);
    Ok(result)
}

/// Logs why a service failed; before there is a log, on standard error.
#[expect(clippy::print_stderr, reason = "there may be no log yet")]
fn report(error: &anyhow::Error) {
    if tracing::dispatcher::has_been_set() {
        tracing::error!("failed: {error:#}");
    } else {
        eprintln!("failed: {error:#}");
    }
}

/// Prints why a configuration can't be used and returns exit code 78.
#[must_use]
#[expect(
    clippy::print_stderr,
    reason = "there is no log without a configuration"
)]
pub fn refuse(faults: &impl Display) -> ExitCode {
    eprintln!("{faults}");
    ExitCode::from(EXIT_CONFIG)
}
