//! Which events may pass: the catalogue is asked.

use std::{sync::Arc, time::Instant};

use catalogue::{Catalogue, Met, Refusal};
use domain::event::{Event, Fault};
use http_api::problem::Problem;

use crate::{
    Ingest,
    checking::{Busy, PATIENCE},
};

/// Up to so much work is done where the request is served; beyond, beside it. Some milliseconds at worst.
const WORK_HERE_MAX: u64 = 250_000;

/// Why the events of a request may not pass.
enum Refused {
    /// The catalogue refuses the one at that place.
    One(usize, Refusal),
    /// Checking all of them takes too long.
    Late,
}

impl Ingest {
    /// Lets events pass; the first that may not refuses them all. `refused` makes the answer of what is
    /// wrong with the event at that place.
    ///
    /// # Errors
    /// As `refused` says; 503 if there is too much to check.
    pub(crate) async fn admit(
        &self,
        events: Vec<Event>,
        operation: &'static str,
        refused: impl Fn(usize, &Fault) -> Problem,
    ) -> Result<Vec<Event>, Problem> {
        let work = events.iter().map(|event| self.catalogue.most_work(event));
        let is_little = work.fold(0, u64::saturating_add) <= WORK_HERE_MAX;
        let organisation = events.first().map(|event| event.organisation.clone());
        let catalogue = Arc::clone(&self.catalogue);
        let admitted = match organisation.filter(|_| !is_little) {
            None => admit_all(&catalogue, events),
            Some(organisation) => {
                let checking = move || admit_all(&catalogue, events);
                let checked = self.checking.run(&organisation, checking).await;
                checked.map_err(|Busy| busy(operation))?
            }
        };
        admitted.map_err(|why| match why {
            Refused::One(at, Refusal::Fault(fault)) => refused(at, &fault),
            Refused::One(_, Refusal::Unreadable) => Problem::unavailable(
                operation,
                "an event type can't be read by every replica yet, repeat the request",
            ),
            Refused::Late => Problem::unavailable(
                operation,
                "checking the payloads takes too long, send fewer events at once",
            ),
        })
    }
}

fn busy(operation: &'static str) -> Problem {
    Problem::unavailable(
        operation,
        "too many payloads are being checked, repeat the request",
    )
}

fn admit_all(catalogue: &Catalogue, mut events: Vec<Event>) -> Result<Vec<Event>, Refused> {
    let started = Instant::now();
    for (at, event) in events.iter_mut().enumerate() {
        if started.elapsed() > PATIENCE {
            return Err(Refused::Late);
        }
        let admitted = catalogue.admit(event, Met::Sent);
        admitted.map_err(|refusal| Refused::One(at, refusal))?;
    }
    Ok(events)
}
