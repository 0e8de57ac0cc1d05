//! All five services in one process, with many webhook configs and nothing to do.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::json;

use super::{
    endpoints::register_idle,
    finding::{Finding, Settings},
    ratio,
};
use crate::{
    dev::Dev,
    process_table::{share_bytes, tree},
};

const DEFAULT_CONFIGS: u64 = 10_000;
const MIB: f64 = 1024.0 * 1024.0;

/// What a process has and uses while nothing happens.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Usage {
    bytes: u64,
    cpu_s_per_s: f64,
}

/// Measures memory and processor time for the duration.
///
/// # Errors
/// Fails when there is no place for the data.
pub(crate) async fn run(name: &'static str, settings: &Settings) -> anyhow::Result<Finding> {
    let configs = settings.configs.unwrap_or(DEFAULT_CONFIGS);
    let data = tempfile::tempdir()?;
    let mut dev = Dev::start(data.path()).await;
    let organisation = dev.organisation("bench").await;
    register_idle(&organisation, configs).await;

    let root = dev.process().pid();
    let before = cpu_s(root);
    tokio::time::sleep(Duration::from_secs_f64(settings.duration_s)).await;
    let mut usage = BTreeMap::<&'static str, Usage>::new();
    for (name, used) in cpu_s(root) {
        let used = used - before.get(name).copied().unwrap_or_default();
        usage.entry(name).or_default().cpu_s_per_s = used / settings.duration_s;
    }
    for process in tree(root) {
        usage.entry(kind(root, process.id)).or_default().bytes += share_bytes(process.id);
    }
    let line = |(name, usage): (&&str, &Usage)| {
        format!(
            "{name:<22} {:>8.1} MiB   {:>7.4} CPU s/s",
            ratio(usage.bytes, MIB),
            usage.cpu_s_per_s
        )
    };
    let mut lines = vec![format!("{configs} configs, nothing to do")];
    lines.extend(usage.iter().map(line));
    Ok(Finding {
        name,
        lines,
        figures: json!({"configs": configs, "processes": usage}),
        faults: Vec::new(),
    })
}

fn cpu_s(root: u32) -> BTreeMap<&'static str, f64> {
    let mut cpu = BTreeMap::new();
    for process in tree(root) {
        *cpu.entry(kind(root, process.id)).or_default() += process.cpu_s;
    }
    cpu
}

fn kind(root: u32, process: u32) -> &'static str {
    if process == root {
        "posthorn dev"
    } else {
        "nats-server"
    }
}
