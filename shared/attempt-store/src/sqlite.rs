//! The store in SQLite: one file, one writer, several readers.

mod bodies;
mod erasure;
mod lookup;
mod read;
mod retention;
mod samples;
mod write;

use std::{str::FromStr as _, time::Duration};

use sqlx::{
    ConnectOptions as _, Sqlite, SqlitePool, Transaction,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    error::{OpenError, ReadError, Verdict, verdict},
    schema::Schema,
    store::Options,
};
pub(crate) use read::{COLUMNS, TIME};

/// Every question names its index. With statistics, which somebody may have had made, SQLite would rather skip
/// through that index than search it.
const FORGET_STATISTICS: &str =
    "drop table if exists sqlite_stat1; drop table if exists sqlite_stat4";

/// The connections to one file.
#[derive(Debug, Clone)]
pub(crate) struct SqliteStore {
    /// One connection: SQLite has one writer at a time, and waiting here costs less than its busy time-out.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    pub(crate) async fn open(url: &str, options: Options) -> Result<Self, OpenError> {
        // Every connection to a store in memory would have one of its own.
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err(OpenError::Url);
        }
        let connect = SqliteConnectOptions::from_str(url)
            .map_err(|_error| OpenError::Url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit is on the disk when we say so: the broker forgets what the store has acknowledged.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(options.acquire_timeout)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .acquire_timeout(options.acquire_timeout)
            // A file does not hang up, so a connection need not be tried before each use.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None);
        let writer = tuned_for_writing(connect.clone());
        let writer = connect_writer(pool.clone().max_connections(1), &writer).await?;
        migrate(&writer).await?;
        let readers = pool
            .max_connections(options.max_connections.max(1))
            .connect_lazy_with(connect.pragma("query_only", "on"));
        Ok(Self { writer, readers })
    }

    pub(crate) async fn ping(&self) -> Result<(), ReadError> {
        sqlx::query("select 1 from attempts limit 1")
            .execute(&self.readers)
            .await?;
        Ok(())
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Begins a transaction that holds the write lock from its start, so that it cannot fail for it half way.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("begin immediate").await
    }
}

/// Spares the writer most of what it would write twice, for up to 16 MiB of memory and 32 MiB more on the disk.
fn tuned_for_writing(connect: SqliteConnectOptions) -> SqliteConnectOptions {
    connect
        // In KiB: the ends of all indexes, which by default are thrown out and read again.
        .pragma("cache_size", "-16384")
        // In pages, 32 MiB: a page that many transactions change goes from the log to the file once.
        .pragma("wal_autocheckpoint", "8192")
        // What undoes half a statement goes to memory instead of a file: fifty rows have few pages.
        .pragma("temp_store", "memory")
        // What is deleted is overwritten: only deleting pays for it.
        .pragma("secure_delete", "on")
}

/// Opens the writer. Changing a new file to write-ahead logging needs it for oneself, and SQLite does not wait
/// for that: processes that start together would fail without another try.
async fn connect_writer(
    pool: SqlitePoolOptions,
    connect: &SqliteConnectOptions,
) -> Result<SqlitePool, OpenError> {
    const TRIES: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(20);
    let mut tries = 0;
    loop {
        tries += 1;
        match pool.clone().connect_with(connect.clone()).await {
            Err(error) if verdict(&error) == Verdict::Later && tries < TRIES => {
                tokio::time::sleep(PAUSE).await;
            }
            result => return Ok(result?),
        }
    }
}

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("migrations/sqlite");
    migrator.set_ignore_missing(true);
    migrator
}

/// Looks how far the schema is; a file that is not there has none, and is not made.
pub(crate) async fn schema(url: &str, options: Options) -> Result<Schema, OpenError> {
    let connect = SqliteConnectOptions::from_str(url)
        .map_err(|_error| OpenError::Url)?
        .busy_timeout(options.acquire_timeout)
        .disable_statement_logging();
    if !connect.get_filename().exists() {
        return Ok(Schema::new(&migrator(), &[]));
    }
    let pool = SqlitePoolOptions::new()
        .acquire_timeout(options.acquire_timeout)
        .max_connections(1)
        .connect_with(connect.pragma("query_only", "on"))
        .await?;
    let applied = applied(&pool).await;
    pool.close().await;
    Ok(Schema::new(&migrator(), &applied?))
}

async fn applied(pool: &SqlitePool) -> Result<Vec<i64>, sqlx::Error> {
    let tables: i64 = sqlx::query_scalar(
        "select count(*) from sqlite_master where type = 'table' and name = '_sqlx_migrations'",
    )
    .fetch_one(pool)
    .await?;
    if tables == 0 {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("select version from _sqlx_migrations where success order by version")
        .fetch_all(pool)
        .await
}

/// Brings the schema up to date in one transaction: whoever comes second waits for it and finds nothing to do.
async fn migrate(writer: &SqlitePool) -> Result<(), OpenError> {
    let mut transaction = writer.begin_with("begin immediate").await?;
    migrator()
        .run_direct(None, &mut *transaction, false)
        .await?;
    sqlx::raw_sql(FORGET_STATISTICS)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}
