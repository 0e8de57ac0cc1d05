//! Processor time and memory of the installation's processes; the load tool itself is left out.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::process_table::{peak_bytes, share_bytes, tree};

/// How often the memory of a tree of processes is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A process, or a tree of them, under a name that replicas share.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) root: u32,
    /// Whether the first process works through children.
    pub(crate) forks: bool,
}

/// Processor time in seconds by name.
pub(crate) fn cpu_s(groups: &[Group]) -> BTreeMap<&'static str, f64> {
    let mut cpu = BTreeMap::new();
    for group in groups {
        let processes = tree(group.root);
        let used: f64 = processes.iter().map(|process| process.cpu_s).sum();
        *cpu.entry(group.name).or_default() += used;
    }
    cpu
}

/// Memory in bytes by name, as it is now.
pub(crate) fn memory_bytes(groups: &[Group]) -> BTreeMap<&'static str, u64> {
    let mut bytes = BTreeMap::new();
    for group in groups {
        let processes = tree(group.root);
        let shares: u64 = processes
            .iter()
            .map(|process| share_bytes(process.id))
            .sum();
        *bytes.entry(group.name).or_default() += shares;
    }
    bytes
}

/// Finds the most memory of each group. A single process is asked for its own record at the end; a tree
/// shares memory, so its members' shares are added up again and again, on a thread that disturbs no sender.
#[derive(Debug)]
pub(crate) struct PeakMemory {
    stop: Arc<AtomicBool>,
    looking: JoinHandle<BTreeMap<&'static str, u64>>,
}

impl PeakMemory {
    pub(crate) fn watch(groups: &[Group]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let trees: Vec<Group> = groups.iter().filter(|group| group.forks).cloned().collect();
        let stopped = Arc::clone(&stop);
        let looking = std::thread::spawn(move || look_until(&stopped, &trees));
        Self { stop, looking }
    }

    /// Returns bytes by name, of the processes that are there at the end.
    pub(crate) fn finish(self, groups: &[Group]) -> BTreeMap<&'static str, u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.thread().unpark();
        let mut bytes = self
            .looking
            .join()
            .expect("looking at memory does not panic");
        for group in groups.iter().filter(|group| !group.forks) {
            *bytes.entry(group.name).or_default() += peak_bytes(group.root);
        }
        bytes
    }
}

fn look_until(stopped: &AtomicBool, trees: &[Group]) -> BTreeMap<&'static str, u64> {
    let mut peaks = BTreeMap::<&'static str, u64>::new();
    while !trees.is_empty() && !stopped.load(Ordering::Relaxed) {
        for (name, now) in memory_bytes(trees) {
            let peak = peaks.entry(name).or_default();
            *peak = (*peak).max(now);
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
    peaks
}
