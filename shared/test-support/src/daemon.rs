//! A child process whose output goes to a file and which does not outlive its value.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::eventually_blocking;

/// A signal that tests send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Asks for a drain, as orchestrators do.
    Terminate,
    /// Ctrl-C.
    Interrupt,
    /// Stops a process as if its machine hung.
    Pause,
    /// Lets a paused process go on.
    Resume,
    /// Cannot be caught.
    Kill,
    /// Makes a PostgreSQL server stop at once, with its children.
    Quit,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::Pause => "STOP",
            Self::Resume => "CONT",
            Self::Kill => "KILL",
            Self::Quit => "QUIT",
        }
    }

    /// Sends the signal to a process that need not be a child; answers whether there was such a process.
    ///
    /// # Panics
    /// Panics when there is no shell.
    pub fn send_to(self, pid: u32) -> bool {
        // The shell's own `kill` is there on every system; the program of that name is not.
        Command::new("sh")
            .args([
                "-c",
                "kill -s \"$0\" \"$1\" 2>/dev/null",
                self.name(),
                &pid.to_string(),
            ])
            .status()
            .expect("run sh")
            .success()
    }
}

#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts the command with its output appended to the file `log`.
    pub(crate) fn spawn(mut command: Command, log: &Path) -> Self {
        let out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .unwrap_or_else(|error| panic!("open {}: {error}", log.display()));
        let err = out.try_clone().expect("clone a file handle");
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        Self {
            child,
            log: log.to_owned(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal.send_to(self.pid());
    }

    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("wait for a child process")
    }

    pub(crate) fn wait_exit(&mut self, bound: Duration) -> ExitStatus {
        let log = self.log.clone();
        let child = &mut self.child;
        eventually_blocking("process exits", bound, || {
            child
                .try_wait()
                .expect("wait for a child process")
                .ok_or_else(|| format!("still running; its output is {}", tail(&log)))
        })
    }

    pub(crate) fn kill(&mut self) {
        // An error means that the process has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

fn tail(log: &Path) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
