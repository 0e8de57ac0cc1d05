//! What values look like in the description of the API, for types that are not read or written as they are
//! declared.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Object, ObjectBuilder, RefOr, Schema,
        schema::{KnownFormat, OneOfBuilder, SchemaFormat, SchemaType, Type},
    },
};

use crate::{
    endpoint::EventPattern,
    name::{EventNameRule, Name, Rule},
    retry::{EXPRESSION_MAX_BYTES, Expression, StatusPattern},
    time::Timestamp,
};

/// Returns the schema of a whole number from `LEAST` to `MOST`.
#[must_use]
pub fn integer<const LEAST: u64, const MOST: u64>() -> Object {
    whole(LEAST, MOST).schema_type(Type::Integer).build()
}

/// As [`integer`], for a field that may be `null`.
#[must_use]
pub fn optional_integer<const LEAST: u64, const MOST: u64>() -> Object {
    whole(LEAST, MOST)
        .schema_type(or_null(Type::Integer))
        .build()
}

/// Returns the schema of a text of `LEAST` to `MOST` characters.
#[must_use]
pub fn text<const LEAST: usize, const MOST: usize>() -> Object {
    length(LEAST, MOST).schema_type(Type::String).build()
}

/// As [`text`], for a field that may be `null`.
#[must_use]
pub fn optional_text<const LEAST: usize, const MOST: usize>() -> Object {
    length(LEAST, MOST)
        .schema_type(or_null(Type::String))
        .build()
}

/// Returns the type of a value that may be `null`.
#[must_use]
pub fn or_null(kind: Type) -> SchemaType {
    SchemaType::from_iter([kind, Type::Null])
}

fn whole(least: u64, most: u64) -> ObjectBuilder {
    ObjectBuilder::new()
        .minimum(Some(least))
        .maximum(Some(most))
}

fn length(least: usize, most: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .min_length(Some(least))
        .max_length(Some(most))
}

/// A text of a pattern.
fn patterned(pattern: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
}

impl<R: Rule> PartialSchema for Name<R> {
    fn schema() -> RefOr<Schema> {
        patterned(R::PATTERN)
            .min_length(Some(1))
            .max_length(Some(R::LENGTH_MAX))
            .description(Some(format!("Must be {}.", R::MUST)))
            .into()
    }
}

impl<R: Rule> ToSchema for Name<R> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed(R::TITLE)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some(
                "A time by RFC 3339, answered in UTC with milliseconds.",
            ))
            .examples(["2026-03-14T10:21:45.102Z"])
            .into()
    }
}

impl ToSchema for Timestamp {}

impl PartialSchema for EventPattern {
    fn schema() -> RefOr<Schema> {
        patterned(r"^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.?\*)?)$")
            .min_length(Some(1))
            .max_length(Some(EventNameRule::LENGTH_MAX))
            .description(Some(
                "An event name, a prefix with * behind it, or * for every event.",
            ))
            .examples(["challenge-completion", "reward.*", "challenge-*", "*"])
            .into()
    }
}

impl ToSchema for EventPattern {}

impl PartialSchema for StatusPattern {
    fn schema() -> RefOr<Schema> {
        let exact = Object::builder()
            .schema_type(Type::Integer)
            .minimum(Some(101))
            .maximum(Some(999));
        OneOfBuilder::new()
            .item(exact)
            .item(patterned("^[13-9]xx$"))
            .description(Some(
                "A status (101, 300 to 999) or a class of them, such as 5xx.",
            ))
            .into()
    }
}

impl ToSchema for StatusPattern {}

impl PartialSchema for Expression {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(EXPRESSION_MAX_BYTES))
            .description(Some(
                "A number of milliseconds: numbers, retried, + - * /, parentheses and pow sqrt abs exp floor \
                 ceil round min max.",
            ))
            .examples(["pow(2, retried) * 1000"])
            .into()
    }
}

impl ToSchema for Expression {}
