//! What a draft says about how we show the receiver who we are, and whom we trust: a client
//! certificate, roots of its own, OAuth 2.0.

use serde::{Deserialize, de::IgnoredAny};
use utoipa::ToSchema;

use super::{
    ConfigDraft, Context, Fault, check,
    form::{Object, SecretText},
};
use crate::{
    access::{ClientCertificate, Hidden},
    certificate::Certificates,
    endpoint::Endpoint,
    oauth2::OAuth2,
    time::Timestamp,
};

const KEY_MAX_BYTES: usize = 16 * 1024;
const CLIENT_ID_MAX_BYTES: usize = 256;
const CLIENT_SECRET_MAX_BYTES: usize = 1_024;
const SCOPE_MAX_BYTES: usize = 1_000;
const AUDIENCE_MAX_BYTES: usize = 1_000;
const KEY_LABELS: [&str; 3] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
const NONE_TO_KEEP: &str = "is masked, and there is none to keep";

/// The certificate for receivers that ask for one (mutual TLS), with its key.
#[derive(Deserialize, ToSchema)]
#[schema(as = ClientCertificateDraft)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CertificateDraft {
    /// The chain in PEM, the client's own certificate first; at most 10 certificates and 32 KiB.
    certificate: String,
    /// Its private key in PEM, unencrypted; masked or left out, the earlier one stays.
    #[schema(value_type = Option<String>, write_only)]
    private_key: Option<SecretText>,
    #[schema(value_type = Option<Timestamp>, read_only)]
    #[serde(rename = "expiresAt")]
    _expires_at: Option<IgnoredAny>,
}

/// Where tokens are asked for, and as whom (OAuth 2.0 client credentials).
#[derive(Deserialize, ToSchema)]
#[schema(as = OAuth2Draft)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OAuth2Draft {
    /// The token server's URL; the rules of `url` hold for it.
    #[schema(format = "uri", max_length = 2048)]
    token_url: String,
    /// The client.
    #[schema(max_length = 256)]
    client_id: String,
    /// Its secret; masked or left out, the earlier one stays.
    #[schema(value_type = Option<String>, write_only)]
    client_secret: Option<SecretText>,
    /// The scope that is asked for: words separated by spaces.
    #[schema(max_length = 1000)]
    scope: Option<String>,
    /// The audience that is asked for, which some servers want.
    #[schema(max_length = 1000)]
    audience: Option<String>,
}

impl ConfigDraft {
    pub(super) fn apply_access(
        &self,
        endpoint: &mut Endpoint,
        context: &Context<'_>,
    ) -> Result<(), Fault> {
        if let Some(roots) = &self.ca_certificate {
            endpoint.ca_certificate = roots.as_deref().map(roots_in).transpose()?;
        }
        if let Some(draft) = &self.client_certificate {
            endpoint.client_certificate = match draft {
                Some(Object(draft)) => {
                    Some(draft.checked(endpoint.client_certificate.as_ref(), context.now)?)
                }
                None => None,
            };
        }
        if let Some(draft) = &self.oauth2 {
            endpoint.oauth2 = match draft {
                Some(Object(draft)) => Some(draft.checked(endpoint.oauth2.as_ref(), context)?),
                None => None,
            };
        }
        self.authorization_is_one(endpoint)
    }

    /// Checks that not both a header and OAuth 2.0 say what `authorization` is.
    fn authorization_is_one(&self, endpoint: &Endpoint) -> Result<(), Fault> {
        let header = endpoint
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("authorization"));
        match (&endpoint.oauth2, header) {
            (Some(_), Some(_)) if self.oauth2.is_some() => Err(Fault::new(
                "oauth2",
                "must not be given beside a header authorization, which it sets",
            )),
            (Some(_), Some(header)) => Err(Fault::new(
                format!("headers.{}", header.name),
                "must not be given beside oauth2, which sets it",
            )),
            (Some(_), None) | (None, _) => Ok(()),
        }
    }
}

