//! How far the schema of a store is, looked at without changing it.

use sqlx::migrate::{Migration, Migrator};

use crate::{error::OpenError, postgres, sqlite, store::Options};

/// How far the schema of a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The version that it has; 0 for a store without one.
    pub version: i64,
    /// The version that this program brings it to.
    pub newest: i64,
    /// The names of the migrations that are missing.
    pub missing: Vec<String>,
}

impl Schema {
    /// Compares what was applied with what there is.
    pub(crate) fn new(migrator: &Migrator, applied: &[i64]) -> Self {
        let known = || {
            migrator
                .iter()
                .map(|migration: &Migration| migration.version)
        };
        let missing = migrator
            .iter()
            .filter(|migration| !applied.contains(&migration.version))
            .map(|migration| format!("{:04} {}", migration.version, migration.description));
        Self {
            version: applied.iter().copied().max().unwrap_or(0),
            newest: known().max().unwrap_or(0),
            missing: missing.collect(),
        }
    }

    /// Looks at the schema of the store at `postgres://…` or `sqlite:FILE`.
    ///
    /// # Errors
    /// [`OpenError`] when the store can't be reached.
    pub async fn of(url: &str, options: Options) -> Result<Self, OpenError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            postgres::schema(url, options).await
        } else if url.starts_with("sqlite:") {
            sqlite::schema(url, options).await
        } else {
            Err(OpenError::Url)
        }
    }
}
