//! Scripts that many tests want.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::{Answer, Received};

/// Gives the same answer to every request.
pub fn always(answer: Answer) -> impl Fn(&Received) -> Answer + Send + Sync + 'static {
    move |_| answer.clone()
}

/// Answers the first `failures` requests for each event with `status`, and 200 from then on.
pub fn failing_first(
    failures: u32,
    status: u16,
) -> impl Fn(&Received) -> Answer + Send + Sync + 'static {
    let seen = Mutex::new(HashMap::<String, u32>::new());
    move |request| {
        let mut seen = seen.lock();
        let count = seen.entry(request.event_id().to_owned()).or_default();
        *count += 1;
        if *count <= failures {
            Answer::status(status)
        } else {
            Answer::ok()
        }
    }
}
