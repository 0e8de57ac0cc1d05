//! `GET /webhooks/dead-letters`: a page of dead letters.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::{dead_letter::Filter, name::OrganisationId, token::Permission};
use http_api::problem::Problem;
use jetstream::dead_letters::Letter;
use serde::Serialize;

use super::{LetterView, query::Query};
use crate::{
    Admin,
    asking::{Place, Refusal, Walk},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "listWebhookDeadLetters";

/// A page of dead letters.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DeadLetterPage)]
#[serde(rename_all = "camelCase")]
struct PageView<'a> {
    /// How many there are; `null` under a filter that has more than the endpoint, since only a walk over
    /// all of them would tell.
    #[schema(required)]
    total_count: Option<u64>,
    /// May be fewer than asked for, or none, though `nextCursor` leads to more.
    edges: Vec<LetterView<'a>>,
    #[schema(required)]
    next_cursor: Option<String>,
}

/// What a page is made of.
struct Found {
    total_count: Option<u64>,
    letters: Vec<Letter>,
    next: Option<Place>,
}

/// Lists the dead letters of the organisation that satisfy every filter, the oldest first: those that
/// expire next.
#[utoipa::path(
    get,
    path = "/webhooks/dead-letters",
    operation_id = OPERATION,
    tag = "Dead letters",
    params(Query),
    responses(
        (status = 200, description = "A page of dead letters.", body = PageView<'_>),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let caller = admin.admit(&parts, Permission::ReadLogs, OPERATION)?;
    let query: Query = http_api::query::read(parts.uri.query(), OPERATION)?;
    let organisation = caller.organisation(query.organisation_id.as_deref(), OPERATION)?;
    let refused = |message: String| Problem::bad_request(OPERATION, message);
    let filter = query.filter().map_err(refused)?;
    let limit = query.limit().map_err(refused)?;
    let place = query.place().map_err(refused)?;
    let page = async {
        let found = find(&admin, (&organisation, &filter), place, limit).await?;
        let delivered = admin
            .asking
            .delivered(&organisation, &found.letters)
            .await?;
        Ok((found, delivered))
    };
    let (found, delivered) = page
        .await
        .map_err(|refusal: Refusal| refusal.problem(OPERATION))?;
    let edges = found.letters.iter().map(|letter| {
        let dead = &letter.dead;
        LetterView::new(dead, delivered.contains(&dead.job.id))
    });
    let view = PageView {
        total_count: found.total_count,
        edges: edges.collect(),
        next_cursor: found.next.map(|place| place.to_string()),
    };
    Ok(Json(view).into_response())
}

async fn find(
    admin: &Admin,
    (organisation, filter): (&OrganisationId, &Filter),
    place: Option<Place>,
    limit: usize,
) -> Result<Found, Refusal> {
    let letters = admin.asking.letters().await?;
    let total_count = if filter.is_of_endpoint_only() {
        let endpoint = filter.endpoint.as_ref();
        Some(letters.count(organisation, endpoint).await?)
    } else {
        None
    };
    let place = place.unwrap_or_else(|| Place::begin(&letters));
    let mut walk = Walk::new(&letters, organisation, filter, place);
    let mut found = Vec::new();
    while let Some(mut letter) = walk.next().await? {
        if found.len() == limit {
            let next = Some(place.at(&letter));
            return Ok(Found {
                total_count,
                letters: found,
                next,
            });
        }
        // A page shows no bodies, and a hundred of them need not be held.
        letter.cargo.body.clear();
        found.push(letter);
    }
    Ok(Found {
        total_count,
        letters: found,
        next: walk.rest(),
    })
}
