//! An ephemeral PostgreSQL cluster: made in a temporary folder, removed when dropped, started as root too.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tempfile::TempDir;

use crate::{Signal, daemon::Daemon, eventually_blocking, free_port};

const START_BOUND: Duration = Duration::from_secs(30);
const STOP_BOUND: Duration = Duration::from_secs(15);

// Durability across a power cut is PostgreSQL's own matter; without it tests take a third of the time.
const SETTINGS: &[&str] = &[
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=200",
    "log_min_messages=warning",
];

const DURABLE_SETTINGS: &[&str] = &["max_connections=200", "log_min_messages=warning"];

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

/// One cluster; every test makes a database of its own in it.
#[derive(Debug)]
pub struct Postgres {
    server: Mutex<Option<Daemon>>,
    port: u16,
    bin: PathBuf,
    owner: Option<Owner>,
    directory: TempDir,
}

/// Tables that are locked for as long as this is kept.
#[derive(Debug)]
pub struct Locked(#[expect(dead_code, reason = "it is there to be dropped")] Daemon);

/// Whom the server runs as when the tests run as root, which PostgreSQL refuses.
#[derive(Clone, Copy, Debug)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Postgres {
    /// Makes a cluster and starts it.
    ///
    /// # Panics
    /// Panics when PostgreSQL is not installed or does not start.
    #[must_use]
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("make a folder for PostgreSQL");
        Self::start_in(directory, SETTINGS)
    }

    /// Does what [`Postgres::start`] does with the durability of a default installation, for measurements.
    ///
    /// # Panics
    /// Panics when PostgreSQL is not installed or does not start.
    #[must_use]
    pub fn start_durable() -> Self {
        let directory = tempfile::tempdir().expect("make a folder for PostgreSQL");
        Self::start_in(directory, DURABLE_SETTINGS)
    }

    /// Does what [`Postgres::start_durable`] does with all files below a folder, such as that of a small disk.
    ///
    /// # Panics
    /// Panics when PostgreSQL is not installed or does not start.
    #[must_use]
    pub fn start_on(folder: &Path) -> Self {
        let directory = tempfile::tempdir_in(folder).expect("make a folder for PostgreSQL");
        Self::start_in(directory, DURABLE_SETTINGS)
    }

    fn start_in(directory: TempDir, settings: &[&str]) -> Self {
        let owner = owner_for_root(directory.path());
        if let Some(Owner { uid, gid }) = owner {
            chown(directory.path(), Some(uid), Some(gid)).expect("hand the folder to another user");
        }
        let bin = bin_dir();
        let cluster = Self {
            server: Mutex::new(None),
            port: free_port(),
            bin,
            owner,
            directory,
        };
        let data = cluster.data_dir();
        let data = data.to_str().expect("temporary folders have plain names");
        cluster.run(
            "initdb",
            &[
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
                "-D",
                data,
            ],
        );
        let lines = settings
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>();
        let file = cluster.data_dir().join("postgresql.auto.conf");
        std::fs::write(file, lines).expect("write PostgreSQL's settings");
        cluster.restart();
        cluster
    }

    /// Returns the cluster that all tests of this process share; it lives as long as one of them holds it.
    ///
    /// # Panics
    /// Panics when PostgreSQL is not installed or does not start.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock();
        if let Some(cluster) = shared.upgrade() {
            return cluster;
        }
        let cluster = Arc::new(Self::start());
        *shared = Arc::downgrade(&cluster);
        cluster
    }

    /// Returns the URL of the cluster's own database `postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        self.database_url("postgres")
    }

    /// Makes an empty database and returns its URL.
    ///
    /// # Panics
    /// Panics when there is one of that name already.
    #[must_use]
    pub fn create_database(&self, name: &str) -> String {
        let port = self.port.to_string();
        self.run(
            "createdb",
            &["-h", "127.0.0.1", "-p", &port, "-U", "postgres", name],
        );
        self.database_url(name)
    }

    /// Returns every row of every table of a database as text: what the files may hold compressed.
    ///
    /// # Panics
    /// Panics when the server does not run or there is no such database.
    #[must_use]
    pub fn dump(&self, name: &str) -> Vec<u8> {
        let port = self.port.to_string();
        let mut command = self.command("pg_dump");
        // Bytes that are text are written as that text.
        command.env("PGOPTIONS", "-c bytea_output=escape");
        command.args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", name]);
        let output = command.output().expect("run pg_dump");
        assert!(output.status.success(), "pg_dump: {}", describe(&output));
        output.stdout
    }

    /// Stops the server at once, as an outage; the data stays.
    pub fn stop(&self) {
        let server = self.server.lock().take();
        if let Some(mut server) = server {
            server.signal(Signal::Quit);
            server.wait_exit(STOP_BOUND);
        }
    }

    /// Starts the server after [`Postgres::stop`] and returns once it takes connections.
    ///
    /// # Panics
    /// Panics when it does not start.
    pub fn restart(&self) {
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(self.data_dir())
            .arg("-k")
            .arg(self.directory.path());
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        let mut daemon = Daemon::spawn(command, &self.directory.path().join("postgres.log"));
        let port = self.port.to_string();
        eventually_blocking("PostgreSQL takes connections", START_BOUND, || {
            assert!(
                daemon.exited().is_none(),
                "PostgreSQL did not start: {}",
                daemon.log()
            );
            let mut ready = self.command("pg_isready");
            let output = ready
                .args(["-h", "127.0.0.1", "-p", &port])
                .output()
                .expect("run pg_isready");
            if output.status.success() {
                Ok(())
            } else {
                Err(describe(&output))
            }
        });
        *self.server.lock() = Some(daemon);
    }

    /// Starts the server again if it has ended by itself.
    ///
    /// # Panics
    /// Panics when it does not start.
    pub fn revive(&self) {
        let ended = {
            let mut server = self.server.lock();
            server
                .as_mut()
                .is_none_or(|daemon| daemon.exited().is_some())
        };
        if ended {
            self.restart();
        }
    }

    /// Ends everybody's connections and takes all there are, until the answer is dropped.
    ///
    /// # Panics
    /// Panics when the server does not run.
    #[must_use]
    pub fn take_all_connections(&self) -> Vec<TcpStream> {
        let others = "select pg_terminate_backend(pid) from pg_stat_activity \
                      where backend_type = 'client backend' and pid <> pg_backend_pid()";
        self.run("psql", &[&self.url(), "-c", others]);
        let mut taken = Vec::new();
        while let Some(connection) = self.connect() {
            taken.push(connection);
        }
        taken
    }

    /// Locks all tables of a database for as long as the answer is kept, and at most for `duration`.
    ///
    /// # Panics
    /// Panics when there is no `psql`.
    #[must_use]
    pub fn lock_tables(&self, url: &str, duration: Duration) -> Locked {
        let lock = "do $$ declare name text; begin for name in select format('%I.%I', schemaname, tablename) \
                    from pg_tables where schemaname = 'public' loop \
                    execute 'lock table ' || name || ' in access exclusive mode'; end loop; end $$";
        let wait = format!("select pg_sleep({})", duration.as_secs_f64());
        let mut command = self.command("psql");
        let arguments = ["-1", "-v", "ON_ERROR_STOP=1", "-c", lock, "-c", &wait, url];
        command.args(arguments);
        Locked(Daemon::spawn(
            command,
            &self.directory.path().join("lock.log"),
        ))
    }

    /// Connects as a client that knows no more than to log in; `None` if the server has no place.
    fn connect(&self) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("PostgreSQL runs");
        let said = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
        let length = u32::try_from(said.len() + 4).expect("a short message");
        let message = [&length.to_be_bytes()[..], said].concat();
        stream.write_all(&message).expect("write to PostgreSQL");
        let mut answer = [0; 1];
        stream
            .read_exact(&mut answer)
            .expect("read from PostgreSQL");
        // R is the answer to a log-in, E an error.
        (answer == *b"R").then_some(stream)
    }

    /// Returns the process id of the server's first process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.lock().as_ref().map(Daemon::pid)
    }

    /// Returns the folder of the cluster's data.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn database_url(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir(self.directory.path());
        if let Some(Owner { uid, gid }) = self.owner {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("run {program}: {error}"));
        assert!(output.status.success(), "{program}: {}", describe(&output));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn describe(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    format!("{}: {}", output.status, String::from_utf8_lossy(&text))
}

