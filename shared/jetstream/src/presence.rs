//! Which replicas live and what they hold: how a saved config comes to be in force everywhere.
//!
//! A replica writes a heartbeat with the revisions that it holds, every second and on change. Who
//! saved something waits until every living replica holds it. A replica whose heartbeat did not go
//! through for 5 s counts as dead, closes its own gate, and opens it again only when it has caught up
//! with what the buckets hold. So nothing is answered as saved that a living replica does not know.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    bucket::{Bucket, Change, Followed, View},
    connection::Broker,
    subject,
    topology::REPLICA_TTL,
    wire::SCHEMA,
};

/// How often a heartbeat goes out when nothing changes.
const BEAT: Duration = Duration::from_secs(1);

/// What a replica holds in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Revisions {
    /// The latest revision of the endpoints bucket, if it follows that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<u64>,
    /// The latest revision of the tokens bucket, if it follows that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// The latest revision of the bucket of event types, if it follows that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_types: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Heartbeat {
    schema: u32,
    #[serde(flatten)]
    holds: Revisions,
}

/// A replica's heartbeat.
#[derive(Debug)]
pub struct Presence {
    key: String,
    replicas: Bucket,
    endpoints: Option<Followed>,
    tokens: Option<Followed>,
    event_types: Option<Followed>,
    open: watch::Sender<bool>,
    until: Arc<Mutex<Option<Instant>>>,
}

/// Whether a replica counts as living and is up to date; cheap to clone.
///
/// It ends by itself 5 s after the last heartbeat began, so a process that was paused finds it ended
/// before anybody has closed it. What was read from memory while it holds afterwards was current.
#[derive(Debug, Clone)]
pub struct Lease {
    open: watch::Receiver<bool>,
    until: Arc<Mutex<Option<Instant>>>,
}

impl Lease {
    /// Returns whether the lease holds at this moment.
    #[must_use]
    pub fn holds(&self) -> bool {
        *self.open.borrow()
            && self
                .until
                .lock()
                .is_some_and(|until| Instant::now() < until)
    }

    /// Returns what changes when the lease begins and when its end is noticed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<bool> {
        self.open.clone()
    }
}

impl Presence {
    /// Makes the heartbeat of a replica of a service; `instance` tells replicas apart.
    ///
    /// # Errors
    /// [`crate::bucket::Error`] if the bucket can't be opened.
    pub async fn new(
        broker: &Broker,
        service: &str,
        instance: &str,
    ) -> Result<Self, crate::bucket::Error> {
        Ok(Self {
            key: format!("{service}.{instance}"),
            replicas: Bucket::open(broker, subject::Bucket::Replicas).await?,
            endpoints: None,
            tokens: None,
            event_types: None,
            open: watch::Sender::new(false),
            until: Arc::default(),
        })
    }

    /// Reports how far the endpoints are followed.
    #[must_use]
    pub fn endpoints(mut self, followed: Followed) -> Self {
        self.endpoints = Some(followed);
        self
    }

    /// Reports how far the tokens are followed.
    #[must_use]
    pub fn tokens(mut self, followed: Followed) -> Self {
        self.tokens = Some(followed);
        self
    }

    /// Reports how far the event types are followed.
    #[must_use]
    pub fn event_types(mut self, followed: Followed) -> Self {
        self.event_types = Some(followed);
        self
    }

    /// Returns what tells this replica apart from others of its service.
    #[must_use]
    pub fn instance(&self) -> &str {
        self.key
            .split_once('.')
            .map_or(self.key.as_str(), |(_, instance)| instance)
    }

    /// Returns the lease: it holds while the replica counts as living and is up to date.
    #[must_use]
    pub fn lease(&self) -> Lease {
        Lease {
            open: self.open.subscribe(),
            until: Arc::clone(&self.until),
        }
    }

