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
/// How many records are looked at for a page, and for its count, where an index finds records that the filter
/// then passes over. A page that ends there is short or empty, and its cursor leads on.
pub const LOOK_LIMIT: u64 = 50_000;

/// Which attempts are asked for: those that satisfy everything that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The organisation. `None` reads all organisations, which no index serves: for tests and small stores.
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
    /// Behind the place where the page before ended.
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

/// A place in the order of all records.
///
/// It is that of one record or, with an empty id, the one before all records of a millisecond. Where records lie
/// never changes, so a walk by cursors meets each that was there when it began exactly once, whatever arrives
/// meanwhile.
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

impl Filter {
    /// Returns the filter of what lies on this side of a time, the record at that time included.
    pub(crate) fn within(&self, order: Order, bound: Option<Timestamp>) -> Self {
        let Some(bound) = bound else {
            return self.clone();
        };
        match order {
            Order::NewestFirst => Self {
                from: Some(self.from.map_or(bound, |from| from.max(bound))),
                ..self.clone()
            },
            Order::OldestFirst => Self {
                to: Some(self.to.map_or(bound, |to| to.min(bound))),
                ..self.clone()
            },
        }
    }
}

impl Cursor {
    /// Returns the place before all records of a millisecond.
    #[must_use]
    pub fn before(time: Timestamp) -> Self {
        Self {
            created_at: time,
            id: String::new(),
        }
    }

    /// Returns the place behind all records up to a time, that time included, in the given order.
    pub(crate) fn behind(order: Order, time: Timestamp) -> Self {
        match order {
            Order::NewestFirst => Self::before(time),
            Order::OldestFirst => {
                Self::before(Timestamp::from_millis(time.millis().saturating_add(1)))
            }
        }
    }

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
        if !digits || id.len() > RECORD_ID_MAX_BYTES || id.contains('\0') {
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

    use super::{Cursor, Filter, Order};

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
        let between = Cursor::before(Timestamp::from_millis(1));
        assert_eq!(Cursor::parse("1."), Ok(between));
    }

    #[test]
    fn what_was_looked_at_ends_where_the_next_page_begins() {
        let bound = Timestamp::from_millis(5);
        let record = |millis, id: &str| Cursor {
            created_at: Timestamp::from_millis(millis),
            id: id.to_owned(),
        };

        let newest = Cursor::behind(Order::NewestFirst, bound);
        assert!(record(4, "z") < newest && newest < record(5, "a"));
        let oldest = Cursor::behind(Order::OldestFirst, bound);
        assert!(record(5, "z") < oldest && oldest < record(6, "a"));

        let all = Filter::default();
        assert_eq!(all.within(Order::NewestFirst, None), all);
        let narrow = Filter {
            from: Some(Timestamp::from_millis(9)),
            ..Filter::default()
        };
        assert_eq!(narrow.within(Order::NewestFirst, Some(bound)), narrow);
        let to = narrow.within(Order::OldestFirst, Some(bound)).to;
        assert_eq!(to, Some(bound));
    }

    #[test]
    fn other_texts_are_no_cursors() {
        for text in [
            "",
            ".",
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
