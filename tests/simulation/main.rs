//! Simulation: the rules of delivery against a model of everything around them, in virtual time.
//!
//! A seed decides everything that happens: what is published, how endpoints behave, what people change,
//! when replicas crash, what the network loses. The rules are the real ones; the replica around them is a
//! small copy of delivery's, the broker a model. After each step it is checked that no promise is broken.
//!
//! `POSTHORN_SIMULATION_SEED=123` runs one seed, `POSTHORN_SIMULATION_SEEDS=100000` that many, and
//! `POSTHORN_SIMULATION_STORY=1000` tells more of the steps that led to a failure.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic with a message is how a test fails, in the functions that tests share too"
)]

mod agenda;
mod broker;
mod ledger;
mod outside;
mod plan;
mod random;
mod receiver;
mod replica;
mod world;

use std::{
    ops::AddAssign,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    ledger::Summary,
    outside::Mistake,
    world::{Broken, run},
};

/// How many seeds run unless the environment says otherwise.
const SEEDS: u64 = 200;
/// How many of the last steps are told of a seed that fails, unless the environment says otherwise.
const STORY: usize = 40;
/// Within how many seeds a mistake of the shell must be found.
const FOUND_WITHIN: u64 = 100;

#[test]
fn no_promise_is_broken_whatever_happens() {
    let seeds = match (
        number("POSTHORN_SIMULATION_SEED"),
        number("POSTHORN_SIMULATION_SEEDS"),
    ) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(SEEDS),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(seeds.start);
    let results: Vec<(Summary, Option<u64>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| run_all(&next, seeds.end)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    if let Some(seed) = results.iter().filter_map(|(_, failed)| *failed).min() {
        fail(seed);
    }
    let mut all = Summary::default();
    for (summary, _) in results {
        all += summary;
    }
    eprintln!("{all:?}");
}

#[test]
fn the_checks_find_a_shell_that_is_wrong() {
    for mistake in Mistake::ALL {
        let found = (0..FOUND_WITHIN).find_map(|seed| {
            let broken = run(seed, Some(mistake), 0).err()?;
            Some((seed, broken.fault))
        });
        match found {
            Some((seed, fault)) => eprintln!("{mistake:?}: seed {seed}, {fault}"),
            None => panic!("{mistake:?} is not found within {FOUND_WITHIN} seeds"),
        }
    }
}

#[test]
fn a_seed_repeats_everything() {
    for seed in 0..5 {
        assert_eq!(run(seed, None, 0).ok(), run(seed, None, 10).ok());
    }
}

/// Runs one seed after the other, up to `end` or to the first that fails.
fn run_all(next: &AtomicU64, end: u64) -> (Summary, Option<u64>) {
    let mut all = Summary::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return (all, None);
        }
        match run(seed, None, 0) {
            Ok(summary) => all += summary,
            Err(_) => {
                // The others need not go on.
                next.store(end, Ordering::Relaxed);
                return (all, Some(seed));
            }
        }
    }
}

/// Runs a seed again to tell what led to its end.
fn fail(seed: u64) -> ! {
    let story = number("POSTHORN_SIMULATION_STORY").map_or(STORY, |n| usize::try_from(n).unwrap());
    let Err(Broken { fault, story }) = run(seed, None, story) else {
        panic!("seed {seed} fails and then does not: the simulation is not deterministic");
    };
    panic!(
        "seed {seed}: {fault}\n  \
         POSTHORN_SIMULATION_SEED={seed} cargo test -p e2e --test simulation\n{}",
        story.join("\n")
    );
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} must be a number, is {text}")),
    )
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.delivered += other.delivered;
        self.dead += other.dead;
        self.disturbed += other.disturbed;
        self.attempts += other.attempts;
        self.probes += other.probes;
        self.parkings += other.parkings;
        self.duplicates += other.duplicates;
    }
}
