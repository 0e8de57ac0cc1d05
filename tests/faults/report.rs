//! What a run tells people: one row for each fault.

use std::{fmt::Write as _, path::Path, time::Duration};

use crate::balance::Balance;

const HEAD: &str = "| Fault | Lasted | Back after | Events | Requests | Repeated | Dead letters | Lost | \
                    Told to try again | Longest without a 202 | Longest without a delivery |\n\
                    |---|---|---|---|---|---|---|---|---|---|---|\n";

/// A fault and what was seen from its beginning until the next one.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) lasted: Duration,
    /// From its end until an event that was sent after it was delivered.
    pub(crate) back_after: Duration,
    pub(crate) balance: Balance,
    pub(crate) refused: usize,
    pub(crate) without_acceptance: Duration,
    pub(crate) without_delivery: Duration,
}

/// Puts the table of a run where `make faults` collects it.
pub(crate) fn publish(name: &str, rows: &[Row]) {
    let mut text = format!("### {name}\n\n{HEAD}");
    for row in rows {
        let balance = &row.balance;
        let _infallible = writeln!(
            text,
            "| {} | {:.1} s | {:.1} s | {} | {} | {} | {} | {} | {} | {:.1} s | {:.1} s |",
            row.name,
            row.lasted.as_secs_f64(),
            row.back_after.as_secs_f64(),
            balance.events,
            balance.requests,
            balance.repeated,
            balance.dead,
            balance.lost.len(),
            row.refused,
            row.without_acceptance.as_secs_f64(),
            row.without_delivery.as_secs_f64(),
        );
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/faults");
    let file = folder.join(format!("{}.md", name.replace(' ', "-")));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(file, text + "\n").unwrap();
}
