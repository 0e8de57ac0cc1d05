//! `POST /webhooks/dead-letters/retry`: has many dead letters attempted again, by their ids or a filter.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::token::Permission;
use http_api::{
    body::{self, Object},
    problem::Problem,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{
    IntoParams as _,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{AdditionalProperties, ArrayBuilder, Type},
    },
};

use super::{
    query::{Choice, Query},
    sequence,
};
use crate::{
    Admin,
    api::{BODY_MAX_BYTES, OrganisationQuery},
    asking::{IDS_MAX, Picked},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "retryWebhookDeadLetters";

/// What is asked for: ids, or the fields of a filter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    #[serde(default)]
    ids: Option<Vec<String>>,
    #[serde(default)]
    with_retries: bool,
    /// Read as the list's query is, which refuses what it does not know.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What came of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RetriedDeadLetters)]
#[serde(rename_all = "camelCase")]
struct RetriedView {
    retried: u32,
    skipped: u32,
    /// Whether more may be left, for the same request with `nextCursor` as its `cursor`.
    has_more: bool,
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Asks for an attempt of each, a bounded number at a time. Those whose job was delivered stay as they
/// are.
#[utoipa::path(
    post,
    path = "/webhooks/dead-letters/retry",
    operation_id = OPERATION,
    tag = "Dead letters",
    params(OrganisationQuery),
    request_body(content = Wanted),
    responses(
        (status = 200, description = "How many will be attempted again.", body = RetriedView),
        (status = 409, description = "The webhook config is disabled or deleted, or the event is gone."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let caller = admin.admit(&parts, Permission::WriteConfigs, OPERATION)?;
    let named: OrganisationQuery = http_api::query::read(parts.uri.query(), OPERATION)?;
    let organisation = caller.organisation(named.organisation_id.as_deref(), OPERATION)?;
    let body = body::read(&parts, body, BODY_MAX_BYTES, OPERATION).await?;
    let Object(wanted) = body::json::<Object<Wanted>>(&body, OPERATION)?;
    let query = filter_fields(&wanted)?;
    if (query.organisation_id.as_deref()).is_some_and(|named| named != organisation.as_str()) {
        let message = "organisationId: is not the organisation of the request";
        return Err(Problem::forbidden(OPERATION, message));
    }
    let picked = picked(&wanted, &query)
        .map_err(|message: String| Problem::bad_request(OPERATION, message))?;
    let done = admin
        .asking
        .retry_many(&organisation, &picked, wanted.with_retries)
        .await
        .map_err(|refusal| refusal.problem(OPERATION))?;
    let view = RetriedView {
        retried: done.retried,
        skipped: done.skipped,
        has_more: done.rest.is_some(),
        next_cursor: done.rest.map(|place| place.to_string()),
    };
    Ok(Json(view).into_response())
}

impl utoipa::PartialSchema for Wanted {
    fn schema() -> RefOr<Schema> {
        let ids = ArrayBuilder::new()
            .items(ObjectBuilder::new().schema_type(Type::String).build())
            .min_items(Some(1))
            .max_items(Some(IDS_MAX))
            .description(Some("The ids of dead letters; not beside a filter."))
            .build();
        let with_retries = ObjectBuilder::new()
            .schema_type(Type::Boolean)
            .description(Some(
                "Whether the retry policy starts anew; else it is one attempt.",
            ))
            .build();
        let mut object = ObjectBuilder::new()
            .property("ids", ids)
            .property("withRetries", with_retries)
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        for field in Choice::into_params(|| None) {
            if let Some(schema) = field.schema {
                object = object.property(field.name, schema);
            }
        }
        object.into()
    }
}

impl utoipa::ToSchema for Wanted {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("RetryDeadLetters")
    }
}

fn filter_fields(wanted: &Wanted) -> Result<Query, Problem> {
    let text =
        serde_json::to_vec(&wanted.rest).map_err(|error| Problem::internal(OPERATION, &error))?;
    let Object(query) = body::json::<Object<Query>>(&text, OPERATION)?;
    Ok(query)
}

fn picked(wanted: &Wanted, query: &Query) -> Result<Picked, String> {
    let Some(ids) = &wanted.ids else {
        return Ok(Picked::Filter(query.deliberate_filter()?, query.place()?));
    };
    let is_alone = wanted.rest.keys().all(|key| key == "organisationId");
    if !is_alone {
        return Err("ids: must not be given beside a filter".to_owned());
    }
    if ids.is_empty() || ids.len() > IDS_MAX {
        return Err(format!("ids: must be 1 to {IDS_MAX}"));
    }
    let mut sequences = BTreeSet::new();
    for (place, id) in ids.iter().enumerate() {
        let sequence =
            sequence(id).ok_or_else(|| format!("ids[{place}]: must be the id of a dead letter"))?;
        sequences.insert(sequence);
    }
    Ok(Picked::Ids(sequences))
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Object, Wanted, filter_fields, picked};
    use crate::asking::Picked;

    #[test]
    fn ids_are_taken_once_each() {
        let Ok(Picked::Ids(ids)) = read(json!({"ids": ["7", "3", "7"], "withRetries": true}))
        else {
            panic!("ids are picked");
        };
        assert_eq!(ids.into_iter().collect::<Vec<_>>(), [3, 7]);
    }

    #[test]
    fn what_means_nothing_or_everything_is_refused() {
        let many: Vec<String> = (1..=1_001).map(|id: u32| id.to_string()).collect();
        for (body, message) in [
            (json!({}), "filter: must name at least one of"),
            (json!({"withRetries": true}), "filter: must name"),
            (json!({"cursor": "1-2"}), "filter: must name"),
            (json!({"ids": []}), "ids: must be 1 to 1000"),
            (json!({"ids": many}), "ids: must be 1 to 1000"),
            (json!({"ids": ["1", "x"]}), "ids[1]: must be the id"),
            (
                json!({"ids": ["1"], "eventId": "a"}),
                "ids: must not be given beside a filter",
            ),
            (json!({"ids": 1}), "ids: invalid type"),
            (json!({"colour": "red"}), "colour: unknown field"),
            (json!({"eventId": 5}), "eventId: invalid type"),
            (
                json!({"reason": "bad luck"}),
                "reason: must be one of exhausted, ",
            ),
            (
                json!({"eventId": "a", "limit": "5"}),
                "limit: is not taken here",
            ),
            (json!([]), "body: "),
        ] {
            let told = read(body.clone()).unwrap_err();
            assert!(told.starts_with(message), "{body}: {told}");
        }
    }

    fn read(body: Value) -> Result<Picked, String> {
        let text = body.to_string();
        let text_of = |problem: http_api::problem::Problem| problem.message().to_owned();
        let Object(wanted) =
            http_api::body::json::<Object<Wanted>>(text.as_bytes(), "op").map_err(text_of)?;
        let query = filter_fields(&wanted).map_err(text_of)?;
        picked(&wanted, &query)
    }
}
