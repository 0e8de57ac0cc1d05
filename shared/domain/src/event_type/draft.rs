//! What a person asks for when an event type is saved.
//!
//! As with configs, a draft changes only what it names: fields that are left out stay as they are, and
//! `null` clears a field.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use utoipa::ToSchema;

use super::EventType;
use crate::{
    draft::{Fault, nullable},
    name::EventName,
    time::Timestamp,
};

/// The most bytes of a schema, written without blanks.
pub const SCHEMA_MAX_BYTES: usize = 64 * 1024;
const LABEL_MAX_CHARS: usize = 64;
const DESCRIPTION_MAX_CHARS: usize = 1_000;

/// An event type as it is sent to the Admin API; every field but `name` may be left out.
///
/// Fields that only Posthorn writes are accepted, so that what was read can be sent back, and ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventTypeDraft {
    /// Which event type to save.
    pub name: EventName,
    /// The category of events that come without one.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    #[serde(default, deserialize_with = "nullable")]
    category: Option<Option<String>>,
    /// A note for people.
    #[schema(value_type = Option<String>, max_length = 1000)]
    #[serde(default, deserialize_with = "nullable")]
    description: Option<Option<String>>,
    /// What `eventSourceId` is the id of; without it, events of this name can't be filtered by entity.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    #[serde(default, deserialize_with = "nullable")]
    entity_type: Option<Option<String>>,
    /// The JSON Schema of the payload, at most 64 KiB; events that do not fit it are refused.
    #[schema(value_type = Option<Object>)]
    #[serde(default, deserialize_with = "nullable")]
    schema: Option<Option<Value>>,
    #[schema(value_type = Option<bool>, read_only)]
    #[serde(rename = "isSeeded")]
    _is_seeded: Option<IgnoredAny>,
    #[schema(value_type = Option<Timestamp>, read_only)]
    #[serde(rename = "createdAt")]
    _created_at: Option<IgnoredAny>,
    #[schema(value_type = Option<Timestamp>, read_only)]
    #[serde(rename = "updatedAt")]
    _updated_at: Option<IgnoredAny>,
    #[schema(value_type = Option<u64>, read_only)]
    #[serde(rename = "revision")]
    _revision: Option<IgnoredAny>,
}

impl EventTypeDraft {
    /// Checks the draft and applies it to what is there. What its schema says is for
    /// [`crate::payload_schema`] to judge.
    ///
    /// # Errors
    /// [`Fault`] names the first field that is wrong.
    pub fn apply(&self, existing: &EventType) -> Result<EventType, Fault> {
        let mut changed = existing.clone();
        if let Some(category) = &self.category {
            changed.category = label("category", category.as_deref())?;
        }
        if let Some(text) = &self.description {
            changed.description = description(text.as_deref())?;
        }
        if let Some(entity_type) = &self.entity_type {
            changed.entity_type = label("entityType", entity_type.as_deref())?;
        }
        if let Some(schema) = &self.schema {
            changed.payload_schema = schema_object(schema.as_ref())?;
        }
        Ok(changed)
    }
}

fn label(field: &str, text: Option<&str>) -> Result<Option<String>, Fault> {
    let Some(text) = text else { return Ok(None) };
    let is_blank = text.trim().is_empty();
    if is_blank || text.chars().count() > LABEL_MAX_CHARS || text.chars().any(char::is_control) {
        let problem = format!("must be 1 to {LABEL_MAX_CHARS} printable characters");
        return Err(fault(field, problem));
    }
    Ok(Some(text.to_owned()))
}

fn description(text: Option<&str>) -> Result<Option<String>, Fault> {
    let Some(text) = text else { return Ok(None) };
    if text.chars().count() > DESCRIPTION_MAX_CHARS {
        let problem = format!("must be at most {DESCRIPTION_MAX_CHARS} characters");
        return Err(fault("description", problem));
    }
    let is_refused = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if text.chars().any(is_refused) {
        let problem = "must hold no control characters but line feeds and tabs";
        return Err(fault("description", problem.to_owned()));
    }
    Ok(Some(text.to_owned()))
}

fn schema_object(schema: Option<&Value>) -> Result<Option<Value>, Fault> {
    let Some(schema) = schema else {
        return Ok(None);
    };
    if !schema.is_object() {
        return Err(fault("schema", "must be an object".to_owned()));
    }
    if schema.to_string().len() > SCHEMA_MAX_BYTES {
        let problem = format!("must be at most {} KiB", SCHEMA_MAX_BYTES / 1024);
        return Err(fault("schema", problem));
    }
    Ok(Some(schema.clone()))
}

fn fault(field: &str, problem: String) -> Fault {
    Fault {
        field: field.to_owned(),
        problem,
    }
}
