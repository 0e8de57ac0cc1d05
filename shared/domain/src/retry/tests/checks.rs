//! What a policy may say.

use super::policy;
use crate::retry::RetryPolicy;

#[test]
fn bounds_are_checked_and_named() {
    let kinds = |list: &str| format!("{{\"retryOn\":{{\"errorKinds\":[{list}]}}}}");
    let delay = |text: &str| format!("{{\"delay\":{text}}}");
    let long = |entry: &str, n: usize| vec![entry; n].join(",");
    for (json, fault) in [
        (
            "{\"jitter\":1.5}".to_owned(),
            "jitter: must be a number from 0 to 1",
        ),
        (
            "{\"jitter\":-0.1}".to_owned(),
            "jitter: must be a number from 0 to 1",
        ),
        (
            "{\"preset\":\"custom\"}".to_owned(),
            "delay: must be given with the preset custom",
        ),
        (
            delay("{\"fixed\":86400001}"),
            "delay.fixed: must be from 0 to 86400000 milliseconds",
        ),
        (
            delay("{\"exponential\":{\"base\":86400001,\"factor\":1,\"cap\":9}}"),
            "delay.exponential.base: must be from 0 to 86400000 milliseconds",
        ),
        (
            delay("{\"exponential\":{\"base\":1,\"factor\":1,\"cap\":86400001}}"),
            "delay.exponential.cap: must be from 0 to 86400000 milliseconds",
        ),
        (
            delay("{\"exponential\":{\"base\":1,\"factor\":0.5,\"cap\":9}}"),
            "delay.exponential.factor: must be a number from 1 to 100",
        ),
        (
            delay("{\"schedule\":[]}"),
            "delay.schedule: must be a list of 1 to 100 entries",
        ),
        (
            delay(&format!("{{\"schedule\":[{}]}}", long("1", 101))),
            "delay.schedule: must be a list of 1 to 100 entries",
        ),
        (
            delay("{\"schedule\":[1,86400001]}"),
            "delay.schedule: must be from 0 to 86400000 milliseconds",
        ),
        (
            format!("{{\"retryOn\":{{\"statuses\":[{}]}}}}", long("500", 101)),
            "retryOn.statuses: must be at most 100 entries",
        ),
        (
            kinds(&long("\"dns\"", 10)),
            "retryOn.errorKinds: must be at most 9 entries",
        ),
        (
            kinds("\"dns\",\"status\""),
            "retryOn.errorKinds: must be without status: list statuses in retryOn.statuses",
        ),
        (
            kinds("\"cancelled\""),
            "retryOn.errorKinds: must be without cancelled, which is always retried",
        ),
    ] {
        assert_eq!(
            policy(&json).check().unwrap_err().to_string(),
            fault,
            "{json}"
        );
    }
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
