use std::time::Duration;

use proptest::prelude::*;

use super::{Decision, LONGEST_DELAY, Preset, Reason, RetryPolicy};
use crate::outcome::{Answer, ErrorKind, Failure, Outcome, classify};

#[test]
fn nudj_retries_5xx_and_transport_failures_5_s_apart() {
    let nudj = policy("{}");
    for outcome in [
        status(500),
        status(503),
        status(599),
        failed(ErrorKind::Timeout),
        failed(ErrorKind::Connect),
    ] {
        for retry in 0..3 {
            assert_eq!(
                nudj.decide(3, retry, &outcome, 0.7),
                Decision::RetryAfter(Duration::from_secs(5))
            );
        }
        assert_eq!(
            nudj.decide(3, 3, &outcome, 0.7),
            Decision::DeadLetter(Reason::Exhausted)
        );
    }
}

#[test]
fn nudj_retries_no_3xx_and_no_4xx() {
    for code in [301, 302, 400, 404, 408, 410, 429, 489] {
        assert_eq!(
            policy("{}").decide(3, 0, &status(code), 0.5),
            Decision::DeadLetter(Reason::NotRetried),
            "{code}"
        );
    }
}

#[test]
fn success_is_delivered_whatever_the_policy() {
    for preset in ["nudj", "qstash", "standard-webhooks"] {
        let policy = policy(&format!("{{\"preset\":\"{preset}\"}}"));

        assert_eq!(policy.decide(0, 9, &status(204), 0.0), Decision::Delivered);
    }
}

#[test]
fn qstash_waits_e_to_the_two_and_a_half_n() {
    let policy = policy("{\"preset\":\"qstash\"}");
    let waits: Vec<u64> = (1..=6)
        .map(|n| policy.delay_before(n, 0.5).as_secs())
        .collect();

    assert_eq!(waits, [12, 148, 1_808, 22_026, 86_400, 86_400]);
}

#[test]
fn qstash_stops_at_489_with_its_header_only() {
    let policy = policy("{\"preset\":\"qstash\"}");
    let marked = Outcome::Rejected(Answer {
        status: 489,
        asked_wait: None,
        non_retryable: true,
    });

    assert_eq!(
        policy.decide(3, 0, &marked, 0.5),
        Decision::DeadLetter(Reason::NonRetryable)
    );
    assert!(matches!(
        policy.decide(3, 0, &status(489), 0.5),
        Decision::RetryAfter(_)
    ));
    assert!(matches!(
        policy.decide(3, 0, &status(404), 0.5),
        Decision::RetryAfter(_)
    ));
}

#[test]
fn standard_webhooks_spreads_its_schedule_by_a_fifth_and_stops_at_410() {
    let policy = policy("{\"preset\":\"standard-webhooks\"}");

    assert_eq!(policy.delay_before(1, 0.0), Duration::from_secs(4));
    assert_eq!(policy.delay_before(1, 0.5), Duration::from_secs(5));
    assert_eq!(policy.delay_before(2, 0.5), Duration::from_secs(300));
    assert_eq!(policy.delay_before(12, 0.5), LONGEST_DELAY);
    assert_eq!(
        policy.decide(9, 0, &status(410), 0.5),
        Decision::DeadLetter(Reason::Gone)
    );
    assert_eq!(Preset::StandardWebhooks.max_retries(), 9);
}

#[test]
fn fields_override_their_preset() {
    let policy = policy(
        "{\"preset\":\"custom\",\"delay\":{\"schedule\":[1000,2000]},\
          \"retryOn\":{\"statuses\":[429,\"5xx\"],\"errorKinds\":[\"dns\"]}}",
    );

    assert_eq!(
        policy.decide(9, 5, &status(429), 0.5),
        Decision::RetryAfter(Duration::from_secs(2))
    );
    assert_eq!(
        policy.decide(9, 0, &status(404), 0.5),
        Decision::DeadLetter(Reason::NotRetried)
    );
    assert_eq!(
        policy.decide(9, 0, &failed(ErrorKind::Timeout), 0.5),
        Decision::DeadLetter(Reason::NotRetried)
    );
    assert!(matches!(
        policy.decide(9, 0, &failed(ErrorKind::Dns), 0.5),
        Decision::RetryAfter(_)
    ));
}

