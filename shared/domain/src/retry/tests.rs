use std::time::Duration;

use proptest::prelude::*;

use super::{Decision, LONGEST_DELAY, Preset, Reason, RetryPolicy, StatusPattern};
use crate::outcome::{Answer, ErrorKind, Failure, Outcome, classify};

mod checks;

/// What a preset does with an outcome while retries are left.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Expected {
    Delivered,
    Retried,
    Dead(Reason),
}

use Expected::{Dead, Delivered, Retried};

const PRESETS: [&str; 4] = ["nudj", "qstash", "standard-webhooks", "custom"];

#[test]
fn every_preset_does_with_every_outcome_what_the_table_says() {
    let refused = Dead(Reason::NotRetried);
    let table: [(Outcome, [Expected; 4]); 29] = [
        (status(200), [Delivered; 4]),
        (status(204), [Delivered; 4]),
        (status(299), [Delivered; 4]),
        (status(101), [refused, Retried, Retried, refused]),
        (status(300), [refused, Retried, Retried, refused]),
        (status(304), [refused, Retried, Retried, refused]),
        (status(400), [refused, Retried, Retried, refused]),
        (status(401), [refused, Retried, Retried, refused]),
        (status(404), [refused, Retried, Retried, refused]),
        (status(408), [refused, Retried, Retried, refused]),
        (status(410), [refused, Retried, Dead(Reason::Gone), refused]),
        (status(429), [refused, Retried, Retried, refused]),
        (status(489), [refused, Retried, Retried, refused]),
        (marked(488), [refused, Retried, Retried, refused]),
        (
            marked(489),
            [refused, Dead(Reason::NonRetryable), Retried, refused],
        ),
        (status(499), [refused, Retried, Retried, refused]),
        (marked(500), [Retried; 4]),
        (status(500), [Retried; 4]),
        (status(503), [Retried; 4]),
        (status(599), [Retried; 4]),
        (status(600), [refused, Retried, Retried, refused]),
        (status(999), [refused, Retried, Retried, refused]),
        (failed(ErrorKind::Dns), [Retried; 4]),
        (failed(ErrorKind::Connect), [Retried; 4]),
        (failed(ErrorKind::Tls), [Retried; 4]),
        (failed(ErrorKind::Timeout), [Retried; 4]),
        (failed(ErrorKind::Body), [Retried; 4]),
        (failed(ErrorKind::Protocol), [Retried; 4]),
        (
            failed(ErrorKind::BlockedAddress),
            [refused, Retried, Retried, refused],
        ),
    ];
    for (outcome, expected) in table {
        for (name, expected) in PRESETS.into_iter().zip(expected) {
            assert_preset(name, &outcome, expected);
        }
    }
}

/// Checks all attempts of a run: the same each time, and `exhausted` in the place of the last retry.
fn assert_preset(name: &str, outcome: &Outcome, expected: Expected) {
    let policy = preset(name);
    let max = policy.preset.max_retries();
    for retry in 0..=max {
        let decision = policy.decide(max, retry, outcome, 0.5);
        let told = match decision {
            Decision::Delivered => Delivered,
            Decision::RetryAfter(_) => Retried,
            Decision::DeadLetter(reason) => Dead(reason),
        };
        let due = if expected == Retried && retry == max {
            Dead(Reason::Exhausted)
        } else {
            expected
        };
        assert_eq!(told, due, "{name}, retry {retry}: {outcome:?}");
    }
}

#[test]
fn every_preset_waits_as_the_table_says() {
    let qstash = [12_182, 148_413, 1_808_042, 22_026_465, 86_400_000];
    let standard = [
        5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400, 86_400,
    ];

    assert_waits("{}", &[5_000; 4]);
    assert_waits("{\"preset\":\"qstash\"}", &qstash);
    assert_waits(
        "{\"preset\":\"standard-webhooks\"}",
        &standard.map(|seconds| seconds * 1_000),
    );
    assert_waits(&custom("{\"fixed\":250}"), &[250; 4]);
    assert_waits(
        &custom("{\"exponential\":{\"base\":1000,\"factor\":2,\"cap\":5000}}"),
        &[1_000, 2_000, 4_000, 5_000, 5_000],
    );
    assert_waits(&custom("{\"schedule\":[7,0,9]}"), &[7, 0, 9, 9, 9]);
    assert_waits(
        &custom("{\"expression\":\"pow(2, retried) * 1000\"}"),
        &[1_000, 2_000, 4_000, 8_000],
    );
}

#[test]
fn only_standard_webhooks_spreads_its_delays_unasked() {
    let spread = |json: &str| {
        let policy = policy(json);
        [0.0, 0.5, 0.75].map(|jitter| policy.delay_before(1, jitter).as_millis())
    };

    assert_eq!(
        spread("{\"preset\":\"standard-webhooks\"}"),
        [4_000, 5_000, 5_500]
    );
    assert_eq!(spread("{}"), [5_000; 3]);
    assert_eq!(spread(&custom("{\"expression\":\"5000\"}")), [5_000; 3]);
    assert_eq!(
        spread("{\"delay\":{\"expression\":\"5000\"},\"jitter\":1}"),
        [0, 5_000, 7_500]
    );
    assert_eq!(
        spread("{\"delay\":{\"expression\":\"1/0\"},\"jitter\":1}"),
        [0, 86_400_000, 86_400_000]
    );
    assert_eq!(
        spread("{\"preset\":\"standard-webhooks\",\"jitter\":0}"),
        [5_000; 3]
    );
}

