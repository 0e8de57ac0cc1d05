//! What producers send, as the description of the API shows it. Events are kept as their bytes, so nothing else
//! of ours has their fields.

use std::borrow::Cow;

use domain::{
    event::BATCH_MAX_EVENTS,
    name::{EventId, EventName, OrganisationId},
    time::Timestamp,
};
use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{Ref, RefOr, Schema, schema::ArrayBuilder},
};

/// An event in Posthorn's own form. Fields that are not named here are kept and delivered.
#[derive(utoipa::ToSchema)]
#[schema(
    as = Event,
    rename_all = "camelCase",
    example = json!({"id": "evt-1", "eventSubCategory": "challenge-completion", "eventSourceId": "c-1", "payload": {"pointsEarned": 50}})
)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct EventForm {
    /// Makes a repeated event the same one; a hash of the whole event unless given.
    id: Option<EventId>,
    /// The name of the event, by which webhook configs choose.
    event_sub_category: EventName,
    /// The group of events that the name belongs to.
    #[schema(max_length = 256, nullable = false)]
    event_category: Option<String>,
    /// Must be the organisation of the request.
    organisation_id: Option<OrganisationId>,
    community_id: Option<String>,
    user_id: Option<String>,
    /// What the event is about; `entityFilters` of webhook configs compare it.
    #[schema(nullable = false)]
    event_source_id: Option<String>,
    /// Whatever receivers need to know.
    payload: Option<serde_json::Value>,
    /// When it happened; the time of its arrival unless given.
    created_at: Option<Timestamp>,
}

/// One event, or an array of them.
pub(crate) struct EventForms;

impl utoipa::PartialSchema for EventForms {
    fn schema() -> RefOr<Schema> {
        let one = Ref::from_schema_name(EventForm::name());
        let many = ArrayBuilder::new()
            .items(one.clone())
            .min_items(Some(1))
            .max_items(Some(BATCH_MAX_EVENTS))
            .build();
        utoipa::openapi::schema::OneOfBuilder::new()
            .item(one)
            .item(many)
            .into()
    }
}

impl utoipa::ToSchema for EventForms {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Events")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((EventForm::name().into_owned(), EventForm::schema()));
        EventForm::schemas(schemas);
    }
}

/// An event as CloudEvents 1.0 has it: `type` is the name of the event, and `subject` what it is about.
#[derive(utoipa::ToSchema)]
#[schema(as = CloudEvent)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct CloudEventForm {
    #[schema(min_length = 1)]
    id: String,
    #[schema(min_length = 1)]
    source: String,
    #[schema(pattern = r"^1\.0$")]
    specversion: String,
    r#type: EventName,
    subject: Option<String>,
    time: Option<Timestamp>,
    data: Option<serde_json::Value>,
}
