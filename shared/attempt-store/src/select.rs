//! The text of the queries that both engines share.

use std::fmt::Write as _;

use domain::{
    event::BodyHash,
    name::{EventId, OrganisationId},
    time::Timestamp,
};

use crate::{
    archive::{ARCHIVE_COUNT_LIMIT, ArchivePosition, ArchiveRange},
    entry::Table,
    filter::{COUNT_LIMIT, Cursor, Filter, Order, PAGE_LIMIT, Page, Position},
};

/// A value in a query, bound by the engine in its own type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
    Time(Timestamp),
    Bytes(Vec<u8>),
}

/// A query and its values. The text is made of constants of this file only, never of input.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) text: String,
    pub(crate) values: Vec<Value>,
}

/// Returns how many records a page holds.
pub(crate) fn page_size(page: &Page) -> usize {
    usize::try_from(page.limit.clamp(1, PAGE_LIMIT)).unwrap_or(1)
}

/// Asks for a page of attempts and one more, which tells whether there is a next page.
pub(crate) fn page(columns: &str, filter: &Filter, page: &Page) -> Query {
    let mut query = Query::new(format!("select {columns} from attempts"));
    let mut joint = query.filter(filter);
    let (comparison, direction) = match page.order {
        Order::NewestFirst => ("<", "desc"),
        Order::OldestFirst => (">", "asc"),
    };
    if let Position::Cursor(cursor) = &page.after {
        query.beyond(&mut joint, comparison, cursor);
    }
    // By the table's own column: the bare name is that of a value which is worked out from it, and by which
    // no index is ordered.
    query.push(&format!(
        " order by attempts.created_at {direction}, id {direction} limit "
    ));
    query.bind(Value::Number(
        i64::try_from(page_size(page))
            .unwrap_or(1)
            .saturating_add(1),
    ));
    if let Position::Skip(count) = page.after {
        query.push(" offset ");
        query.bind(Value::Number(i64::try_from(count).unwrap_or(i64::MAX)));
    }
    query
}

/// Asks how many attempts satisfy the filter, up to [`COUNT_LIMIT`].
pub(crate) fn count(filter: &Filter) -> Query {
    let mut query = Query::new("select count(*) from (select 1 as one from attempts".to_owned());
    query.filter(filter);
    query.push(" limit ");
    query.bind(Value::Number(
        i64::try_from(COUNT_LIMIT).unwrap_or(i64::MAX),
    ));
    query.push(") as counted");
    query
}

/// Asks for one attempt of an organisation.
pub(crate) fn one(columns: &str, organisation: &OrganisationId, id: &str) -> Query {
    let mut query = Query::new(format!("select {columns} from attempts where id = "));
    query.bind(Value::Text(id.to_owned()));
    query.push(" and organisation_id = ");
    query.bind(Value::Text(organisation.as_str().to_owned()));
    query.push(" limit 1");
    query
}

/// Asks for records that may be the first of their job, the newest first.
pub(crate) fn heads(
    columns: &str,
    table: Table,
    filter: &Filter,
    after: Option<&Cursor>,
    limit: usize,
) -> Query {
    let mut query = Query::new(format!("select {columns} from {}", table.name()));
    let mut joint = query.filter(filter);
    if let Some(cursor) = after {
        query.beyond(&mut joint, "<", cursor);
    }
    query.push(&format!(
        " order by {}.created_at desc, id desc limit ",
        table.name()
    ));
    query.bind(Value::Number(i64::try_from(limit).unwrap_or(i64::MAX)));
    query
}

/// Asks for an organisation's bodies in order of their acceptance.
pub(crate) fn archived(
    columns: &str,
    organisation: &OrganisationId,
    range: &ArchiveRange,
    after: Option<&ArchivePosition>,
    limit: usize,
) -> Query {
    let mut query = Query::new(format!(
        "select {columns} from event_bodies b where organisation_id = "
    ));
    query.bind(Value::Text(organisation.as_str().to_owned()));
    query.accepted_within(range);
    if let Some(position) = after {
        query.push(" and (accepted_at, event_id, body_hash) > (");
        query.bind(Value::Time(position.accepted_at));
        query.push(", ");
        query.bind(Value::Text(position.event_id.as_str().to_owned()));
        query.push(", ");
        query.bind(Value::Bytes(position.hash.as_bytes().to_vec()));
        query.push(")");
    }
    query.push(" order by b.accepted_at, event_id, body_hash limit ");
    query.bind(Value::Number(i64::try_from(limit).unwrap_or(i64::MAX)));
    query
}

/// Asks how many bodies an organisation has in a range, up to [`ARCHIVE_COUNT_LIMIT`].
pub(crate) fn archived_count(organisation: &OrganisationId, range: &ArchiveRange) -> Query {
    let mut query = Query::new(
        "select count(*) from (select 1 as one from event_bodies where organisation_id = "
            .to_owned(),
    );
    query.bind(Value::Text(organisation.as_str().to_owned()));
    query.accepted_within(range);
    query.push(" limit ");
    query.bind(Value::Number(
        i64::try_from(ARCHIVE_COUNT_LIMIT).unwrap_or(i64::MAX),
    ));
    query.push(") as counted");
    query
}

