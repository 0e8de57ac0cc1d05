//! `/webhooks/event-types`: what the operations on event types share, and the form of one.

mod delete;
mod get;
mod list;
mod put;

use std::sync::Arc;

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use catalogue::Entry;
use domain::{
    event_type::{EventType, seed::Seed},
    time::Timestamp,
};
use http::header;
use serde::Serialize;
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Admin, api::counted, event_types::Saved, metrics::Instruments};

const MISSING: &str = "there is no such event type";

/// Returns the routes of event types.
pub(super) fn routes(instruments: &Arc<Instruments>) -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .routes(counted(
            instruments,
            list::OPERATION,
            routes!(list::handler),
        ))
        .routes(counted(instruments, put::OPERATION, routes!(put::handler)))
        .routes(counted(instruments, get::OPERATION, routes!(get::handler)))
        .routes(counted(
            instruments,
            delete::OPERATION,
            routes!(delete::handler),
        ))
}

/// An event type as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = EventType)]
#[serde(rename_all = "camelCase")]
struct EventTypeView<'a> {
    name: &'a str,
    /// The category of events that come without one.
    #[schema(required)]
    category: Option<&'a str>,
    #[schema(required)]
    description: Option<&'a str>,
    /// What `eventSourceId` is the id of; if it is `null`, events of this name can't be filtered by entity.
    #[schema(required)]
    entity_type: Option<&'a str>,
    /// The JSON Schema of the payload; events that do not fit it are refused.
    #[schema(required, value_type = Option<Object>)]
    schema: Option<&'a Value>,
    /// Whether Posthorn knows the name from the start.
    is_seeded: bool,
    /// `null` of one that is as it is seeded.
    #[schema(required)]
    created_at: Option<Timestamp>,
    /// `null` of one that is as it is seeded.
    #[schema(required)]
    updated_at: Option<Timestamp>,
    /// 0 of one that is as it is seeded.
    revision: u64,
}

impl<'a> EventTypeView<'a> {
    fn of_seed(seed: Seed) -> Self {
        Self {
            name: seed.name,
            category: Some(seed.category),
            description: Some(seed.description),
            entity_type: seed.entity_type,
            schema: None,
            is_seeded: true,
            created_at: None,
            updated_at: None,
            revision: 0,
        }
    }

    /// Shows an event type that was saved, if this version can read it.
    fn of_entry(entry: &'a Entry) -> Option<Self> {
        let event_type = entry.event_type()?;
        Some(Self::new(event_type, Some(entry.revision())))
    }

    fn of_saved(saved: &'a Saved) -> Self {
        Self::new(&saved.event_type, saved.revision)
    }

    fn new(event_type: &'a EventType, revision: Option<u64>) -> Self {
        Self {
            name: event_type.name.as_str(),
            category: event_type.category.as_deref(),
            description: event_type.description.as_deref(),
            entity_type: event_type.entity_type.as_deref(),
            schema: event_type.payload_schema.as_ref(),
            is_seeded: domain::event_type::seed::find(event_type.name.as_str()).is_some(),
            created_at: revision.map(|_| event_type.created_at),
            updated_at: revision.map(|_| event_type.updated_at),
            revision: revision.unwrap_or(0),
        }
    }

    /// Answers with the event type and its `ETag`.
    fn answer(&self) -> Response {
        let tag = format!("\"{}\"", self.revision);
        ([(header::ETAG, tag)], Json(self)).into_response()
    }

    /// Returns whether a text in lower case is in its name, category or description.
    fn holds(&self, search: &str) -> bool {
        let texts = [Some(self.name), self.category, self.description];
        let mut texts = texts.into_iter().flatten();
        texts.any(|text| text.to_lowercase().contains(search))
    }
}
