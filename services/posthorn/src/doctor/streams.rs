//! The streams and consumers: whether they are as they should be, how full, and who reads them.

use jetstream::{
    subject::{Bucket, Durable, Stream},
    topology::survey::{Kind, Object, State, Survey},
};

use super::finding::{Finding, Verdict, fill, size};
use crate::topology::line;

/// Above so many messages that nobody has been given yet a consumer lags.
const LAG: u64 = 10_000;

/// Judges whether everything is there, and as this version would make it.
pub(super) fn topology(survey: &Survey) -> Finding {
    let missing: Vec<&str> = survey.missing().collect();
    if !missing.is_empty() {
        return Finding::failure("topology", format!("missing: {}", missing.join(", ")))
            .todo("start a service, or run posthorn topology apply");
    }
    match survey.drift.as_slice() {
        [] => Finding::good(
            "topology",
            "all streams, consumers and buckets are as they should be",
        ),
        drift => {
            let lines: Vec<String> = drift.iter().map(line).collect();
            Finding::warning("topology", lines.join("; ")).todo(
                "if it was not meant, set it right with the nats command; what exists is never changed by Posthorn",
            )
        }
    }
}

/// Returns whether there is anything to read of the endpoints' health: one would wait for a bucket that is missing.
pub(super) fn has_health(survey: &Survey) -> bool {
    let health = |object: &&Object| object.kind == Kind::Bucket(Bucket::Health);
    let found = survey.objects.iter().find(health);
    found.is_some_and(|object| object.state.is_some())
}

/// Judges what is in the streams.
pub(super) fn stored(survey: &Survey) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in &survey.objects {
        let (
            Kind::Stream(stream),
            Some(State::Stored {
                messages,
                bytes,
                max_bytes,
                ..
            }),
        ) = (object.kind, object.state)
        else {
            continue;
        };
        if let Some((verdict @ (Verdict::Warning | Verdict::Failure), percent)) =
            fill(bytes, max_bytes)
        {
            let says = format!("{} is {percent} % full ({})", object.name, size(bytes));
            findings.push(match verdict {
                Verdict::Failure => Finding::failure("streams", says).todo(room(stream)),
                Verdict::Good | Verdict::Warning => {
                    Finding::warning("streams", says).todo(room(stream))
                }
            });
        }
        findings.extend(left_over(stream, messages));
    }
    findings
}

fn room(stream: Stream) -> &'static str {
    match stream {
        Stream::Events => {
            "see that fan-out runs and keeps up, or raise the stream's max_bytes (POSTHORN_EVENTS_MAX_BYTES for new ones)"
        }
        Stream::Attempts => {
            "see that the log writer runs and its store answers, or raise the stream's max_bytes (POSTHORN_ATTEMPTS_MAX_BYTES for new ones)"
        }
        Stream::Jobs | Stream::Retries | Stream::Dead | Stream::Rejected | Stream::Signals => {
            "raise the stream's max_bytes"
        }
    }
}

/// Judges what waits for somebody to look at it.
fn left_over(stream: Stream, messages: u64) -> Option<Finding> {
    match stream {
        Stream::Dead => Some(if messages == 0 {
            Finding::good("dead letters", "there are none")
        } else {
            Finding::warning("dead letters", format!("jobs that were given up: {messages}"))
                .todo("look at why (posthorn logs --failed), then posthorn retry --dead-letters --config …")
        }),
        Stream::Rejected => Some(if messages == 0 {
            Finding::good("rejected", "there is nothing")
        } else {
            let says = format!("messages of the last seven days that were no events: {messages}");
            Finding::warning("rejected", says)
                .todo("read the stream REJECTED (nats stream view): each says why, and which producer is wrong")
        }),
        Stream::Events | Stream::Jobs | Stream::Retries | Stream::Attempts | Stream::Signals => {
            None
        }
    }
}

/// Judges how far each consumer is behind.
pub(super) fn consumers(survey: &Survey) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in &survey.objects {
        let (
            Kind::Consumer(durable),
            Some(State::Consuming {
                pending,
                in_flight,
                readers,
            }),
        ) = (object.kind, object.state)
        else {
            continue;
        };
        let says = format!(
            "{}: {pending} wait, {in_flight} are under way",
            durable.name()
        );
        let is_idle = readers == 0 && in_flight == 0;
        findings.push(if pending > 0 && is_idle {
            Finding::failure("consumers", format!("{says}, and nobody reads"))
                .todo(format!("start {}", reader(durable)))
        } else if pending > LAG {
            Finding::warning("consumers", says).todo(format!(
                "add replicas of {}, or find out what holds it up (its log, its /metrics)",
                reader(durable)
            ))
        } else {
            Finding::good("consumers", says)
        });
    }
    findings
}

fn reader(durable: Durable) -> &'static str {
    match durable {
        Durable::FanOut => "fan-out",
        Durable::Delivery | Durable::DeliveryRetries => "delivery",
        Durable::EventArchive | Durable::LogWriter => "the log writer",
    }
}

#[cfg(test)]
mod tests {
    use jetstream::{
        subject::{Durable, Stream},
        topology::survey::{Kind, Object, State, Survey},
    };

    use super::{Verdict, consumers, stored, topology};

    fn of(kind: Kind, state: Option<State>) -> Survey {
        Survey {
            objects: vec![Object {
                name: "posthorn_X".to_owned(),
                kind,
                state,
            }],
            drift: Vec::new(),
        }
    }

    #[test]
    fn a_consumer_that_nobody_reads_fails_and_one_far_behind_is_warned_of() {
        let verdict = |pending, in_flight, readers| {
            let state = State::Consuming {
                pending,
                in_flight,
                readers,
            };
            consumers(&of(Kind::Consumer(Durable::Delivery), Some(state)))[0].verdict
        };

        assert_eq!(verdict(0, 0, 0), Verdict::Good);
        assert_eq!(verdict(1, 0, 0), Verdict::Failure);
        assert_eq!(verdict(10_000, 5, 0), Verdict::Good);
        assert_eq!(verdict(10_001, 0, 1), Verdict::Warning);
    }

    #[test]
    fn dead_letters_and_full_streams_are_warned_of() {
        let verdicts = |stream, messages, bytes| {
            let state = State::Stored {
                messages,
                bytes,
                max_bytes: Some(100),
                oldest: None,
            };
            let findings = stored(&of(Kind::Stream(stream), Some(state)));
            findings
                .into_iter()
                .map(|it| it.verdict)
                .collect::<Vec<_>>()
        };

        assert_eq!(verdicts(Stream::Dead, 0, 0), [Verdict::Good]);
        assert_eq!(verdicts(Stream::Dead, 3, 0), [Verdict::Warning]);
        assert_eq!(verdicts(Stream::Events, 3, 10), []);
        assert_eq!(verdicts(Stream::Events, 3, 96), [Verdict::Failure]);
        assert_eq!(verdicts(Stream::Attempts, 3, 80), [Verdict::Warning]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let finding = topology(&of(Kind::Stream(Stream::Jobs), None));

        assert_eq!(finding.verdict, Verdict::Failure);
        assert!(finding.told().to_string().contains("missing: posthorn_X"));
    }
}
