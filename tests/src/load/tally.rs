//! What has been accepted and what has arrived: latencies, duplicates, losses.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use parking_lot::Mutex;

use super::{histogram::Histogram, payload::Form};

/// Bits for the endpoints that an event has reached.
pub(crate) const MAX_ENDPOINTS: u32 = 64;

#[derive(Debug)]
pub(crate) struct Tally {
    origin: Instant,
    form: Form,
    endpoints: u32,
    accepted: AtomicU64,
    delivered: AtomicU64,
    refused: AtomicU64,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    /// By event number: a bit for each endpoint that got it.
    seen: Vec<u64>,
    /// By event number.
    accepted: Vec<bool>,
    duplicates: u64,
    malformed: u64,
    delivery: Histogram,
    acceptance: Histogram,
}

/// Counts at the end of a run.
#[derive(Clone, Debug)]
pub(crate) struct Totals {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) delivered: u64,
    pub(crate) duplicates: u64,
    pub(crate) malformed: u64,
    /// Deliveries of accepted events that have not arrived.
    pub(crate) lost: u64,
    pub(crate) delivery: Histogram,
    pub(crate) acceptance: Histogram,
}

impl Tally {
    /// Makes the books for events of one name that go to so many endpoints.
    pub(crate) fn new(name: &str, endpoints: u32) -> Self {
        Self {
            origin: Instant::now(),
            form: Form::new(name),
            endpoints,
            accepted: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            books: Mutex::default(),
        }
    }

    /// Returns the moment that all times in events count from.
    pub(crate) fn origin(&self) -> Instant {
        self.origin
    }

    /// Returns the form of the events.
    pub(crate) fn form(&self) -> &Form {
        &self.form
    }

    /// Notes a request to `/<endpoint>`.
    pub(crate) fn arrived(&self, path: &str, body: &[u8]) {
        let endpoint = path
            .strip_prefix('/')
            .and_then(|digits| digits.parse::<u32>().ok());
        self.arrived_at(endpoint, body);
    }

    /// Notes a request to an endpoint; none is one that is not ours.
    pub(crate) fn arrived_at(&self, endpoint: Option<u32>, body: &[u8]) {
        let now = self.origin.elapsed();
        let mark = self.form.read(body);
        let mut books = self.books.lock();
        let (Some(mark), Some(endpoint)) = (mark, endpoint) else {
            books.malformed += 1;
            return;
        };
        let place = slot(&mut books.seen, mark.number);
        let bit = 1_u64.checked_shl(endpoint).unwrap_or(0);
        if *place & bit != 0 {
            books.duplicates += 1;
            return;
        }
        *place |= bit;
        books.delivery.record(now.saturating_sub(mark.due));
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that the events from `first` on were answered with 202, and how long after they were due.
    pub(crate) fn accepted(&self, first: u64, count: u64, due: std::time::Duration) {
        let took = self.origin.elapsed().saturating_sub(due);
        let mut books = self.books.lock();
        for number in first..first + count {
            *slot(&mut books.accepted, number) = true;
        }
        books.acceptance.record(took);
        self.accepted.fetch_add(count, Ordering::Relaxed);
    }

    /// Notes events that were not answered with 202.
    pub(crate) fn refused(&self, count: u64) {
        self.refused.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn accepted_count(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(crate) fn delivered_count(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Returns how many deliveries of accepted events are still to come.
    pub(crate) fn outstanding(&self) -> u64 {
        let due = self.accepted_count() * u64::from(self.endpoints);
        due.saturating_sub(self.delivered_count())
    }

    /// Forgets the latencies so far: those of the warm-up.
    pub(crate) fn forget_latencies(&self) {
        let mut books = self.books.lock();
        books.delivery = Histogram::default();
        books.acceptance = Histogram::default();
    }

    pub(crate) fn totals(&self) -> Totals {
        let books = self.books.lock();
        let arrived = |number: usize| books.seen.get(number).map_or(0, |bits| bits.count_ones());
        let lost = books
            .accepted
            .iter()
            .enumerate()
            .filter(|(_, accepted)| **accepted);
        let lost = lost
            .map(|(number, _)| u64::from(self.endpoints - arrived(number)))
            .sum();
        Totals {
            accepted: self.accepted_count(),
            refused: self.refused.load(Ordering::Relaxed),
            delivered: self.delivered_count(),
            duplicates: books.duplicates,
            malformed: books.malformed,
            lost,
            delivery: books.delivery.clone(),
            acceptance: books.acceptance.clone(),
        }
    }
}

fn slot<T: Clone + Default>(values: &mut Vec<T>, number: u64) -> &mut T {
    let index = usize::try_from(number).expect("event numbers are small");
    if index >= values.len() {
        values.resize(index + 1, T::default());
    }
    &mut values[index]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::payload::Mark, *};

    #[test]
    fn arrivals_are_told_apart_as_first_duplicate_lost_and_changed() {
        let tally = Tally::new("load-test", 2);
        tally.accepted(0, 2, Duration::ZERO);
        let body = |number| {
            let mut text = String::new();
            let due = Duration::ZERO;
            tally.form().write(&mut text, Mark { number, due }, 300);
            text
        };

        tally.arrived("/0", body(0).as_bytes());
        tally.arrived("/1", body(0).as_bytes());
        tally.arrived("/1", body(0).as_bytes());
        tally.arrived("/0", body(1).as_bytes());
        tally.arrived("/0", b"{}");

        let totals = tally.totals();
        assert_eq!((totals.delivered, totals.duplicates), (3, 1));
        assert_eq!((totals.lost, totals.malformed), (1, 1));
        assert_eq!(tally.outstanding(), 1);
    }
}
