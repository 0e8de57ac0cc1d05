//! `PUT /webhooks/configs`: makes or updates configs.

use std::{borrow::Cow, fmt, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use domain::{draft::ConfigDraft, token::Permission};
use http_api::{
    body::{self, Object},
    problem::Problem,
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, IgnoredAny, SeqAccess, Visitor},
};
use utoipa::openapi::{
    ObjectBuilder, Ref, RefOr, Schema,
    schema::{AdditionalProperties, ArrayBuilder, OneOfBuilder},
};

use super::{ConfigView, expected};
use crate::{
    Admin,
    api::{BODY_MAX_BYTES, OrganisationQuery},
    saving::Expected,
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "putWebhookConfigs";
/// The most configs in one request.
const ITEMS_MAX: usize = 100;

/// Webhook configs in one of two forms; an answer has that of its request.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Configs<T> {
    Bare(Vec<T>),
    Wrapped(Wrapped<Vec<T>>),
}

/// What is asked for, as it is described; it is read as [`Drafts`].
type DraftConfigs = Configs<ConfigDraft>;
type SavedConfigs<'a> = Configs<ConfigView<'a>>;

/// The form `{"configs": […]}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped<T> {
    configs: T,
}

/// What is asked for, counted while it is read: what is too much costs no memory.
struct Drafts(Vec<ConfigDraft>);

/// Checks all items, then saves them one by one and waits until they are in force. The same request
/// again completes what an error left undone, and changes nothing else.
#[utoipa::path(
    put,
    path = "/webhooks/configs",
    operation_id = OPERATION,
    tag = "Webhook configs",
    params(
        OrganisationQuery,
        ("if-match" = Option<String>, Header, description = "The `etag` of the one webhook config in the body: nothing is done if it was changed meanwhile."),
    ),
    request_body(
        content = DraftConfigs,
        description = "At most 100 webhook configs. One with an `id` updates that one; one without updates the one with the same `url`, else makes a new one.",
        example = json!([{"url": "https://example.com/webhooks", "events": ["challenge-completion", "reward.*"]}])
    ),
    responses(
        (status = 200, description = "The webhook configs as they are now, in the form of the body.", body = SavedConfigs<'_>),
        (status = 409, description = "The webhook config was changed meanwhile, or its URL belongs to another one."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::WriteConfigs, OPERATION)?;
    let body = body::read(&parts, body, BODY_MAX_BYTES, OPERATION).await?;
    let is_bare = body.trim_ascii_start().starts_with(b"[");
    let drafts = read(&body, is_bare)?;
    let expected = expected(&parts.headers, OPERATION)?;
    if drafts.len() != 1 && expected != Expected::Any {
        let message = "If-Match: needs a body with one webhook config";
        return Err(Problem::bad_request(OPERATION, message));
    }
    let list = if is_bare { "" } else { "configs" };
    let item = |at: usize| format!("{list}[{at}].");

    let targets = admin
        .configs
        .plan(&organisation, &drafts)
        .await
        .map_err(|(at, refusal)| refusal.problem(OPERATION, &item(at)))?;
    let mut saved = Vec::with_capacity(drafts.len());
    for (at, (draft, target)) in drafts.iter().zip(&targets).enumerate() {
        let save = admin.configs.save(&organisation, draft, target, expected);
        match save.await {
            Ok(one) => saved.push(one),
            Err(refusal) => {
                admin.configs.not_told(saved.iter());
                return Err(refusal.problem(OPERATION, &item(at)));
            }
        }
    }
    admin.configs_in_force(&saved, OPERATION).await?;

    let configs: Vec<ConfigView<'_>> = saved
        .iter()
        .map(|one| ConfigView::saved(one, admin.configs.generated_secret(one)))
        .collect();
    let configs: SavedConfigs<'_> = if is_bare {
        Configs::Bare(configs)
    } else {
        Configs::Wrapped(Wrapped { configs })
    };
    Ok(Json(configs).into_response())
}

impl<T: utoipa::ToSchema> utoipa::PartialSchema for Configs<T> {
    fn schema() -> RefOr<Schema> {
        let bare = ArrayBuilder::new()
            .items(Ref::from_schema_name(T::name()))
            .max_items(Some(ITEMS_MAX))
            .build();
        let wrapped = ObjectBuilder::new()
            .property("configs", bare.clone())
            .required("configs")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        OneOfBuilder::new().item(bare).item(wrapped).into()
    }
}

impl<T: utoipa::ToSchema> utoipa::ToSchema for Configs<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}s", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

fn read(body: &Bytes, is_bare: bool) -> Result<Vec<ConfigDraft>, Problem> {
    let Drafts(drafts) = if is_bare {
        body::json(body, OPERATION)?
    } else {
        let Object(wrapped) = body::json::<Object<Wrapped<Drafts>>>(body, OPERATION)?;
        wrapped.configs
    };
    Ok(drafts)
}

impl<'de> Deserialize<'de> for Drafts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfArray;

        impl<'de> Visitor<'de> for OfArray {
            type Value = Drafts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of webhook configs")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Drafts, A::Error> {
                let mut drafts = Vec::new();
                while drafts.len() < ITEMS_MAX {
                    match items.next_element()? {
                        Some(Object(draft)) => drafts.push(draft),
                        None => return Ok(Drafts(drafts)),
                    }
                }
                match items.next_element::<IgnoredAny>()? {
                    Some(_) => Err(A::Error::custom(format_args!(
                        "must hold at most {ITEMS_MAX} webhook configs"
                    ))),
                    None => Ok(Drafts(drafts)),
                }
            }
        }

        deserializer.deserialize_seq(OfArray)
    }
}

#[cfg(test)]
mod fuzz;
