//! Connections that belong to one endpoint alone: those on which a client certificate was shown, or
//! which the endpoint's own roots vouch for.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::name::EndpointId;
use parking_lot::Mutex;
use rustls::ClientConfig;

use crate::{client::Client, dial::Dial};

/// The most endpoints whose connections are kept.
const MOST: usize = 512;
/// The most unused connections of one endpoint.
const IDLE_PER_ENDPOINT: usize = 32;
/// How long a pool is kept that nobody uses; its connections end earlier.
const IDLE: Duration = Duration::from_secs(60);

/// The pools of endpoints, made when they are first needed.
#[derive(Debug)]
pub(crate) struct Pools {
    dial: Dial,
    made: Mutex<HashMap<EndpointId, Pool>>,
}

#[derive(Debug)]
struct Pool {
    /// What it was made with; another revision of the endpoint has another one.
    config: Arc<ClientConfig>,
    client: Client,
    used: Instant,
}

impl Pools {
    pub(crate) fn new(dial: Dial) -> Self {
        Self {
            dial,
            made: Mutex::default(),
        }
    }

    /// Returns the endpoint's client. A request that is under way keeps a pool that is dropped here.
    ///
    /// # Errors
    /// When the client can't be made.
    pub(crate) fn client(
        &self,
        endpoint: &EndpointId,
        config: &Arc<ClientConfig>,
    ) -> anyhow::Result<Client> {
        let now = Instant::now();
        let mut made = self.made.lock();
        if let Some(pool) = made.get_mut(endpoint)
            && Arc::ptr_eq(&pool.config, config)
        {
            pool.used = now;
            return Ok(pool.client.clone());
        }
        made.retain(|_, pool| now.duration_since(pool.used) < IDLE);
        if made.len() >= MOST
            && let Some(longest) = made.iter().min_by_key(|(_, pool)| pool.used)
        {
            let longest = longest.0.clone();
            made.remove(&longest);
        }
        let client = Client::new(&self.dial, ClientConfig::clone(config), IDLE_PER_ENDPOINT)?;
        let pool = Pool {
            config: Arc::clone(config),
            client: client.clone(),
            used: now,
        };
        made.insert(endpoint.clone(), pool);
        Ok(client)
    }
}
