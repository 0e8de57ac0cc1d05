//! Three servers that keep copies of each other's streams.

use std::{path::Path, time::Duration};

use super::{BrokerClient, NatsServer};
use crate::{eventually, free_port};

/// How long three servers may take to find each other and to choose who leads.
const FORM_BOUND: Duration = Duration::from_secs(60);
const SERVERS: usize = 3;
const ROUTES_PASSWORD: &str = "password-of-the-routes";

/// A cluster of three servers, each with its own ports and store.
#[derive(Debug)]
pub struct NatsCluster {
    servers: Vec<NatsServer>,
    monitoring: [String; SERVERS],
    /// Name and password of who may do everything.
    login: (String, String),
}

impl NatsCluster {
    /// Starts three servers by a configuration file such as `deploy/cluster/nats.conf`, with further variables that it
    /// wants, and returns once JetStream answers `login`.
    ///
    /// # Panics
    /// Panics when there is no `nats-server`, or they do not form a cluster.
    pub async fn start(file: &Path, variables: &[(String, String)], login: (&str, &str)) -> Self {
        let addresses = || -> [String; SERVERS] {
            std::array::from_fn(|_| format!("127.0.0.1:{}", free_port()))
        };
        let (routes, monitoring) = (addresses(), addresses());
        let servers = (0..SERVERS).map(|number| {
            let mut all = variables.to_vec();
            let mut set = |name: &str, value: String| all.push((name.to_owned(), value));
            set("POSTHORN_NATS_NAME", format!("n{number}"));
            set("POSTHORN_NATS_MONITORING", monitoring[number].clone());
            set("POSTHORN_NATS_ROUTES", routes[number].clone());
            set("POSTHORN_NATS_ROUTES_PASSWORD", ROUTES_PASSWORD.to_owned());
            for (other, route) in (1..).zip(&routes) {
                let url = format!("nats://routes:{ROUTES_PASSWORD}@{route}");
                set(&format!("POSTHORN_NATS_ROUTE_{other}"), url);
            }
            NatsServer::start_from(file, &all)
        });
        let cluster = Self {
            servers: servers.collect(),
            monitoring,
            login: (login.0.to_owned(), login.1.to_owned()),
        };
        cluster.wait_ready().await;
        cluster
    }

    /// Returns the addresses of all servers, with commas between, for who may do everything.
    #[must_use]
    pub fn url(&self) -> String {
        let (user, password) = &self.login;
        self.url_as(user, password)
    }

    /// Returns the addresses of all servers, with commas between, with a name and a password in each.
    #[must_use]
    pub fn url_as(&self, user: &str, password: &str) -> String {
        let servers = self.servers.iter();
        let urls: Vec<String> = servers
            .map(|server| server.url_as(user, password))
            .collect();
        urls.join(",")
    }

    /// Returns what the servers have logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.servers.iter().map(NatsServer::log).collect()
    }

    /// Returns where a server's monitoring answers, such as `http://127.0.0.1:24222`.
    ///
    /// # Panics
    /// Panics when the number is not 0, 1 or 2.
    #[must_use]
    pub fn monitoring(&self, number: usize) -> String {
        format!("http://{}", self.monitoring[number])
    }

    /// Returns one of the servers, to kill or restart it.
    ///
    /// # Panics
    /// Panics when the number is not 0, 1 or 2.
    pub fn server(&mut self, number: usize) -> &mut NatsServer {
        &mut self.servers[number]
    }

    /// Returns the number of the server that leads a stream at the moment, if one does.
    ///
    /// # Panics
    /// Panics when no server is up.
    pub async fn leader_of(&self, stream: &str) -> Option<usize> {
        let client = BrokerClient::connect(&self.url()).await;
        let stream = client.context().get_stream(stream).await.ok()?;
        let leader = stream.cached_info().cluster.as_ref()?.leader.clone()?;
        leader.strip_prefix('n')?.parse().ok()
    }

    async fn wait_ready(&self) {
        let client = BrokerClient::connect(&self.url()).await;
        eventually("the cluster answers", FORM_BOUND, async || {
            let account = client.context().query_account().await;
            account.map(|_| ()).map_err(|error| error.to_string())
        })
        .await;
    }
}
