//! How the API shows what an endpoint's receiver knows us by: everything but the secrets.

use domain::{access::ClientCertificate, oauth2::OAuth2, redaction::MASK, time::Timestamp};
use serde::Serialize;

/// The certificate for receivers that ask for one (mutual TLS).
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ClientCertificate)]
#[serde(rename_all = "camelCase")]
pub(super) struct CertificateView<'a> {
    /// The chain in PEM.
    certificate: &'a str,
    /// Always masked.
    private_key: &'static str,
    /// Until when the client's own certificate holds.
    expires_at: Timestamp,
}

/// Where the token for `authorization` comes from (OAuth 2.0 client credentials).
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OAuth2)]
#[serde(rename_all = "camelCase")]
pub(super) struct OAuth2View<'a> {
    token_url: &'a str,
    client_id: &'a str,
    /// Always masked.
    client_secret: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<&'a str>,
}

impl<'a> From<&'a ClientCertificate> for CertificateView<'a> {
    fn from(own: &'a ClientCertificate) -> Self {
        Self {
            certificate: &own.certificate,
            private_key: MASK,
            expires_at: own.expires_at,
        }
    }
}

impl<'a> From<&'a OAuth2> for OAuth2View<'a> {
    fn from(oauth2: &'a OAuth2) -> Self {
        Self {
            token_url: &oauth2.token_url,
            client_id: &oauth2.client_id,
            client_secret: MASK,
            scope: oauth2.scope.as_deref(),
            audience: oauth2.audience.as_deref(),
        }
    }
}
