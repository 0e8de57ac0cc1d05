//! Two of three brokers are away, so that nothing can be stored.

use e2e::Stack;

use crate::{pace, stage::Stage};

#[tokio::test]
#[ignore = "takes minutes: make faults"]
async fn a_cluster_loses_its_quorum() {
    let stage = Stage::set(Stack::start_clustered().await).await;
    let mut stage = stage.under_load().await;

    stage
        .fault("two of three brokers killed", async |stage| {
            for number in [1, 2] {
                stage.stack.cluster().server(number).kill();
            }
            stage.goes_on(pace::seconds(5, 45)).await;
            for number in [1, 2] {
                stage.stack.cluster().server(number).restart();
            }
        })
        .await;
    stage
        .fault("two of three brokers stand still", async |stage| {
            for number in [0, 1] {
                stage.stack.cluster().server(number).pause();
            }
            stage.goes_on(pace::seconds(5, 45)).await;
            for number in [0, 1] {
                stage.stack.cluster().server(number).resume();
            }
        })
        .await;

    let balance = stage.settle("lost quorum").await;
    assert_eq!(balance.cut_off, 0, "a living process saw every outcome");
}
