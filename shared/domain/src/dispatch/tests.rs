use std::time::Duration;

use bytes::Bytes;

use super::{Follow, Step, follow, step};
use crate::{
    event::Event,
    job::{Job, Run},
    matching::Match,
    outcome::{Answer, Outcome},
    retry::{Reason, RetryPolicy},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::EPOCH;

#[test]
fn a_job_that_comes_early_waits_its_remainder_whatever_it_may_be() {
    let mut job = job();
    job.due = Some(NOW.after(Duration::from_millis(1_500)));

    assert_eq!(
        step(&job, NOW, true),
        Step::Early(Duration::from_millis(1_500))
    );
    job.due = Some(NOW);
    assert_eq!(step(&job, NOW, false), Step::Due);
    assert_eq!(step(&job, NOW, true), Step::Poison);
}

#[test]
fn only_the_policys_run_is_retried() {
    let run = |run: Run| Job { run, ..job() };
    let after = |job: &Job, status| {
        let policy = RetryPolicy::default();
        follow(job, (&policy, 1), &outcome(status), NOW, 0.5)
    };

    let next = job().next_retry(NOW.after(Duration::from_secs(5)));
    assert_eq!(after(&run(Run::Policy), 500), Follow::Retry(Box::new(next)));
    assert_eq!(
        after(&run(Run::Policy), 400),
        Follow::DeadLetter(Reason::NotRetried)
    );
    assert_eq!(after(&run(Run::Once), 500), Follow::Nothing);
    assert_eq!(after(&run(Run::Once), 400), Follow::Nothing);
    let dead = Follow::DeadLetter(Reason::ManualRetryFailed);
    assert_eq!(after(&run(Run::OnceOrDead), 500), dead);
    for every in [Run::Policy, Run::Once, Run::OnceOrDead] {
        assert_eq!(after(&run(every), 200), Follow::Delivered);
    }
}

fn outcome(status: u16) -> Outcome {
    if status == 200 {
        return Outcome::Accepted { status };
    }
    Outcome::Rejected(Answer {
        status,
        asked_wait: None,
        non_retryable: false,
        broke_off: None,
    })
}

fn job() -> Job {
    let body = Bytes::from_static(b"{\"id\":\"evt-1\",\"eventSubCategory\":\"a\"}");
    let event = Event::read(&"acme".parse().unwrap(), &body, NOW, 1_000).unwrap();
    let found = Match {
        endpoint: "ep_1".parse().unwrap(),
        revision: 7,
    };
    Job::first(&event, event.body_hash(), &found, NOW)
}
