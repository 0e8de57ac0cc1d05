//! Event types: what the catalogue says of the events of one name.
//!
//! The catalogue of an organisation holds the names that Posthorn knows from the start ([`seed`]) and those
//! that the organisation saved, which go before a seed of the same name. Events of other names are taken
//! too: the catalogue describes, and only a schema in it refuses.

pub mod draft;
pub mod seed;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::seed::Seed;
use crate::{name::EventName, payload_schema, time::Timestamp};

/// The most event types that an organisation may save.
pub const TYPES_MAX: usize = 1_000;
/// The most room of all schemas of an organisation, in bytes: each process that checks events keeps them
/// compiled.
pub const SCHEMAS_ROOM: usize = 2 * 1024 * 1024;

/// What an organisation saved about the events of one name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventType {
    /// The name, an event's `eventSubCategory`.
    pub name: EventName,
    /// The category of events that come without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// A note for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What `eventSourceId` is the id of; without it, events of this name can't be filtered by entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_type: Option<String>,
    /// The JSON Schema of the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_schema: Option<Value>,
    /// When it was first saved.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Fields of later versions, kept as they are.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl EventType {
    /// Returns what is there before anything was saved: the seed of that name, or nothing but the name.
    #[must_use]
    pub fn unsaved(name: EventName, seed: Option<Seed>, now: Timestamp) -> Self {
        Self {
            name,
            category: seed.map(|seed| seed.category.to_owned()),
            description: seed.map(|seed| seed.description.to_owned()),
            entity_type: seed.and_then(|seed| seed.entity_type.map(str::to_owned)),
            payload_schema: None,
            created_at: now,
            updated_at: now,
            unknown: Map::new(),
        }
    }

    /// Returns the room that its schema takes, in bytes.
    #[must_use]
    pub fn schema_room(&self) -> usize {
        self.payload_schema.as_ref().map_or(0, payload_schema::room)
    }
}

#[cfg(test)]
mod tests;
