//! Erasing what an event and the answers to it said, and keeping it erased.
//!
//! **Invariant:** what is erased is noted first. Whoever writes looks at the notes, so that a record or a body
//! that comes late loses its content before it is stored. A writer that looked before the note was there is
//! caught by erasing again.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use domain::{
    attempt::AttemptRecord,
    erasure,
    name::{EventId, OrganisationId},
    time::Timestamp,
};

use crate::{
    error::{ReadError, WriteError},
    record::{ArchivedEvent, StoredAttempt},
    store::{AttemptStore, Engine},
};

/// How many rows are changed at once.
pub(crate) const PIECE: i64 = 500;
/// How many events are looked up at once.
pub(crate) const KEYS: usize = 500;

/// What holds content in a row of an attempt, as a condition, and the change that takes it away.
pub(crate) const HAS_CONTENT: &str =
    "(response_body is not null or response_headers is not null or request_headers <> '[]')";
pub(crate) const WITHOUT_CONTENT: &str = "request_headers = '[]', response_headers = null, \
    response_body = null, response_body_encoding = null";

/// An event whose content is to be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasedEvent<'a> {
    /// The organisation.
    pub organisation: &'a OrganisationId,
    /// The event's id.
    pub event: &'a EventId,
    /// Bodies go that the broker took at this time or earlier.
    pub bodies_until: Timestamp,
    /// Attempts lose their content that began at this time or earlier.
    pub attempts_until: Timestamp,
    /// When it was asked for, which records show.
    pub asked_at: Timestamp,
}

/// What was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// How many archived bodies.
    pub bodies: u64,
    /// How many records of attempts lost content.
    pub records: u64,
    /// Whether what was overwritten is gone from SQLite's log too; PostgreSQL's vacuum and its own log are the
    /// operator's.
    pub is_gone: bool,
}

/// Some of the events whose content was erased.
#[derive(Debug, Default)]
pub(crate) struct ErasedEvents(HashMap<(String, String), Note>);

/// What is noted of an event.
#[derive(Debug, Clone, Copy)]
struct Note {
    bodies_until: i64,
    attempts_until: i64,
    erased_at: i64,
}

/// A note as it is stored.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct NoteRow {
    organisation_id: String,
    event_id: String,
    bodies_until: i64,
    attempts_until: i64,
    erased_at: i64,
}

impl AttemptStore {
    /// Erases the content of an event, in small pieces, and notes that it is erased. Erasing again completes
    /// what was given up, and finds what was under way.
    ///
    /// # Errors
    /// [`WriteError`]; what was erased before it stays so.
    pub async fn erase(&self, event: &ErasedEvent<'_>) -> Result<Erased, WriteError> {
        Ok(match self.engine() {
            Engine::Postgres(store) => store.erase(event).await?,
            Engine::Sqlite(store) => store.erase(event).await?,
        })
    }

    /// Returns when the broker first took an event of that id; `None` if the archive knows none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn first_accepted(
        &self,
        organisation: &OrganisationId,
        event: &EventId,
    ) -> Result<Option<Timestamp>, ReadError> {
        let millis = match self.engine() {
            Engine::Postgres(store) => store.first_accepted(organisation, event).await?,
            Engine::Sqlite(store) => store.first_accepted(organisation, event).await?,
        };
        Ok(millis.map(Timestamp::from_millis))
    }

    /// Forgets the notes about attempts that began before a time.
    pub(crate) async fn forget_erased(&self, before: Timestamp) -> Result<(), sqlx::Error> {
        match self.engine() {
            Engine::Postgres(store) => store.forget_erased(before).await,
            Engine::Sqlite(store) => store.forget_erased(before).await,
        }
    }

    /// Returns which events of some items are erased.
    pub(crate) async fn erased_among<T: Sync>(
        &self,
        items: &[T],
        event: fn(&T) -> (&OrganisationId, &EventId),
    ) -> Result<ErasedEvents, sqlx::Error> {
        let is_any = match self.engine() {
            Engine::Postgres(store) => store.is_any_erased().await?,
            Engine::Sqlite(store) => store.is_any_erased().await?,
        };
        if !is_any {
            return Ok(ErasedEvents::default());
        }
        let keys: HashSet<_> = items
            .iter()
            .map(event)
            .map(|(organisation, event)| (organisation.as_str(), event.as_str()))
            .collect();
        let keys: Vec<_> = keys.into_iter().collect();
        let mut found = HashMap::new();
        for keys in keys.chunks(KEYS) {
            let rows = match self.engine() {
                Engine::Postgres(store) => store.erased(keys).await?,
                Engine::Sqlite(store) => store.erased(keys).await?,
            };
            found.extend(rows.into_iter().map(NoteRow::entry));
        }
        Ok(ErasedEvents(found))
    }

    /// Notes in records without a body whether that, and what was answered, was erased.
    pub(crate) async fn mark_erased(&self, records: &mut [StoredAttempt]) -> Result<(), ReadError> {
        if records.iter().all(|stored| stored.request_body.is_some()) {
            return Ok(());
        }
        let erased = self
            .erased_among(records, |stored| {
                (&stored.record.organisation_id, &stored.record.event_id)
            })
            .await?;
        for stored in records {
            let is_bare = stored.request_body.is_none();
            stored.erased_at = erased.at(&stored.record).filter(|_| is_bare);
        }
        Ok(())
    }
}

impl ErasedEvents {
    /// Returns the attempts, without the content of those that must not be stored with it.
    pub(crate) fn without_content<'a>(
        &self,
        attempts: &'a [AttemptRecord],
    ) -> Cow<'a, [AttemptRecord]> {
        if self.0.is_empty() {
            return Cow::Borrowed(attempts);
        }
        let clean = attempts.iter().map(|record| match self.at(record) {
            Some(_) => erasure::without_content(record),
            None => record.clone(),
        });
        Cow::Owned(clean.collect())
    }

    /// Returns whether an event's body must not be stored.
    pub(crate) fn hold(&self, event: &ArchivedEvent) -> bool {
        let note = self.note(&event.organisation, &event.id);
        note.is_some_and(|note| event.accepted_at.millis() <= note.bodies_until)
    }

    /// Returns when the content of an attempt was erased.
    fn at(&self, record: &AttemptRecord) -> Option<Timestamp> {
        let note = self.note(&record.organisation_id, &record.event_id)?;
        (record.created_at.millis() <= note.attempts_until)
            .then(|| Timestamp::from_millis(note.erased_at))
    }

    fn note(&self, organisation: &OrganisationId, event: &EventId) -> Option<&Note> {
        if self.0.is_empty() {
            return None;
        }
        let key = (organisation.as_str().to_owned(), event.as_str().to_owned());
        self.0.get(&key)
    }
}

impl NoteRow {
    fn entry(self) -> ((String, String), Note) {
        let note = Note {
            bodies_until: self.bodies_until,
            attempts_until: self.attempts_until,
            erased_at: self.erased_at,
        };
        ((self.organisation_id, self.event_id), note)
    }
}
