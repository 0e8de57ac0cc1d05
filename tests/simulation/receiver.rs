//! What endpoints do with requests.

use std::time::Duration;

use domain::outcome::{Answer, ErrorKind, Exchange, Failure};

use crate::random::Random;

/// How an endpoint behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Up,
    Slow,
    Hanging,
    Down,
    Unreachable,
    Flaky,
    /// Bears so many requests at once, and answers 429 above that.
    Narrow(usize),
    Refusing,
    Gone,
    NonRetryable,
}

impl Behaviour {
    pub(crate) const ALL: [Self; 10] = [
        Self::Up,
        Self::Slow,
        Self::Hanging,
        Self::Down,
        Self::Unreachable,
        Self::Flaky,
        Self::Narrow(2),
        Self::Refusing,
        Self::Gone,
        Self::NonRetryable,
    ];

    /// Returns how long a request takes and what comes of it, with so many under way.
    pub(crate) fn exchange(
        self,
        under_way: usize,
        timeout: Duration,
        random: &mut Random,
    ) -> (Duration, Exchange) {
        let quick = random.millis(2, 60);
        let (takes, exchange) = match self {
            Self::Up => (quick, Ok(answer(200))),
            Self::Slow => (random.millis(1_200, 4_000), Ok(answer(200))),
            Self::Hanging => (timeout, Ok(answer(200))),
            Self::Down => (quick, Ok(answer(500))),
            Self::Unreachable => (quick, Err(failure(ErrorKind::Connect))),
            Self::Flaky => {
                let status = random.pick(&[200, 200, 200, 500, 503]);
                (random.millis(2, 400), Ok(answer(status)))
            }
            Self::Narrow(most) if under_way > most => (quick, Ok(too_many(random))),
            Self::Narrow(_) => (random.millis(20, 200), Ok(answer(200))),
            Self::Refusing => (quick, Ok(answer(400))),
            Self::Gone => (quick, Ok(answer(410))),
            Self::NonRetryable => {
                let refusal = Answer {
                    non_retryable: true,
                    ..answer(489)
                };
                (quick, Ok(refusal))
            }
        };
        if takes >= timeout {
            (timeout, Err(failure(ErrorKind::Timeout)))
        } else {
            (takes, exchange)
        }
    }
}

fn answer(status: u16) -> Answer {
    Answer {
        status,
        asked_wait: None,
        non_retryable: false,
        broke_off: None,
    }
}

fn too_many(random: &mut Random) -> Answer {
    Answer {
        asked_wait: random.one_in(2).then(|| random.millis(0, 30_000)),
        ..answer(429)
    }
}

fn failure(kind: ErrorKind) -> Failure {
    Failure {
        kind,
        message: kind.as_str().to_owned(),
    }
}
