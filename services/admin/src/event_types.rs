//! Saving event types.
//!
//! **Invariant:** an event type is written only under the revision that was read, and its schema was
//! compiled before, so that whoever checks events by it can compile it too.

mod refusal;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use catalogue::{Catalogue, Schema};
use domain::{
    event_type::{EventType, SCHEMAS_ROOM, TYPES_MAX, draft::EventTypeDraft, seed},
    name::{EventName, OrganisationId},
};
use jetstream::{
    bucket,
    event_type_bucket::{EventTypeBucket, Stored},
};

pub(crate) use self::refusal::Refusal;
use crate::{following::Following, now, saving::Expected};

/// How often a save is tried again after somebody else's.
const TRIES: usize = 10;
/// How long a save waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(5);

/// Saves event types.
#[derive(Debug)]
pub(crate) struct EventTypes {
    bucket: EventTypeBucket,
    catalogue: Arc<Catalogue>,
    /// Lets one request of this replica after the other, so that only replicas contend.
    turn: tokio::sync::Mutex<()>,
}

/// An event type as it is after a save.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) event_type: EventType,
    /// Its revision; `None` if nothing is saved, because it is as it is seeded.
    pub(crate) revision: Option<u64>,
}

/// What a draft comes to.
struct Planned {
    existing: Option<Stored>,
    before: EventType,
    after: EventType,
}

impl Planned {
    /// Returns whether all is there already.
    fn is_done(&self) -> bool {
        let is_there = self.existing.is_some() || seed::find(self.after.name.as_str()).is_some();
        is_there && self.before == self.after
    }

    fn revision(&self) -> Option<u64> {
        self.existing.as_ref().map(|stored| stored.revision)
    }
}

impl EventTypes {
    pub(crate) fn new(following: &Following) -> Self {
        Self {
            bucket: following.event_type_bucket.clone(),
            catalogue: Arc::clone(&following.catalogue),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Checks all drafts, then saves them one by one.
    ///
    /// # Errors
    /// The place of the draft that is refused, and why. What was saved before it stays.
    pub(crate) async fn save(
        &self,
        organisation: &OrganisationId,
        drafts: &[EventTypeDraft],
        expected: Expected,
    ) -> Result<Vec<Saved>, (usize, Refusal)> {
        let _turn = self.turn().await.map_err(|refusal| (0, refusal))?;
        self.check(organisation, drafts).await?;
        let mut saved = Vec::with_capacity(drafts.len());
        for (at, draft) in drafts.iter().enumerate() {
            let one = self.save_one(organisation, draft, expected).await;
            saved.push(one.map_err(|refusal| (at, refusal))?);
        }
        Ok(saved)
    }

    /// Deletes what was saved, so that a seed of that name is as it was; returns a revision that is not
    /// before the deletion's.
    pub(crate) async fn delete(
        &self,
        organisation: &OrganisationId,
        name: &EventName,
        expected: Expected,
    ) -> Result<u64, Refusal> {
        let _turn = self.turn().await?;
        for _ in 0..TRIES {
            let Some(stored) = self.bucket.get(organisation, name).await? else {
                let is_seed = seed::find(name.as_str()).is_some();
                return Err(if is_seed {
                    Refusal::Seed
                } else {
                    Refusal::NotFound
                });
            };
            check_expected(expected, Some(stored.revision))?;
            let deleted = self.bucket.delete(organisation, name, stored.revision);
            match deleted.await {
                Ok(revision) => return Ok(revision),
                Err(bucket::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Busy)
    }

    /// Waits until no other write of this replica is under way.
    async fn turn(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, Refusal> {
        tokio::time::timeout(TURN_PATIENCE, self.turn.lock())
            .await
            .map_err(|_elapsed| Refusal::Busy)
    }

    /// Checks every draft, and what all of them come to with what is there.
    async fn check(
        &self,
        organisation: &OrganisationId,
        drafts: &[EventTypeDraft],
    ) -> Result<(), (usize, Refusal)> {
        let mut seen: HashMap<&EventName, usize> = HashMap::new();
        let mut rooms = self.rooms(organisation);
        for (at, draft) in drafts.iter().enumerate() {
            let refused = |refusal| (at, refusal);
            if let Some(earlier) = seen.insert(&draft.name, at) {
                return Err(refused(Refusal::Doublet { earlier }));
            }
            let planned = self.plan(organisation, draft).await.map_err(refused)?;
            if planned.is_done() {
                continue;
            }
            check_schema(&planned).await.map_err(refused)?;
            rooms.insert(draft.name.clone(), planned.after.schema_room());
            if rooms.len() > TYPES_MAX {
                return Err(refused(Refusal::Full));
            }
            if rooms.values().sum::<usize>() > SCHEMAS_ROOM {
                return Err(refused(Refusal::SchemasTooLarge));
            }
        }
        Ok(())
    }

    /// Returns the room of each schema that the organisation saved, as far as is known in memory.
    fn rooms(&self, organisation: &OrganisationId) -> BTreeMap<EventName, usize> {
        let all = self.catalogue.of(organisation);
        let readable = all.iter().filter_map(|entry| entry.event_type());
        readable
            .map(|one| (one.name.clone(), one.schema_room()))
            .collect()
    }

    async fn plan(
        &self,
        organisation: &OrganisationId,
        draft: &EventTypeDraft,
    ) -> Result<Planned, Refusal> {
        let existing = self.bucket.get(organisation, &draft.name).await?;
        let before = match &existing {
            Some(stored) => stored.event_type.clone(),
            None => {
                let seed = seed::find(draft.name.as_str());
                EventType::unsaved(draft.name.clone(), seed, now())
            }
        };
        let after = draft.apply(&before)?;
        Ok(Planned {
            existing,
            before,
            after,
        })
    }

    async fn save_one(
        &self,
        organisation: &OrganisationId,
        draft: &EventTypeDraft,
        expected: Expected,
    ) -> Result<Saved, Refusal> {
        for _ in 0..TRIES {
            let planned = self.plan(organisation, draft).await?;
            let revision = planned.revision();
            check_expected(expected, revision)?;
            let is_done = planned.is_done();
            let mut event_type = planned.after;
            if is_done {
                return Ok(Saved {
                    event_type,
                    revision,
                });
            }
            event_type.updated_at = now();
            let written = self.bucket.write(organisation, &event_type, revision);
            match written.await {
                Ok(revision) => {
                    return Ok(Saved {
                        event_type,
                        revision: Some(revision),
                    });
                }
                Err(bucket::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Busy)
    }
}

/// Compiles a schema that is new, off the runtime: that may take some milliseconds.
async fn check_schema(planned: &Planned) -> Result<(), Refusal> {
    let after = &planned.after.payload_schema;
    let Some(schema) = after
        .as_ref()
        .filter(|_| *after != planned.before.payload_schema)
    else {
        return Ok(());
    };
    let schema = schema.clone();
    let compiled = tokio::task::spawn_blocking(move || Schema::compile(&schema).map(|_schema| ()));
    compiled.await.map_err(|_gone| Refusal::Busy)??;
    Ok(())
}

/// Checks the revision that a request wants to change; 0 is that of a seed, or of nothing.
fn check_expected(expected: Expected, revision: Option<u64>) -> Result<(), Refusal> {
    match expected {
        Expected::Revision(expected) if expected != revision.unwrap_or(0) => Err(Refusal::Changed),
        Expected::Any | Expected::Revision(_) => Ok(()),
    }
}
