//! The query of `GET /webhooks/logs`, read into a filter and a page.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use attempt_store::{Cursor, Filter, Order, PAGE_LIMIT, Page, Position};
use domain::{
    name::{EndpointId, EventId, EventName, OrganisationId},
    time::Timestamp,
};
use serde::Deserialize;

const LIMIT_DEFAULT: u32 = 10;
/// Skipping reads what is skipped; a cursor does not.
const SKIP_MAX: u64 = 100_000;

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
    /// How many are left out from the beginning.
    #[param(value_type = Option<u32>, minimum = 0, maximum = 100000, default = 0)]
    skip: Option<String>,
    /// Where the page begins: the `nextCursor` of the one before.
    cursor: Option<String>,
    /// The order by time.
    #[param(pattern = "^-?createdAt$", default = "-createdAt")]
    sort: Option<String>,
    /// Only records that no other can come before any more, those of some minutes ago: who asks for them in the order
    /// `createdAt` can follow the log by its cursors, which never end, and misses none.
    #[param(value_type = Option<bool>, default = false)]
    settled: Option<String>,
    /// The name of the event.
    #[param(value_type = Option<EventName>)]
    event_sub_category: Option<String>,
    /// Whether the attempt succeeded.
    #[param(value_type = Option<bool>)]
    success: Option<String>,
    /// The webhook config.
    #[param(value_type = Option<EndpointId>)]
    webhook_config_id: Option<String>,
    /// The event.
    #[param(value_type = Option<EventId>)]
    event_id: Option<String>,
    /// The status of the answer.
    #[param(value_type = Option<u16>, minimum = 100, maximum = 999)]
    response_status: Option<String>,
    /// The number of the attempt.
    #[param(value_type = Option<u32>, minimum = 1)]
    attempt: Option<String>,
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
    /// Returns which records are wanted.
    ///
    /// # Errors
    /// Names the parameter that is wrong.
    pub(super) fn filter(&self, organisation: OrganisationId) -> Result<Filter, String> {
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
            organisation: Some(organisation),
            event_name: parsed("eventSubCategory", self.event_sub_category.as_deref())?,
            success: boolean("success", self.success.as_deref())?,
            endpoint: parsed("webhookConfigId", self.webhook_config_id.as_deref())?,
            event_id: parsed("eventId", self.event_id.as_deref())?,
            response_status: number("responseStatus", self.response_status.as_deref(), 100..=999)?,
            attempt: number("attempt", self.attempt.as_deref(), 1..=u32::MAX)?,
            from: time(from)?,
            to: time(to)?,
        })
    }

    /// Returns whether only records are wanted that no other can come before any more.
    ///
    /// # Errors
    /// Names the parameter that is wrong.
    pub(super) fn settled(&self) -> Result<bool, String> {
        let settled = boolean("settled", self.settled.as_deref())?.unwrap_or(false);
        if settled && self.sort.as_deref() != Some("createdAt") {
            return Err("settled: needs the order sort=createdAt".to_owned());
        }
        if settled && self.skip.is_some() {
            return Err("settled: must not be given beside skip".to_owned());
        }
        Ok(settled)
    }

    /// Returns which page is wanted.
    ///
    /// # Errors
    /// Names the parameter that is wrong.
    pub(super) fn page(&self) -> Result<Page, String> {
        let limit = number("limit", self.limit.as_deref(), 1..=PAGE_LIMIT)?;
        let skip = number("skip", self.skip.as_deref(), 0..=SKIP_MAX)?;
        let cursor: Option<Cursor> = parsed("cursor", self.cursor.as_deref())?;
        let after = match (skip, cursor) {
            (Some(_), Some(_)) => return Err("cursor: must not be given beside skip".to_owned()),
            (None, Some(cursor)) => Position::Cursor(cursor),
            (Some(skip), None) if skip > 0 => Position::Skip(skip),
            (Some(_) | None, None) => Position::Start,
        };
        let order = match self.sort.as_deref() {
            None | Some("-createdAt") => Order::NewestFirst,
            Some("createdAt") => Order::OldestFirst,
            Some(_) => return Err("sort: must be createdAt or -createdAt".to_owned()),
        };
        Ok(Page {
            limit: limit.unwrap_or(LIMIT_DEFAULT),
            after,
            order,
        })
    }
}

pub(in crate::api) fn parsed<T>(name: &str, text: Option<&str>) -> Result<Option<T>, String>
where
    T: FromStr,
    T::Err: Display,
{
    text.map(|text| text.parse().map_err(|error| format!("{name}: {error}")))
        .transpose()
}

