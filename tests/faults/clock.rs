//! The clock of services jumps by an hour, and back.

use std::path::{Path, PathBuf};

use e2e::{Service, Stack, Store};
use tempfile::TempDir;

use crate::{pace, stage::Stage};

/// Names the library that changes what a process takes for the time.
const LIBRARY: &str = "POSTHORN_FAKETIME";
const HOUR: i64 = 3_600;

#[tokio::test]
#[ignore = "takes minutes: make faults"]
async fn clocks_jump_by_an_hour() {
    let clocks = Clocks::new();
    let library = std::env::var(LIBRARY).expect("POSTHORN_FAKETIME: run tools/ensure-libfaketime");
    let variables = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", clocks.others.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // A clock that is set leaves the time since the start alone.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let mut stack = Stack::start_limited(Store::Sqlite, "info", &variables).await;
    let delivery = stack.service(Service::Delivery);
    delivery.set_env(variables[1].0, clocks.delivery.to_str().unwrap());
    delivery.restart();
    stack.wait_ready().await;
    let mut stage = Stage::set(stack).await.under_load().await;

    for (seconds, direction) in [(HOUR, "ahead"), (-HOUR, "back")] {
        let name = format!("all clocks jump {direction} by an hour");
        let both = [&clocks.others, &clocks.delivery];
        stage
            .fault(&name, async |stage| jump(stage, &both, seconds).await)
            .await;
        let name = format!("the clock of delivery alone jumps {direction} by an hour");
        stage
            .fault(&name, async |stage| {
                jump(stage, &[&clocks.delivery], seconds).await;
            })
            .await;
    }

    // A retry that was planned by a clock that was ahead waits until then, which is now. What is planned from here on would
    // wait as well: so nothing new may be on its way.
    stage.all_attempted().await;
    set(&clocks.delivery, 2 * HOUR);
    let balance = stage.settle("clocks").await;
    assert_eq!((balance.cut_off, balance.repeated), (0, 0));
}

/// The files that say how far clocks are from the machine's.
struct Clocks {
    delivery: PathBuf,
    others: PathBuf,
    _folder: TempDir,
}

impl Clocks {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clocks = Self {
            delivery: folder.path().join("delivery"),
            others: folder.path().join("others"),
            _folder: folder,
        };
        set(&clocks.delivery, 0);
        set(&clocks.others, 0);
        clocks
    }
}

/// Lets clocks be wrong for a while.
async fn jump(stage: &Stage, clocks: &[&PathBuf], seconds: i64) {
    for clock in clocks {
        set(clock, seconds);
    }
    stage.goes_on(pace::seconds(5, 40)).await;
    for clock in clocks {
        set(clock, 0);
    }
}

/// Sets a clock this far from the machine's, at once: a process never reads half of it.
fn set(file: &Path, seconds: i64) {
    let written = file.with_extension("new");
    std::fs::write(&written, format!("{seconds:+}\n")).unwrap();
    std::fs::rename(&written, file).unwrap();
}
