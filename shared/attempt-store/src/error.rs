//! What can go wrong, sorted by what the caller can do about it.

use std::{error, fmt};

use sqlx::{
    error::DatabaseError, migrate::MigrateError, postgres::PgDatabaseError, sqlite::SqliteError,
};

/// The database's own words about a failure.
#[derive(Debug)]
pub struct Cause(Box<sqlx::Error>);

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no store. The URL itself is not repeated, since it may hold a password.
    #[error("the store's URL must be postgres://… or sqlite:FILE")]
    Url,
    /// The database cannot be reached or is too busy: try again later.
    #[error("the store is not available")]
    Unavailable(#[source] Cause),
    /// The database refuses, and will until somebody changes something there.
    #[error("the store cannot be used")]
    Unusable(#[source] Cause),
    /// The schema in the database is not one that this version made.
    #[error("the store's schema does not fit: {0}")]
    Schema(String),
}

/// Why a write, as a whole, did not happen. Part of it may have; repeating it completes it.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Connection lost, server stopping, too many connections, lock held, disk full: try again later.
    #[error("the store is not available")]
    Unavailable(#[source] Cause),
    /// Missing table, missing right, damaged file: somebody must act, then the write succeeds.
    #[error("the store cannot be used")]
    Unusable(#[source] Cause),
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// As [`WriteError::Unavailable`], or the answer took too long.
    #[error("the store is not available")]
    Unavailable(#[source] Cause),
    /// As [`WriteError::Unusable`].
    #[error("the store cannot be used")]
    Unusable(#[source] Cause),
    /// A stored value is none that this version writes.
    #[error("the stored {column} of a record is not valid")]
    Damaged {
        /// The column that holds it.
        column: &'static str,
    },
}

/// What a failure of the database means for the work at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// One of the rows can never be stored.
    Row,
    /// The same may succeed later.
    Later,
    /// The same may succeed once somebody has acted.
    Unusable,
}

impl OpenError {
    /// Returns whether opening may succeed later without anybody's doing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl WriteError {
    /// Returns whether the write may succeed later without anybody's doing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl ReadError {
    /// Returns whether reading may succeed later without anybody's doing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

// The wrapped error prints its source inside its own text, so there is none to add.
impl error::Error for Cause {}

impl From<sqlx::Error> for Cause {
    fn from(error: sqlx::Error) -> Self {
        Self(Box::new(error))
    }
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        match verdict(&error) {
            Verdict::Later => Self::Unavailable(error.into()),
            Verdict::Row | Verdict::Unusable => Self::Unusable(error.into()),
        }
    }
}

impl From<MigrateError> for OpenError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "an enum of the library, open to more variants"
    )]
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::Schema(other.to_string()),
        }
    }
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        match verdict(&error) {
            Verdict::Later => Self::Unavailable(error.into()),
            Verdict::Row | Verdict::Unusable => Self::Unusable(error.into()),
        }
    }
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        match verdict(&error) {
            Verdict::Later => Self::Unavailable(error.into()),
            Verdict::Row | Verdict::Unusable => Self::Unusable(error.into()),
        }
    }
}

/// Sorts a failure. What is not known to be a row's fault is never called one: a row that is refused is
/// given up, while everything else is tried again.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an enum of the library, open to more variants"
)]
pub(crate) fn verdict(error: &sqlx::Error) -> Verdict {
    match error {
        sqlx::Error::Database(error) => database_verdict(error.as_ref()),
        sqlx::Error::Encode(_) => Verdict::Row,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => Verdict::Later,
        _ => Verdict::Unusable,
    }
}

/// Returns whether PostgreSQL says that no partition takes the row: the same code as a violated check, but
/// without a constraint's name.
pub(crate) fn is_missing_partition(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.is_check_violation() && error.constraint().is_none())
}

fn database_verdict(error: &(dyn DatabaseError + 'static)) -> Verdict {
    let code = error.code();
    let code = code.as_deref().unwrap_or_default();
    if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        postgres_verdict(code)
    } else if error.try_downcast_ref::<SqliteError>().is_some() {
        sqlite_verdict(code)
    } else {
        Verdict::Unusable
    }
}

/// Sorts by the class of the SQLSTATE, <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn postgres_verdict(code: &str) -> Verdict {
    match code.get(..2) {
        // Data exception, violated constraint, program limit (an index entry that is too long).
        Some("22" | "23" | "54") => Verdict::Row,
        // Connection, transaction state (a standby), rollback, resources, locks, shutdown and time-outs, system.
        Some("08" | "25" | "40" | "53" | "55" | "57" | "58") => Verdict::Later,
        _ => Verdict::Unusable,
    }
}

/// Sorts by the primary result code, <https://www.sqlite.org/rescode.html>.
fn sqlite_verdict(code: &str) -> Verdict {
    match code.parse::<u32>().map(|code| code & 0xff) {
        // Too big, constraint, type mismatch.
        Ok(18..=20) => Verdict::Row,
        // Busy, locked, out of memory, interrupted, I/O, full, locking protocol, schema changed.
        Ok(5 | 6 | 7 | 9 | 10 | 13 | 15 | 17) => Verdict::Later,
        _ => Verdict::Unusable,
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, postgres_verdict, sqlite_verdict, verdict};

    #[test]
    fn a_full_disk_and_a_lost_server_are_no_fault_of_a_row() {
        for code in [
            "53100", "53300", "57P01", "08006", "40P01", "55P03", "25006",
        ] {
            assert_eq!(postgres_verdict(code), Verdict::Later, "{code}");
        }
        for code in ["5", "13", "266", "4874"] {
            assert_eq!(sqlite_verdict(code), Verdict::Later, "{code}");
        }
        assert_eq!(verdict(&sqlx::Error::PoolTimedOut), Verdict::Later);
    }

    #[test]
    fn a_missing_table_is_no_fault_of_a_row() {
        assert_eq!(postgres_verdict("42P01"), Verdict::Unusable);
        assert_eq!(postgres_verdict(""), Verdict::Unusable);
        assert_eq!(sqlite_verdict("1"), Verdict::Unusable);
        assert_eq!(sqlite_verdict("14"), Verdict::Unusable);
        assert_eq!(sqlite_verdict("26"), Verdict::Unusable);
    }

    #[test]
    fn values_that_do_not_fit_are_the_rows_fault() {
        for code in ["22021", "23514", "54000"] {
            assert_eq!(postgres_verdict(code), Verdict::Row, "{code}");
        }
        for code in ["18", "19", "1811"] {
            assert_eq!(sqlite_verdict(code), Verdict::Row, "{code}");
        }
    }
}