pub(in crate::api) fn number<T>(
    name: &str,
    text: Option<&str>,
    bounds: RangeInclusive<T>,
) -> Result<Option<T>, String>
where
    T: FromStr + PartialOrd + Display,
{
    let Some(text) = text else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) if bounds.contains(&number) => Ok(Some(number)),
        _ => Err(format!(
            "{name}: must be a number from {} to {}",
            bounds.start(),
            bounds.end()
        )),
    }
}

fn boolean(name: &str, text: Option<&str>) -> Result<Option<bool>, String> {
    match text {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(format!("{name}: must be true or false")),
    }
}

/// Reads a bound in time, which has three names.
pub(in crate::api) fn time(
    spellings: [(&str, &Option<String>); 3],
) -> Result<Option<Timestamp>, String> {
    let mut bound = None;
    for (name, text) in spellings {
        let Some(text) = text else {
            continue;
        };
        // A plus that was not encoded arrives as a space.
        let text = text.replace(' ', "+");
        let time = Timestamp::parse(&text).map_err(|error| format!("{name}: {error}"))?;
        if bound.replace(time).is_some() {
            return Err(format!("{name}: is given twice, under two names"));
        }
    }
    Ok(bound)
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use attempt_store::{Filter, Order, Page, Position};
    use domain::time::Timestamp;

    use super::Query;

    #[test]
    fn every_parameter_reaches_the_filter() {
        let query = Query {
            event_sub_category: text("a.b"),
            success: text("false"),
            webhook_config_id: text("ep_1"),
            event_id: text("evt:1"),
            response_status: text("500"),
            attempt: text("2"),
            since: text("2026-03-14T12:00:00 02:00"),
            until: text("2026-03-14T11:00:00Z"),
            ..Query::default()
        };

        let filter = query.filter("acme".parse().unwrap()).unwrap();

        assert_eq!(
            filter,
            Filter {
                organisation: Some("acme".parse().unwrap()),
                event_name: Some("a.b".parse().unwrap()),
                success: Some(false),
                endpoint: Some("ep_1".parse().unwrap()),
                event_id: Some("evt:1".parse().unwrap()),
                response_status: Some(500),
                attempt: Some(2),
                from: Some(Timestamp::parse("2026-03-14T10:00:00Z").unwrap()),
                to: Some(Timestamp::parse("2026-03-14T11:00:00Z").unwrap()),
            }
        );
    }

    #[test]
    fn pages_have_a_default_and_bounds() {
        let page = |limit: &str, skip: Option<&str>, sort: Option<&str>| {
            Query {
                limit: text(limit),
                skip: skip.and_then(text),
                sort: sort.and_then(text),
                ..Query::default()
            }
            .page()
        };

        assert_eq!(Query::default().page(), Ok(Page::default()));
        assert_eq!(
            page("100", Some("20"), Some("createdAt")),
            Ok(Page {
                limit: 100,
                after: Position::Skip(20),
                order: Order::OldestFirst
            })
        );
        for (limit, skip, sort, message) in [
            ("0", None, None, "limit: must be a number from 1 to 100"),
            ("101", None, None, "limit: must be a number from 1 to 100"),
            ("x", None, None, "limit: must be a number from 1 to 100"),
            (
                "1",
                Some("-1"),
                None,
                "skip: must be a number from 0 to 100000",
            ),
            (
                "1",
                None,
                Some("url"),
                "sort: must be createdAt or -createdAt",
            ),
        ] {
            assert_eq!(page(limit, skip, sort), Err(message.to_owned()));
        }
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        let both = Query {
            skip: text("1"),
            cursor: text("1.a"),
            ..Query::default()
        };
        let twice = Query {
            from_date: text("2026-03-14T10:00:00Z"),
            since: text("2026-03-14T10:00:00Z"),
            ..Query::default()
        };

        assert_eq!(
            both.page(),
            Err("cursor: must not be given beside skip".to_owned())
        );
        assert_eq!(
            twice.filter("acme".parse().unwrap()),
            Err("since: is given twice, under two names".to_owned())
        );
    }

    #[test]
    fn settled_records_are_followed_in_their_order() {
        let settled = |sort: Option<&str>, skip: Option<&str>| {
            Query {
                settled: text("true"),
                sort: sort.and_then(text),
                skip: skip.and_then(text),
                ..Query::default()
            }
            .settled()
        };

        assert_eq!(Query::default().settled(), Ok(false));
        assert_eq!(settled(Some("createdAt"), None), Ok(true));
        assert_eq!(
            settled(None, None),
            Err("settled: needs the order sort=createdAt".to_owned())
        );
        assert_eq!(
            settled(Some("createdAt"), Some("1")),
            Err("settled: must not be given beside skip".to_owned())
        );
    }

    #[expect(clippy::unnecessary_wraps, reason = "every parameter is optional")]
    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
}
