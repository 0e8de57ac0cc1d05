//! Which conditions of a filter an index finds records by, and which only pass over records that were found.
//!
//! **Invariant:** each set of finding conditions is the beginning of one index of its table, and the time is
//! what follows in it: so a page is read in its order, and nothing is sorted. A planner that knows nothing about a
//! new day's partition would take any of the indexes that it is offered, so it is offered one: what only passes over
//! records is written so that no index serves it. The plans are tested with every filter that there is.

use super::Value;
use crate::{entry::Table, filter::Filter};

/// A condition, and the value behind it unless it is part of the text.
///
/// What decides between indexes is a constant: an index of some records only is used where the query's text implies
/// that it has all that are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition(pub(super) &'static str, pub(super) Option<Value>);

/// The conditions of a filter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conditions {
    /// By these an index finds records.
    pub(super) finding: Vec<Condition>,
    /// By these records are passed over.
    pub(super) passing: Vec<Condition>,
}

/// The narrowest index that a filter allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Index {
    Time,
    Organisation,
    Retries,
    Failures,
    Endpoint,
    EndpointFailures,
    Event,
}

impl Conditions {
    pub(super) fn new(table: Table, filter: &Filter) -> Self {
        let index = Index::of(table, filter);
        let mut conditions = Self {
            finding: Vec::new(),
            passing: Vec::new(),
        };
        let own = index != Index::Time;
        let of_endpoint = matches!(index, Index::Endpoint | Index::EndpointFailures);
        let of_event = index == Index::Event;
        let text = |text: Option<&str>| text.map(|text| Value::Text(text.to_owned()));
        let number = |number: Option<u32>| number.map(|number| Value::Number(i64::from(number)));
        let organisation = text(filter.organisation.as_ref().map(|name| name.as_str()));
        let endpoint = text(filter.endpoint.as_ref().map(|name| name.as_str()));
        let event_id = text(filter.event_id.as_ref().map(|name| name.as_str()));
        let event_name = text(filter.event_name.as_ref().map(|name| name.as_str()));
        conditions.add(
            own,
            ["organisation_id = ", "organisation_id || '' = "],
            organisation,
        );
        conditions.add(
            of_endpoint,
            ["endpoint_id = ", "endpoint_id || '' = "],
            endpoint,
        );
        conditions.add(of_event, ["event_id = ", "event_id || '' = "], event_id);
        for (condition, bound) in [
            ("created_at >= ", filter.from),
            ("created_at <= ", filter.to),
        ] {
            conditions.add(true, [condition; 2], bound.map(Value::Time));
        }
        let status = number(filter.response_status.map(u32::from));
        conditions.add(false, ["event_name = "; 2], event_name);
        conditions.add(false, ["response_status = "; 2], status);
        conditions.add(false, ["attempt + 0 = "; 2], number(filter.attempt));
        conditions.add_ends(index, success(filter));
        conditions
    }

    /// Adds a condition: as an index takes it, if it finds records, else in words that none does.
    fn add(&mut self, finds: bool, [finding, passing]: [&'static str; 2], value: Option<Value>) {
        if value.is_none() {
            return;
        }
        if finds {
            self.finding.push(Condition(finding, value));
        } else {
            self.passing.push(Condition(passing, value));
        }
    }

    /// Adds the conditions of indexes of some records only, which are constants.
    fn add_ends(&mut self, index: Index, success: Option<bool>) {
        match success {
            Some(false) if matches!(index, Index::Failures | Index::EndpointFailures) => {
                self.finding.push(Condition("success = false", None));
            }
            Some(false) => self.passing.push(Condition("success is not true", None)),
            Some(true) => self.passing.push(Condition("success = true", None)),
            None => {}
        }
        if index == Index::Retries {
            self.finding.push(Condition("attempt > 1", None));
        }
    }
}

/// Returns the name of the index that serves a filter, in SQLite.
pub(super) fn index_name(table: Table, filter: &Filter) -> Option<&'static str> {
    match (table, Index::of(table, filter)) {
        (_, Index::Time) => None,
        (Table::Attempts, Index::Organisation) => Some("attempts_organisation"),
        (Table::Attempts, Index::Retries) => Some("attempts_retries"),
        (Table::Attempts, Index::Failures) => Some("attempts_failures"),
        (Table::Attempts, Index::Endpoint) => Some("attempts_endpoint"),
        (Table::Attempts, Index::EndpointFailures) => Some("attempts_endpoint_failures"),
        (Table::Attempts, Index::Event) => Some("attempts_event"),
        (Table::States, Index::Endpoint | Index::EndpointFailures) => Some("job_states_endpoint"),
        (Table::States, Index::Event) => Some("job_states_event"),
        (Table::States, Index::Organisation | Index::Retries | Index::Failures) => {
            Some("job_states_organisation")
        }
    }
}