/// Returns another user when the owner of a fresh folder, and so this process, is root.
fn owner_for_root(fresh: &Path) -> Option<Owner> {
    use std::os::unix::fs::MetadataExt as _;

    let uid = std::fs::metadata(fresh)
        .expect("look at a fresh folder")
        .uid();
    (uid == 0).then(|| {
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| find_user(&users, name))
            .expect("root cannot run PostgreSQL: make a user named postgres")
    })
}

fn find_user(users: &str, name: &str) -> Option<Owner> {
    let line = users
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let mut ids = line.split(':').skip(2);
    Some(Owner {
        uid: ids.next()?.parse().ok()?,
        gid: ids.next()?.parse().ok()?,
    })
}

/// Finds the folder that holds the server's programs.
fn bin_dir() -> PathBuf {
    if let Some(folder) = std::env::var_os("POSTHORN_PG_BIN") {
        return PathBuf::from(folder);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(debian_folders());
    folders
        .iter()
        // The link's target has the other programs beside it; the link itself often has not.
        .filter_map(|folder| folder.join("initdb").canonicalize().ok())
        .filter_map(|program| program.parent().map(Path::to_owned))
        .find(|folder| folder.join("postgres").is_file())
        .expect("no PostgreSQL found: run tools/ensure-postgres, or set POSTHORN_PG_BIN")
}

/// Returns the folders of Debian's packages, the newest version first.
fn debian_folders() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/usr/lib/postgresql") else {
        return Vec::new();
    };
    let versions =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut versions: Vec<u32> = versions.collect();
    versions.sort_unstable_by(|left, right| right.cmp(left));
    versions
        .iter()
        .map(|version| format!("/usr/lib/postgresql/{version}/bin").into())
        .collect()
}
