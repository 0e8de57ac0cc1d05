//! The log of attempts and of what else became of jobs, and the archive of event bodies, in PostgreSQL or
//! SQLite.
//!
//! **Invariant:** nothing outside this crate knows the schema, and both engines pass one suite of
//! tests: what holds for one holds for the other. Nothing here reads the clock of this process.
//!
//! What callers build on:
//! - A write is idempotent by the record's id (a body's: by organisation, event id, hash and day), and
//!   returns after the commit. Repeating a write that was answered with an error is always right.
//! - A row that can never be stored is left out and reported in [`Written::refused`]; it never takes
//!   its neighbours with it.
//! - NUL characters in texts become U+FFFD, because PostgreSQL cannot hold them. Bodies of events are
//!   bytes and come back unchanged.
//! - Days are UTC days. Retention works by whole days, so a record lives up to a day longer than asked.

mod archive;
mod attempts;
mod bodies;
mod day;
mod deliveries;
mod delivery;
mod entry;
mod erasure;
mod error;
mod filter;
#[cfg(test)]
mod fuzz;
mod page;
mod postgres;
mod record;
mod schema;
mod select;
mod sqlite;
mod statistics;
mod store;

pub use archive::{
    ARCHIVE_COUNT_LIMIT, ARCHIVE_LIMIT, ArchivePage, ArchivePosition, ArchiveRange, InvalidPosition,
};
pub use attempts::Plan;
pub use bodies::ExpiredBodies;
pub use delivery::{Delivery, DeliveryDetail, DeliveryFilter, DeliveryPage};
pub use entry::{Attempted, Happening, TimelineEntry};
pub use erasure::{Erased, ErasedEvent};
pub use error::{Cause, OpenError, ReadError, WriteError};
pub use filter::{
    COUNT_LIMIT, Cursor, Filter, InvalidCursor, LOOK_LIMIT, Order, PAGE_LIMIT, Page, Position,
};
pub use page::{AttemptPage, PAGE_BODY_BYTES};
pub use record::{ArchivedEvent, RECORD_ID_MAX_BYTES, StoredAttempt};
pub use schema::Schema;
pub use statistics::{Failing, LastTimes, Waiting};
pub use store::{AttemptStore, Options, Refusal, Refused, Written};
