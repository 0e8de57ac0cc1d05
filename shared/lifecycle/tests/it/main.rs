//! Signals, sent to this very process: one test alone, since every task in it notices them.
#![cfg(unix)]

use std::{process::Command, time::Duration};

use lifecycle::Shutdown;
use tokio::time::timeout;

/// How long anything in this test may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_signal_drains_even_before_run_and_a_second_one_aborts() {
    let shutdown = Shutdown::new(Duration::from_secs(3_600));
    let abort = shutdown.abort();
    shutdown.spawn_work(async move { abort.cancelled().await });
    assert!(signal_self("-TERM"));

    let runner = shutdown.clone();
    let running = tokio::task::JoinSet::from_iter([async move { runner.run().await }]);
    timeout(PATIENCE, shutdown.draining().cancelled())
        .await
        .unwrap();
    assert!(!shutdown.abort().is_cancelled());
    assert!(signal_self("-INT"));

    let results = timeout(PATIENCE, running.join_all()).await.unwrap();
    results.into_iter().for_each(|result| result.unwrap());
    assert!(shutdown.abort().is_cancelled());
}

fn signal_self(signal: &str) -> bool {
    let id = std::process::id().to_string();
    Command::new("kill")
        .args([signal, &id])
        .status()
        .is_ok_and(|status| status.success())
}
