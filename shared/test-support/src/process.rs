//! Runs a real service binary: waits until it is ready, signals it, collects its exit status and output.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use crate::{HttpClient, Signal, daemon::Daemon, eventually, free_port};

const READY_BOUND: Duration = Duration::from_secs(30);

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Launch {
    binary: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    port: u16,
    log: PathBuf,
}

/// A running service; killed when dropped.
#[derive(Debug)]
pub struct ServiceProcess {
    launch: Launch,
    daemon: Daemon,
}

impl Launch {
    /// Describes a service of which the binary has this name; its output goes to a file in `log_dir`.
    #[must_use]
    pub fn new(binary: &str, log_dir: &Path) -> Self {
        let port = free_port();
        Self {
            binary: binary.to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            port,
            log: log_dir.join(format!("{binary}-{port}.log")),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets a variable; the service gets no other but `PATH` and `HOME`.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Tells the service to listen on the address that the harness polls, by `POSTHORN_LISTEN`.
    #[must_use]
    pub fn listening(self) -> Self {
        let address = self.address();
        self.env("POSTHORN_LISTEN", address)
    }

    /// Returns the address set aside for the service, such as `127.0.0.1:24001`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts the process and returns at once.
    ///
    /// # Panics
    /// Panics when there is no such binary.
    #[must_use]
    pub fn spawn(self) -> ServiceProcess {
        let daemon = Daemon::spawn(self.command(), &self.log);
        ServiceProcess {
            launch: self,
            daemon,
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary_path(&self.binary));
        command.args(&self.arguments).env_clear();
        for name in ["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("RUST_BACKTRACE", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl ServiceProcess {
    /// Waits until `/ready` answers 200.
    ///
    /// # Panics
    /// Panics with the service's output when it ends or is not ready in time.
    pub async fn wait_ready(&mut self) {
        let client = HttpClient::new(self.url());
        let what = format!("{} is ready", self.launch.binary);
        eventually(&what, READY_BOUND, async || {
            if let Some(status) = self.daemon.exited() {
                panic!("{} ended with {status}: {}", self.launch.binary, self.log());
            }
            let reply = client
                .send(http::Method::GET, "/ready", bytes::Bytes::new())
                .await;
            match reply {
                Ok(reply) if reply.status == http::StatusCode::OK => Ok(()),
                Ok(reply) => Err(format!("{reply}; its output: {}", self.log())),
                Err(error) => Err(format!("{error}; its output: {}", self.log())),
            }
        })
        .await;
    }

    /// Returns the base address of its HTTP server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.launch.address())
    }

    /// Returns the process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.daemon.signal(signal);
    }

    /// Kills the process at once, as a crash would.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Returns the exit status if the process has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.daemon.exited()
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// Panics with the end of its output when it does not end in time.
    pub async fn wait_exit(&mut self, bound: Duration) -> ExitStatus {
        let what = format!("{} exits", self.launch.binary);
        eventually(&what, bound, async || {
            let exited = self.daemon.exited();
            exited.ok_or_else(|| format!("still running; its output: {}", self.log()))
        })
        .await
    }

    /// Sets a variable from the next start on.
    pub fn set_env(&mut self, name: &str, value: &str) {
        let variable = (name.to_owned(), value.to_owned());
        self.launch.environment.push(variable);
    }

    /// Starts the process again with the same settings, after killing it if it still runs.
    pub fn restart(&mut self) {
        self.daemon.kill();
        self.daemon = Daemon::spawn(self.launch.command(), &self.launch.log);
    }

    /// Returns everything that the process, and those before it, wrote to stdout and stderr.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.log()
    }
}

/// Finds a binary of the workspace beside the running test or tool.
///
/// # Panics
/// Panics when it has not been built.
#[must_use]
pub fn binary_path(name: &str) -> PathBuf {
    let current = std::env::current_exe().expect("know the path of the test binary");
    current
        .ancestors()
        .skip(1)
        // Tests are in target/<profile>/deps, tools in target/<profile>.
        .take(2)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!(
                "no binary {name} beside {}: run `cargo build --workspace --bins`",
                current.display()
            )
        })
}
