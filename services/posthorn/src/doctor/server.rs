//! The broker itself: version, sizes, account, clock.

use std::time::Duration;

use domain::{event::EVENT_MAX_BYTES, time::Timestamp};
use jetstream::{Broker, account::Usage, connection::ServerVersion};

use super::finding::{Finding, Verdict, fill, size};

/// Above this, times in records and what is due differ from the broker's.
const CLOCK_WARNING: Duration = Duration::from_secs(2);
/// Above this, receivers may refuse signatures: they allow for five minutes, of which the way takes some.
const CLOCK_FAILURE: Duration = Duration::from_secs(60);

/// Says which server was reached.
pub(super) fn reached(broker: &Broker) -> String {
    let ServerVersion(major, minor) = broker.server_version();
    format!("connected to nats-server {major}.{minor}")
}

/// Judges the server's version.
pub(super) fn version(broker: &Broker) -> Finding {
    let found = broker.server_version();
    let ServerVersion(major, minor) = found;
    if found < ServerVersion::MINIMUM {
        Finding::failure("version", format!("nats-server {major}.{minor} is too old"))
            .todo("upgrade it to 2.10 or later, best to 2.14 or later")
    } else if found < ServerVersion::SCHEDULES {
        let says = format!(
            "nats-server {major}.{minor} keeps no schedules safely: more than 100,000 waiting retries slow it down"
        );
        Finding::warning("version", says).todo("upgrade it to 2.14 or later")
    } else {
        Finding::good("version", format!("{major}.{minor} has all that is used"))
    }
}

/// Judges how large a message may be.
pub(super) fn messages(broker: &Broker) -> Finding {
    let limit = broker.payload_limit();
    let says = format!(
        "messages may have {} beside their headers",
        size(bytes(limit))
    );
    if limit < EVENT_MAX_BYTES {
        Finding::warning("messages", format!("{says}: larger events are refused"))
            .todo("set the broker's max_payload to 8MB")
    } else {
        Finding::good("messages", says)
    }
}

/// Judges whether the account has JetStream, and how much of what it may use is used.
pub(super) async fn account(broker: &Broker) -> Vec<Finding> {
    match broker.account().await {
        Ok(account) => vec![
            used("disk", account.storage),
            used("memory", account.memory),
        ],
        Err(error) => vec![
            Finding::failure("JetStream", error)
                .todo("enable JetStream on the server (a jetstream block) and for the account, and run this as a user that may ask for everything"),
        ],
    }
}

fn used(area: &'static str, usage: Usage) -> Finding {
    let used = size(usage.bytes);
    match (fill(usage.bytes, usage.max_bytes), usage.max_bytes) {
        (Some((verdict, percent)), Some(most)) => {
            let says = format!("the account uses {used} of {} ({percent} %)", size(most));
            match verdict {
                Verdict::Good => Finding::good(area, says),
                Verdict::Warning => Finding::warning(area, says).todo(MORE_ROOM),
                Verdict::Failure => Finding::failure(area, says).todo(MORE_ROOM),
            }
        }
        _ => Finding::good(
            area,
            format!("the account uses {used}, without a limit of its own"),
        ),
    }
}

const MORE_ROOM: &str =
    "give the account more room: when it is full, ingest answers 503 and deliveries stop";

/// Judges how far our clock and the broker's are apart.
pub(super) async fn clock(broker: &Broker) -> Finding {
    let asked = lifecycle::clock::now_ms();
    let told = broker.time().await;
    let heard = lifecycle::clock::now_ms();
    match told {
        Ok(theirs) => judge_clock(
            theirs,
            Timestamp::from_millis(asked),
            Timestamp::from_millis(heard),
        ),
        Err(error) => Finding::warning(
            "clock",
            format!("the broker does not tell the time: {error}"),
        )
        .todo("run posthorn topology apply, and look into the broker's log"),
    }
}

/// The broker told its time between two moments of ours.
fn judge_clock(theirs: Timestamp, asked: Timestamp, heard: Timestamp) -> Finding {
    let apart = asked.since(theirs).max(theirs.since(heard));
    let says = format!(
        "our clock and the broker's are {} ms apart",
        apart.as_millis()
    );
    let todo = "synchronise the clocks of this machine and of the broker's (NTP)";
    if apart > CLOCK_FAILURE {
        Finding::failure("clock", says).todo(todo)
    } else if apart > CLOCK_WARNING {
        Finding::warning("clock", says).todo(todo)
    } else {
        Finding::good("clock", says)
    }
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::{Verdict, judge_clock};

    #[test]
    fn a_slow_answer_is_no_wrong_clock() {
        let at = Timestamp::from_millis;
        let verdict = |theirs, asked, heard| judge_clock(at(theirs), at(asked), at(heard)).verdict;

        assert_eq!(verdict(5_000, 1_000, 9_000), Verdict::Good);
        assert_eq!(verdict(12_000, 1_000, 9_000), Verdict::Warning);
        assert_eq!(verdict(100_000, 200_000, 200_001), Verdict::Failure);
    }
}
