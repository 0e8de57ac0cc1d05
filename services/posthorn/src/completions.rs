//! `posthorn completions`: what makes a shell complete our commands.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::{
    failure::{self, failed},
    output,
};

/// The arguments of `posthorn completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  posthorn completions bash > /etc/bash_completion.d/posthorn
  posthorn completions zsh > ~/.zfunc/_posthorn          # with fpath+=~/.zfunc before compinit in ~/.zshrc
  posthorn completions fish > ~/.config/fish/completions/posthorn.fish")]
pub(crate) struct Arguments {
    /// Which shell
    shell: Shell,
}

/// Writes the script.
pub(crate) fn main(arguments: &Arguments, command: &mut Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, "posthorn", &mut script);
    failure::run(async {
        let script = String::from_utf8(script).map_err(failed("write the script"))?;
        output::text(&script)
    })
}
