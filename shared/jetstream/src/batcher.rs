//! Collects items that come one by one into batches, and tells each giver when its batch is stored.
//!
//! When a batch is full is decided by [`domain::batch`]. The task ends when the last [`Batcher`] is
//! gone and everything given is flushed, so a drain loses nothing.

use std::{future::Future, sync::Arc};

use domain::batch::{Fill, Limits};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// How many items may wait to be taken into a batch.
const QUEUE: usize = 16_384;

/// Takes items; cheap to clone.
#[derive(Debug)]
pub struct Batcher<T> {
    queue: mpsc::Sender<Item<T>>,
}

impl<T> Clone for Batcher<T> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
        }
    }
}

/// The receiving end of a [`Batcher`], to be run as a task.
#[derive(Debug)]
pub struct Batches<T> {
    queue: mpsc::Receiver<Item<T>>,
    limits: Limits,
}

#[derive(Debug)]
struct Item<T> {
    value: T,
    bytes: usize,
    stored: oneshot::Sender<()>,
}

/// The batch was dropped unstored: the process is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("batch was dropped before it was stored")]
pub struct Dropped;

/// Makes a batcher and the task that flushes its batches.
#[must_use]
pub fn new<T>(limits: Limits) -> (Batcher<T>, Batches<T>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (
        Batcher { queue: sender },
        Batches {
            queue: receiver,
            limits,
        },
    )
}

impl<T> Batcher<T> {
    /// Gives an item of that size, and waits until its batch is stored.
    ///
    /// # Errors
    /// [`Dropped`] if it never will be.
    pub async fn store(&self, value: T, bytes: usize) -> Result<(), Dropped> {
        let (stored, waiting) = oneshot::channel();
        let item = Item {
            value,
            bytes,
            stored,
        };
        self.queue.send(item).await.map_err(|_closed| Dropped)?;
        waiting.await.map_err(|_dropped| Dropped)
    }
}

impl<T: Send + 'static> Batches<T> {
    /// Flushes batches until all givers are gone, at most `at_once` at the same time. A batch counts
    /// as stored when `flush` returns true; then its givers are told.
    pub async fn run<F>(
        mut self,
        at_once: usize,
        flush: impl Fn(Vec<T>) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = bool> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(at_once));
        let mut held = None;
        while let Some((batch, next)) = self.collect(held.take()).await {
            held = next;
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let (values, givers): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|item| (item.value, item.stored))
                .unzip();
            let flushing = flush(values);
            #[expect(clippy::disallowed_methods, reason = "all places are awaited below")]
            tokio::spawn(async move {
                if flushing.await {
                    // A giver that is gone was handed back to the broker and comes again.
                    for giver in givers {
                        let _told = giver.send(());
                    }
                }
                drop(place);
            });
        }
        let all = u32::try_from(at_once).unwrap_or(u32::MAX);
        let _places = places.acquire_many(all).await;
    }

    /// Collects one batch, and what did not fit into it; `None` when all givers are gone.
    async fn collect(&mut self, first: Option<Item<T>>) -> Option<(Vec<Item<T>>, Option<Item<T>>)> {
        let first = match first {
            Some(item) => item,
            None => self.queue.recv().await?,
        };
        let deadline = tokio::time::sleep(self.limits.age);
        tokio::pin!(deadline);
        let mut fill = Fill::default().with(first.bytes);
        let mut batch = vec![first];
        while !fill.is_full(&self.limits) {
            tokio::select! {
                biased;
                item = self.queue.recv() => match item {
                    Some(item) if fill.fits(item.bytes, &self.limits) => {
                        fill = fill.with(item.bytes);
                        batch.push(item);
                    }
                    Some(item) => return Some((batch, Some(item))),
                    None => break,
                },
                () = &mut deadline => break,
            }
        }
        Some((batch, None))
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use domain::batch::Limits;
    use parking_lot::Mutex;

    use super::{Dropped, new};

    const LIMITS: Limits = Limits {
        items: 3,
        bytes: 1_000,
        age: Duration::from_millis(5),
    };

    #[tokio::test(start_paused = true)]
    async fn items_are_told_when_their_batch_is_stored() {
        let (batcher, batches) = new::<u32>(LIMITS);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let running = batches.run(2, move |batch| {
            kept.lock().push(batch);
            std::future::ready(true)
        });
        let giving = async move {
            let given = (0..7).map(|n| batcher.store(n, 1));
            futures::future::join_all(given).await
        };

        let ((), results) = futures::future::join(running, giving).await;

        assert!(results.iter().all(Result::is_ok));
        assert_eq!(*seen.lock(), [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
    }

    #[tokio::test(start_paused = true)]
    async fn items_of_a_batch_that_was_not_stored_are_told_so() {
        let (batcher, batches) = new::<u32>(LIMITS);
        let running = batches.run(1, |_| std::future::ready(false));
        let giving = async move { batcher.store(1, 1).await };

        let ((), result) = futures::future::join(running, giving).await;

        assert_eq!(result, Err(Dropped));
    }
}
