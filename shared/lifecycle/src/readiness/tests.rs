//! When a process is ready.

use tokio_util::sync::CancellationToken;

use super::{Readiness, Waiting};

#[test]
fn all_latches_must_be_ready() {
    let readiness = Readiness::new(CancellationToken::new());
    let broker = readiness.latch("broker");
    let store = readiness.latch("store");
    assert!(!readiness.is_ready());

    broker.ready();
    store.not_ready("connection refused");
    assert_eq!(
        readiness.waiting_for(),
        [Waiting {
            name: "store",
            reason: "connection refused".to_owned()
        }]
    );

    store.ready();
    assert!(readiness.is_ready());
    assert_eq!(readiness.waiting_for(), []);
}

#[test]
fn a_latch_may_fall_again() {
    let readiness = Readiness::new(CancellationToken::new());
    let broker = readiness.latch("broker");
    broker.ready();

    broker.not_ready("disconnected");

    assert!(!readiness.is_ready());
}

#[test]
fn a_draining_process_is_not_ready() {
    let draining = CancellationToken::new();
    let readiness = Readiness::new(draining.clone());
    assert!(readiness.is_ready());

    draining.cancel();

    assert!(!readiness.is_ready());
    assert_eq!(readiness.waiting_for()[0].name, "shutdown");
}

#[tokio::test]
async fn waiting_ends_with_the_last_latch_or_with_the_drain() {
    let draining = CancellationToken::new();
    let readiness = Readiness::new(draining.clone());
    let latch = readiness.latch("broker");

    let (ready, ()) = tokio::join!(readiness.until_ready(), async { latch.ready() });
    assert!(ready);

    latch.not_ready("disconnected");
    let (ready, ()) = tokio::join!(readiness.until_ready(), async { draining.cancel() });
    assert!(!ready);
}
