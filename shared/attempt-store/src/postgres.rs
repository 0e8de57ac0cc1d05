//! The store in PostgreSQL.

mod bodies;
mod erasure;
mod lookup;
mod partitions;
mod read;
mod samples;
mod write;

use std::str::FromStr as _;

use domain::time::Timestamp;
use sqlx::{
    ConnectOptions as _, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use time::OffsetDateTime;

use crate::{
    error::{OpenError, ReadError},
    schema::Schema,
    store::Options,
};
use partitions::Partitions;
pub(crate) use read::{COLUMNS, TIME};

/// Ends a query that would otherwise hold one of the few connections for as long as it likes.
const STATEMENT_TIMEOUT: &str = "30s";

/// A pool of connections to PostgreSQL and what is known about its partitions.
#[derive(Debug, Clone)]
pub(crate) struct PostgresStore {
    pool: PgPool,
    partitions: Partitions,
}

impl PostgresStore {
    pub(crate) async fn open(url: &str, options: Options) -> Result<Self, OpenError> {
        let connect = PgConnectOptions::from_str(url)
            .map_err(|_error| OpenError::Url)?
            .application_name("posthorn")
            .disable_statement_logging();
        let pool = PgPoolOptions::new().acquire_timeout(options.acquire_timeout);
        migrate(pool.clone(), connect.clone()).await?;
        let connect = connect.options([
            ("statement_timeout", STATEMENT_TIMEOUT),
            // Compiling a query pays for reports over millions of rows; ours read a page.
            ("jit", "off"),
            // Every question is read along an index in its order, of which a page is the beginning. What is known about
            // a table may be out of date by a million rows.
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            // The records of one organisation lie in order of time too, which the planner does not see in an index that
            // begins with something else.
            ("random_page_cost", "1"),
            // A plan that is made for any page size is no good for a page.
            ("plan_cache_mode", "force_custom_plan"),
        ]);
        Ok(Self {
            pool: pool
                .max_connections(options.max_connections.max(1))
                .connect_with(connect)
                .await?,
            partitions: Partitions::default(),
        })
    }

    pub(crate) async fn ping(&self) -> Result<(), ReadError> {
        sqlx::query("select 1").execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Brings the schema up to date, on a connection of its own that no time-out ends half way.
///
/// The migrator holds an advisory lock while it works; closing the connection gives it back in any case.
async fn migrate(pool: PgPoolOptions, connect: PgConnectOptions) -> Result<(), OpenError> {
    let pool = pool.max_connections(1).connect_with(connect).await?;
    let result = migrator().run(&pool).await;
    pool.close().await;
    Ok(result?)
}

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("migrations/postgres");
    migrator.set_ignore_missing(true);
    migrator
}

/// Looks how far the schema is.
pub(crate) async fn schema(url: &str, options: Options) -> Result<Schema, OpenError> {
    let connect = PgConnectOptions::from_str(url)
        .map_err(|_error| OpenError::Url)?
        .application_name("posthorn")
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .acquire_timeout(options.acquire_timeout)
        .max_connections(1)
        .connect_with(connect)
        .await?;
    let applied = applied(&pool).await;
    pool.close().await;
    Ok(Schema::new(&migrator(), &applied?))
}

async fn applied(pool: &PgPool) -> Result<Vec<i64>, sqlx::Error> {
    let is_there: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(pool)
        .await?;
    if !is_there {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("select version from _sqlx_migrations where success order by version")
        .fetch_all(pool)
        .await
}

/// Returns the time in PostgreSQL's type; both keep milliseconds exactly.
fn timestamptz(time: Timestamp) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(time.millis())
}