impl CertificateDraft {
    fn checked(
        &self,
        earlier: Option<&ClientCertificate>,
        now: Timestamp,
    ) -> Result<ClientCertificate, Fault> {
        let field = "clientCertificate.certificate";
        let chain =
            Certificates::parse(&self.certificate).map_err(|invalid| Fault::new(field, invalid))?;
        let certificate = chain.to_pem();
        let is_new = earlier.is_none_or(|earlier| earlier.certificate != certificate);
        // One that ran out since it was saved may be sent back with the rest of its config.
        if is_new && chain.expires_at() <= now {
            return Err(Fault::new(
                field,
                format!("has expired on {}", chain.expires_at()),
            ));
        }
        let private_key = hidden(
            "clientCertificate.privateKey",
            self.private_key.as_ref(),
            earlier.map(|earlier| &earlier.private_key),
            check_key,
        )?;
        Ok(ClientCertificate {
            certificate,
            expires_at: chain.expires_at(),
            private_key,
        })
    }
}

impl OAuth2Draft {
    fn checked(&self, earlier: Option<&OAuth2>, context: &Context<'_>) -> Result<OAuth2, Fault> {
        check::url_in("oauth2.tokenUrl", &self.token_url, context.destination)?;
        visible("oauth2.clientId", &self.client_id, CLIENT_ID_MAX_BYTES)?;
        if let Some(scope) = &self.scope {
            visible("oauth2.scope", scope, SCOPE_MAX_BYTES)?;
        }
        if let Some(audience) = &self.audience {
            visible("oauth2.audience", audience, AUDIENCE_MAX_BYTES)?;
        }
        let client_secret = hidden(
            "oauth2.clientSecret",
            self.client_secret.as_ref(),
            earlier.map(|earlier| &earlier.client_secret),
            |secret| visible("oauth2.clientSecret", secret, CLIENT_SECRET_MAX_BYTES),
        )?;
        Ok(OAuth2 {
            token_url: self.token_url.clone(),
            client_id: self.client_id.clone(),
            client_secret,
            scope: self.scope.clone(),
            audience: self.audience.clone(),
        })
    }
}

/// Returns what becomes of a secret: the new one, once it is checked, or the earlier one.
fn hidden(
    field: &str,
    sent: Option<&SecretText>,
    earlier: Option<&Hidden>,
    check: impl FnOnce(&str) -> Result<(), Fault>,
) -> Result<Hidden, Fault> {
    match (sent, earlier) {
        (Some(sent), _) if !sent.is_masked() => {
            check(sent.expose())?;
            Ok(Hidden::Value(sent.expose().to_owned()))
        }
        (Some(_) | None, Some(earlier)) => Ok(earlier.clone()),
        (Some(_), None) => Err(Fault::new(field, NONE_TO_KEEP)),
        (None, None) => Err(Fault::new(field, "is required")),
    }
}

fn roots_in(pem: &str) -> Result<String, Fault> {
    Certificates::parse(pem)
        .map(|roots| roots.to_pem())
        .map_err(|invalid| Fault::new("caCertificate", invalid))
}

/// Checks that a text is one private key in PEM; whether it can be used is for TLS to say.
fn check_key(pem: &str) -> Result<(), Fault> {
    let fault = |problem: &str| Err(Fault::new("clientCertificate.privateKey", problem));
    if pem.len() > KEY_MAX_BYTES {
        return fault("must be at most 16384 bytes");
    }
    let labels: Vec<&str> = pem
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("-----BEGIN ")?
                .strip_suffix("-----")
        })
        // Tools write the curve's name in front of a key.
        .filter(|label| *label != "EC PARAMETERS")
        .collect();
    match labels.as_slice() {
        ["ENCRYPTED PRIVATE KEY"] => fault("must not be encrypted"),
        [label] if KEY_LABELS.contains(label) => Ok(()),
        _ => fault("must be one private key in PEM"),
    }
}

fn visible(field: &str, text: &str, most_bytes: usize) -> Result<(), Fault> {
    let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if (1..=most_bytes).contains(&text.len()) && text.bytes().all(is_visible) {
        Ok(())
    } else {
        Err(Fault::new(
            field,
            format!("must be 1 to {most_bytes} visible ASCII characters"),
        ))
    }
}
