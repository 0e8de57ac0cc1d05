//! A `nats-server` of a test's own: own port, own store directory, killed when dropped.

mod client;
mod cluster;

use std::{
    io::Read as _,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

pub use self::client::{BrokerClient, StoredMessage};
pub use self::cluster::NatsCluster;
use crate::{Signal, daemon::Daemon, eventually_blocking, free_port};

const START_BOUND: Duration = Duration::from_secs(20);
const MAX_PAYLOAD_BYTES: u32 = 8 * 1024 * 1024;

/// A real server with JetStream on and a `max_payload` of 8 MiB.
#[derive(Debug)]
pub struct NatsServer {
    daemon: Daemon,
    port: u16,
    configuration: Configuration,
    /// Name and password, if it asks for them: what stands before the host in its address.
    user_info: String,
    /// Where the streams' files are.
    store: PathBuf,
    directory: TempDir,
}

/// How a server is configured.
#[derive(Clone, Debug)]
enum Configuration {
    /// As every test's server, with further lines.
    Lines(String),
    /// By a file, with these variables.
    File(PathBuf, Vec<(String, String)>),
}

impl NatsServer {
    /// Starts a server and returns once it greets clients.
    ///
    /// # Panics
    /// Panics when there is no `nats-server` or it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts a server with further lines of configuration and returns once it greets clients.
    ///
    /// # Panics
    /// As [`NatsServer::start`].
    #[must_use]
    pub fn start_with(more: &str) -> Self {
        Self::start_as(Configuration::Lines(more.to_owned()))
    }

    /// Starts a server by a configuration file with these variables, and returns once it greets clients. Where it listens and
    /// keeps its store the file must take from `POSTHORN_NATS_LISTEN` and `POSTHORN_NATS_STORE`, which are set here.
    ///
    /// # Panics
    /// As [`NatsServer::start`].
    #[must_use]
    pub fn start_from(file: &Path, variables: &[(String, String)]) -> Self {
        Self::start_as(Configuration::File(file.to_owned(), variables.to_vec()))
    }

    fn start_as(configuration: Configuration) -> Self {
        let directory = tempfile::tempdir().expect("make a folder for the broker");
        let store = directory.path().join("store");
        Self::start_in(directory, store, configuration)
    }

    fn start_in(directory: TempDir, store: PathBuf, configuration: Configuration) -> Self {
        // Somebody else may take the port between our look and the server's: then take another.
        for _ in 0..5 {
            let port = free_port();
            let daemon = launch(directory.path(), &store, port, &configuration);
            if let Some(daemon) = greeted(daemon, port) {
                return Self {
                    daemon,
                    port,
                    configuration,
                    user_info: String::new(),
                    store,
                    directory,
                };
            }
        }
        panic!("nats-server did not start: {}", log_of(directory.path()))
    }

    /// Starts a server with further lines of configuration that make it ask for a name and a password, here those that its
    /// address holds.
    ///
    /// # Panics
    /// As [`NatsServer::start`].
    #[must_use]
    pub fn start_guarded(more: &str, user: &str, password: &str) -> Self {
        Self {
            user_info: format!("{user}:{password}@"),
            ..Self::start_with(more)
        }
    }

    /// As [`NatsServer::start_guarded`], with the streams' files in a folder that is there.
    ///
    /// # Panics
    /// As [`NatsServer::start`].
    #[must_use]
    pub fn start_guarded_in(folder: &Path, more: &str, (user, password): (&str, &str)) -> Self {
        let directory = tempfile::tempdir().expect("make a folder for the broker");
        Self {
            user_info: format!("{user}:{password}@"),
            ..Self::start_in(
                directory,
                folder.to_owned(),
                Configuration::Lines(more.to_owned()),
            )
        }
    }

    /// Returns the address for clients, such as `nats://127.0.0.1:24222`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}127.0.0.1:{}", self.user_info, self.port)
    }

    /// Returns the address with somebody else's name and password.
    #[must_use]
    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!("nats://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// Returns the server's program.
    ///
    /// # Panics
    /// Panics when there is none.
    #[must_use]
    pub fn program() -> PathBuf {
        server_path()
    }

    /// Returns what the server has logged.
    #[must_use]
    pub fn log(&self) -> String {
        log_of(self.directory.path())
    }

    /// Returns the port that clients connect to; it stays over a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the process id of the server that runs now.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Returns the folder that holds the streams' files.
    #[must_use]
    pub fn store_dir(&self) -> PathBuf {
        self.store.clone()
    }

    /// Kills the server at once, as a crash would.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Starts the server on the same port and store, after killing it if it still runs.
    ///
    /// # Panics
    /// Panics when it does not start.
    pub fn restart(&mut self) {
        self.daemon.kill();
        for _ in 0..20 {
            let daemon = launch(
                self.directory.path(),
                &self.store,
                self.port,
                &self.configuration,
            );
            if let Some(daemon) = greeted(daemon, self.port) {
                self.daemon = daemon;
                return;
            }
        }
        panic!(
            "nats-server did not start again: {}",
            log_of(self.directory.path())
        )
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: Signal) {
        self.daemon.signal(signal);
    }

    /// Stops the server's execution without ending it: connections stay open and nothing is answered.
    pub fn pause(&self) {
        self.daemon.signal(Signal::Pause);
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        self.daemon.signal(Signal::Resume);
    }

    /// Connects a client of the test's own.
    ///
    /// # Panics
    /// Panics when it cannot connect.
    pub async fn client(&self) -> BrokerClient {
        BrokerClient::connect(&self.url()).await
    }
}

fn launch(directory: &Path, store: &Path, port: u16, configuration: &Configuration) -> Daemon {
    let mut command = Command::new(server_path());
    match configuration {
        Configuration::Lines(more) => {
            let file = directory.join("nats.conf");
            let text = format!(
                "listen: \"127.0.0.1:{port}\"\nmax_payload: {MAX_PAYLOAD_BYTES}\n\
                 jetstream {{ store_dir: \"{}\", max_file: 100GB }}\n{more}\n",
                store.display()
            );
            std::fs::write(&file, text).expect("write the broker's configuration");
            command.arg("--config").arg(file);
        }
        Configuration::File(file, variables) => {
            command.arg("--config").arg(file);
            let variables = variables.iter().map(|(name, value)| (name, value));
            command
                .envs(variables)
                .env("POSTHORN_NATS_LISTEN", format!("127.0.0.1:{port}"))
                .env("POSTHORN_NATS_STORE", store);
        }
    }
    Daemon::spawn(command, &directory.join("nats.log"))
}

/// Returns the daemon once its server greets, or nothing when the process ends before that.
fn greeted(mut daemon: Daemon, port: u16) -> Option<Daemon> {
    let alive = eventually_blocking("nats-server greets", START_BOUND, || {
        if daemon.exited().is_some() {
            return Ok(false);
        }
        if greets(port) {
            Ok(true)
        } else {
            Err("no greeting")
        }
    });
    alive.then_some(daemon)
}

fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut greeting = [0_u8; 5];
    let bounded = stream.set_read_timeout(Some(Duration::from_secs(5)));
    bounded.is_ok() && stream.read_exact(&mut greeting).is_ok() && &greeting == b"INFO "
}

fn log_of(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("nats.log")).unwrap_or_default()
}

fn server_path() -> PathBuf {
    if let Some(path) = std::env::var_os("POSTHORN_NATS_SERVER") {
        return PathBuf::from(path);
    }
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([checkout])
        .map(|folder| folder.join("nats-server"))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!(
                "no nats-server on PATH: run tools/ensure-nats-server, or set POSTHORN_NATS_SERVER"
            )
        })
}
