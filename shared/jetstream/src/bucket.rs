//! Key-value buckets: reading and writing single keys, and following a whole bucket in memory.

use std::{future::Future, sync::Arc, time::Duration};

use async_nats::jetstream::kv::{self, CreateErrorKind, Operation, UpdateErrorKind};
use bytes::Bytes;
use domain::time::Timestamp;
use futures::{Stream, StreamExt as _};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{connection::Broker, patience::patiently, subject};

/// How long to wait before a broken watch is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(200);
/// How often it is looked whether the connection is still the same.
const CONNECTION_LOOK: Duration = Duration::from_millis(200);
/// How many changes that are there at once are applied as one.
const CHANGES_AT_ONCE: usize = 4_096;

/// How long the next of many revisions may take.
const REVISION_PATIENCE: Duration = Duration::from_secs(20);

/// A value with its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value's bytes.
    pub value: Bytes,
    /// The revision, which the next write names.
    pub revision: u64,
}

/// One change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// Its new value, or `None` if it was deleted.
    pub value: Option<Bytes>,
    /// The revision of the change.
    pub revision: u64,
    /// When the broker stored it.
    pub stored_at: Timestamp,
}

/// What a bucket refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key was changed by somebody else since it was read.
    #[error("was changed by somebody else")]
    Conflict,
    /// The broker did not answer or refused.
    #[error("bucket not available: {0}")]
    Unavailable(String),
}

/// A bucket on the broker; cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket {
    store: kv::Store,
    broker: Broker,
}

impl Bucket {
    /// Opens a bucket that the topology made.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn open(broker: &Broker, bucket: subject::Bucket) -> Result<Self, Error> {
        let name = broker.names.bucket(bucket);
        let store = patiently(&name, || broker.context.get_key_value(&name))
            .await
            .map_err(unavailable)?;
        Ok(Self {
            store,
            broker: broker.clone(),
        })
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn get(&self, key: &str) -> Result<Option<Entry>, Error> {
        let entry = self.store.entry(key).await.map_err(unavailable)?;
        Ok(entry
            .filter(|entry| entry.operation == Operation::Put)
            .map(|entry| Entry {
                value: entry.value,
                revision: entry.revision,
            }))
    }

    /// Writes a key that must not be there yet.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it is.
    pub async fn create(&self, key: &str, value: Bytes) -> Result<u64, Error> {
        self.store
            .create(key, value)
            .await
            .map_err(|error| match error.kind() {
                CreateErrorKind::AlreadyExists => Error::Conflict,
                CreateErrorKind::InvalidKey
                | CreateErrorKind::Publish
                | CreateErrorKind::Ack
                | CreateErrorKind::Other => unavailable(error),
            })
    }

    /// Writes a key whose revision must be the given one.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it is another.
    pub async fn update(&self, key: &str, value: Bytes, revision: u64) -> Result<u64, Error> {
        self.store
            .update(key, value, revision)
            .await
            .map_err(|error| refused(&error))
    }

    /// Writes a key, whatever is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn put(&self, key: &str, value: Bytes) -> Result<u64, Error> {
        self.store.put(key, value).await.map_err(unavailable)
    }

    /// Deletes a key; with `revision`, only if that is the key's.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it is not.
    pub async fn delete(&self, key: &str, revision: Option<u64>) -> Result<(), Error> {
        self.store
            .delete_expect_revision(key, revision)
            .await
            .map_err(|error| refused(&error))
    }

    /// Returns the revision of the latest change of any key.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn last_revision(&self) -> Result<u64, Error> {
        let info = self.store.stream.get_info().await.map_err(unavailable)?;
        Ok(info.state.last_sequence)
    }

    /// Shows every revision of every key that the bucket still holds, the oldest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn each_revision(&self, mut look: impl FnMut(Change)) -> Result<(), Error> {
        let info = self.store.stream.get_info().await.map_err(unavailable)?;
        if info.state.messages == 0 {
            return Ok(());
        }
        let watch = self.store.watch_all_from_revision(1).await;
        let mut entries = watch.map_err(unavailable)?;
        loop {
            let entry = tokio::time::timeout(REVISION_PATIENCE, entries.next())
                .await
                .map_err(|_elapsed| unavailable("no revision comes"))?
                .ok_or_else(|| unavailable("watch ended"))?
                .map_err(unavailable)?;
            let is_last = entry.delta == 0;
            look(change(entry));
            if is_last {
                return Ok(());
            }
        }
    }

    /// Removes what a key was before a revision; returns how many revisions that were.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn forget_before(&self, key: &str, revision: u64) -> Result<usize, Error> {
        let subject = format!("{}{key}", self.store.prefix);
        let purge = self.store.stream.purge().filter(subject);
        let purged = purge.sequence(revision).await.map_err(unavailable)?;
        Ok(usize::try_from(purged.purged).unwrap_or(usize::MAX))
    }
}