impl Index {
    fn of(table: Table, filter: &Filter) -> Self {
        let is_attempts = table == Table::Attempts;
        let failures = is_attempts && success(filter) == Some(false);
        match filter {
            Filter {
                organisation: None, ..
            } => Self::Time,
            Filter {
                event_id: Some(_), ..
            } => Self::Event,
            Filter {
                endpoint: Some(_), ..
            } if failures => Self::EndpointFailures,
            Filter {
                endpoint: Some(_), ..
            } => Self::Endpoint,
            _ if failures => Self::Failures,
            Filter {
                attempt: Some(2..), ..
            } if is_attempts => Self::Retries,
            Filter { .. } => Self::Organisation,
        }
    }
}

/// Returns which end is wanted. A status that is no 2xx is a failure's, so looking for one need not pass by the
/// successes.
fn success(filter: &Filter) -> Option<bool> {
    let failed = filter
        .response_status
        .filter(|status| !(200..300).contains(status));
    filter.success.or(failed.map(|_| false))
}

#[cfg(test)]
mod tests {
    use super::{Condition, Conditions};
    use crate::{entry::Table, filter::Filter};

    #[test]
    fn a_filter_is_divided_by_the_index_that_serves_it_best() {
        check(|_| {}, "organisation_id = ", "");
        check(
            |filter| filter.success = Some(false),
            "organisation_id = success = false",
            "",
        );
        check(
            |filter| filter.response_status = Some(503),
            "organisation_id = success = false",
            "response_status = ",
        );
        check(
            |filter| filter.attempt = Some(2),
            "organisation_id = attempt > 1",
            "attempt + 0 = ",
        );
        check(
            |filter| {
                filter.event_name = Some("a.b".parse().unwrap());
                filter.attempt = Some(1);
            },
            "organisation_id = ",
            "event_name = attempt + 0 = ",
        );
    }

    #[test]
    fn an_endpoint_or_an_event_has_an_index_of_its_own() {
        let endpoint = |filter: &mut Filter| filter.endpoint = Some("ep_1".parse().unwrap());
        check(
            |filter| {
                endpoint(filter);
                filter.success = Some(false);
            },
            "organisation_id = endpoint_id = success = false",
            "",
        );
        check(
            |filter| {
                endpoint(filter);
                filter.response_status = Some(204);
            },
            "organisation_id = endpoint_id = ",
            "response_status = ",
        );
        check(
            |filter| {
                endpoint(filter);
                filter.event_id = Some("evt".parse().unwrap());
                filter.event_name = Some("a.b".parse().unwrap());
                filter.success = Some(false);
            },
            "organisation_id = event_id = ",
            "endpoint_id || '' = event_name = success is not true",
        );
    }

    fn check(change: impl FnOnce(&mut Filter), finding: &str, passing: &str) {
        let mut filter = Filter {
            organisation: Some("acme".parse().unwrap()),
            ..Filter::default()
        };
        change(&mut filter);

        let conditions = Conditions::new(Table::Attempts, &filter);

        assert_eq!(texts(&conditions.finding), finding, "{filter:?}");
        assert_eq!(texts(&conditions.passing), passing, "{filter:?}");
    }

    #[test]
    fn states_are_no_attempts_and_have_fewer_indexes() {
        let filter = Filter {
            organisation: Some("acme".parse().unwrap()),
            attempt: Some(2),
            ..Filter::default()
        };

        let conditions = Conditions::new(Table::States, &filter);

        assert_eq!(texts(&conditions.finding), "organisation_id = ");
        assert_eq!(texts(&conditions.passing), "attempt + 0 = ");
    }

    fn texts(conditions: &[Condition]) -> String {
        conditions.iter().map(|condition| condition.0).collect()
    }
}
