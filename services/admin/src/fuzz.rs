//! What the targets of all parsers here share; each stands beside its parser. More inputs than in a test run:
//! `make fuzz`.

use fuzzing::Target;

/// No fault that names a parameter needs more.
const FAULT_MAX_CHARS: usize = 300;
/// What queries and bodies hold.
const WORDS: &[&str] = &[
    "limit=",
    "skip=",
    "cursor=",
    "sort=",
    "state=",
    "reason=",
    "settled=",
    "success=",
    "attempt=",
    "window=",
    "eventId=",
    "fromDate=",
    "toDate=",
    "webhookConfigId=",
    "9999-12-31T23:59:60Z",
    "-9223372036854775808",
    "18446744073709551616",
    "4294967296",
    "&&",
    "&=",
    "\"configs\":",
    "\"eventTypes\":",
    "\"ids\":",
    "\"eventId\":",
];

pub(crate) fn target(name: &str) -> Target {
    Target::new(env!("CARGO_MANIFEST_DIR"), name, WORDS)
}

pub(crate) fn organisation() -> domain::name::OrganisationId {
    "acme".parse().unwrap()
}

/// Asserts that a fault is short, and begins with the name of a parameter.
pub(crate) fn assert_names_a_parameter(fault: &str) {
    let (name, _) = fault.split_once(": ").unwrap();
    assert!(
        name.bytes().all(|byte| byte.is_ascii_alphabetic()),
        "{fault}"
    );
    assert!(fault.chars().count() <= FAULT_MAX_CHARS, "{fault}");
}
