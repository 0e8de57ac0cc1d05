//! The query of operations on many dead letters, read into a filter and a place.

use domain::{
    dead_letter::Filter,
    name::{EndpointId, EventId, EventName, OrganisationId},
    retry::Reason,
    time::Timestamp,
};
use serde::Deserialize;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::{
    api::log::query::{number, parsed, time},
    asking::Place,
};

const LIMIT_DEFAULT: usize = 10;
const LIMIT_MAX: usize = 100;

/// The parameters as texts, so that what is wrong with one can be told by name. In a body they are
/// fields with strings.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Query {
    /// The organisation, which an operator must name; for others their own.
    #[param(value_type = Option<OrganisationId>)]
    pub(super) organisation_id: Option<String>,
    /// How many a page holds.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 10)]
    limit: Option<String>,
    /// Where the page begins: the `nextCursor` of the one before.
    cursor: Option<String>,
    /// The webhook config.
    #[param(value_type = Option<EndpointId>)]
    webhook_config_id: Option<String>,
    /// The event.
    #[param(value_type = Option<EventId>)]
    event_id: Option<String>,
    /// The name of the event.
    #[param(value_type = Option<EventName>)]
    event_sub_category: Option<String>,
    /// Why it was given up.
    #[param(inline, value_type = Option<Reason>)]
    reason: Option<String>,
    /// From this time on.
    #[param(value_type = Option<Timestamp>)]
    from_date: Option<String>,
    /// Another name of `fromDate`.
    #[param(value_type = Option<Timestamp>)]
    start_date: Option<String>,
    /// Another name of `fromDate`.
    #[param(value_type = Option<Timestamp>)]
    since: Option<String>,
    /// Before this time.
    #[param(value_type = Option<Timestamp>)]
    to_date: Option<String>,
    /// Another name of `toDate`.
    #[param(value_type = Option<Timestamp>)]
    end_date: Option<String>,
    /// Another name of `toDate`.
    #[param(value_type = Option<Timestamp>)]
    until: Option<String>,
}

/// The parameters of operations that take a filter and no limit.
pub(super) struct Choice;

impl utoipa::IntoParams for Choice {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = Query::into_params(place);
        parameters.retain(|parameter| parameter.name != "limit");
        parameters
    }
}

impl Query {
    /// Returns which dead letters are wanted.
    ///
    /// # Errors
    /// Names the parameter that is wrong.
    pub(super) fn filter(&self) -> Result<Filter, String> {
        let from = [
            ("fromDate", &self.from_date),
            ("startDate", &self.start_date),
            ("since", &self.since),
        ];
        let to = [
            ("toDate", &self.to_date),
            ("endDate", &self.end_date),
            ("until", &self.until),
        ];
        Ok(Filter {
            endpoint: parsed("webhookConfigId", self.webhook_config_id.as_deref())?,
            event: parsed("eventId", self.event_id.as_deref())?,
            name: parsed("eventSubCategory", self.event_sub_category.as_deref())?,
            reason: self.reason.as_deref().map(reason).transpose()?,
            from: time(from)?,
            to: time(to)?,
        })
    }

    /// Returns the filter of an operation that changes something, which must not be meant by leaving it
    /// out, and which takes no limit.
    ///
    /// # Errors
    /// Names the parameter that is wrong.
    pub(super) fn deliberate_filter(&self) -> Result<Filter, String> {
        if self.limit.is_some() {
            return Err("limit: is not taken here".to_owned());
        }
        let filter = self.filter()?;
        if filter.is_empty() {
            return Err(
                "filter: must name at least one of webhookConfigId, eventId, eventSubCategory, reason, \
                 fromDate and toDate"
                    .to_owned(),
            );
        }
        Ok(filter)
    }

    /// Returns how many dead letters a page holds.
    ///
    /// # Errors
    /// Names the parameter.
    pub(super) fn limit(&self) -> Result<usize, String> {
        let limit = number("limit", self.limit.as_deref(), 1..=LIMIT_MAX)?;
        Ok(limit.unwrap_or(LIMIT_DEFAULT))
    }

    /// Returns where to begin.
    ///
    /// # Errors
    /// Names the parameter.
    pub(super) fn place(&self) -> Result<Option<Place>, String> {
        parsed("cursor", self.cursor.as_deref())
    }
}

fn reason(text: &str) -> Result<Reason, String> {
    Reason::from_name(text).ok_or_else(|| {
        let names = Reason::ALL.map(Reason::as_str).join(", ");
        format!("reason: must be one of {names}")
    })
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use domain::{dead_letter::Filter, retry::Reason, time::Timestamp};

    use super::Query;

    #[test]
    fn every_parameter_reaches_the_filter() {
        let query = Query {
            webhook_config_id: text("ep_1"),
            event_id: text("evt:1"),
            event_sub_category: text("a.b"),
            reason: text("not-retried"),
            since: text("2026-03-14T10:00:00Z"),
            until: text("2026-03-14T11:00:00Z"),
            limit: text("100"),
            ..Query::default()
        };

        assert_eq!(
            query.filter().unwrap(),
            Filter {
                endpoint: Some("ep_1".parse().unwrap()),
                event: Some("evt:1".parse().unwrap()),
                name: Some("a.b".parse().unwrap()),
                reason: Some(Reason::NotRetried),
                from: Some(Timestamp::parse("2026-03-14T10:00:00Z").unwrap()),
                to: Some(Timestamp::parse("2026-03-14T11:00:00Z").unwrap()),
            }
        );
        assert_eq!(query.limit(), Ok(100));
        assert_eq!(Query::default().limit(), Ok(10));
    }

    #[test]
    fn nothing_is_changed_by_a_filter_that_is_left_out() {
        let refused = |query: Query| query.deliberate_filter().unwrap_err();

        assert!(refused(Query::default()).starts_with("filter: must name"));
        assert!(
            refused(Query {
                organisation_id: text("acme"),
                cursor: text("1-2"),
                ..Query::default()
            })
            .starts_with("filter: must name")
        );
        assert_eq!(
            refused(Query {
                limit: text("1"),
                event_id: text("a"),
                ..Query::default()
            }),
            "limit: is not taken here"
        );
        assert_eq!(
            refused(Query {
                event_id: text(""),
                ..Query::default()
            }),
            "eventId: must be 1 to 128 characters of A-Z a-z 0-9 _ - :"
        );
    }

    #[expect(clippy::unnecessary_wraps, reason = "every parameter is optional")]
    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
}
