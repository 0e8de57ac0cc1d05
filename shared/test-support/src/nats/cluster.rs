//! Three servers that keep copies of each other's streams.

use std::time::Duration;

use super::{BrokerClient, NatsServer};
use crate::{eventually, free_port};

/// How long three servers may take to find each other and to choose who leads.
const FORM_BOUND: Duration = Duration::from_secs(60);
const SERVERS: usize = 3;

/// A cluster of three servers, each with its own port and store.
#[derive(Debug)]
pub struct NatsCluster {
    servers: Vec<NatsServer>,
}

impl NatsCluster {
    /// Starts three servers and returns once JetStream answers.
    ///
    /// # Panics
    /// Panics when there is no `nats-server`, or they do not form a cluster.
    pub async fn start() -> Self {
        let ports: [u16; SERVERS] = std::array::from_fn(|_| free_port());
        let routes = ports
            .map(|port| format!("\"nats://127.0.0.1:{port}\""))
            .join(", ");
        let servers = ports.iter().enumerate().map(|(number, port)| {
            NatsServer::start_with(&format!(
                "server_name: n{number}\n\
                 cluster {{ name: posthorn, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}"
            ))
        });
        let cluster = Self {
            servers: servers.collect(),
        };
        cluster.wait_ready().await;
        cluster
    }

    /// Returns the addresses of all servers, with commas between.
    #[must_use]
    pub fn url(&self) -> String {
        let urls: Vec<String> = self.servers.iter().map(NatsServer::url).collect();
        urls.join(",")
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
