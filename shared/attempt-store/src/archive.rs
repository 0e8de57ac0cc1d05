//! Walking through the bodies of events, for replays and retries.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use bytes::Bytes;
use domain::{
    event::BodyHash,
    name::{EventId, OrganisationId},
    time::Timestamp,
};

use crate::{
    error::ReadError,
    page::PAGE_BODY_BYTES,
    record::{ArchivedEvent, BodyKey, body_hash, content, name},
    store::{AttemptStore, Engine},
};

/// The most events on a page of the archive.
pub const ARCHIVE_LIMIT: usize = 1_000;

/// Up to how many events of the archive are counted.
pub const ARCHIVE_COUNT_LIMIT: u64 = 100_000;

/// A stretch of time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArchiveRange {
    /// Accepted at this time or later.
    pub from: Option<Timestamp>,
    /// Accepted at this time or earlier.
    pub to: Option<Timestamp>,
}

/// The place of one body in the order of all of an organisation.
///
/// Printed by [`Display`](fmt::Display), read by [`ArchivePosition::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivePosition {
    /// When the broker took the event.
    pub accepted_at: Timestamp,
    /// The event.
    pub event_id: EventId,
    /// The hash of the body.
    pub hash: BodyHash,
}

/// A text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a position in the archive")]
pub struct InvalidPosition;

/// One page of the archive, in order of acceptance, then of event id and hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivePage {
    /// The events. One that was accepted again on a later day comes again.
    pub events: Vec<ArchivedEvent>,
    /// Where events lie whose bodies have expired before the rest of them.
    pub expired: Vec<ArchivePosition>,
    /// Where the next page begins; `None` if this is the last.
    pub next: Option<ArchivePosition>,
}

/// The columns of a body but for itself.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct ArchivedRow {
    accepted_at: i64,
    event_id: String,
    body_hash: Vec<u8>,
    event_name: String,
    event_category: Option<String>,
    source_id: Option<String>,
    content: Option<String>,
    body_bytes: i64,
    expired: bool,
}

impl AttemptStore {
    /// Reads a page of an organisation's events behind a position; `limit` is brought into 1 to
    /// [`ARCHIVE_LIMIT`]. The page ends early where its bodies would exceed
    /// [`PAGE_BODY_BYTES`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn event_bodies(
        &self,
        organisation: &OrganisationId,
        range: &ArchiveRange,
        after: Option<&ArchivePosition>,
        limit: usize,
    ) -> Result<ArchivePage, ReadError> {
        let limit = limit.clamp(1, ARCHIVE_LIMIT);
        let asked = limit.saturating_add(1);
        let mut rows = match self.engine() {
            Engine::Postgres(store) => store.archived(organisation, range, after, asked).await?,
            Engine::Sqlite(store) => store.archived(organisation, range, after, asked).await?,
        };
        let kept = fitting(&rows, limit);
        let more = rows.len() > kept;
        rows.truncate(kept);
        let next = match rows.last().filter(|_| more) {
            Some(last) => Some(last.position()?),
            None => None,
        };
        let (expired, kept): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.expired);
        let expired = expired.iter().map(ArchivedRow::position);
        Ok(ArchivePage {
            expired: expired.collect::<Result<_, _>>()?,
            events: self.with_bodies(organisation, kept).await?,
            next,
        })
    }

    /// Counts an organisation's events in a range, up to [`ARCHIVE_COUNT_LIMIT`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn count_event_bodies(
        &self,
        organisation: &OrganisationId,
        range: &ArchiveRange,
    ) -> Result<u64, ReadError> {
        let count = match self.engine() {
            Engine::Postgres(store) => store.archived_count(organisation, range).await?,
            Engine::Sqlite(store) => store.archived_count(organisation, range).await?,
        };
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Reads one event as it was accepted; `None` if it is not archived yet, or has expired.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn event_body(
        &self,
        organisation: &OrganisationId,
        event: &EventId,
        hash: BodyHash,
    ) -> Result<Option<ArchivedEvent>, ReadError> {
        let row = match self.engine() {
            Engine::Postgres(store) => store.one_archived(organisation, event, hash).await?,
            Engine::Sqlite(store) => store.one_archived(organisation, event, hash).await?,
        };
        let found = self
            .with_bodies(organisation, row.into_iter().collect())
            .await?;
        Ok(found.into_iter().next())
    }

    /// Reads the bodies of the rows; what has expired meanwhile is left out.
    async fn with_bodies(
        &self,
        organisation: &OrganisationId,
        rows: Vec<ArchivedRow>,
    ) -> Result<Vec<ArchivedEvent>, ReadError> {
        let keys: HashSet<BodyKey> = rows
            .iter()
            .map(|row| row.key(organisation))
            .collect::<Result<_, _>>()?;
        let bodies = self.engine().bodies(&keys).await?;
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            events.extend(row.event(organisation, &bodies)?);
        }
        Ok(events)
    }
}

