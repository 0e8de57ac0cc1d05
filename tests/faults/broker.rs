//! The broker is restarted, killed, stands still, and answers in jerks.

use std::time::Duration;

use e2e::Stack;
use test_support::Signal;

use crate::{pace, stage::Stage};

/// A disk that is too slow lets the broker stand still for most of the time.
const STALL: Duration = Duration::from_millis(700);
const GO: Duration = Duration::from_millis(200);

#[tokio::test]
async fn the_broker_is_restarted_killed_and_stalls() {
    let mut stage = Stage::set(Stack::start().await).await.under_load().await;

    stage
        .fault("restart of the broker", async |stage| {
            stage.stack.broker().signal(Signal::Terminate);
            stage.goes_on(pace::seconds(2, 15)).await;
            stage.stack.broker().restart();
        })
        .await;
    stage
        .fault("SIGKILL of the broker", async |stage| {
            stage.stack.broker().kill();
            stage.goes_on(pace::seconds(2, 60)).await;
            stage.stack.broker().restart();
        })
        .await;
    stage
        .fault("SIGSTOP of the broker", async |stage| {
            stage.stack.broker().pause();
            stage.goes_on(pace::seconds(3, 40)).await;
            stage.stack.broker().resume();
        })
        .await;
    stage
        .fault(
            "broker that stalls for 0.7 s of each 0.9 s",
            async |stage| {
                for _ in 0..pace::seconds(5, 40).as_secs() {
                    stage.stack.broker().pause();
                    stage.goes_on(STALL).await;
                    stage.stack.broker().resume();
                    stage.goes_on(GO).await;
                }
            },
        )
        .await;

    let balance = stage.settle("the broker").await;
    assert_eq!(balance.cut_off, 0, "a living process saw every outcome");
}
