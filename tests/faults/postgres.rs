//! PostgreSQL stops for a while, restarts, has no connection left, and lets a writer wait.

use std::sync::Arc;

use e2e::{Stack, Store};
use test_support::Postgres;

use crate::{pace, stage::Stage};

#[tokio::test]
async fn postgresql_stops_restarts_is_taken_and_locked() {
    let cluster = Arc::new(Postgres::start_durable());
    let stack = Stack::start_with(Store::Postgres(Arc::clone(&cluster)), "info").await;
    let mut stage = Stage::set(stack).await.under_load().await;

    stage
        .fault("PostgreSQL stopped", async |stage| {
            cluster.stop();
            stage.goes_on(pace::seconds(4, 150)).await;
            cluster.restart();
        })
        .await;
    stage
        .fault("PostgreSQL restarted", async |_stage| {
            cluster.stop();
            cluster.restart();
        })
        .await;
    stage
        .fault("PostgreSQL out of connections", async |stage| {
            let connections = cluster.take_all_connections();
            stage.goes_on(pace::seconds(4, 40)).await;
            drop(connections);
        })
        .await;
    stage
        .fault("PostgreSQL with its tables locked", async |stage| {
            let duration = pace::seconds(4, 40);
            let url = stage.stack.store_url().to_owned();
            let locked = cluster.lock_tables(&url, duration);
            stage.goes_on(duration).await;
            drop(locked);
        })
        .await;

    let balance = stage.settle("PostgreSQL").await;
    assert_eq!((balance.cut_off, balance.repeated), (0, 0));
}
