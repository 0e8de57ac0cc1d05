//! The load tool measures each of its usual scenarios, if only for a moment, and says what it found as JSON.
//!
//! It takes all of the machine, so it runs alone: beside other tests it would be their fault.

use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

/// How long a moment of each scenario may take on a loaded machine, with as many installations started for it.
const BOUND: Duration = Duration::from_secs(1_200);
const SCENARIOS: [&str; 14] = [
    "one-endpoint",
    "batches",
    "fan-out-10",
    "fan-out-1000",
    "rate-100",
    "rate-500",
    "payload-256",
    "payload-64k",
    "payload-1m",
    "failing",
    "hanging",
    "configs-100000",
    "idle",
    "floor",
];

#[tokio::test]
async fn the_load_tool_measures_every_usual_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("figures.json");

    let running = Command::new(env!("CARGO_BIN_EXE_posthorn-bench"))
        .args(["--duration", "0.3", "--jobs", "50", "--configs", "300"])
        .arg("--json")
        .arg(&file)
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(BOUND, running).await.unwrap().unwrap();

    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
    let figures = std::fs::read(&file).unwrap_or_else(|error| panic!("{error}: {said}"));
    let figures: Vec<Value> = serde_json::from_slice(&figures).unwrap();
    let names: Vec<&str> = figures
        .iter()
        .filter_map(|f| f["scenario"].as_str())
        .collect();
    assert_eq!(names, SCENARIOS, "{said}");
    // How fast it was, and whether the broker handed something out again, is up to the machine.
    let faults = figures.iter().flat_map(|f| f["faults"].as_array().unwrap());
    assert_eq!(ended.status.success(), faults.count() == 0, "{said}");
    for measured in figures.iter().map(|f| &f["figures"]) {
        assert!(measured["delivered"] != 0, "{measured:#}");
        for count in ["lost", "malformed"] {
            assert!(
                measured[count].is_null() || measured[count] == 0,
                "{measured:#}"
            );
        }
    }
    let floor = &figures[13]["figures"];
    for requests in ["requests", "relayed"] {
        let per_s = floor[requests]["requests_per_s"].as_f64();
        assert!(per_s > Some(0.0), "{floor:#}");
    }
    let consumed = floor["broker"]["consumed"]["count"].as_u64();
    assert!(consumed > Some(0), "{floor:#}");
}
