//! `posthorn dev`: all five services in one process that keeps its own broker.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use test_support::{HttpClient, Launch, ServiceProcess, Signal, eventually};

use crate::{Organisation, process_table::processes};

const WRITTEN_BOUND: Duration = Duration::from_secs(10);
const EXIT_BOUND: Duration = Duration::from_secs(20);

/// A running `posthorn dev`; it and its broker are killed when it is dropped.
#[derive(Debug)]
pub struct Dev {
    process: ServiceProcess,
    crashed: bool,
    /// What it wrote into `dev.json`.
    pub description: Value,
}

impl Dev {
    /// Starts it on a data directory and waits until it is ready.
    ///
    /// # Panics
    /// Panics when it does not get ready or does not write `dev.json`.
    pub async fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &[]).await
    }

    /// As [`Dev::start`], with further variables.
    ///
    /// # Panics
    /// As [`Dev::start`].
    pub async fn start_with(data_dir: &Path, variables: &[(&str, &str)]) -> Self {
        let launch = Launch::new("posthorn", data_dir);
        let address = launch.address();
        let data = data_dir
            .to_str()
            .expect("temporary folders have plain names")
            .to_owned();
        let mut launch = launch
            .arg("dev")
            .arg("--listen")
            .arg(address)
            .arg("--data-dir")
            .arg(data);
        if let Some(server) = std::env::var_os("POSTHORN_NATS_SERVER") {
            let server = server
                .to_str()
                .expect("the broker's path is text")
                .to_owned();
            launch = launch.env("POSTHORN_NATS_SERVER", server);
        }
        let launch = variables
            .iter()
            .fold(launch, |launch, (name, value)| launch.env(name, *value));
        let mut dev = Self {
            process: launch.spawn(),
            crashed: false,
            description: Value::Null,
        };
        dev.process.wait_ready().await;
        dev.description = dev.read_description(data_dir).await;
        dev
    }

    async fn read_description(&self, data_dir: &Path) -> Value {
        let file = data_dir.join("dev.json");
        // A file left by a process before this one names that process.
        eventually(
            "dev.json describes this process",
            WRITTEN_BOUND,
            async || {
                let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
                let value: Value =
                    serde_json::from_str(&text).map_err(|error| error.to_string())?;
                if value["pid"] == json!(self.process.pid()) {
                    Ok(value)
                } else {
                    Err(text)
                }
            },
        )
        .await
    }

    /// Returns the process.
    pub fn process(&mut self) -> &mut ServiceProcess {
        &mut self.process
    }

    /// Returns the broker's address for NATS clients.
    ///
    /// # Panics
    /// Panics when `dev.json` does not say it.
    #[must_use]
    pub fn nats_url(&self) -> &str {
        self.description["nats_url"]
            .as_str()
            .expect("dev.json names the broker")
    }

    /// Returns a client of everything with the operator token.
    ///
    /// # Panics
    /// Panics when `dev.json` does not hold it.
    #[must_use]
    pub fn operator(&self) -> HttpClient {
        let token = self.description["operator_token"].as_str();
        HttpClient::new(self.process.url()).with_token(token.expect("dev.json holds the token"))
    }

    /// Makes an organisation by giving it an admin's and a producer's token.
    ///
    /// # Panics
    /// Panics when the Admin API refuses.
    pub async fn organisation(&self, id: &str) -> Organisation {
        let operator = self.operator();
        let client = async |role: &str| {
            let body = json!({"organisationId": id, "role": role, "name": role});
            let made = operator
                .post("/api/v2/admin/tokens", &body)
                .await
                .expect(201);
            operator.with_token(made["token"].as_str().expect("a token is shown once"))
        };
        Organisation::new(id, client("admin").await, client("producer").await)
    }

    /// Sends a signal and waits for the process to end well.
    ///
    /// # Panics
    /// Panics when it does not exit with 0 in time.
    pub async fn stop(mut self, signal: Signal) {
        self.process.signal(signal);
        let status = self.process.wait_exit(EXIT_BOUND).await;
        assert!(status.success(), "{status}: {}", self.process.log());
    }

    /// Kills the process alone, as a crash would; answers the process ids of the brokers it leaves running.
    #[must_use]
    pub fn crash(mut self) -> Vec<u32> {
        let orphans = broker_children(self.process.pid());
        self.process.kill();
        self.crashed = true;
        orphans
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if self.crashed {
            return;
        }
        let children = broker_children(self.process.pid());
        self.process.kill();
        for pid in children {
            Signal::Kill.send_to(pid);
        }
    }
}

/// Returns the process ids of the `nats-server` children of a process.
#[must_use]
pub fn broker_children(parent: u32) -> Vec<u32> {
    let all = processes();
    let brokers = all
        .iter()
        .filter(|process| process.parent == parent && process.name.contains("nats-server"));
    brokers.map(|process| process.id).collect()
}
