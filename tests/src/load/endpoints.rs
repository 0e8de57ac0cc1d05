//! The webhook configs of a measurement: those that events go to, and those that they pass.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use test_support::Receiver;

use super::{installation::Installation, scenario::Scenario, tally::Tally};
use crate::Organisation;

/// Configs in a request: few enough to be in force before the client gives up, on a loaded machine too.
const REQUEST_ITEMS: usize = 50;
/// Idle configs of one organisation: those of the measured one are looked at for each event.
const ORGANISATION_ITEMS: u64 = 5_000;

/// Registers what a scenario needs.
///
/// # Panics
/// Panics when the Admin API refuses a config.
pub(crate) async fn register(
    installation: &Installation,
    receiver: &Receiver,
    scenario: &Scenario,
    tally: &Tally,
) {
    let first = installation.bench.clone();
    let mut left = scenario.idle_configs;
    for number in 0.. {
        if left == 0 {
            break;
        }
        let organisation = match number {
            0 => first.clone(),
            number => {
                installation
                    .stack
                    .organisation(&format!("idle-{number}"))
                    .await
            }
        };
        let count = left.min(ORGANISATION_ITEMS);
        register_idle(&organisation, count).await;
        left -= count;
    }
    // Last, so that all the others are in force when these are.
    let count = u64::from(scenario.endpoints.max(scenario.names));
    let live = |at| {
        let mut config = config(&receiver.url(&format!("/{at}")), &tally.form().name(at));
        if scenario.fails_one_in.is_some() {
            config["retryPolicy"] = json!({"preset": "nudj", "delay": {"fixed": 1_000}});
        }
        config
    };
    let configs: Vec<Value> = (0..count).map(live).collect();
    register_all(&first, &configs).await;
}

/// Registers configs that want an event each that nobody sends.
///
/// # Panics
/// Panics when the Admin API refuses one.
pub(crate) async fn register_idle(organisation: &Organisation, count: u64) {
    let idle = |at| {
        config(
            &format!("http://127.0.0.1:9/{at}"),
            &format!("idle-{at:06}"),
        )
    };
    let configs: Vec<Value> = (0..count).map(idle).collect();
    register_all(organisation, &configs).await;
}

fn config(url: &str, event: &str) -> Value {
    json!({"url": url, "events": [event], "httpMethod": "POST", "isEnabled": true})
}

/// Registers configs over two connections, in no particular order.
async fn register_all(organisation: &Organisation, configs: &[Value]) {
    let requests: Vec<&[Value]> = configs.chunks(REQUEST_ITEMS).collect();
    let next = AtomicUsize::new(0);
    let worker = async || {
        while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
            organisation.register_all(request).await;
        }
    };
    tokio::join!(worker(), worker());
}
