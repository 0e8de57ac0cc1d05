//! The phases of a shutdown, on paused time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use super::Shutdown;

const GRACE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn work_in_flight_finishes_within_the_grace_period() {
    let shutdown = Shutdown::new(GRACE);
    let finished = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&finished);
    shutdown.spawn_work(async move {
        tokio::time::sleep(Duration::from_secs(59)).await;
        flag.store(true, Ordering::SeqCst);
    });

    shutdown.draining().cancel();

    shutdown.run().await.unwrap();
    assert!(finished.load(Ordering::SeqCst));
    assert!(!shutdown.abort().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn work_that_takes_longer_is_told_to_hand_back() {
    let started = Instant::now();
    let shutdown = Shutdown::new(GRACE);
    let abort = shutdown.abort();
    shutdown.spawn_work(async move { abort.cancelled().await });

    shutdown.draining().cancel();

    shutdown.run().await.unwrap();
    assert_eq!(started.elapsed().as_secs(), GRACE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn work_that_ignores_the_abort_is_an_error() {
    let shutdown = Shutdown::new(GRACE);
    shutdown.spawn_work(std::future::pending());

    shutdown.draining().cancel();

    let error = shutdown.run().await.unwrap_err();
    assert_eq!(error.to_string(), "1 tasks did not stop");
}

#[tokio::test(start_paused = true)]
async fn a_failed_task_drains_the_others_and_is_the_result() {
    let shutdown = Shutdown::new(GRACE);
    let draining = shutdown.draining();
    shutdown.spawn("patient", async move {
        draining.cancelled().await;
        Ok(())
    });
    shutdown.spawn("rash", async { anyhow::bail!("no luck") });

    let error = shutdown.run().await.unwrap_err();

    assert_eq!(format!("{error:#}"), "task rash: no luck");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_before_the_drain_is_a_failure() {
    let shutdown = Shutdown::new(GRACE);
    shutdown.spawn("short", async { Ok(()) });

    let error = shutdown.run().await.unwrap_err();

    assert_eq!(error.to_string(), "task short ended by itself");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_is_a_failure() {
    let shutdown = Shutdown::new(GRACE);
    shutdown.spawn("broken", async { panic!("on purpose") });

    let error = shutdown.run().await.unwrap_err();

    assert_eq!(error.to_string(), "task broken panicked");
}

#[tokio::test]
async fn work_may_spawn_more_work_while_draining() {
    let shutdown = Shutdown::new(GRACE);
    let (sender, receiver) = oneshot::channel();
    let inner = shutdown.clone();
    shutdown.spawn_work(async move {
        inner.draining().cancelled().await;
        inner.spawn_work(async move { sender.send("done").unwrap() });
    });

    shutdown.draining().cancel();

    shutdown.run().await.unwrap();
    assert_eq!(receiver.await, Ok("done"));
}
