//! The panel: pages for people, under `/panel/`.
//!
//! A page asks the handlers of the Admin API in process ([`ask`]), with the visitor's own token: it can show
//! and do what that token may, checked where every other caller is checked, and nothing else. Pages are made
//! on the server and work without scripts; htmx makes them live. What a page loads comes from here alone.

mod answer;
mod ask;
mod assets;
mod config;
mod config_form;
mod configs;
mod dead_letters;
mod entry;
mod event_types;
mod failure;
mod form;
mod frame;
mod live;
mod log;
mod logs;
mod overview;
mod plot;
mod replays;
mod session;
mod shown;
mod test_send;
mod tokens;
mod trace_link;
mod visit;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::{Redirect, Response},
    routing::{get, post},
};
use tokio_util::sync::CancellationToken;

use self::live::Streams;
pub use self::trace_link::TraceLink;
use crate::{Admin, metrics::Instruments};

/// Where the panel is.
const ROOT: &str = "/panel/";
/// The name under which the panel's requests are counted.
const COUNTED_AS: &str = "panel";

/// What pages share.
#[derive(Debug)]
pub(crate) struct Panel {
    admin: Arc<Admin>,
    /// The routes of the Admin API.
    api: Router,
    streams: Arc<Streams>,
    draining: CancellationToken,
    trace_link: Option<TraceLink>,
}

impl Panel {
    /// Makes the panel; its streams end on the drain.
    pub(crate) fn new(
        admin: &Arc<Admin>,
        api: &Router,
        draining: CancellationToken,
        trace_link: Option<TraceLink>,
    ) -> Arc<Self> {
        Arc::new(Self {
            admin: Arc::clone(admin),
            api: api.clone(),
            streams: Arc::default(),
            draining,
            trace_link,
        })
    }
}

/// Returns the panel's routes, and the redirect from `/` to it.
pub(crate) fn routes(panel: Arc<Panel>, instruments: &Arc<Instruments>) -> Router {
    let instruments = Arc::clone(instruments);
    let counting = middleware::from_fn(move |request: Request, next: Next| {
        let instruments = Arc::clone(&instruments);
        async move {
            let response: Response = next.run(request).await;
            instruments.answered(COUNTED_AS, response.status());
            response
        }
    });
    let pages = Router::new()
        .nest("/panel/o/{organisation}", of_organisation())
        .route("/panel/o/{organisation}/", get(overview::page))
        .route(ROOT, get(entry::start))
        .route("/panel/sign-in", get(session::form).post(session::sign_in))
        .route("/panel/sign-out", post(session::sign_out))
        .route("/panel/organisations", get(entry::open))
        .route("/panel/{*unknown}", get(entry::unknown))
        .route_layer(counting);
    Router::new()
        .route("/", get(async || Redirect::temporary(ROOT)))
        .route("/panel", get(async || Redirect::permanent(ROOT)))
        .route("/panel/assets/{name}", get(assets::serve))
        .merge(pages)
        .with_state(panel)
}

/// Returns the pages of one organisation.
fn of_organisation() -> Router<Arc<Panel>> {
    Router::new()
        .route("/", get(overview::page))
        .merge(configs())
        .route("/logs", get(logs::page))
        .route("/logs/live", get(live::stream))
        .route("/logs/{id}", get(log::page))
        .route("/logs/{id}/retry", post(log::retry))
        .route("/deliveries/{id}", get(log::of_delivery))
        .route("/dead-letters", get(dead_letters::page))
        .route("/dead-letters/{id}/retry", post(dead_letters::retry))
        .route(
            "/dead-letters/{id}/delete",
            get(dead_letters::confirm_delete).post(dead_letters::delete),
        )
        .route(
            "/dead-letters/all/{action}",
            get(dead_letters::all::confirm).post(dead_letters::all::apply),
        )
        .route("/replays", get(replays::page).post(replays::start))
        .route("/replays/{id}/cancel", post(replays::cancel))
        .route(
            "/event-types",
            get(event_types::page).post(event_types::save),
        )
        .route("/event-types/{name}", get(event_types::one))
        .route(
            "/event-types/{name}/delete",
            get(event_types::confirm_delete).post(event_types::delete),
        )
        .route("/tokens", get(tokens::page).post(tokens::create))
        .route(
            "/tokens/{id}/delete",
            get(tokens::confirm_delete).post(tokens::delete),
        )
}

/// Returns the pages of webhook configs.
fn configs() -> Router<Arc<Panel>> {
    Router::new()
        .route("/configs", get(configs::page).post(config_form::create))
        .route("/configs/new", get(config_form::new))
        .route("/configs/timetable", get(config_form::timetable))
        .route("/configs/{id}", get(config::page).post(config_form::change))
        .route("/configs/{id}/edit", get(config_form::edit))
        .route("/configs/{id}/pause", post(config::pause))
        .route("/configs/{id}/resume", post(config::resume))
        .route(
            "/configs/{id}/delete",
            get(config::confirm_delete).post(config::delete),
        )
        .route(
            "/configs/{id}/rotate",
            get(config::confirm_rotation).post(config::rotate),
        )
        .route(
            "/configs/{id}/test",
            get(test_send::form).post(test_send::send),
        )
}
