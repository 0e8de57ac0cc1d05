//! What has been accepted and what has arrived: latencies, duplicates, losses.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use http::StatusCode;
use parking_lot::Mutex;

use super::{
    histogram::Histogram,
    marks::Marks,
    payload::{Form, Mark},
};

#[derive(Debug)]
pub(crate) struct Tally {
    origin: Instant,
    form: Form,
    endpoints: u32,
    fails_one_in: Option<u64>,
    accepted: AtomicU64,
    delivered: AtomicU64,
    refused: AtomicU64,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    /// The endpoints that got it.
    seen: Marks,
    /// The endpoints that answered it with 500.
    failed: Marks,
    failures: u64,
    /// By event number.
    accepted: Vec<bool>,
    duplicates: u64,
    malformed: u64,
    delivery: Histogram,
    retried: Histogram,
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
    /// Requests that were answered with 500.
    pub(crate) failures: u64,
    /// Deliveries of accepted events that have not arrived.
    pub(crate) lost: u64,
    /// Of events that were taken at the first attempt.
    pub(crate) delivery: Histogram,
    /// Of events that were taken at a later attempt.
    pub(crate) retried: Histogram,
    pub(crate) acceptance: Histogram,
}

impl Tally {
    /// Makes the books for events of one name that go to so many endpoints.
    pub(crate) fn new(name: &str, endpoints: u32) -> Self {
        let books = Books {
            seen: Marks::for_each_of(endpoints),
            failed: Marks::for_each_of(endpoints),
            ..Books::default()
        };
        Self {
            origin: Instant::now(),
            form: Form::new(name),
            endpoints,
            fails_one_in: None,
            accepted: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            books: Mutex::new(books),
        }
    }

    /// Gives events one of so many names, in turn: those of a name go to the endpoint of its number.
    pub(crate) fn spread_over(mut self, names: u32) -> Self {
        self.form = self.form.spread_over(names);
        self
    }

    /// Lets the first attempt at one of so many events fail.
    pub(crate) fn failing_one_in(mut self, events: Option<u64>) -> Self {
        self.fails_one_in = events;
        self
    }

    /// Returns the moment that all times in events count from.
    pub(crate) fn origin(&self) -> Instant {
        self.origin
    }

    /// Returns the form of the events.
    pub(crate) fn form(&self) -> &Form {
        &self.form
    }

    /// Notes a request to `/<endpoint>`, and returns how it is to be answered.
    pub(crate) fn arrived(&self, path: &str, body: &[u8]) -> StatusCode {
        let endpoint = path
            .strip_prefix('/')
            .and_then(|digits| digits.parse::<u32>().ok());
        self.arrived_at(endpoint, body)
    }

    /// Notes a request to an endpoint, and returns how it is to be answered; none is one that is not ours.
    pub(crate) fn arrived_at(&self, endpoint: Option<u32>, body: &[u8]) -> StatusCode {
        let now = self.origin.elapsed();
        let mark = self.form.read(body);
        let mut books = self.books.lock();
        let place = mark.and_then(|mark| Some((mark, self.place(mark, endpoint?)?)));
        let Some((mark, endpoint)) = place else {
            books.malformed += 1;
            return StatusCode::NO_CONTENT;
        };
        let number = mark.number;
        if self.fails(number) && books.failed.set(number, endpoint) {
            books.failures += 1;
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        if !books.seen.set(number, endpoint) {
            books.duplicates += 1;
            return StatusCode::NO_CONTENT;
        }
        let took = now.saturating_sub(mark.due);
        if self.fails(number) {
            books.retried.record(took);
        } else {
            books.delivery.record(took);
        }
        self.delivered.fetch_add(1, Ordering::Relaxed);
        StatusCode::NO_CONTENT
    }

    /// Returns which of the event's endpoints it is.
    fn place(&self, mark: Mark, endpoint: u32) -> Option<u32> {
        match self.form.names() {
            1 => (endpoint < self.endpoints).then_some(endpoint),
            names => (mark.number % u64::from(names) == u64::from(endpoint)).then_some(0),
        }
    }

    fn fails(&self, number: u64) -> bool {
        self.fails_one_in.is_some_and(|n| number.is_multiple_of(n))
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
        books.retried = Histogram::default();
        books.acceptance = Histogram::default();
    }

    pub(crate) fn totals(&self) -> Totals {
        let books = self.books.lock();
        let accepted = books.accepted.iter().enumerate();
        let accepted = accepted.filter_map(|(number, accepted)| accepted.then_some(number));
        let lost = accepted.map(|number| u64::from(self.endpoints - books.seen.count(number)));
        let lost = lost.sum();
        Totals {
            accepted: self.accepted_count(),
            refused: self.refused.load(Ordering::Relaxed),
            delivered: self.delivered_count(),
            duplicates: books.duplicates,
            malformed: books.malformed,
            failures: books.failures,
            lost,
            delivery: books.delivery.clone(),
            retried: books.retried.clone(),
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

    use super::*;

    #[test]
    fn arrivals_are_told_apart_as_first_duplicate_lost_and_changed() {
        let tally = Tally::new("load-test", 2);
        tally.accepted(0, 2, Duration::ZERO);

        tally.arrived("/0", &body(&tally, 0));
        tally.arrived("/1", &body(&tally, 0));
        tally.arrived("/1", &body(&tally, 0));
        tally.arrived("/0", &body(&tally, 1));
        tally.arrived("/0", b"{}");
        tally.arrived("/2", &body(&tally, 1));

        let totals = tally.totals();
        assert_eq!((totals.delivered, totals.duplicates), (3, 1));
        assert_eq!((totals.lost, totals.malformed), (1, 2));
        assert_eq!(tally.outstanding(), 1);
    }

    #[test]
    fn the_first_attempt_at_one_in_so_many_fails_and_the_second_counts() {
        let tally = Tally::new("load-test", 1).failing_one_in(Some(2));
        tally.accepted(0, 2, Duration::ZERO);

        let answers = [0, 1, 0].map(|number| tally.arrived("/0", &body(&tally, number)));

        assert_eq!(answers.map(|answer| answer.as_u16()), [500, 204, 204]);
        let totals = tally.totals();
        assert_eq!((totals.failures, totals.delivered, totals.lost), (1, 2, 0));
        assert_eq!((totals.delivery.count(), totals.retried.count()), (1, 1));
    }

    #[test]
    fn an_event_of_a_name_that_comes_to_the_endpoint_of_another_is_wrong() {
        let tally = Tally::new("load-test", 1).spread_over(3);
        tally.accepted(0, 6, Duration::ZERO);

        tally.arrived("/2", &body(&tally, 5));
        tally.arrived("/1", &body(&tally, 5));

        let totals = tally.totals();
        assert_eq!((totals.delivered, totals.malformed), (1, 1));
    }

    fn body(tally: &Tally, number: u64) -> Vec<u8> {
        let mut text = String::new();
        let due = Duration::ZERO;
        tally.form().write(&mut text, Mark { number, due }, 300);
        text.into_bytes()
    }
}
