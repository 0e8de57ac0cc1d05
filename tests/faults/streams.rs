//! Each stream is full for a while, and each gets a message that nobody can read.

use std::time::Duration;

use e2e::Stack;
use test_support::eventually;

use crate::{pace, stage::Stage};

/// Those that refuse what is too much. RETRIES is bounded by the disk alone: with schedules, the server offers no bound but
/// one that throws away.
const STREAMS: [&str; 4] = ["EVENTS", "JOBS", "ATTEMPTS", "DEAD"];

const BOUND: Duration = Duration::from_secs(60);
/// Four messages on each of the four streams that are worked off.
const PUT_ASIDE: u64 = 16;

/// What nobody can read, by subject.
const POISON: [(&str, &str); 6] = [
    ("EVENTS", "posthorn.events.acme.load-test"),
    ("JOBS", "posthorn.jobs.0"),
    ("RETRIES", "posthorn.retries.0"),
    ("ATTEMPTS", "posthorn.attempts"),
    (
        "DEAD",
        "posthorn.dead.acme.ep_00000000000000000000000000000000",
    ),
    (
        "another organisation's endpoints",
        "$KV.posthorn_endpoints.other.ep_00000000000000000000000000000000",
    ),
];

#[tokio::test]
async fn each_stream_is_full() {
    let stage = Stage::set(Stack::start().await).await;
    let mut stage = stage.under_load().await;

    for stream in STREAMS {
        let broker = stage.stack.broker_client().await;
        let name = format!("posthorn_{stream}");
        stage
            .fault(&format!("{stream} is full"), async |stage| {
                broker.allow(&name, 1).await;
                stage.goes_on(pace::seconds(3, 40)).await;
                broker.allow(&name, -1).await;
            })
            .await;
    }

    let balance = stage.settle("streams that are full").await;
    assert_eq!(balance.cut_off, 0, "a living process saw every outcome");
}

#[tokio::test]
async fn each_stream_gets_a_message_that_nobody_can_read() {
    let stage = Stage::set(Stack::start().await).await;
    let mut stage = stage.under_load().await;
    let broker = stage.stack.broker_client().await;

    for (stream, subject) in POISON {
        stage
            .fault(&format!("poison in {stream}"), async |_stage| {
                let damaged = [("Posthorn-Job", "{\"schema\":1,")];
                for (headers, body) in [
                    (&damaged[..], "{"),
                    (&[], "no JSON at all"),
                    (&[], ""),
                    (&[], "[[[[[[[[[[[[[[[["),
                ] {
                    broker.publish(subject, headers, body).await.unwrap();
                }
            })
            .await;
    }

    let letters = stage
        .acme
        .admin
        .get("/api/v2/admin/webhooks/dead-letters")
        .await;
    letters.expect(200);
    eventually(
        "what can't be read is put aside",
        BOUND,
        async || match broker.count("posthorn_REJECTED").await {
            Some(PUT_ASIDE..) => Ok(()),
            count => Err(format!("{count:?}")),
        },
    )
    .await;
    let balance = stage.settle("poison").await;
    assert_eq!((balance.cut_off, balance.repeated), (0, 0));
}
