//! The command line of Posthorn.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use lifecycle::command_line;

mod api;
mod broker;
mod completions;
mod configs;
mod dev;
mod doctor;
mod failure;
mod following;
#[cfg(test)]
mod fuzz;
mod input;
mod listen;
mod logs;
mod migrate;
mod moment;
mod output;
mod record;
mod remote;
mod replay;
mod retry;
mod secrets;
mod send;
mod stop;
mod store;
mod tokens;
mod topology;
mod transport;
mod verify;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const AFTER_HELP: &str = "\
Exit codes:
  0   done
  1   refused or failed; or a difference, a drift or a failure was found
  2   wrong usage
  69  somebody who is needed does not answer: the API, the broker or the store
  78  wrong configuration: a variable, or a file that it names

Results go to standard output, everything else to standard error. Colour is for terminals; NO_COLOR turns it off.";

/// The arguments of `posthorn`.
#[derive(Debug, Parser)]
#[command(name = "posthorn", about = "Webhooks out of NATS JetStream", version = command_line::version(), propagate_version = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What `posthorn` can do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything in one process: for development and small installations
    Dev(dev::Arguments),
    /// Send events, over HTTP or NATS
    Send(send::Arguments),
    /// Receive webhooks on this machine: verify, show, fail, forward
    Listen(listen::Arguments),
    /// Show the log of attempts, or follow it
    Logs(logs::Arguments),
    /// Attempt again what failed
    Retry(retry::Arguments),
    /// Send events of the past once more
    Replay(replay::Arguments),
    /// Show webhook configs, apply a file of them, export them
    #[command(subcommand)]
    Configs(configs::Command),
    /// Make, list and revoke tokens
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// Verify a signature, and say which check fails
    Verify(verify::Arguments),
    /// Show, make and compare the streams, consumers and buckets on the broker
    #[command(subcommand)]
    Topology(topology::Command),
    /// Bring the schema of the attempt store up to date
    Migrate(migrate::Arguments),
    /// Look at everything that Posthorn stands on, and say what to do
    Doctor(doctor::Arguments),
    /// Write a script that completes commands in a shell
    Completions(completions::Arguments),
    /// Keep the secrets at rest
    #[command(subcommand)]
    Secrets(secrets::Command),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Dev(arguments) => dev::main(arguments),
        Command::Send(arguments) => send::main(&arguments),
        Command::Listen(arguments) => listen::main(&arguments),
        Command::Logs(arguments) => logs::main(&arguments),
        Command::Retry(arguments) => retry::main(&arguments),
        Command::Replay(arguments) => replay::main(&arguments),
        Command::Configs(command) => configs::main(&command),
        Command::Tokens(command) => tokens::main(&command),
        Command::Verify(arguments) => verify::main(&arguments),
        Command::Topology(command) => topology::main(&command),
        Command::Migrate(arguments) => migrate::main(&arguments),
        Command::Doctor(arguments) => doctor::main(&arguments),
        Command::Completions(arguments) => completions::main(&arguments, &mut Cli::command()),
        Command::Secrets(command) => secrets::main(command),
    }
}
