//! A `nats-server` of our own: found, started, started again when it dies, stopped with us.

use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::state::DataDir;

/// How long the server may take to listen, and to stop.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long to wait before a server that died is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(300);
/// The largest message, in bytes: an event of 1 MiB, and batches.
const MAX_PAYLOAD: usize = 8 * 1024 * 1024;

/// A running broker.
#[derive(Debug)]
pub(crate) struct OwnBroker {
    url: String,
    stop: CancellationToken,
    keeper: JoinSet<()>,
}

impl OwnBroker {
    /// Starts the broker on the data directory. One that an earlier process left behind there is
    /// stopped first, since two cannot share a store.
    pub(crate) async fn start(data: &DataDir, binary: Option<&Path>) -> anyhow::Result<Self> {
        let binary = find(binary)?;
        let home = data.path("nats");
        fs::create_dir_all(&home).context("make the broker's directory")?;
        let config = home.join("nats.conf");
        let pid_file = home.join("nats.pid");
        stop_left_over(&pid_file, &config).await?;
        let port = port(&home.join("port"))?;
        fs::write(&config, configuration(port, &home)).context("write nats.conf")?;
        let mut child = spawn(&binary, &config)?;
        until_listening(port, &mut child).await?;
        let stop = CancellationToken::new();
        let mut keeper = JoinSet::new();
        keeper.spawn(keep(child, binary, config, stop.clone()));
        Ok(Self {
            url: format!("nats://127.0.0.1:{port}"),
            stop,
            keeper,
        })
    }

    /// Returns the broker's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Stops the broker, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.keeper.join_next().await.is_some() {}
    }
}

/// Waits for the server, and starts it again whenever it dies before we stop it.
async fn keep(mut child: Child, binary: PathBuf, config: PathBuf, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return terminate(child).await,
            status = child.wait() => {
                tracing::warn!(status = ?status.ok(), "nats-server ended and is started again");
                tokio::time::sleep(RESTART_PAUSE).await;
            }
        }
        match spawn(&binary, &config) {
            Ok(next) => child = next,
            Err(error) => tracing::error!("nats-server: {error:#}"),
        }
    }
}

async fn terminate(mut child: Child) {
    if let Some(pid) = child.id().and_then(pid) {
        signal(pid, Signal::TERM);
    }
    if tokio::time::timeout(PATIENCE, child.wait()).await.is_err()
        && let Err(error) = child.kill().await
    {
        tracing::warn!(error = %error, "nats-server did not stop");
    }
}

/// Looks where DESIGN says: the variable, `PATH`, the checkout's tools folder.
fn find(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "PATH is the system's, not a setting of ours"
    )]
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).map(|folder| folder.join("nats-server"));
    let here = env::current_dir().unwrap_or_default();
    let in_tools = here
        .ancestors()
        .map(|folder| folder.join(".tools/bin/nats-server"));
    in_path.chain(in_tools).find(|candidate| candidate.is_file()).context(
        "nats-server not found: install it, set POSTHORN_NATS_SERVER to its path, or POSTHORN_NATS_URL \
         to a running one",
    )
}

fn configuration(port: u16, home: &Path) -> String {
    format!(
        "listen: \"127.0.0.1:{port}\"\nmax_payload: {MAX_PAYLOAD}\npid_file: \"{pid}\"\n\
         jetstream {{ store_dir: \"{store}\" }}\n",
        pid = home.join("nats.pid").display(),
        store = home.join("store").display(),
    )
}

/// Returns the port of earlier runs if it is free, else another one, which is kept.
fn port(file: &Path) -> anyhow::Result<u16> {
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let kept = fs::read_to_string(file)
        .ok()
        .and_then(|text| text.trim().parse::<u16>().ok());
    if let Some(port) = kept.filter(|port| free(*port).is_ok()) {
        return Ok(port);
    }
    let port = free(0).context("find a free port")?.local_addr()?.port();
    fs::write(file, port.to_string()).context("keep the broker's port")?;
    Ok(port)
}

fn spawn(binary: &Path, config: &Path) -> anyhow::Result<Child> {
    Command::new(binary)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C in a terminal is for us alone: the broker must outlive the drain.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {}", binary.display()))
}

async fn until_listening(port: u16, child: &mut Child) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .is_ok()
        {
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            bail!("nats-server ended with {status}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("nats-server does not listen on port {port}")
}

/// Stops the server that a killed process left behind on the same configuration.
async fn stop_left_over(pid_file: &Path, config: &Path) -> anyhow::Result<()> {
    let Some(pid) = fs::read_to_string(pid_file)
        .ok()
        .and_then(|text| pid(text.trim().parse().ok()?))
    else {
        return Ok(());
    };
    if !runs_with(pid, config).await {
        return Ok(());
    }
    tracing::info!(
        pid = pid.as_raw_nonzero().get(),
        "stopping the broker of an earlier run"
    );
    for signal_name in [Signal::TERM, Signal::KILL] {
        signal(pid, signal_name);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if test_kill_process(pid).is_err() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    bail!("the broker of an earlier run does not stop")
}

/// Returns whether the process was started with that configuration, so that no stranger is stopped
/// that has got the pid meanwhile.
async fn runs_with(pid: Pid, config: &Path) -> bool {
    let number = pid.as_raw_nonzero().get();
    let arguments = match fs::read(format!("/proc/{number}/cmdline")) {
        Ok(arguments) => arguments,
        Err(_) => {
            let listed = Command::new("ps")
                .args(["-o", "command=", "-p", &number.to_string()])
                .output()
                .await;
            listed.map(|output| output.stdout).unwrap_or_default()
        }
    };
    String::from_utf8_lossy(&arguments).contains(&*config.to_string_lossy())
}

fn pid(raw: u32) -> Option<Pid> {
    i32::try_from(raw).ok().and_then(Pid::from_raw)
}

fn signal(pid: Pid, signal: Signal) {
    if let Err(error) = kill_process(pid, signal) {
        tracing::debug!(error = %error, "signal was not sent");
    }
}
