//! What each command says of itself: `--help` is part of what people rely on, and is looked at when it changes.

#![expect(
    clippy::unwrap_used,
    reason = "a panic with a message is how a test fails, in the functions that tests share too"
)]

use std::{fs, path::PathBuf, process::Command};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/help");
const COMMANDS: [&str; 25] = [
    "",
    "dev",
    "send",
    "listen",
    "logs",
    "retry",
    "replay",
    "configs",
    "configs get",
    "configs apply",
    "configs export",
    "tokens",
    "tokens list",
    "tokens create",
    "tokens revoke",
    "verify",
    "topology",
    "topology show",
    "topology apply",
    "topology drift",
    "migrate",
    "doctor",
    "completions",
    "secrets",
    "secrets reseal",
];

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "`make help-texts` says by a variable that the texts are to be renewed"
)]
fn the_help_of_every_command_is_the_committed_one() {
    let renew = std::env::var_os("POSTHORN_RENEW_HELP").is_some();
    for command in COMMANDS {
        let shown = output(&words(command, &["--help"]));
        let file = PathBuf::from(FOLDER).join(format!("{}.txt", name(command)));
        if renew {
            fs::write(&file, &shown).unwrap();
        }

        let committed = fs::read_to_string(&file).unwrap_or_default();

        assert!(
            committed == shown,
            "{} is out of date: run `make help-texts` and look at the difference; it says now:\n{shown}",
            file.display()
        );
    }
}

#[test]
fn no_command_is_left_out_and_each_shows_examples() {
    let mut files: Vec<String> = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut wanted = COMMANDS.map(|command| format!("{}.txt", name(command)));
    wanted.sort();
    assert_eq!(files, wanted);

    for command in COMMANDS {
        for listed in subcommands(&output(&words(command, &["--help"]))) {
            let whole = format!("{command} {listed}");
            assert!(COMMANDS.contains(&whole.trim_start()), "{whole}");
        }
    }
    let groups = ["", "configs", "tokens", "topology", "secrets"];
    for command in COMMANDS.iter().filter(|command| !groups.contains(command)) {
        let help = output(&words(command, &["--help"]));
        assert!(help.contains("\nExamples:\n"), "{command}: {help}");
    }
}

#[test]
fn completions_know_the_commands_of_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let script = output(&["completions", shell]);
        for command in ["send", "listen", "doctor", "prune", "dead-letters"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn the_version_is_told() {
    let version = output(&["--version"]);

    assert!(
        version.starts_with(concat!("posthorn ", env!("CARGO_PKG_VERSION"))),
        "{version}"
    );
}

/// Returns the commands that a help text lists below `Commands:`.
fn subcommands(help: &str) -> Vec<&str> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    listed
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|word| !word.is_empty() && *word != "help")
        .collect()
}

fn name(command: &str) -> String {
    match command {
        "" => "posthorn".to_owned(),
        command => command.replace(' ', "-"),
    }
}

fn words<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    command
        .split_whitespace()
        .chain(more.iter().copied())
        .collect()
}

fn output(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_posthorn"))
        .args(arguments)
        .env_remove("COLUMNS")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
