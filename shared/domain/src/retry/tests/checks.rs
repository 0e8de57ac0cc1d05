//! What a policy may say.

use super::policy;
use crate::retry::RetryPolicy;

#[test]
fn bounds_of_delays_are_checked_and_named() {
    const DAY: &str = "must be from 0 to 86400000 milliseconds";
    let exponential = |base, factor, cap| {
        format!("{{\"exponential\":{{\"base\":{base},\"factor\":{factor},\"cap\":{cap}}}}}")
    };
    let schedule = |entries: &[&str]| format!("{{\"schedule\":[{}]}}", entries.join(","));
    for (delay, field, must) in [
        ("{\"fixed\":86400001}".to_owned(), "fixed", DAY),
        (exponential(86_400_001, 1.0, 9), "exponential.base", DAY),
        (exponential(1, 1.0, 86_400_001), "exponential.cap", DAY),
        (
            exponential(1, 0.5, 9),
            "exponential.factor",
            "must be a number from 1 to 100",
        ),
        (
            schedule(&[]),
            "schedule",
            "must be a list of 1 to 100 entries",
        ),
        (
            schedule(&["1"; 101]),
            "schedule",
            "must be a list of 1 to 100 entries",
        ),
        (schedule(&["1", "86400001"]), "schedule", DAY),
    ] {
        check(
            &format!("{{\"delay\":{delay}}}"),
            &format!("delay.{field}: {must}"),
        );
    }
    check(
        "{\"preset\":\"custom\"}",
        "delay: must be given with the preset custom",
    );
}

#[test]
fn bounds_of_jitter_and_lists_are_checked_and_named() {
    let kinds = |list: &[&str]| format!("{{\"retryOn\":{{\"errorKinds\":{list:?}}}}}");
    let statuses = format!("{{\"retryOn\":{{\"statuses\":{:?}}}}}", [500; 101]);

    check("{\"jitter\":1.5}", "jitter: must be a number from 0 to 1");
    check("{\"jitter\":-0.1}", "jitter: must be a number from 0 to 1");
    check(&statuses, "retryOn.statuses: must be at most 100 entries");
    check(
        &kinds(&["dns"; 10]),
        "retryOn.errorKinds: must be at most 9 entries",
    );
    check(
        &kinds(&["dns", "status"]),
        "retryOn.errorKinds: must be without status: list statuses in retryOn.statuses",
    );
    check(
        &kinds(&["cancelled"]),
        "retryOn.errorKinds: must be without cancelled, which is always retried",
    );
}

#[test]
fn what_is_within_the_bounds_is_taken() {
    for json in [
        "{}",
        "{\"delay\":{\"fixed\":0},\"jitter\":0}",
        "{\"delay\":{\"fixed\":86400000},\"jitter\":1}",
        "{\"delay\":{\"exponential\":{\"base\":1000,\"factor\":2,\"cap\":9000}}}",
        "{\"preset\":\"custom\",\"delay\":{\"expression\":\"1000 * (1 + retried)\"}}",
        "{\"retryOn\":{\"statuses\":[101,300,999,\"1xx\",\"3xx\",\"4xx\",\"5xx\",\"6xx\",\"9xx\"]}}",
        "{\"retryOn\":{\"statuses\":[],\"errorKinds\":[\"dns\",\"dns\",\"timeout\",\"blocked-address\"]}}",
    ] {
        assert_eq!(policy(json).check(), Ok(()), "{json}");
    }
}

#[test]
fn what_is_not_a_policy_is_refused() {
    for json in [
        "{\"preset\":\"other\"}",
        "{\"maxRetries\":3}",
        "{\"delay\":{\"fixed\":-1}}",
        "{\"delay\":{\"fixed\":1,\"schedule\":[1]}}",
        "{\"delay\":{\"exponential\":{\"base\":1,\"factor\":2,\"cap\":3,\"colour\":4}}}",
        "{\"delay\":{\"expression\":5000}}",
        "{\"delay\":{\"expression\":\"\"}}",
        "{\"retryOn\":{\"errorKinds\":[\"weather\"]}}",
        "{\"retryOn\":{\"statuses\":[true]}}",
    ] {
        assert!(serde_json::from_str::<RetryPolicy>(json).is_err(), "{json}");
    }
}

#[test]
fn what_is_no_status_is_refused_by_what_must_stand_there() {
    for status in [
        "200", "100", "102", "199", "299", "1000", "70000", "-1", "0", "\"2xx\"", "\"0xx\"",
        "\"5XX\"", "\"500\"", "\"5xxx\"", "\"\"",
    ] {
        let json = format!("{{\"retryOn\":{{\"statuses\":[{status}]}}}}");
        let error = serde_json::from_str::<RetryPolicy>(&json).unwrap_err();

        assert!(
            error.to_string().starts_with("must be a status: 101,"),
            "{status}: {error}"
        );
    }
}

fn check(json: &str, fault: &str) {
    assert_eq!(
        policy(json).check().unwrap_err().to_string(),
        fault,
        "{json}"
    );
}
