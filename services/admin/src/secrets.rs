//! Sealing of what a draft brings in the clear: the signing secret and sensitive header values.

use domain::{
    draft::{Change, SecretChange},
    endpoint::{Endpoint, Header, HeaderValue, Sealed, Secret},
    redaction, signing,
};
use jetstream::sealing::{Error, Keyring};
use lifecycle::entropy;

/// An endpoint without anything secret in the clear.
#[derive(Debug)]
pub(crate) struct SealedChange {
    pub(crate) endpoint: Endpoint,
    /// Whether its secret was generated, and so has to be told.
    pub(crate) is_generated: bool,
}

/// Seals what is new. A secret or header value that is what is sealed already stays as it is, so that
/// sending the same config twice changes nothing.
pub(crate) fn seal(
    keyring: &Keyring,
    existing: Option<&Endpoint>,
    change: Change,
) -> Result<SealedChange, Error> {
    let mut endpoint = change.endpoint;
    let owner = owner(&endpoint);
    if let Some(existing) = existing {
        for header in &mut endpoint.headers {
            keep_sealed(keyring, &owner, &existing.headers, header);
        }
    }
    endpoint.seal_headers(|value| keyring.seal(&owner, value))?;
    let is_generated = change.secret == SecretChange::Generate;
    let given = match change.secret {
        SecretChange::Keep => None,
        SecretChange::Generate => Some(signing::secret_from(entropy::bytes())),
        SecretChange::Set(secret) => Some(secret),
    };
    if let Some(secret) = given
        && current(keyring, &endpoint).as_deref() != Some(secret.as_str())
    {
        let sealed = keyring.seal(&owner, &secret)?;
        endpoint.secrets = vec![Secret {
            sealed,
            expires_at: None,
        }];
    }
    Ok(SealedChange {
        endpoint,
        is_generated,
    })
}

/// Returns the endpoint's current secret in the clear, if it has one that can be opened.
pub(crate) fn current(keyring: &Keyring, endpoint: &Endpoint) -> Option<String> {
    let secret = endpoint
        .secrets
        .iter()
        .find(|secret| secret.expires_at.is_none())?;
    open(keyring, &owner(endpoint), &secret.sealed)
}

fn keep_sealed(keyring: &Keyring, owner: &str, earlier: &[Header], header: &mut Header) {
    let HeaderValue::Value(value) = &header.value else {
        return;
    };
    if !redaction::is_sensitive(&header.name) {
        return;
    }
    let known = earlier
        .iter()
        .find(|known| known.name.eq_ignore_ascii_case(&header.name));
    if let Some(HeaderValue::Sealed { text, shown }) = known.map(|known| &known.value)
        && open(keyring, owner, text).as_ref() == Some(value)
    {
        header.value = HeaderValue::Sealed {
            text: text.clone(),
            shown: shown.clone(),
        };
    }
}

fn open(keyring: &Keyring, owner: &str, sealed: &Sealed) -> Option<String> {
    keyring
        .open(owner, sealed)
        .ok()
        .map(|text| text.as_str().to_owned())
}

/// Returns what a sealed text is bound to: the same for whoever opens it.
fn owner(endpoint: &Endpoint) -> String {
    format!("{}/{}", endpoint.organisation_id, endpoint.id)
}
