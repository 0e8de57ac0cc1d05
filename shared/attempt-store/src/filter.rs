//! Which attempts are asked for, and which page of them.

use std::{fmt, str::FromStr};

use domain::{
    attempt::AttemptRecord,
    name::{EndpointId, EventId, EventName, OrganisationId},
    time::Timestamp,
};

use crate::record::RECORD_ID_MAX_BYTES;

/// The most records on a page.
pub const PAGE_LIMIT: u32 = 100;
/// Up to how many records are counted: [`AttemptPage::total_count`](crate::AttemptPage) is exact below it,
/// and means "this many or more" at it, so that a count costs milliseconds however long the log is.
pub const COUNT_LIMIT: u64 = 10_000;

/// Which attempts are asked for: those that satisfy everything that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The organisation. `None` reads all organisations, which only an operator may.
    pub organisation: Option<OrganisationId>,
    /// The event's name.
    pub event_name: Option<EventName>,
    /// Whether the receiver took the event.
    pub success: Option<bool>,
    /// The endpoint.
    pub endpoint: Option<EndpointId>,
    /// The event.
    pub event_id: Option<EventId>,
    /// The status that the receiver answered.
    pub response_status: Option<u16>,
    /// The attempt number.
    pub attempt: Option<u32>,
    /// Began at this time or later.
    pub from: Option<Timestamp>,
    /// Began at this time or earlier.
    pub to: Option<Timestamp>,
}

/// Which part of the attempts is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// How many records at most, brought into 1 to [`PAGE_LIMIT`].
    pub limit: u32,
    /// Where the page begins.
    pub after: Position,
    /// In which order.
    pub order: Order,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// With the first record.
    Start,
    /// Behind that many records. Records that arrive meanwhile shift it, and whoever counts pages passes by
    /// what a short page left out; a cursor does not have these flaws.
    Skip(u64),
    /// Behind the record that ended the page before.
    Cursor(Cursor),
}

/// The order of records: by the time at which the attempt began, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// The place of one record in the order of all.
///
/// Its text is opaque to clients: it is printed by [`Display`](fmt::Display) and read by [`Cursor::parse`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub(crate) created_at: Timestamp,
    pub(crate) id: String,
}

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a nextCursor from an earlier answer")]
pub struct InvalidCursor;

impl Cursor {
    /// Returns the place of a record.
    pub(crate) fn of(record: &AttemptRecord) -> Self {
        Self {
            created_at: record.created_at,
            id: record.id.clone(),
        }
    }

    /// Parses what `Display` printed.
    ///
    /// # Errors
    /// [`InvalidCursor`] if it is anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidCursor> {
        let (millis, id) = text.split_once('.').ok_or(InvalidCursor)?;
        let digits = !millis.is_empty() && millis.bytes().all(|b| b.is_ascii_hexdigit());
        if !digits || id.is_empty() || id.len() > RECORD_ID_MAX_BYTES || id.contains('\0') {
            return Err(InvalidCursor);
        }
        let millis = i64::from_str_radix(millis, 16).map_err(|_error| InvalidCursor)?;
        Ok(Self {
            created_at: Timestamp::from_millis(millis),
            id: id.to_owned(),
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{}", self.created_at.millis(), self.id)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        Self::parse(text)
    }
}

impl Default for Page {
    /// Returns the first ten, the newest first.
    fn default() -> Self {
        Self {
            limit: 10,
            after: Position::Start,
            order: Order::NewestFirst,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::Cursor;

    #[test]
    fn a_cursor_parses_what_it_prints() {
        let cursor = Cursor {
            created_at: Timestamp::from_millis(1_773_483_705_102),
            id: "019cec05f30e7d0a8f6e3c2b1a000001".to_owned(),
        };

        assert_eq!(
            cursor.to_string(),
            "19cebddc30e.019cec05f30e7d0a8f6e3c2b1a000001"
        );
        assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
    }

    #[test]
    fn other_texts_are_no_cursors() {
        for text in [
            "",
            ".",
            "1.",
            ".a",
            "+1.a",
            "xyz.a",
            "1.a\0",
            "ffffffffffffffffff.a",
        ] {
            assert!(Cursor::parse(text).is_err(), "{text:?}");
        }
        assert!(Cursor::parse(&format!("1.{}", "a".repeat(65))).is_err());
    }
}
