//! The disk is full: the broker's, and PostgreSQL's. Needs the right to mount a file system.

use std::{path::Path, sync::Arc};

use e2e::{Stack, Store};
use test_support::{Postgres, SmallDisk};

use crate::{pace, stage::Stage};

#[tokio::test]
#[ignore = "mounts a file system: make faults"]
async fn the_brokers_disk_is_full() {
    let disk = SmallDisk::mount("256m");
    let stack = Stack::start_storing_in(disk.path()).await;
    let mut stage = Stage::set(stack).await.under_load().await;

    stage
        .fault("the broker's disk is full", async |stage| {
            let ballast = fill(disk.path());
            stage.goes_on(pace::seconds(4, 40)).await;
            std::fs::remove_file(ballast).unwrap();
            // It stops storing anything by itself, until somebody made room and starts it again.
            stage.stack.broker().restart();
        })
        .await;

    let balance = stage.settle("the broker's disk").await;
    assert_eq!(balance.cut_off, 0, "a living process saw every outcome");
}

#[tokio::test]
#[ignore = "mounts a file system: make faults"]
async fn the_disk_of_postgresql_is_full() {
    let disk = SmallDisk::mount("256m");
    let cluster = Arc::new(Postgres::start_on(disk.path()));
    let stack = Stack::start_with(Store::Postgres(Arc::clone(&cluster)), "info").await;
    let mut stage = Stage::set(stack).await.under_load().await;

    stage
        .fault("PostgreSQL's disk is full", async |stage| {
            let ballast = fill(disk.path());
            stage.goes_on(pace::seconds(4, 60)).await;
            std::fs::remove_file(ballast).unwrap();
            cluster.revive();
        })
        .await;

    let balance = stage.settle("the disk of PostgreSQL").await;
    assert_eq!((balance.cut_off, balance.repeated), (0, 0));
}

/// Takes all the room that is left, and returns the file to remove.
fn fill(folder: &Path) -> std::path::PathBuf {
    let ballast = folder.join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    let chunk = vec![0_u8; 64 * 1024];
    // The first write that fails found no room.
    while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
    ballast
}
