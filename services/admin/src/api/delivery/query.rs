//! The query of `GET /webhooks/deliveries`, read into a filter and a page.

use attempt_store::{Cursor, DeliveryFilter, PAGE_LIMIT};
use domain::{
    job_state::DeliveryState,
    name::OrganisationId,
    name::{EndpointId, EventId, EventName},
    time::Timestamp,
};
use serde::Deserialize;

use crate::api::log::query::{number, parsed, time};

const LIMIT_DEFAULT: u32 = 10;

/// The parameters as texts, so that what is wrong with one can be told by name.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Query {
    /// The organisation, which an operator must name; for others their own.
    #[param(value_type = Option<OrganisationId>)]
    pub(super) organisation_id: Option<String>,
    /// How many a page holds.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 10)]
    limit: Option<String>,
    /// Where the page begins: the `nextCursor` of the one before.
    cursor: Option<String>,
    /// Where the delivery stands.
    #[param(value_type = Option<DeliveryState>)]
    state: Option<String>,
    /// The name of the event.
    #[param(value_type = Option<EventName>)]
    event_sub_category: Option<String>,
    /// The webhook config.
    #[param(value_type = Option<EndpointId>)]
    webhook_config_id: Option<String>,
    /// The event.
    #[param(value_type = Option<EventId>)]
    event_id: Option<String>,
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

impl Query {
    /// Returns which deliveries are wanted.
    ///
    /// # Errors
    /// Names the parameter that is wrong.
    pub(super) fn filter(&self, organisation: OrganisationId) -> Result<DeliveryFilter, String> {
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
        Ok(DeliveryFilter {
            organisation,
            state: self.state.as_deref().map(state).transpose()?,
            endpoint: parsed("webhookConfigId", self.webhook_config_id.as_deref())?,
            event_id: parsed("eventId", self.event_id.as_deref())?,
            event_name: parsed("eventSubCategory", self.event_sub_category.as_deref())?,
            from: time(from)?,
            to: time(to)?,
        })
    }

    /// Returns how many deliveries a page holds.
    ///
    /// # Errors
    /// Names the parameter.
    pub(super) fn limit(&self) -> Result<u32, String> {
        let limit = number("limit", self.limit.as_deref(), 1..=PAGE_LIMIT)?;
        Ok(limit.unwrap_or(LIMIT_DEFAULT))
    }

    /// Returns where the page begins.
    ///
    /// # Errors
    /// Names the parameter.
    pub(super) fn cursor(&self) -> Result<Option<Cursor>, String> {
        parsed("cursor", self.cursor.as_deref())
    }
}

fn state(text: &str) -> Result<DeliveryState, String> {
    DeliveryState::from_name(text).ok_or_else(|| {
        let names = DeliveryState::ALL.map(DeliveryState::as_str).join(", ");
        format!("state: must be one of {names}")
    })
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use attempt_store::DeliveryFilter;
    use domain::{job_state::DeliveryState, time::Timestamp};

    use super::Query;

    #[test]
    fn every_parameter_reaches_the_filter() {
        let query = Query {
            state: text("retrying"),
            event_sub_category: text("a.b"),
            webhook_config_id: text("ep_1"),
            event_id: text("evt:1"),
            start_date: text("2026-03-14T12:00:00 02:00"),
            end_date: text("2026-03-14T11:00:00Z"),
            limit: text("100"),
            cursor: text("1.a"),
            ..Query::default()
        };

        let filter = query.filter("acme".parse().unwrap()).unwrap();

        assert_eq!(
            filter,
            DeliveryFilter {
                organisation: "acme".parse().unwrap(),
                state: Some(DeliveryState::Retrying),
                event_name: Some("a.b".parse().unwrap()),
                endpoint: Some("ep_1".parse().unwrap()),
                event_id: Some("evt:1".parse().unwrap()),
                from: Some(Timestamp::parse("2026-03-14T10:00:00Z").unwrap()),
                to: Some(Timestamp::parse("2026-03-14T11:00:00Z").unwrap()),
            }
        );
        assert_eq!(query.limit(), Ok(100));
        assert_eq!(query.cursor(), Ok(Some("1.a".parse().unwrap())));
        assert_eq!(Query::default().limit(), Ok(10));
        assert_eq!(Query::default().cursor(), Ok(None));
    }

    #[expect(clippy::unnecessary_wraps, reason = "every parameter is optional")]
    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
}