/// Asks for one body of an event.
pub(crate) fn one_archived(
    columns: &str,
    organisation: &OrganisationId,
    event: &EventId,
    hash: BodyHash,
) -> Query {
    let mut query = Query::new(format!(
        "select {columns} from event_bodies b where organisation_id = "
    ));
    query.bind(Value::Text(organisation.as_str().to_owned()));
    query.push(" and event_id = ");
    query.bind(Value::Text(event.as_str().to_owned()));
    query.push(" and body_hash = ");
    query.bind(Value::Bytes(hash.as_bytes().to_vec()));
    query.push(" limit 1");
    query
}

/// The words between conditions: `where` once, then `and`.
struct Joint(bool);

impl Joint {
    fn next(&mut self) -> &'static str {
        if std::mem::replace(&mut self.0, true) {
            " and "
        } else {
            " where "
        }
    }
}

impl Query {
    fn new(text: String) -> Self {
        Self {
            text,
            values: Vec::new(),
        }
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn bind(&mut self, value: Value) {
        self.values.push(value);
        #[expect(clippy::expect_used, reason = "writing into a String cannot fail")]
        write!(self.text, "${}", self.values.len()).expect("a String takes all writes");
    }

    fn beyond(&mut self, joint: &mut Joint, comparison: &str, cursor: &Cursor) {
        self.push(joint.next());
        self.push("(created_at, id) ");
        self.push(comparison);
        self.push(" (");
        self.bind(Value::Time(cursor.created_at));
        self.push(", ");
        self.bind(Value::Text(cursor.id.clone()));
        self.push(")");
    }

    /// Adds the bounds of a range of the archive, behind another condition.
    fn accepted_within(&mut self, range: &ArchiveRange) {
        for (condition, bound) in [
            (" and accepted_at >= ", range.from),
            (" and accepted_at <= ", range.to),
        ] {
            if let Some(bound) = bound {
                self.push(condition);
                self.bind(Value::Time(bound));
            }
        }
    }

    fn filter(&mut self, filter: &Filter) -> Joint {
        let mut joint = Joint(false);
        let text = |name: Option<&str>| name.map(|name| Value::Text(name.to_owned()));
        let conditions = [
            (
                "organisation_id = ",
                text(filter.organisation.as_ref().map(|n| n.as_str())),
            ),
            (
                "endpoint_id = ",
                text(filter.endpoint.as_ref().map(|n| n.as_str())),
            ),
            (
                "event_id = ",
                text(filter.event_id.as_ref().map(|n| n.as_str())),
            ),
            (
                "event_name = ",
                text(filter.event_name.as_ref().map(|n| n.as_str())),
            ),
            (
                "response_status = ",
                filter.response_status.map(|n| Value::Number(i64::from(n))),
            ),
            (
                "attempt = ",
                filter.attempt.map(|n| Value::Number(i64::from(n))),
            ),
            ("created_at >= ", filter.from.map(Value::Time)),
            ("created_at <= ", filter.to.map(Value::Time)),
        ];
        for (condition, value) in conditions {
            if let Some(value) = value {
                self.push(joint.next());
                self.push(condition);
                self.bind(value);
            }
        }
        // As a constant, because the index of failures is used only where the query's text implies its condition.
        // A status that is no 2xx is a failure's, so looking for one need not pass by the successes.
        let failed = filter
            .response_status
            .filter(|status| !(200..300).contains(status));
        if let Some(success) = filter.success.or(failed.map(|_| false)) {
            self.push(joint.next());
            self.push(if success {
                "success = true"
            } else {
                "success = false"
            });
        }
        joint
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, count, page};
    use crate::filter::{Cursor, Filter, Order, Page, Position};

    #[test]
    fn a_page_without_a_filter_reads_all() {
        let query = page("id", &Filter::default(), &Page::default());

        assert_eq!(
            query.text,
            "select id from attempts order by attempts.created_at desc, id desc limit $1"
        );
        assert_eq!(query.values, [Value::Number(11)]);
    }

    #[test]
    fn conditions_are_joined_and_numbered() {
        let filter = Filter {
            attempt: Some(2),
            success: Some(false),
            ..Filter::default()
        };
        let cursor = Cursor::parse("1.a").unwrap();
        let asked = Page {
            limit: 1_000,
            after: Position::Cursor(cursor.clone()),
            order: Order::OldestFirst,
        };

        let query = page("id", &filter, &asked);

        assert_eq!(
            query.text,
            "select id from attempts where attempt = $1 and success = false \
             and (created_at, id) > ($2, $3) order by attempts.created_at asc, id asc limit $4"
        );
        assert_eq!(
            query.values,
            [
                Value::Number(2),
                Value::Time(cursor.created_at),
                Value::Text("a".to_owned()),
                Value::Number(101)
            ]
        );
    }

    #[test]
    fn a_status_of_failures_is_looked_for_among_failures() {
        let text = |status| {
            let filter = Filter {
                response_status: Some(status),
                ..Filter::default()
            };
            count(&filter).text
        };

        assert!(text(503).contains("response_status = $1 and success = false"));
        assert!(!text(204).contains("success"));
    }

    #[test]
    fn a_count_is_bounded() {
        assert_eq!(
            count(&Filter::default()).text,
            "select count(*) from (select 1 as one from attempts limit $1) as counted"
        );
    }
}
