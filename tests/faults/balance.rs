//! The balance of a run: what was accepted against what became of it, and what receivers saw against the log.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A request or a record: endpoint, event, number of the attempt.
pub(crate) type Attempt = (String, String, u32);

/// A record of the log.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) attempt: Attempt,
    pub(crate) success: bool,
    /// Whether a receiver's answer is in it.
    pub(crate) answered: bool,
}

impl Record {
    pub(crate) fn of(record: &Value) -> Self {
        let text = |field: &str| record[field].as_str().unwrap().to_owned();
        let number = record["attempt"].as_u64().unwrap();
        Self {
            attempt: (
                text("webhookConfigId"),
                text("eventId"),
                u32::try_from(number).unwrap(),
            ),
            success: record["success"] == true,
            answered: record["responseStatus"].is_u64(),
        }
    }
}

/// Everything that can be found out about a run that came to rest.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) endpoints: Vec<String>,
    pub(crate) accepted: BTreeSet<String>,
    pub(crate) requests: Vec<Attempt>,
    pub(crate) records: Vec<Record>,
    /// Endpoint and event of each dead letter.
    pub(crate) dead: Vec<(String, String)>,
}

/// What the books come to, for all events or for some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) events: usize,
    pub(crate) delivered: usize,
    pub(crate) dead: usize,
    /// Neither delivered nor dead.
    pub(crate) lost: Vec<(String, String)>,
    /// Delivered and dead, or dead twice.
    pub(crate) twice: Vec<(String, String)>,
    pub(crate) requests: usize,
    /// Requests beyond the first one for an attempt.
    pub(crate) repeated: usize,
    /// Requests beyond the records of their attempt: cut off by a crash.
    pub(crate) cut_off: usize,
    /// Attempts that a receiver saw and the log does not know.
    pub(crate) unlogged: Vec<Attempt>,
    /// Attempts with more answers in the log than requests at the receiver.
    pub(crate) invented: Vec<Attempt>,
    /// Jobs of which the numbers have a gap.
    pub(crate) gaps: Vec<(String, String)>,
}

impl Books {
    /// Balances the books for the events that `counts` chooses.
    pub(crate) fn balance(&self, counts: impl Fn(&str) -> bool) -> Balance {
        let mut balance = Balance::default();
        self.settle_jobs(&counts, &mut balance);
        self.settle_attempts(&counts, &mut balance);
        balance
    }

    fn settle_jobs(&self, counts: &impl Fn(&str) -> bool, balance: &mut Balance) {
        let mut numbers: BTreeMap<(&str, &str), BTreeSet<u32>> = BTreeMap::new();
        let mut delivered = BTreeSet::new();
        for record in &self.records {
            let (endpoint, event, number) = &record.attempt;
            numbers
                .entry((endpoint, event))
                .or_default()
                .insert(*number);
            if record.success {
                delivered.insert((endpoint.as_str(), event.as_str()));
            }
        }
        let dead = counted(self.dead.iter());
        for event in self.accepted.iter().filter(|event| counts(event)) {
            balance.events += 1;
            for endpoint in &self.endpoints {
                let job = (endpoint.clone(), event.clone());
                let letters = dead.get(&job).copied().unwrap_or_default();
                let is_delivered = delivered.contains(&(endpoint.as_str(), event.as_str()));
                balance.delivered += usize::from(is_delivered);
                balance.dead += letters;
                match (is_delivered, letters) {
                    (false, 0) => balance.lost.push(job.clone()),
                    (true, 0) | (false, 1) => {}
                    (true | false, _) => balance.twice.push(job.clone()),
                }
                let of_job = numbers.get(&(endpoint.as_str(), event.as_str()));
                let of_job = of_job.map(|numbers| numbers.iter().copied());
                if of_job.is_some_and(|mut numbers| !(1..).zip(&mut numbers).all(|(a, b)| a == b)) {
                    balance.gaps.push(job);
                }
            }
        }
    }

    fn settle_attempts(&self, counts: &impl Fn(&str) -> bool, balance: &mut Balance) {
        let requests = counted(self.requests.iter());
        let records = counted(self.records.iter().map(|record| &record.attempt));
        let answered = self.records.iter().filter(|record| record.answered);
        let answered = counted(answered.map(|record| &record.attempt));
        for (attempt, seen) in requests.iter().filter(|(attempt, _)| counts(&attempt.1)) {
            let logged = records.get(*attempt).copied().unwrap_or_default();
            balance.requests += seen;
            balance.repeated += seen - 1;
            balance.cut_off += seen.saturating_sub(logged);
            if logged == 0 {
                balance.unlogged.push((*attempt).clone());
            }
        }
        for (attempt, logged) in answered.iter().filter(|(attempt, _)| counts(&attempt.1)) {
            if *logged > requests.get(*attempt).copied().unwrap_or_default() {
                balance.invented.push((*attempt).clone());
            }
        }
    }
}

impl Balance {
    /// Asserts what no fault may change.
    pub(crate) fn assert_kept(&self, what: &str) {
        let faults = [
            ("lost", format!("{:?}", self.lost), self.lost.len()),
            (
                "settled twice",
                format!("{:?}", self.twice),
                self.twice.len(),
            ),
            (
                "unlogged",
                format!("{:?}", self.unlogged),
                self.unlogged.len(),
            ),
            (
                "invented",
                format!("{:?}", self.invented),
                self.invented.len(),
            ),
            (
                "numbered with gaps",
                format!("{:?}", self.gaps),
                self.gaps.len(),
            ),
        ];
        let found: Vec<String> = faults
            .iter()
            .filter(|(_, _, count)| *count > 0)
            .map(|(name, which, count)| format!("{count} {name}: {which}"))
            .collect();
        assert!(found.is_empty(), "{what}: {}", found.join("; "));
    }
}

fn counted<T: Ord>(items: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::{Attempt, Balance, Books, Record};

    fn attempt(event: &str, number: u32) -> Attempt {
        ("e".to_owned(), event.to_owned(), number)
    }

    fn record(event: &str, number: u32, success: bool) -> Record {
        Record {
            attempt: attempt(event, number),
            success,
            answered: true,
        }
    }

    fn job(event: &str) -> (String, String) {
        ("e".to_owned(), event.to_owned())
    }

    #[test]
    fn whatever_does_not_add_up_is_found() {
        let books = Books {
            endpoints: vec!["e".to_owned()],
            accepted: [
                "good", "dead", "lost", "both", "gap", "cut", "silent", "made",
            ]
            .map(str::to_owned)
            .into(),
            requests: vec![
                attempt("good", 1),
                attempt("dead", 1),
                attempt("both", 1),
                attempt("gap", 2),
                attempt("cut", 1),
                attempt("cut", 1),
                attempt("silent", 1),
                attempt("silent", 2),
            ],
            records: vec![
                record("good", 1, true),
                record("dead", 1, false),
                record("both", 1, true),
                record("gap", 2, true),
                record("cut", 1, true),
                record("silent", 1, true),
                record("made", 1, true),
            ],
            dead: vec![job("dead"), job("both")],
        };

        let balance = books.balance(|_| true);

        assert_eq!(
            balance,
            Balance {
                events: 8,
                delivered: 6,
                dead: 2,
                lost: vec![job("lost")],
                twice: vec![job("both")],
                requests: 8,
                repeated: 1,
                cut_off: 2,
                unlogged: vec![attempt("silent", 2)],
                invented: vec![attempt("made", 1)],
                gaps: vec![job("gap")],
            }
        );
    }
}
