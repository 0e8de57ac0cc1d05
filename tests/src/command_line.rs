//! The command line, run as people and programs run it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tempfile::NamedTempFile;
use test_support::{Signal, binary_path, eventually};
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
};

/// How long a command may take that ends by itself.
const BOUND: Duration = Duration::from_secs(60);

/// A shell of somebody who uses `posthorn`: a folder and an environment.
#[derive(Debug, Clone)]
pub struct CommandLine {
    folder: PathBuf,
    environment: Vec<(String, String)>,
}

/// A command that goes on until somebody stops it; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    output: NamedTempFile,
    errors: NamedTempFile,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub output: String,
    /// What it wrote to standard error.
    pub errors: String,
}

impl CommandLine {
    /// Makes one without any variable of ours.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            environment: Vec::new(),
        }
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(&self, name: &str, value: &str) -> Self {
        let mut environment = self.environment.clone();
        environment.push((name.to_owned(), value.to_owned()));
        Self {
            folder: self.folder.clone(),
            environment,
        }
    }

    /// Writes a file into the folder.
    ///
    /// # Panics
    /// Panics when it can't.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).expect("the folder can be written");
    }

    /// Runs `posthorn` with arguments to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with_input(arguments, "").await
    }

    /// Runs `posthorn` with arguments and a text on standard input to its end.
    ///
    /// # Panics
    /// Panics when it does not end within a minute.
    pub async fn run_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the binary can be run");
        let mut stdin = child.stdin.take().expect("its input is a pipe");
        // One that does not read it may be gone already.
        let _unread = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(BOUND, child.wait_with_output())
            .await
            .unwrap_or_else(|_elapsed| panic!("posthorn {arguments:?} does not end"))
            .expect("its output can be read");
        Ended {
            code: output.status.code(),
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts `posthorn` with arguments.
    ///
    /// # Panics
    /// Panics when it can't be started.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Running {
        let file = || NamedTempFile::new_in(&self.folder).expect("the folder can be written");
        let (output, errors) = (file(), file());
        let handle = |file: &NamedTempFile| file.reopen().expect("the file is there");
        let child = self
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(handle(&output))
            .stderr(handle(&errors))
            .spawn()
            .expect("the binary can be run");
        Running {
            child,
            output,
            errors,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary_path("posthorn"));
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }
}

impl Running {
    /// Waits until it has written a text, to standard output or standard error.
    ///
    /// # Panics
    /// Panics with what it wrote when it does not in time.
    pub async fn wait_for(&mut self, text: &str) {
        eventually(&format!("posthorn writes {text}"), BOUND, async || {
            let (output, errors) = (read(&self.output), read(&self.errors));
            if output.contains(text) || errors.contains(text) {
                Ok(())
            } else {
                Err(format!("{output}{errors}"))
            }
        })
        .await;
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// Panics when it has ended.
    pub fn signal(&self, signal: Signal) {
        signal.send_to(self.child.id().expect("it runs"));
    }

    /// Stops it as Ctrl-C does, and waits for its end.
    pub async fn stop(self) -> Ended {
        self.signal(Signal::Interrupt);
        self.wait_end().await
    }

    /// Waits until it ends.
    ///
    /// # Panics
    /// Panics when it does not in time.
    pub async fn wait_end(mut self) -> Ended {
        let status = tokio::time::timeout(BOUND, self.child.wait())
            .await
            .unwrap_or_else(|_elapsed| panic!("it does not end: {}", read(&self.errors)))
            .expect("it is a child of ours");
        Ended {
            code: status.code(),
            output: read(&self.output),
            errors: read(&self.errors),
        }
    }
}

fn read(file: &NamedTempFile) -> String {
    let bytes = std::fs::read(file.path()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Ended {
    /// Returns what it wrote to standard output after making sure that it ended with 0.
    ///
    /// # Panics
    /// Panics with what it said when it did not.
    pub fn succeeded(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}{}", self.output, self.errors);
        &self.output
    }

    /// Returns what it wrote to standard error after making sure of its exit code.
    ///
    /// # Panics
    /// Panics with what it said when it is another.
    pub fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}{}", self.output, self.errors);
        &self.errors
    }

    /// Returns the documents that it wrote, one on each line, after making sure that it ended with 0.
    ///
    /// # Panics
    /// Panics when a line is no JSON.
    pub fn documents(&self) -> Vec<Value> {
        let lines = self.succeeded().lines();
        lines
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }
}
