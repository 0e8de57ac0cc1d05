//! The command line of Posthorn.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod dev;
mod secrets;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Webhooks out of NATS `JetStream`.
#[derive(Debug, Parser)]
#[command(name = "posthorn", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs everything in one process: for development and small installations.
    Dev(dev::Arguments),
    /// Keeps the secrets at rest.
    #[command(subcommand)]
    Secrets(secrets::Command),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Dev(arguments) => dev::main(arguments),
        Command::Secrets(command) => secrets::main(command),
    }
}
