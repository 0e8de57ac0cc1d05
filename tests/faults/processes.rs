//! Each process is killed, and each one stands still for a while.

use e2e::{Service, Stack};
use test_support::Signal;

use crate::{pace, stage::Stage};

#[tokio::test]
#[ignore = "takes minutes: make faults"]
async fn each_process_is_killed() {
    let mut stage = Stage::set(Stack::start().await).await.under_load().await;

    for service in Service::ALL {
        let name = format!("SIGKILL of {}", service.name());
        stage
            .fault(&name, async |stage| stage.stack.service(service).restart())
            .await;
    }

    let balance = stage.settle("processes killed").await;
    // Only what delivery was doing can have been cut off.
    assert!(balance.cut_off <= 50, "{balance:?}");
}

#[tokio::test]
async fn each_process_stands_still() {
    let mut stage = Stage::set(Stack::start().await).await.under_load().await;

    for service in Service::ALL {
        let name = format!("SIGSTOP of {}", service.name());
        stage
            .fault(&name, async |stage| {
                stage.stack.service(service).signal(Signal::Pause);
                stage.goes_on(pace::seconds(3, 40)).await;
                stage.stack.service(service).signal(Signal::Resume);
            })
            .await;
    }

    let balance = stage.settle("processes stopped").await;
    assert_eq!(balance.cut_off, 0, "a living process saw every outcome");
}
