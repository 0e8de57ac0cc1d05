//! Both stores, empty, for one test.

use std::sync::Arc;

use attempt_store::{AttemptStore, Filter, Options, Order, Page, Position, StoredAttempt};
use tempfile::TempDir;
use test_support::Postgres;

/// An empty store, gone when dropped.
pub(crate) struct TestStore {
    /// The engine's name, for messages.
    pub(crate) engine: Engine,
    pub(crate) url: String,
    pub(crate) store: AttemptStore,
    _home: Home,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    Sqlite,
}

#[expect(dead_code, reason = "held for what dropping them does")]
enum Home {
    Cluster(Arc<Postgres>),
    Folder(TempDir),
}

/// Makes an empty store of each kind; `name` is that of the test's database.
pub(crate) async fn both(name: &str) -> [TestStore; 2] {
    [postgres(name).await, sqlite().await]
}

pub(crate) async fn postgres(name: &str) -> TestStore {
    let cluster = Postgres::shared();
    let url = cluster.create_database(name);
    TestStore {
        engine: Engine::Postgres,
        store: open(&url).await,
        url,
        _home: Home::Cluster(cluster),
    }
}

pub(crate) async fn sqlite() -> TestStore {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite_url(&folder);
    TestStore {
        engine: Engine::Sqlite,
        store: open(&url).await,
        url,
        _home: Home::Folder(folder),
    }
}

pub(crate) fn sqlite_url(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("attempts.db").display())
}

pub(crate) async fn open(url: &str) -> AttemptStore {
    AttemptStore::open(url, Options::default()).await.unwrap()
}

impl TestStore {
    /// Runs a statement past the store: the first for PostgreSQL, the second for SQLite.
    pub(crate) async fn execute(&self, postgres: &'static str, sqlite: &'static str) {
        match self.engine {
            Engine::Postgres => {
                let pool = sqlx::PgPool::connect(&self.url).await.unwrap();
                sqlx::raw_sql(postgres).execute(&pool).await.unwrap();
                pool.close().await;
            }
            Engine::Sqlite => {
                let pool = sqlx::SqlitePool::connect(&self.url).await.unwrap();
                sqlx::raw_sql(sqlite).execute(&pool).await.unwrap();
                pool.close().await;
            }
        }
    }

    /// Returns every record, the oldest first.
    pub(crate) async fn all(&self) -> Vec<StoredAttempt> {
        all(&self.store, &Filter::default()).await
    }

    /// Returns the ids of all records, the oldest first.
    pub(crate) async fn ids(&self) -> Vec<String> {
        let all = self.all().await;
        all.into_iter().map(|stored| stored.record.id).collect()
    }
}

/// Reads all pages, the oldest first.
pub(crate) async fn all(store: &AttemptStore, filter: &Filter) -> Vec<StoredAttempt> {
    let mut all = Vec::new();
    let mut after = Position::Start;
    loop {
        let page = Page {
            limit: 100,
            after,
            order: Order::OldestFirst,
        };
        let found = store.attempts(filter, &page).await.unwrap();
        all.extend(found.records);
        match found.next_cursor {
            Some(cursor) => after = Position::Cursor(cursor),
            None => return all,
        }
    }
}