#[test]
fn an_asked_wait_replaces_the_delay_where_it_counts() {
    let asks = |status, seconds| {
        classify(Ok(Answer {
            status,
            asked_wait: Some(Duration::from_secs(seconds)),
            non_retryable: false,
        }))
    };
    let nudj = policy("{}");
    let deaf = policy("{\"honourRetryAfter\":false}");

    assert_eq!(
        nudj.decide(3, 0, &asks(503, 42), 0.5),
        Decision::RetryAfter(Duration::from_secs(42))
    );
    assert_eq!(
        nudj.decide(3, 0, &asks(503, 0), 0.5),
        Decision::RetryAfter(Duration::ZERO)
    );
    assert_eq!(
        nudj.decide(3, 0, &asks(503, 86_401), 0.5),
        Decision::RetryAfter(Duration::from_secs(5))
    );
    assert_eq!(
        nudj.decide(3, 0, &asks(500, 42), 0.5),
        Decision::RetryAfter(Duration::from_secs(5))
    );
    assert_eq!(
        deaf.decide(3, 0, &asks(503, 42), 0.5),
        Decision::RetryAfter(Duration::from_secs(5))
    );
}

#[test]
fn bounds_are_checked_and_named() {
    let check = |json: &str, field: &str| {
        assert_eq!(policy(json).check().unwrap_err().field, field, "{json}");
    };
    check("{\"jitter\":1.5}", "jitter");
    check("{\"preset\":\"custom\"}", "delay");
    check("{\"delay\":{\"fixed\":86400001}}", "delay.fixed");
    check(
        "{\"delay\":{\"exponential\":{\"base\":1,\"factor\":0.5,\"cap\":9}}}",
        "delay.exponential.factor",
    );
    check("{\"delay\":{\"schedule\":[]}}", "delay.schedule");
    assert!(
        policy("{\"delay\":{\"exponential\":{\"base\":1000,\"factor\":2,\"cap\":9000}}}")
            .check()
            .is_ok()
    );
}

#[test]
fn what_is_not_a_policy_is_refused() {
    for json in [
        "{\"preset\":\"other\"}",
        "{\"maxRetries\":3}",
        "{\"delay\":{\"fixed\":-1}}",
        "{\"retryOn\":{\"statuses\":[200]}}",
        "{\"retryOn\":{\"statuses\":[\"2xx\"]}}",
        "{\"retryOn\":{\"errorKinds\":[\"weather\"]}}",
    ] {
        assert!(serde_json::from_str::<RetryPolicy>(json).is_err(), "{json}");
    }
}

proptest! {
    #[test]
    fn decisions_are_bounded_and_end_exactly_at_max_retries(
        policy in policies(), max in 0_u32..20, outcome in outcomes(), jitter in 0.0..1.0_f64,
    ) {
        let mut retries = 0;
        loop {
            match policy.decide(max, retries, &outcome, jitter) {
                Decision::RetryAfter(wait) => {
                    prop_assert!(wait <= LONGEST_DELAY);
                    retries += 1;
                }
                Decision::Delivered => {
                    prop_assert!(outcome.is_success());
                    break;
                }
                Decision::DeadLetter(Reason::Exhausted) => {
                    prop_assert_eq!(retries, max);
                    break;
                }
                Decision::DeadLetter(_) => {
                    prop_assert_eq!(retries, 0);
                    break;
                }
            }
        }
    }

    #[test]
    fn a_policy_survives_json(policy in policies()) {
        let json = serde_json::to_string(&policy).unwrap();

        prop_assert_eq!(serde_json::from_str::<RetryPolicy>(&json).unwrap(), policy);
    }
}

fn policies() -> impl Strategy<Value = RetryPolicy> {
    prop_oneof![
        Just("{}"),
        Just("{\"preset\":\"qstash\"}"),
        Just("{\"preset\":\"standard-webhooks\",\"jitter\":1.0}"),
        Just("{\"preset\":\"custom\",\"delay\":{\"fixed\":86400000},\"jitter\":0.9}"),
        Just("{\"preset\":\"custom\",\"delay\":{\"exponential\":{\"base\":1,\"factor\":100.0,\"cap\":86400000}}}"),
        Just("{\"preset\":\"custom\",\"delay\":{\"schedule\":[0,5]},\"retryOn\":{\"statuses\":[429]}}"),
    ]
    .prop_map(policy)
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        (100_u16..1000).prop_map(status),
        (0..ErrorKind::ALL.len()).prop_map(|index| failed(ErrorKind::ALL[index])),
    ]
}

fn policy(json: &str) -> RetryPolicy {
    serde_json::from_str(json).unwrap()
}

fn status(status: u16) -> Outcome {
    classify(Ok(Answer {
        status,
        asked_wait: None,
        non_retryable: false,
    }))
}

fn failed(kind: ErrorKind) -> Outcome {
    Outcome::Failed(Failure {
        kind,
        message: String::new(),
    })
}
