//! The asking side of the pull loop: one inbox, as many messages asked for as places are free.

use std::{
    collections::VecDeque,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{
    StatusCode, Subscriber,
    jetstream::{
        Context, Message,
        consumer::{PullConsumer, pull::BatchConfig},
    },
};
use futures::{FutureExt as _, StreamExt as _};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use super::{Delivery, Gate, Pull, Settlement, handle, settle, suspects::Suspects};
use crate::connection::Broker;

/// How long one request to the consumer stands.
const REQUEST_EXPIRES: Duration = Duration::from_secs(30);
/// How often the broker shows that a request stands.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long a request may be silent before it is made anew.
const SILENCE: Duration = Duration::from_secs(12);
/// How often it is looked whether the connection is a new one.
const CONNECTION_LOOK: Duration = Duration::from_millis(500);
/// How often a closed gate is looked at.
const GATE_LOOK: Duration = Duration::from_millis(20);
/// How long to wait before asking again after the broker refused.
const REFUSED_PAUSE: Duration = Duration::from_millis(250);

pub(super) struct Loop<'a> {
    broker: &'a Broker,
    consumer: PullConsumer,
    suspects: Suspects,
    places: Arc<Semaphore>,
    total: usize,
    asked: Asked,
    /// Told whenever a place becomes free.
    freed: Arc<Notify>,
    gate: Gate,
    draining: CancellationToken,
    abort: CancellationToken,
}

/// Messages that were asked for and have not come. A request ends by its time at the latest: one that
/// was lost with its broker must not keep its places empty.
#[derive(Debug, Default)]
struct Asked(VecDeque<(Instant, usize)>);

impl Asked {
    /// Notes a request for so many messages that ends then.
    fn note(&mut self, count: usize, end: Instant) {
        self.0.push_back((end, count));
    }

    /// Counts off messages that came, or that a request no longer stands for; the oldest first.
    fn came(&mut self, mut count: usize) {
        while count > 0 {
            let Some((_, left)) = self.0.front_mut() else {
                return;
            };
            let taken = count.min(*left);
            *left -= taken;
            count -= taken;
            if *left == 0 {
                self.0.pop_front();
            }
        }
    }

    /// Forgets requests that have ended, and returns how many messages may still come.
    fn outstanding(&mut self, now: Instant) -> usize {
        while self.0.front().is_some_and(|(end, _)| *end < now) {
            self.0.pop_front();
        }
        self.0.iter().map(|(_, count)| count).sum()
    }
}

/// A place that says so when it is given back.
struct Place {
    permit: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.freed.notify_one();
    }
}

impl<'a> Loop<'a> {
    pub(super) fn new(
        pull: &Pull,
        broker: &'a Broker,
        (consumer, suspects): (PullConsumer, Suspects),
        places: Arc<Semaphore>,
    ) -> Self {
        Self {
            broker,
            consumer,
            suspects,
            places,
            total: pull.places,
            asked: Asked::default(),
            freed: Arc::new(Notify::new()),
            gate: pull.gate.clone(),
            draining: pull.draining.clone(),
            abort: pull.abort.clone(),
        }
    }

