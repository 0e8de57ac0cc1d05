//! One pass of an erasure: through the store, then through the streams.
//!
//! The store comes first: from then on nothing that comes late is stored with its content. Of a job that
//! waits, a record is stored before it goes, so that people see what became of it.

use attempt_store::{ErasedEvent, ReadError, WriteError};
use bytes::Bytes;
use domain::erasure::{Erasure, Pass, Place, Walk, given_up};
use futures::FutureExt as _;
use jetstream::{
    HeaderMap,
    erasing::{Found, Looked, What},
    publisher::Outgoing,
    wire::attempts::{Encoder, Entry},
};
use lifecycle::entropy;

use super::{
    Eraser,
    hold::{Hold, Stop},
};
use crate::now;

/// Why the store is not cleaned.
#[derive(Debug, thiserror::Error)]
enum Hindrance {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Eraser {
    /// Passes once through all places.
    pub(super) async fn pass(&self, hold: &mut Hold) -> Result<Pass, Stop> {
        let mut pass = Pass {
            found: false,
            is_whole: true,
        };
        if let Err(hindrance) = self.pass_through_store(hold, &mut pass).await? {
            tracing::warn!(error = %hindrance, erasure.id = %hold.erasure().id, "erasure waits for the store");
            pass.is_whole = false;
        }
        for place in Place::ALL {
            self.walk(hold, place, &mut pass).await?;
        }
        Ok(pass)
    }

    /// Erases what the store holds, after asking it from when on the event may be in its stream.
    async fn pass_through_store(
        &self,
        hold: &mut Hold,
        pass: &mut Pass,
    ) -> Result<Result<(), Hindrance>, Stop> {
        let erasure = hold.erasure().clone();
        if let Some(walk) = unbegun(&erasure) {
            let asked = self
                .store
                .first_accepted(&erasure.organisation_id, &erasure.event_id);
            let first = match hold.keep(asked.boxed()).await? {
                // What the archive does not know may be anywhere.
                Ok(None) => 1,
                Ok(Some(at)) => {
                    let found = self.streams.first_event_since(at, walk.end);
                    hold.keep(found.boxed()).await??
                }
                Err(error) => return Ok(Err(error.into())),
            };
            hold.write(erasure.begins_at(Place::Events, first)).await?;
        }
        let event = ErasedEvent {
            organisation: &erasure.organisation_id,
            event: &erasure.event_id,
            bodies_until: erasure.until,
            attempts_until: erasure.attempts_until(),
            asked_at: erasure.created_at,
        };
        let erased = match hold.keep(self.store.erase(&event).boxed()).await? {
            Ok(erased) => erased,
            Err(error) => return Ok(Err(error.into())),
        };
        pass.found |= erased.bodies > 0 || erased.records > 0;
        pass.is_whole &= erased.is_gone;
        let next = hold.erasure().cleaned(erased.bodies, erased.records);
        hold.note(next).await?;
        Ok(Ok(()))
    }

    /// Walks through a stream up to the end that was set for this pass.
    async fn walk(&self, hold: &mut Hold, place: Place, pass: &mut Pass) -> Result<(), Stop> {
        while let Some(walk) = next_piece(hold.erasure(), place) {
            let erasure = hold.erasure().clone();
            let looking = self.streams.look(&erasure, place, walk);
            let Looked { next, found } = hold.keep(looking.boxed()).await??;
            let messages = u64::try_from(found.len()).unwrap_or(u64::MAX);
            pass.found |= messages > 0;
            hold.keep(self.erase(&erasure, place, found).boxed())
                .await??;
            hold.note(erasure.walked(place, next, messages, now()))
                .await?;
        }
        Ok(())
    }

    /// Erases messages, after storing what is to remain of them.
    async fn erase(&self, erasure: &Erasure, place: Place, found: Vec<Found>) -> Result<(), Stop> {
        if let Some(batch) = given_up_batch(&found) {
            self.publish(entropy::uuid_v7(), batch).await?;
        }
        for Found { sequence, what } in found {
            match what {
                What::Batch(batch) => {
                    let id = format!("erased:{}:{sequence}", erasure.id);
                    self.publish(id, batch).await?;
                }
                What::Job(_) | What::Other => {}
            }
            self.streams.erase(place, sequence).await?;
        }
        Ok(())
    }

    async fn publish(&self, message_id: String, batch: Bytes) -> Result<(), Stop> {
        let message = Outgoing {
            subject: self.broker.names.attempts(),
            message_id,
            headers: HeaderMap::new(),
            payload: batch,
        };
        self.publisher.publish(message).await?;
        Ok(())
    }
}

/// Makes the records that jobs were given up, if any of what was found is a job.
fn given_up_batch(found: &[Found]) -> Option<Bytes> {
    let mut batch = Encoder::default();
    let mut is_any = false;
    for Found { what, .. } in found {
        match what {
            What::Job(job) => {
                batch.push(&Entry::state(&given_up(job, entropy::uuid_v7(), now())));
                is_any = true;
            }
            What::Batch(_) | What::Other => {}
        }
    }
    is_any.then(|| Bytes::from(batch.finish()))
}

/// Returns the walk through events, if it is not known where it begins.
fn unbegun(erasure: &Erasure) -> Option<Walk> {
    let walk = erasure.walks.get(&Place::Events)?;
    (walk.next == 0).then_some(*walk)
}

/// Returns what is to be looked at next in a stream, if anything is.
fn next_piece(erasure: &Erasure, place: Place) -> Option<Walk> {
    let walk = erasure.walks.get(&place)?;
    (walk.next > 0 && walk.next <= walk.end).then_some(*walk)
}