/// Returns how many of the rows a page holds: at least one, so that a walk never stands still.
fn fitting(rows: &[ArchivedRow], limit: usize) -> usize {
    let mut bytes = 0_u64;
    let fits = |row: &&ArchivedRow| {
        bytes = bytes.saturating_add(u64::try_from(row.body_bytes).unwrap_or_default());
        bytes <= PAGE_BODY_BYTES
    };
    rows.iter()
        .take(limit)
        .take_while(fits)
        .count()
        .max(1)
        .min(rows.len())
}

impl ArchivedRow {
    fn position(&self) -> Result<ArchivePosition, ReadError> {
        Ok(ArchivePosition {
            accepted_at: Timestamp::from_millis(self.accepted_at),
            event_id: name("event_id", &self.event_id)?,
            hash: body_hash(&self.body_hash)?,
        })
    }

    fn key(&self, organisation: &OrganisationId) -> Result<BodyKey, ReadError> {
        let position = self.position()?;
        Ok((organisation.clone(), position.event_id, position.hash))
    }

    fn event(
        self,
        organisation: &OrganisationId,
        bodies: &HashMap<BodyKey, Bytes>,
    ) -> Result<Option<ArchivedEvent>, ReadError> {
        let key = self.key(organisation)?;
        let Some(body) = bodies.get(&key).cloned() else {
            return Ok(None);
        };
        let (organisation, id, hash) = key;
        Ok(Some(ArchivedEvent {
            organisation,
            id,
            hash,
            name: name("event_name", &self.event_name)?,
            category: self.event_category,
            source_id: self.source_id,
            body,
            content: content(self.content.as_deref())?,
            accepted_at: Timestamp::from_millis(self.accepted_at),
        }))
    }
}

impl ArchivePosition {
    /// Parses what `Display` printed.
    ///
    /// # Errors
    /// [`InvalidPosition`] if it is anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidPosition> {
        let mut parts = text.splitn(3, '.');
        let mut next = || parts.next().ok_or(InvalidPosition);
        let (millis, hash, event) = (next()?, next()?, next()?);
        if millis.is_empty() || !millis.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(InvalidPosition);
        }
        let millis = i64::from_str_radix(millis, 16).map_err(|_error| InvalidPosition)?;
        Ok(Self {
            accepted_at: Timestamp::from_millis(millis),
            event_id: event.parse().map_err(|_invalid| InvalidPosition)?,
            hash: BodyHash::parse(hash).ok_or(InvalidPosition)?,
        })
    }
}

impl fmt::Display for ArchivePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accepted_at,
            event_id,
            hash,
        } = self;
        write!(f, "{:x}.{hash}.{event_id}", accepted_at.millis())
    }
}

#[cfg(test)]
mod tests {
    use domain::{event::BodyHash, time::Timestamp};

    use super::{ArchivePosition, ArchivedRow, fitting};

    #[test]
    fn a_position_parses_what_it_prints() {
        let position = ArchivePosition {
            accepted_at: Timestamp::from_millis(1_773_483_705_102),
            event_id: "evt:1".parse().unwrap(),
            hash: BodyHash::of(b"{}"),
        };

        let text = position.to_string();

        assert_eq!(ArchivePosition::parse(&text), Ok(position));
        for text in [
            "",
            ".",
            "1.2",
            "1.x.e",
            "+1.0.e",
            &text.replace("evt", "e vt"),
        ] {
            assert!(ArchivePosition::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_holds_at_least_one_body_and_eight_mebibytes_at_most() {
        const MIB: i64 = 1024 * 1024;
        for (sizes, limit, kept) in [
            (&[][..], 10, 0),
            (&[1, 1, 1], 2, 2),
            (&[4 * MIB, 4 * MIB, 1], 10, 2),
            (&[9 * MIB, 1], 10, 1),
            (&[1, 9 * MIB, 1], 10, 1),
        ] {
            let rows: Vec<_> = sizes.iter().map(|size| row(*size)).collect();
            assert_eq!(fitting(&rows, limit), kept, "{sizes:?}");
        }
    }

    fn row(body_bytes: i64) -> ArchivedRow {
        ArchivedRow {
            accepted_at: 0,
            event_id: "evt-1".to_owned(),
            body_hash: vec![0; 16],
            event_name: "a".to_owned(),
            event_category: None,
            source_id: None,
            content: None,
            body_bytes,
            expired: false,
        }
    }
}