/// What keeps a bucket in memory.
pub trait View: Send + Sync + 'static {
    /// Replaces everything that is held by what the bucket holds.
    fn replace(&self, all: Vec<Change>);

    /// Applies changes in their order.
    fn apply(&self, changes: Vec<Change>);
}

/// How far a follower of a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Whether the watch stands and everything up to `revision` is held.
    pub live: bool,
    /// The latest revision that is held.
    pub revision: u64,
}

/// A bucket that is followed.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The bucket.
    pub bucket: Bucket,
    /// How far its follower is.
    pub held: watch::Receiver<Held>,
}

/// Follows a bucket into a view until `stop`, whatever happens to the connection: returns how far
/// it is, and the task that does it.
pub fn follow<V: View>(
    bucket: &Bucket,
    view: Arc<V>,
    stop: CancellationToken,
) -> (Followed, impl Future<Output = ()> + use<V>) {
    let (held, holds) = watch::channel(Held::default());
    let bucket = bucket.clone();
    let followed = Followed {
        bucket: bucket.clone(),
        held: holds,
    };
    let task = async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = follow_on(&bucket, view.as_ref(), &held) => {}
        }
    };
    (followed, task)
}

/// Follows a bucket for ever, opening the watch again whenever it breaks.
async fn follow_on<V: View>(bucket: &Bucket, view: &V, held: &watch::Sender<Held>) {
    loop {
        if let Err(reason) = follow_once(bucket, view, held).await {
            tracing::warn!(
                reason,
                bucket = bucket.store.name,
                "watch of a bucket broke"
            );
        }
        held.send_modify(|held| held.live = false);
        tokio::time::sleep(REOPEN_PAUSE).await;
    }
}

/// Changes that came together.
type Chunk = Vec<Result<kv::Entry, kv::WatcherError>>;

/// Follows a bucket until the watch breaks.
async fn follow_once<V: View>(
    bucket: &Bucket,
    view: &V,
    held: &watch::Sender<Held>,
) -> Result<(), String> {
    let connection = bucket.broker.connects();
    let last = bucket.last_revision().await.map_err(text)?;
    let watch = bucket.store.watch_with_history(">").await.map_err(text)?;
    let mut entries = watch.ready_chunks(CHANGES_AT_ONCE);
    let initial = initial(bucket, &mut entries).await?;
    let newest = newest(&initial).max(last);
    view.replace(initial);
    held.send_replace(Held {
        live: true,
        revision: newest,
    });
    let mut look = tokio::time::interval(CONNECTION_LOOK);
    loop {
        // A watch that outlives its connection may be blind for seconds: it is opened anew.
        if bucket.broker.connects() != connection {
            return Err("the connection is a new one".to_owned());
        }
        let chunk = tokio::select! {
            chunk = entries.next() => chunk.ok_or("watch ended")?,
            _ = look.tick() => continue,
        };
        let changes = changes(chunk)?;
        let revision = self::newest(&changes);
        view.apply(changes);
        held.send_modify(|held| held.revision = held.revision.max(revision));
    }
}

/// Reads what the bucket holds at the beginning.
async fn initial(
    bucket: &Bucket,
    entries: &mut (impl Stream<Item = Chunk> + Unpin),
) -> Result<Vec<Change>, String> {
    let info = bucket.store.stream.get_info().await.map_err(text)?;
    let mut initial = Vec::new();
    let mut current = info.state.messages == 0;
    while !current {
        let chunk = entries.next().await.ok_or("watch ended")?;
        current = chunk.iter().flatten().any(|entry| entry.delta == 0);
        initial.extend(changes(chunk)?);
    }
    Ok(initial)
}

fn changes(chunk: Chunk) -> Result<Vec<Change>, String> {
    chunk
        .into_iter()
        .map(|entry| entry.map(change).map_err(text))
        .collect()
}

fn newest(changes: &[Change]) -> u64 {
    changes
        .iter()
        .map(|change| change.revision)
        .max()
        .unwrap_or(0)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn change(entry: kv::Entry) -> Change {
    let millis = entry.created.unix_timestamp_nanos().div_euclid(1_000_000);
    Change {
        value: (entry.operation == Operation::Put).then_some(entry.value),
        key: entry.key,
        revision: entry.revision,
        stored_at: Timestamp::from_millis(i64::try_from(millis).unwrap_or(0)),
    }
}

/// Tells a revision that is not the key's from a broker that is away.
fn refused(error: &kv::UpdateError) -> Error {
    match error.kind() {
        UpdateErrorKind::WrongLastRevision => Error::Conflict,
        UpdateErrorKind::InvalidKey | UpdateErrorKind::TimedOut | UpdateErrorKind::Other => {
            unavailable(error)
        }
    }
}

pub(crate) fn unavailable(error: impl std::fmt::Display) -> Error {
    Error::Unavailable(error.to_string())
}
