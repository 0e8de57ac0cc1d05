//! Which events may pass: the catalogue is asked.

use catalogue::{Met, Refusal};
use domain::event::{Event, Fault};
use http_api::problem::Problem;

use crate::Ingest;

impl Ingest {
    /// Lets events pass; the first that may not refuses them all. `refused` makes the answer of what is
    /// wrong with the event at that place.
    pub(crate) fn admit(
        &self,
        events: &mut [Event],
        operation: &'static str,
        refused: impl Fn(usize, &Fault) -> Problem,
    ) -> Result<(), Problem> {
        for (at, event) in events.iter_mut().enumerate() {
            let admitted = self.catalogue.admit(event, Met::Sent);
            admitted.map_err(|refusal| match refusal {
                Refusal::Fault(fault) => refused(at, &fault),
                Refusal::Unreadable => Problem::unavailable(
                    operation,
                    "an event type can't be read by every replica yet, repeat the request",
                ),
            })?;
        }
        Ok(())
    }
}
