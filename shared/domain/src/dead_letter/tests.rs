use super::{DeadLetter, Filter};
use crate::{
    attempt::Trigger,
    content::Content,
    event::BodyHash,
    job::{Job, Run},
    retry::Reason,
    time::Timestamp,
};

#[test]
fn the_next_number_is_one_past_the_last_attempt_that_was_made() {
    let next = |reason: &str, attempt, recorded| {
        let job = Job { attempt, ..job() };
        let letter = DeadLetter {
            reason: reason.to_owned(),
            job,
            ..letter()
        };
        letter.again(recorded, false).attempt
    };

    // The record of the last attempt is on its way, is there, or has been followed by others.
    assert_eq!(next("exhausted", 4, Some(3)), 5);
    assert_eq!(next("exhausted", 4, Some(4)), 5);
    assert_eq!(next("exhausted", 4, Some(7)), 8);
    assert_eq!(next("not-retried", 1, None), 2);
    // The attempt was due, and nobody made it.
    assert_eq!(next("endpoint-disabled", 1, None), 1);
    assert_eq!(next("endpoint-deleted", 3, Some(2)), 3);
    assert_eq!(next("backlog", 3, None), 3);
    assert_eq!(next("poison", 2, Some(5)), 6);
    assert_eq!(next("a-reason-of-a-later-version", 2, None), 3);
    assert_eq!(next("exhausted", u32::MAX, None), u32::MAX);
}

#[test]
fn a_retry_is_one_attempt_of_the_same_job_unless_retries_are_wanted() {
    let again = letter().again(Some(4), false);

    assert_eq!(
        (again.run, again.trigger),
        (Run::OnceOrDead, Trigger::Manual)
    );
    assert_eq!((again.retry, again.hold, again.due), (0, 0, None));
    assert_eq!(again.run_id(), "evt-1:ep_1:m:dl-9");
    assert_eq!(letter().again(Some(4), true).run, Run::Policy);
}

#[test]
fn a_filter_means_what_satisfies_every_condition() {
    let all = Filter {
        endpoint: Some("ep_1".parse().unwrap()),
        event: Some("evt-1".parse().unwrap()),
        name: Some("a.b".parse().unwrap()),
        reason: Some(Reason::Exhausted),
        from: Some(Timestamp::from_millis(5_000)),
        to: Some(Timestamp::from_millis(5_000)),
    };
    let others = [
        Filter {
            endpoint: Some("ep_2".parse().unwrap()),
            ..all.clone()
        },
        Filter {
            event: Some("evt-2".parse().unwrap()),
            ..all.clone()
        },
        Filter {
            name: Some("a".parse().unwrap()),
            ..all.clone()
        },
        Filter {
            reason: Some(Reason::Gone),
            ..all.clone()
        },
        Filter {
            from: Some(Timestamp::from_millis(5_001)),
            to: None,
            ..all.clone()
        },
        Filter {
            to: Some(Timestamp::from_millis(4_999)),
            from: None,
            ..all.clone()
        },
    ];

    assert!(all.wants(&letter()) && Filter::default().wants(&letter()));
    for other in others {
        assert!(!other.wants(&letter()), "{other:?}");
    }
}

#[test]
fn an_empty_filter_is_known_as_such() {
    let of_endpoint = Filter {
        endpoint: Some("ep_1".parse().unwrap()),
        ..Filter::default()
    };
    let of_reason = Filter {
        reason: Some(Reason::Poison),
        ..of_endpoint.clone()
    };

    assert!(Filter::default().is_empty() && Filter::default().is_of_endpoint_only());
    assert!(!of_endpoint.is_empty() && of_endpoint.is_of_endpoint_only());
    assert!(!of_reason.is_empty() && !of_reason.is_of_endpoint_only());
}

#[test]
fn names_lead_back_to_reasons() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_name(reason.as_str()), Some(reason));
    }
    assert_eq!(Reason::from_name("Exhausted"), None);
}

fn letter() -> DeadLetter {
    DeadLetter {
        sequence: 9,
        job: job(),
        reason: "exhausted".to_owned(),
        error: None,
        stored_at: Timestamp::from_millis(5_000),
        expires_at: None,
    }
}

fn job() -> Job {
    Job {
        id: "evt-1:ep_1".parse().unwrap(),
        organisation: "acme".parse().unwrap(),
        endpoint: "ep_1".parse().unwrap(),
        revision: 7,
        event: "evt-1".parse().unwrap(),
        name: "a.b".parse().unwrap(),
        category: None,
        content: Content::default(),
        body_hash: BodyHash::of(b""),
        accepted_at: Timestamp::from_millis(1_000),
        attempt: 4,
        retry: 3,
        hold: 2,
        due: Some(Timestamp::from_millis(2_000)),
        trigger: Trigger::Retry,
        run: Run::Policy,
        request: None,
    }
}