#[test]
fn an_expression_that_gives_no_number_leaves_the_presets_delay_and_says_so() {
    let policy = policy(
        "{\"preset\":\"qstash\",\"delay\":{\"expression\":\"1000 / (retried - 1) * (retried - 1)\"}}",
    );
    let note = "the delay expression gave no number; the preset's delay is used";
    let asks = asking(503, 42_000);

    assert_eq!(policy.delay_note(0, &status(500)), None);
    assert_eq!(
        decide(&policy, 0, &status(500)),
        Decision::RetryAfter(Duration::from_secs(1))
    );
    assert_eq!(policy.delay_note(1, &status(500)), Some(note));
    let Decision::RetryAfter(wait) = decide(&policy, 1, &status(500)) else {
        panic!("a retry is expected");
    };
    assert_eq!(wait.as_secs(), 148);
    assert_eq!(policy.delay_note(1, &asks), None);
    assert_eq!(
        decide(&policy, 1, &asks),
        Decision::RetryAfter(Duration::from_secs(42))
    );
    assert_eq!(policy.delay_note(1, &status(200)), None);
    assert_eq!(preset("qstash").delay_note(1, &status(500)), None);
}

#[test]
fn fields_override_their_preset() {
    let policy = policy(
        "{\"preset\":\"custom\",\"delay\":{\"schedule\":[1000,2000]},\
          \"retryOn\":{\"statuses\":[101,429,\"5xx\",\"9xx\"],\"errorKinds\":[\"dns\",\"blocked-address\"]}}",
    );
    for outcome in [
        status(101),
        status(429),
        status(500),
        status(999),
        failed(ErrorKind::Dns),
        failed(ErrorKind::BlockedAddress),
        failed(ErrorKind::Cancelled),
    ] {
        assert_eq!(
            policy.decide(9, 5, &outcome, 0.5),
            Decision::RetryAfter(Duration::from_secs(2)),
            "{outcome:?}"
        );
    }
    for outcome in [status(404), status(600), failed(ErrorKind::Timeout)] {
        assert_eq!(
            policy.decide(9, 0, &outcome, 0.5),
            Decision::DeadLetter(Reason::NotRetried),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_final_answer_of_the_preset_is_final_though_it_is_listed() {
    let gone = policy("{\"preset\":\"standard-webhooks\",\"retryOn\":{\"statuses\":[410]}}");
    let marked_489 = policy("{\"preset\":\"qstash\",\"retryOn\":{\"statuses\":[489]}}");

    assert_eq!(
        decide(&gone, 0, &status(410)),
        Decision::DeadLetter(Reason::Gone)
    );
    assert_eq!(
        decide(&marked_489, 0, &marked(489)),
        Decision::DeadLetter(Reason::NonRetryable)
    );
}

#[test]
fn an_attempt_that_we_gave_up_or_had_no_token_for_is_retried_under_every_policy() {
    let none = "{\"retryOn\":{\"statuses\":[],\"errorKinds\":[]}}";

    assert_eq!(
        decide(&policy(none), 0, &failed(ErrorKind::Timeout)),
        Decision::DeadLetter(Reason::NotRetried)
    );
    for policy in PRESETS.map(preset).into_iter().chain([policy(none)]) {
        for kind in [ErrorKind::Cancelled, ErrorKind::Status] {
            assert!(matches!(
                decide(&policy, 0, &failed(kind)),
                Decision::RetryAfter(_)
            ));
        }
    }
}

#[test]
fn an_asked_wait_goes_before_an_expression_and_that_before_the_preset() {
    let expression = "{\"preset\":\"qstash\",\"delay\":{\"expression\":\"3000\"}}";
    for (json, outcome, seconds) in [
        (expression, asking(500, 42_000), 42),
        (expression, asking(429, 0), 0),
        (expression, asking(429, 86_400_000), 86_400),
        (expression, asking(429, 86_400_001), 3),
        (expression, status(429), 3),
        ("{\"preset\":\"qstash\"}", status(429), 12),
        (
            "{\"preset\":\"standard-webhooks\"}",
            asking(404, 42_000),
            42,
        ),
        (
            "{\"preset\":\"standard-webhooks\"}",
            asking(404, 86_400_001),
            5,
        ),
        ("{}", asking(503, 42_000), 42),
        ("{}", asking(503, 0), 0),
        ("{}", asking(500, 42_000), 5),
        ("{\"honourRetryAfter\":false}", asking(503, 42_000), 5),
        (
            "{\"retryOn\":{\"statuses\":[429, 404]}}",
            asking(429, 42_000),
            42,
        ),
        (
            "{\"retryOn\":{\"statuses\":[429, 404]}}",
            asking(404, 42_000),
            5,
        ),
        (&custom("{\"fixed\":1000}"), asking(500, 42_000), 42),
    ] {
        let decision = policy(json).decide(9, 0, &outcome, 0.5);
        let Decision::RetryAfter(wait) = decision else {
            panic!("{decision:?} for {json}");
        };
        assert_eq!(wait.as_secs(), seconds, "{json} {outcome:?}");
    }
    assert_eq!(
        decide(&policy("{}"), 0, &asking(429, 42_000)),
        Decision::DeadLetter(Reason::NotRetried)
    );
    assert_eq!(
        policy(expression).decide(0, 0, &asking(429, 1), 0.5),
        Decision::DeadLetter(Reason::Exhausted)
    );
}

#[test]
fn presets_have_their_number_of_retries() {
    let retries = PRESETS.map(|name| preset(name).preset.max_retries());

    assert_eq!(retries, [3, 3, 9, 3]);
    assert_eq!(Preset::default(), Preset::Nudj);
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
        prop_assert_eq!(
            outcome.is_success(),
            policy.decide(max, retries, &outcome, jitter) == Decision::Delivered
        );
    }

    #[test]
    fn whether_there_is_a_retry_depends_on_no_chance_and_no_wait(
        policy in policies(), retry in 0_u32..30, outcome in outcomes(),
        jitter in 0.0..1.0_f64, asked in proptest::option::of(0_u64..100_000_000),
    ) {
        let kind = |outcome: &Outcome, jitter| match policy.decide(20, retry, outcome, jitter) {
            Decision::RetryAfter(_) => None,
            other @ (Decision::Delivered | Decision::DeadLetter(_)) => Some(other),
        };
        let asking = match &outcome {
            Outcome::Rejected(answer) => Outcome::Rejected(Answer {
                asked_wait: asked.map(Duration::from_millis),
                ..answer.clone()
            }),
            Outcome::Accepted { .. } | Outcome::Failed(_) => outcome.clone(),
        };

        prop_assert_eq!(kind(&outcome, 0.5), kind(&asking, jitter));
    }

    #[test]
    fn no_delay_is_longer_than_a_day_however_far_a_run_goes(
        policy in policies(), n in any::<u32>(), jitter in 0.0..1.0_f64,
    ) {
        prop_assert!(policy.delay_before(n, jitter) <= LONGEST_DELAY);
    }

    #[test]
    fn a_policy_survives_json(policy in policies()) {
        let json = serde_json::to_string(&policy).unwrap();

        prop_assert_eq!(serde_json::from_str::<RetryPolicy>(&json).unwrap(), policy);
    }

    #[test]
    fn a_class_matches_its_hundred(class in 3_u16..10, status in 100_u16..1000) {
        let pattern: StatusPattern = serde_json::from_str(&format!("\"{class}xx\"")).unwrap();

        prop_assert_eq!(pattern.matches(status), (class * 100..class * 100 + 100).contains(&status));
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
        Just("{\"preset\":\"custom\",\"delay\":{\"expression\":\"exp(retried) - 1/0*(retried-3)\"},\"jitter\":1.0}"),
        Just("{\"preset\":\"qstash\",\"delay\":{\"expression\":\"0/0\"},\"honourRetryAfter\":false}"),
    ]
    .prop_map(policy)
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        (100_u16..1000).prop_map(status),
        (0..ErrorKind::ALL.len()).prop_map(|index| failed(ErrorKind::ALL[index])),
    ]
}

/// Checks the waits before the first retries, in milliseconds.
fn assert_waits(json: &str, millis: &[u128]) {
    let policy = policy(json);
    for (retry, expected) in (0..).zip(millis) {
        let Decision::RetryAfter(wait) = policy.decide(99, retry, &status(500), 0.5) else {
            panic!("a retry is expected");
        };
        assert_eq!(wait.as_millis(), *expected, "{json}, retry {retry}");
    }
}

fn decide(policy: &RetryPolicy, retry: u32, outcome: &Outcome) -> Decision {
    policy.decide(3, retry, outcome, 0.5)
}

fn policy(json: &str) -> RetryPolicy {
    serde_json::from_str(json).unwrap()
}

fn preset(name: &str) -> RetryPolicy {
    policy(&format!("{{\"preset\":\"{name}\"}}"))
}

fn custom(delay: &str) -> String {
    format!("{{\"preset\":\"custom\",\"delay\":{delay}}}")
}

fn status(status: u16) -> Outcome {
    answered(status, None, false)
}

fn marked(status: u16) -> Outcome {
    answered(status, None, true)
}

fn asking(status: u16, millis: u64) -> Outcome {
    answered(status, Some(Duration::from_millis(millis)), false)
}

fn answered(status: u16, asked_wait: Option<Duration>, non_retryable: bool) -> Outcome {
    classify(Ok(Answer {
        status,
        asked_wait,
        non_retryable,
        broke_off: None,
    }))
}

fn failed(kind: ErrorKind) -> Outcome {
    Outcome::Failed(Failure {
        kind,
        message: String::new(),
    })
}
