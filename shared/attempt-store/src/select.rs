//! The text of the queries that both engines share.

mod condition;

use std::fmt::Write as _;

use domain::{
    event::BodyHash,
    name::{EventId, OrganisationId},
    time::Timestamp,
};

use crate::{
    archive::{ARCHIVE_COUNT_LIMIT, ArchivePosition, ArchiveRange},
    entry::Table,
    filter::{COUNT_LIMIT, Cursor, Filter, LOOK_LIMIT, Order, PAGE_LIMIT, Page, Position},
};
use condition::{Condition, Conditions};

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

/// Which engine a query is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

/// Returns how many records a page holds.
pub(crate) fn page_size(page: &Page) -> usize {
    usize::try_from(page.limit.clamp(1, PAGE_LIMIT)).unwrap_or(1)
}

/// Asks for the time of the record that lies [`LOOK_LIMIT`] records behind a place; `None` if every record that is
/// found satisfies the filter, so that nothing is read in vain.
///
/// `time` is the engine's way to tell a time in milliseconds.
pub(crate) fn sight(
    (dialect, time): (Dialect, &str),
    table: Table,
    filter: &Filter,
    (order, after): (Order, Option<&Cursor>),
) -> Option<Query> {
    let conditions = Conditions::new(table, filter);
    if conditions.passing.is_empty() {
        return None;
    }
    let source = source(dialect, table, filter);
    let (table, direction) = (table.name(), direction(order));
    let mut query = Query::new(format!("select {time} from {source}"));
    let mut joint = query.all(conditions.finding);
    if let Some(cursor) = after {
        query.beyond(&mut joint, order, cursor);
    }
    query.push(&format!(
        " order by {table}.created_at {direction} limit 1 offset "
    ));
    query.bind(Value::Number(i64::try_from(LOOK_LIMIT).unwrap_or(i64::MAX)));
    Some(query)
}

/// Asks for a page of attempts and one more, which tells whether there is a next page.
pub(crate) fn page((dialect, columns): (Dialect, &str), filter: &Filter, page: &Page) -> Query {
    let source = source(dialect, Table::Attempts, filter);
    let mut query = Query::new(format!("select {columns} from {source}"));
    let mut joint = query.filter(Table::Attempts, filter);
    let direction = direction(page.order);
    if let Position::Cursor(cursor) = &page.after {
        query.beyond(&mut joint, page.order, cursor);
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
pub(crate) fn count(dialect: Dialect, filter: &Filter) -> Query {
    let source = source(dialect, Table::Attempts, filter);
    let text = format!("select count(*) from (select 1 as one from {source}");
    let mut query = Query::new(text);
    query.filter(Table::Attempts, filter);
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
    (dialect, columns): (Dialect, &str),
    table: Table,
    filter: &Filter,
    after: Option<&Cursor>,
    limit: usize,
) -> Query {
    let source = source(dialect, table, filter);
    let mut query = Query::new(format!("select {columns} from {source}"));
    let mut joint = query.filter(table, filter);
    if let Some(cursor) = after {
        query.beyond(&mut joint, Order::NewestFirst, cursor);
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
    query.push(" and expired = false limit 1");
    query
}

/// Returns where records are read from. SQLite has no statistics unless somebody asks for them, so it is told by
/// which index; PostgreSQL has them sooner or later, and takes no orders.
fn source(dialect: Dialect, table: Table, filter: &Filter) -> String {
    match (dialect, condition::index_name(table, filter)) {
        (Dialect::Sqlite, Some(index)) => format!("{} indexed by {index}", table.name()),
        (Dialect::Sqlite, None) | (Dialect::Postgres, _) => table.name().to_owned(),
    }
}

fn direction(order: Order) -> &'static str {
    match order {
        Order::NewestFirst => "desc",
        Order::OldestFirst => "asc",
    }
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

    fn beyond(&mut self, joint: &mut Joint, order: Order, cursor: &Cursor) {
        let comparison = match order {
            Order::NewestFirst => "<",
            Order::OldestFirst => ">",
        };
        // The time alone too: by a comparison of rows no planner sees which days can be left out.
        self.push(joint.next());
        self.push(&format!("created_at {comparison}= "));
        self.bind(Value::Time(cursor.created_at));
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

    fn filter(&mut self, table: Table, filter: &Filter) -> Joint {
        let Conditions {
            mut finding,
            passing,
        } = Conditions::new(table, filter);
        finding.extend(passing);
        self.all(finding)
    }

    fn all(&mut self, conditions: Vec<Condition>) -> Joint {
        let mut joint = Joint(false);
        for Condition(text, value) in conditions {
            self.push(joint.next());
            self.push(text);
            if let Some(value) = value {
                self.bind(value);
            }
        }
        joint
    }
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Value, count, page};
    use crate::filter::{Cursor, Filter, Order, Page, Position};

    #[test]
    fn a_page_without_a_filter_reads_all() {
        let query = page(
            (Dialect::Sqlite, "id"),
            &Filter::default(),
            &Page::default(),
        );

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

        let query = page((Dialect::Sqlite, "id"), &filter, &asked);

        assert_eq!(
            query.text,
            "select id from attempts where attempt + 0 = $1 and success is not true \
             and created_at >= $2 and (created_at, id) > ($3, $4) \
             order by attempts.created_at asc, id asc limit $5"
        );
        assert_eq!(
            query.values,
            [
                Value::Number(2),
                Value::Time(cursor.created_at),
                Value::Time(cursor.created_at),
                Value::Text("a".to_owned()),
                Value::Number(101)
            ]
        );
    }

    #[test]
    fn a_count_is_bounded() {
        assert_eq!(
            count(Dialect::Sqlite, &Filter::default()).text,
            "select count(*) from (select 1 as one from attempts limit $1) as counted"
        );
    }
}
