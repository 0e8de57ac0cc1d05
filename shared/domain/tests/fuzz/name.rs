//! Names, times, and what headers of callers hold.

use domain::{
    endpoint::EventPattern,
    name::{EndpointId, EventId, EventName, JobId, OrganisationId, ReplayId, RequestId},
    time::Timestamp,
    token,
    trace::TraceParent,
};
use proptest::prelude::*;

use crate::{assert_short, target};

#[test]
fn a_name_prints_what_it_parses_and_fits_into_a_subject() {
    target("name", &[".", ":", "~", "*", ">"]).check_text(|input| {
        check::<EventId>(input)?;
        check::<EndpointId>(input)?;
        check::<OrganisationId>(input)?;
        check::<EventName>(input)?;
        check::<JobId>(input)?;
        check::<ReplayId>(input)?;
        check::<RequestId>(input)?;
        Ok(())
    });
}

fn check<N: std::str::FromStr<Err: ToString> + ToString>(input: &str) -> Result<(), TestCaseError> {
    match input.parse::<N>() {
        Err(error) => assert_short(&error),
        Ok(name) => {
            prop_assert_eq!(name.to_string(), input);
            let breaks = |c: char| c.is_whitespace() || c.is_control() || "*>".contains(c);
            prop_assert!(!input.contains(breaks), "no subject takes it");
            prop_assert!((1..=400).contains(&input.len()));
        }
    }
    Ok(())
}

#[test]
fn a_pattern_prints_what_it_parses() {
    target("pattern", &["**", ".*", "-*"]).check_text(|input| {
        match EventPattern::parse(input) {
            Err(error) => assert_short(&error),
            Ok(pattern) => prop_assert_eq!(String::from(pattern), input),
        }
        Ok(())
    });
}

#[test]
fn a_time_is_read_as_it_is_written() {
    target(
        "timestamp",
        &["T", "Z", "+14:00", "-00:00", "24:00:00", "-02-30"],
    )
    .check_text(|input| {
        if let Ok(time) = Timestamp::parse(input) {
            prop_assert_eq!(Timestamp::parse(&time.to_string()).unwrap(), time);
        }
        Ok(())
    });
}

#[test]
fn credentials_are_read_without_harm() {
    target("credentials", &["Bearer "]).check_text(|input| {
        if let Some(found) = token::presented(Some(input), None) {
            prop_assert!(input.contains(found));
        }
        Ok(())
    });
}

#[test]
fn a_trace_goes_on_as_it_came() {
    target("trace-parent", &["-", "ff", "0000", "00-"]).check_text(|input| {
        if let Some(parent) = TraceParent::parse(input) {
            prop_assert_eq!(TraceParent::parse(&parent.to_string()), Some(parent));
            prop_assert!(parent.trace_bytes() != [0; 16] && parent.span_bytes() != [0; 8]);
        }
        Ok(())
    });
}
