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

/// Processes under one name: a service, the broker, or the store's server with its children.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) root: u32,
    /// Whether the first process works through children.
    pub(crate) forks: bool,
}

/// Processor time in seconds by the name of the group.
pub(crate) fn cpu_s(groups: &[Group]) -> BTreeMap<&'static str, f64> {
    let total = |group: &Group| tree(group.root).iter().map(|process| process.cpu_s).sum();
    groups
        .iter()
        .map(|group| (group.name, total(group)))
        .collect()
}

/// Finds the most memory of each group. A single process is asked for its own record at the end; a tree
/// shares memory, so its members' shares are added up again and again, on a thread that disturbs no sender.
#[derive(Debug)]
pub(crate) struct PeakMemory {
    groups: Vec<Group>,
    stop: Arc<AtomicBool>,
    looking: JoinHandle<BTreeMap<&'static str, u64>>,
}

impl PeakMemory {
    pub(crate) fn watch(groups: &[Group]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let trees: Vec<Group> = groups.iter().filter(|group| group.forks).cloned().collect();
        let stopped = Arc::clone(&stop);
        let looking = std::thread::spawn(move || look_until(&stopped, &trees));
        Self {
            groups: groups.to_vec(),
            stop,
            looking,
        }
    }

    /// Returns bytes by the name of the group.
    pub(crate) fn finish(self) -> BTreeMap<&'static str, u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.thread().unpark();
        let mut bytes = self
            .looking
            .join()
            .expect("looking at memory does not panic");
        let single = self.groups.iter().filter(|group| !group.forks);
        bytes.extend(single.map(|group| (group.name, peak_bytes(group.root))));
        bytes
    }
}

fn look_until(stopped: &AtomicBool, trees: &[Group]) -> BTreeMap<&'static str, u64> {
    let mut bytes = BTreeMap::<&'static str, u64>::new();
    while !trees.is_empty() && !stopped.load(Ordering::Relaxed) {
        for group in trees {
            let now = tree(group.root)
                .iter()
                .map(|process| share_bytes(process.id))
                .sum();
            let peak = bytes.entry(group.name).or_default();
            *peak = (*peak).max(now);
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
    bytes
}