    /// Pulls until the drain.
    pub(super) async fn run<H, F>(mut self, handler: Arc<H>)
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Settlement> + Send + 'static,
    {
        let draining = self.draining.clone();
        while !draining.is_cancelled() {
            if !self.gate.is_open() {
                tokio::select! {
                    () = tokio::time::sleep(GATE_LOOK) => {}
                    () = draining.cancelled() => {}
                }
                continue;
            }
            if let Err(reason) = self.pull_while_open(&handler).await {
                tracing::warn!(
                    reason,
                    consumer = self.consumer.cached_info().name,
                    "pull interrupted"
                );
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
        }
    }

    /// Pulls on one inbox until the gate closes, the drain begins or something breaks. A new connection needs a new inbox:
    /// a broker that was killed has forgotten what it was asked for, and one that was not must not be asked twice.
    async fn pull_while_open<H, F>(&mut self, handler: &Arc<H>) -> Result<(), String>
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Settlement> + Send + 'static,
    {
        let connects = self.broker.connects();
        let inbox = self.broker.client.new_inbox();
        let mut messages = self
            .broker
            .client
            .subscribe(inbox.clone())
            .await
            .map_err(|error| error.to_string())?;
        self.asked = Asked::default();
        let draining = self.draining.clone();
        let drained = draining.cancelled();
        let freed = Arc::clone(&self.freed);
        let mut watchdog = tokio::time::interval(SILENCE);
        // After a pause of the process, one look is enough.
        watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = true;
        let mut look = tokio::time::interval(CONNECTION_LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(drained);
        let mut result = Ok(());
        while self.gate.is_open() && !draining.is_cancelled() && self.broker.connects() == connects
        {
            result = self.ask(&inbox).await;
            if result.is_err() {
                break;
            }
            tokio::select! {
                biased;
                () = &mut drained => {}
                message = messages.next() => {
                    heard = true;
                    result = self.receive(message, handler).await;
                    if result.is_err() {
                        break;
                    }
                }
                () = freed.notified() => {}
                _ = look.tick() => {}
                // Without even a heartbeat, the request was lost with its broker.
                _ = watchdog.tick() => if !std::mem::take(&mut heard) {
                    self.asked = Asked::default();
                },
            }
        }
        self.hand_back(messages).await;
        result
    }

    /// Asks for as many messages as places are free, unless that is too few to be worth it.
    async fn ask(&mut self, inbox: &str) -> Result<(), String> {
        let now = Instant::now();
        let outstanding = self.asked.outstanding(now);
        let free = self.places.available_permits().saturating_sub(outstanding);
        let worth = (self.total / 8).max(1);
        if free == 0 || (outstanding > 0 && free < worth) {
            return Ok(());
        }
        let request = BatchConfig {
            batch: free,
            expires: Some(REQUEST_EXPIRES),
            idle_heartbeat: HEARTBEAT,
            ..BatchConfig::default()
        };
        self.consumer
            .request_batch(request, inbox.into())
            .await
            .map_err(|error| error.to_string())?;
        self.asked.note(free, now + REQUEST_EXPIRES + HEARTBEAT);
        Ok(())
    }

    /// Takes in one message from the inbox: work, or the broker's word about a request.
    async fn receive<H, F>(
        &mut self,
        message: Option<async_nats::Message>,
        handler: &Arc<H>,
    ) -> Result<(), String>
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Settlement> + Send + 'static,
    {
        let message = message.ok_or("subscription ended")?;
        match message.status {
            None | Some(StatusCode::OK) => {
                self.asked.came(1);
                let message = with_context(message, &self.broker.context);
                if self.gate.is_open() {
                    self.start(message, handler);
                } else {
                    settle(&message, Settlement::NakAfter(Duration::ZERO)).await;
                }
                Ok(())
            }
            Some(StatusCode::IDLE_HEARTBEAT) => Ok(()),
            // The request ran out; what it still stood for is free to be asked for again.
            Some(StatusCode::TIMEOUT) => {
                let unused = message
                    .headers
                    .as_ref()
                    .and_then(|headers| headers.get("Nats-Pending-Messages"))
                    .and_then(|value| value.as_str().parse().ok());
                self.asked.came(unused.unwrap_or(usize::MAX));
                Ok(())
            }
            Some(status) => Err(format!(
                "{status} {}",
                message.description.unwrap_or_default()
            )),
        }
    }

    fn start<H, F>(&self, message: Message, handler: &Arc<H>)
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Settlement> + Send + 'static,
    {
        // After a lost request more may come than places are free: it is handled all the same.
        let permit = Arc::clone(&self.places).try_acquire_owned().ok();
        let place = Place {
            permit,
            freed: Arc::clone(&self.freed),
        };
        let handler = Arc::clone(handler);
        let (suspects, abort) = (self.suspects.clone(), self.abort.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "`Pull::run` waits for all places"
        )]
        tokio::spawn(async move {
            handle(handler.as_ref(), message, &suspects, &abort).await;
            drop(place);
        });
    }

    /// Hands back what had come in and was not started, so that another replica has it at once.
    async fn hand_back(&self, mut messages: Subscriber) {
        if let Err(error) = messages.unsubscribe().await {
            tracing::debug!(error = %error, "unsubscribe did not leave for the broker");
        }
        self.broker.flush().await;
        while let Some(Some(message)) = messages.next().now_or_never() {
            if message.status.is_none() && message.reply.is_some() {
                let message = with_context(message, &self.broker.context);
                settle(&message, Settlement::NakAfter(Duration::ZERO)).await;
            }
        }
    }
}

fn with_context(message: async_nats::Message, context: &Context) -> Message {
    Message {
        message,
        context: context.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Asked;

    #[test]
    fn what_comes_is_counted_off_the_oldest_request() {
        let (mut asked, now) = (Asked::default(), Instant::now());
        asked.note(10, now + Duration::from_secs(30));
        asked.note(5, now + Duration::from_secs(40));

        asked.came(12);

        assert_eq!(asked.outstanding(now), 3);
        asked.came(usize::MAX);
        assert_eq!(asked.outstanding(now), 0);
    }

    #[test]
    fn a_request_that_was_lost_ends_by_itself_though_others_are_heard_of() {
        let (mut asked, now) = (Asked::default(), Instant::now());
        asked.note(10, now + Duration::from_secs(30));
        asked.note(6, now + Duration::from_secs(60));

        assert_eq!(asked.outstanding(now + Duration::from_secs(31)), 6);
    }
}
