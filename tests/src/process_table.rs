//! Which processes run on this machine, and what they have used of it.

use std::{path::Path, process::Command};

/// Ticks of processor time in a second, as Linux counts them for every architecture it runs on.
const TICKS_PER_S: f64 = 100.0;

/// A running process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) parent: u32,
    pub(crate) name: String,
    /// Ended, and only kept until its parent asks for its status.
    pub(crate) ended: bool,
    /// Processor time of the process and of children that have ended, in seconds; 0 where there is no `/proc`.
    pub(crate) cpu_s: f64,
}

/// Lists all processes.
pub(crate) fn processes() -> Vec<Process> {
    if Path::new("/proc/self/stat").exists() {
        from_proc()
    } else {
        from_ps()
    }
}

/// Returns whether a process runs; one that has ended and waits for its parent does not.
#[must_use]
pub fn process_runs(pid: u32) -> bool {
    processes()
        .iter()
        .any(|process| process.id == pid && !process.ended)
}

/// Returns the processes of the tree under `root`, with it.
pub(crate) fn tree(root: u32) -> Vec<Process> {
    let all = processes();
    let mut found: Vec<Process> = all
        .iter()
        .filter(|process| process.id == root)
        .cloned()
        .collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|process| process.id) {
        found.extend(
            all.iter()
                .filter(|process| process.parent == parent)
                .cloned(),
        );
        next += 1;
    }
    found
}

/// Returns the processor time of this process's threads of a name, in seconds; 0 where there is no `/proc`.
pub(crate) fn threads_cpu_s(name: &str) -> f64 {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        return 0.0;
    };
    let folders = threads.filter_map(|entry| Some(entry.ok()?.path()));
    let named = folders.filter(|folder| {
        let found = std::fs::read_to_string(folder.join("comm")).unwrap_or_default();
        found.trim_end() == name
    });
    // The first number is what it has run, in nanoseconds.
    let ran = named.filter_map(|folder| {
        let text = std::fs::read_to_string(folder.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    });
    ran.map(std::time::Duration::from_nanos)
        .map(|ran| ran.as_secs_f64())
        .sum()
}

/// Returns the most memory that a process has had resident, in bytes.
pub(crate) fn peak_bytes(pid: u32) -> u64 {
    kib_line(&format!("/proc/{pid}/status"), "VmHWM:")
}

/// Returns the memory of a process with its part of what it shares with others, in bytes.
pub(crate) fn share_bytes(pid: u32) -> u64 {
    kib_line(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

fn kib_line(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or_default() * 1024
}

fn from_proc() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let id = entry.ok()?.file_name().to_str()?.parse().ok()?;
            parse_stat(
                id,
                &std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?,
            )
        })
        .collect()
}

/// Reads a line of `/proc/<pid>/stat`; the name in parentheses may hold blanks and parentheses itself.
fn parse_stat(id: u32, line: &str) -> Option<Process> {
    let (head, tail) = line.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    // From "state" on: parent is second; utime, stime, cutime, cstime are twelfth to fifteenth.
    let ticks: f64 = fields
        .get(11..15)?
        .iter()
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Some(Process {
        id,
        parent: fields.get(1)?.parse().ok()?,
        name: name.to_owned(),
        ended: fields.first() == Some(&"Z"),
        cpu_s: ticks / TICKS_PER_S,
    })
}

fn from_ps() -> Vec<Process> {
    let listed = Command::new("ps")
        .args(["-A", "-o", "pid=,ppid=,stat=,comm="])
        .output();
    let listed = listed.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&listed)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let id = words.next()?.parse().ok()?;
            let parent = words.next()?.parse().ok()?;
            let ended = words.next()?.starts_with('Z');
            Some(Process {
                id,
                parent,
                name: words.next()?.to_owned(),
                ended,
                cpu_s: 0.0,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "7 (a (b) c) S 3 7 7 0 -1 4194560 1 2 3 4 100 50 20 30 20 0 1 0 5";

        let process = parse_stat(7, line).unwrap();

        assert_eq!(process.parent, 3);
        assert_eq!(process.name, "a (b) c");
        assert!((process.cpu_s - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_child_is_in_the_tree_of_its_parent() {
        let mut child = Command::new("sleep").arg("30").spawn().unwrap();

        let found = tree(std::process::id());

        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.iter().any(|process| process.id == child.id()));
    }
}
