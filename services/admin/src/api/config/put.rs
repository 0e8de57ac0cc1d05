//! `PUT /webhooks/configs`: makes or updates configs.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use domain::{draft::ConfigDraft, token::Permission};
use http_api::{body, problem::Problem};
use serde::{Deserialize, Serialize};

use super::ConfigView;
use crate::{Admin, api::BODY_MAX_BYTES};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "putWebhookConfigs";
/// The most configs in one request.
const ITEMS_MAX: usize = 100;

/// The form `{"configs": […]}`, which is answered in the same form.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped<T> {
    configs: Vec<T>,
}

/// Checks all items, then saves them one by one and waits until they are in force. The same request
/// again completes what an error left undone, and changes nothing else.
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::WriteConfigs, OPERATION)?;
    let body = body::read(&parts.headers, body, BODY_MAX_BYTES, OPERATION).await?;
    let is_bare = body.trim_ascii_start().starts_with(b"[");
    let drafts = read(&body, is_bare)?;
    let list = if is_bare { "" } else { "configs" };
    let item = |at: usize| format!("{list}[{at}].");

    let targets = admin
        .configs
        .plan(&organisation, &drafts)
        .await
        .map_err(|(at, refusal)| refusal.problem(OPERATION, &item(at)))?;
    let mut saved = Vec::with_capacity(drafts.len());
    for (at, (draft, target)) in drafts.iter().zip(&targets).enumerate() {
        match admin.configs.save(&organisation, draft, target).await {
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
    Ok(if is_bare {
        Json(configs).into_response()
    } else {
        Json(Wrapped { configs }).into_response()
    })
}

fn read(body: &Bytes, is_bare: bool) -> Result<Vec<ConfigDraft>, Problem> {
    let drafts = if is_bare {
        body::json(body, OPERATION)?
    } else {
        body::json::<Wrapped<ConfigDraft>>(body, OPERATION)?.configs
    };
    if drafts.len() > ITEMS_MAX {
        let message = format!("body: must hold at most {ITEMS_MAX} webhook configs");
        return Err(Problem::bad_request(OPERATION, message));
    }
    Ok(drafts)
}