    /// Beats until `stop`, then takes the heartbeat back.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.beat() => {}
        }
        self.open.send_replace(false);
        if let Err(error) = self.replicas.delete(&self.key, None).await {
            tracing::debug!(error = %error, "heartbeat was not taken back");
        }
    }

    async fn beat(&mut self) {
        let mut last_beat: Option<Instant> = None;
        loop {
            // Others count our life from when the heartbeat arrived, which is later.
            let began = Instant::now();
            let lapsed = last_beat.is_none_or(|at| at.elapsed() >= REPLICA_TTL);
            if self.write(self.revisions()).await {
                last_beat = Some(began);
            }
            let alive = last_beat.is_some_and(|at| at.elapsed() < REPLICA_TTL);
            let held_on = *self.open.borrow() && !lapsed;
            let open = alive && self.is_live() && (held_on || self.is_caught_up().await);
            *self.until.lock() = last_beat.filter(|_| open).map(|at| at + REPLICA_TTL);
            self.open
                .send_if_modified(|was| std::mem::replace(was, open) != open);
            // What is not open is looked at often, so that a start does not cost a whole beat.
            let pause = if open { BEAT } else { BEAT / 20 };
            tokio::select! {
                () = changed(&mut self.endpoints) => {}
                () = changed(&mut self.tokens) => {}
                () = changed(&mut self.event_types) => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn revisions(&self) -> Revisions {
        let of = |followed: &Option<Followed>| followed.as_ref().map(|f| f.held.borrow().revision);
        Revisions {
            endpoints: of(&self.endpoints),
            tokens: of(&self.tokens),
            event_types: of(&self.event_types),
        }
    }

    fn followed(&self) -> impl Iterator<Item = &Followed> {
        [&self.endpoints, &self.tokens, &self.event_types]
            .into_iter()
            .flatten()
    }

    fn is_live(&self) -> bool {
        self.followed().all(|f| f.held.borrow().live)
    }

    /// Returns whether everything that the followed buckets hold is held.
    async fn is_caught_up(&self) -> bool {
        for followed in self.followed() {
            match followed.bucket.last_revision().await {
                Ok(last) if followed.held.borrow().revision >= last => {}
                _ => return false,
            }
        }
        true
    }

    async fn write(&self, holds: Revisions) -> bool {
        let Ok(value) = serde_json::to_vec(&Heartbeat {
            schema: SCHEMA,
            holds,
        }) else {
            return false;
        };
        match self.replicas.put(&self.key, Bytes::from(value)).await {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(error = %error, "heartbeat did not reach the broker");
                false
            }
        }
    }
}

async fn changed(followed: &mut Option<Followed>) {
    let still_followed = match followed {
        Some(followed) => followed.held.changed().await.is_ok(),
        None => false,
    };
    if !still_followed {
        std::future::pending::<()>().await;
    }
}

/// The living replicas, as their heartbeats tell.
#[derive(Debug)]
pub struct Replicas {
    seen: Mutex<HashMap<String, (Revisions, Instant)>>,
    changes: watch::Sender<()>,
}

impl Default for Replicas {
    fn default() -> Self {
        Self {
            seen: Mutex::default(),
            changes: watch::Sender::new(()),
        }
    }
}

impl Replicas {
    /// Opens the bucket to follow into this view.
    ///
    /// # Errors
    /// [`crate::bucket::Error`].
    pub async fn bucket(broker: &Broker) -> Result<Bucket, crate::bucket::Error> {
        Bucket::open(broker, subject::Bucket::Replicas).await
    }

    /// Returns the instances of a service that live, in order.
    #[must_use]
    pub fn living(&self, service: &str) -> Vec<String> {
        let seen = self.seen.lock();
        let living = seen
            .iter()
            .filter(|(key, (_, at))| is_living(key, *at, service));
        let mut instances: Vec<String> = living
            .filter_map(|(key, _)| key.split_once('.').map(|(_, instance)| instance.to_owned()))
            .collect();
        instances.sort_unstable();
        instances
    }

    /// Waits until every living replica of the services holds what `holds` asks for, at most for
    /// `patience`; returns whether they do.
    pub async fn wait_until(
        self: &Arc<Self>,
        services: &[&str],
        holds: impl Fn(&Revisions) -> bool,
        patience: Duration,
    ) -> bool {
        let mut changes = self.changes.subscribe();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                if self.all_hold(services, &holds) {
                    return;
                }
                // A replica may also die while we wait.
                tokio::select! {
                    _ = changes.changed() => {}
                    () = tokio::time::sleep(BEAT / 4) => {}
                }
            }
        };
        tokio::time::timeout(patience, waiting).await.is_ok()
    }

    fn all_hold(&self, services: &[&str], holds: &impl Fn(&Revisions) -> bool) -> bool {
        self.seen.lock().iter().all(|(key, (revisions, at))| {
            !services.iter().any(|service| is_living(key, *at, service)) || holds(revisions)
        })
    }

    fn note(&self, changes: Vec<Change>, forget: bool) {
        // Under one lock: nobody may see no replicas where there are some.
        let mut seen = self.seen.lock();
        if forget {
            seen.clear();
        }
        for change in changes {
            let beat = change
                .value
                .as_ref()
                .map(|v| serde_json::from_slice::<Heartbeat>(v));
            match beat {
                Some(Ok(beat)) => {
                    seen.insert(change.key, (beat.holds, Instant::now()));
                }
                Some(Err(_)) | None => {
                    seen.remove(&change.key);
                }
            }
        }
        seen.retain(|_, (_, at)| at.elapsed() < 4 * REPLICA_TTL);
        self.changes.send_replace(());
    }
}

impl View for Replicas {
    fn replace(&self, all: Vec<Change>) {
        self.note(all, true);
    }

    fn apply(&self, changes: Vec<Change>) {
        self.note(changes, false);
    }
}

fn is_living(key: &str, at: Instant, service: &str) -> bool {
    key.split_once('.').is_some_and(|(of, _)| of == service) && at.elapsed() < REPLICA_TTL
}
