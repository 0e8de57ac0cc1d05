//! `/webhooks/configs`: what the operations on configs share, and the form of a config.

mod access;
mod delete;
mod get;
mod list;
mod patch;
mod pause;
mod put;
mod resume;
mod rotate;
mod stats;
mod test;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Json,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use domain::{
    endpoint::{Endpoint, EventPattern, Header, HeaderValue, Method},
    name::{EndpointId, EventName, OrganisationId},
    retry::RetryPolicy,
    signing::Scheme,
    time::Timestamp,
    token::Permission,
};
use http::{HeaderMap, header};
use http_api::problem::Problem;
use serde::{Serialize, Serializer};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Admin,
    api::{PathId, counted, path_id},
    metrics::Instruments,
    saving::{Expected, Saved},
};

const MISSING: &str = "there is no such webhook config";

/// Returns the routes of configs.
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
            patch::OPERATION,
            routes!(patch::handler),
        ))
        .routes(counted(
            instruments,
            delete::OPERATION,
            routes!(delete::handler),
        ))
        .routes(counted(
            instruments,
            pause::OPERATION,
            routes!(pause::handler),
        ))
        .routes(counted(
            instruments,
            resume::OPERATION,
            routes!(resume::handler),
        ))
        .routes(counted(
            instruments,
            rotate::OPERATION,
            routes!(rotate::handler),
        ))
        .routes(counted(
            instruments,
            test::OPERATION,
            routes!(test::handler),
        ))
        .routes(counted(
            instruments,
            stats::OPERATION,
            routes!(stats::handler),
        ))
}

/// A config as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = WebhookConfig)]
#[serde(rename_all = "camelCase")]
struct ConfigView<'a> {
    id: &'a EndpointId,
    organisation_id: &'a OrganisationId,
    url: &'a str,
    events: &'a [EventPattern],
    http_method: Method,
    is_enabled: bool,
    is_paused: bool,
    max_retries: u32,
    /// The values of sensitive ones are masked.
    #[schema(value_type = BTreeMap<String, String>)]
    #[serde(serialize_with = "shown_headers")]
    headers: &'a [Header],
    entity_filters: &'a BTreeMap<EventName, BTreeSet<String>>,
    signing: &'a Scheme,
    #[schema(required)]
    client_certificate: Option<access::CertificateView<'a>>,
    /// The roots, in PEM, that are trusted in place of the installation's.
    #[schema(required)]
    ca_certificate: Option<&'a str>,
    #[schema(required)]
    oauth2: Option<access::OAuth2View<'a>>,
    /// Verifies the `v1a` signatures of an endpoint that has a key pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<&'a str>,
    /// Only in the answer that tells of a generated secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    retry_policy: &'a RetryPolicy,
    timeout_ms: u32,
    #[schema(required)]
    rate_limit: Option<f64>,
    #[schema(required)]
    max_in_flight: Option<u32>,
    #[schema(required)]
    description: Option<&'a str>,
    metadata: &'a BTreeMap<String, String>,
    created_at: Timestamp,
    updated_at: Timestamp,
    revision: u64,
}

impl<'a> ConfigView<'a> {
    fn new(endpoint: &'a Endpoint, revision: u64) -> Self {
        Self {
            id: &endpoint.id,
            organisation_id: &endpoint.organisation_id,
            url: &endpoint.url,
            events: &endpoint.events,
            http_method: endpoint.http_method,
            is_enabled: endpoint.is_enabled,
            is_paused: endpoint.is_paused,
            max_retries: endpoint.max_retries(),
            headers: &endpoint.headers,
            entity_filters: &endpoint.entity_filters,
            signing: &endpoint.signing,
            client_certificate: endpoint.client_certificate.as_ref().map(Into::into),
            ca_certificate: endpoint.ca_certificate.as_deref(),
            oauth2: endpoint.oauth2.as_ref().map(Into::into),
            public_key: endpoint.public_key(),
            secret: None,
            retry_policy: &endpoint.retry_policy,
            timeout_ms: endpoint.timeout_ms,
            rate_limit: endpoint.rate_limit,
            max_in_flight: endpoint.max_in_flight,
            description: endpoint.description.as_deref(),
            metadata: &endpoint.metadata,
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
            revision,
        }
    }

    fn saved(saved: &'a Saved, secret: Option<String>) -> Self {
        Self {
            secret,
            ..Self::new(&saved.endpoint, saved.revision)
        }
    }

    /// Answers with the config and its `ETag`.
    fn answer(&self) -> Response {
        let tag = format!("\"{}\"", self.revision);
        ([(header::ETAG, tag)], Json(self)).into_response()
    }
}

/// Writes headers as an object; of a sealed value only what may be shown.
fn shown_headers<S: Serializer>(headers: &[Header], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|header| {
        let shown = match &header.value {
            HeaderValue::Value(value) => value,
            HeaderValue::Sealed { shown, .. } => shown,
        };
        (&header.name, shown)
    }))
}

/// Reads `If-Match`: an `ETag`, or `*`.
pub(super) fn expected(headers: &HeaderMap, operation: &'static str) -> Result<Expected, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(Expected::Any);
    };
    let text = value.to_str().unwrap_or_default().trim();
    let revision = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    match (text, revision.and_then(|revision| revision.parse().ok())) {
        ("*", _) => Ok(Expected::Any),
        (_, Some(revision)) => Ok(Expected::Revision(revision)),
        (_, None) => Err(Problem::bad_request(
            operation,
            "If-Match: must be an ETag that was read, such as \"7\"",
        )),
    }
}

impl Admin {
    /// Pauses or resumes a config, if `If-Match` allows it, and waits until that is in force.
    async fn set_paused(
        &self,
        (path, request): (PathId, Request),
        is_paused: bool,
        operation: &'static str,
    ) -> Result<Response, Problem> {
        let (parts, _body) = request.into_parts();
        let organisation = self.admit_to(&parts, Permission::WriteConfigs, operation)?;
        let id = path_id(path, operation, MISSING)?;
        let expected = expected(&parts.headers, operation)?;
        let saved = self
            .configs
            .set_paused(&organisation, &id, is_paused, expected)
            .await
            .map_err(|refusal| refusal.problem(operation, ""))?;
        self.configs_in_force(std::slice::from_ref(&saved), operation)
            .await?;
        Ok(ConfigView::saved(&saved, None).answer())
    }

    /// Waits until saved configs are in force. When they are not, their generated secrets are kept
    /// for the request that repeats this one.
    async fn configs_in_force(
        &self,
        saved: &[Saved],
        operation: &'static str,
    ) -> Result<(), Problem> {
        let revision = saved.iter().map(|saved| saved.revision).max().unwrap_or(0);
        let stops = saved
            .iter()
            .any(|saved| saved.endpoint.is_paused || !saved.endpoint.is_enabled);
        let in_force = if stops {
            self.following.stop_in_force(revision, operation).await
        } else {
            self.following.endpoints_in_force(revision, operation).await
        };
        if in_force.is_err() {
            self.configs.not_told(saved.iter());
        }
        in_force
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::expected;
    use crate::saving::Expected;

    #[test]
    fn if_match_takes_an_etag_or_the_star() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, HeaderValue::from_static(text));
            expected(&headers, "op").ok()
        };

        assert_eq!(read("\"7\""), Some(Expected::Revision(7)));
        assert_eq!(read("*"), Some(Expected::Any));
        for bad in ["", "7", "\"x\"", "\"", "W/\"7\"", "\"7\", \"8\""] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(expected(&HeaderMap::new(), "op").ok(), Some(Expected::Any));
    }
}
