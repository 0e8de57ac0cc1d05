//! Sealing of what a draft brings in the clear: the signing secret and sensitive header values.

use domain::{
    draft::{Change, Fault, Rotation, SecretChange},
    endpoint::{Endpoint, Header, HeaderValue, KeyPair, Sealed, Secret},
    redaction,
    signing::{self, asymmetric::PrivateKey},
    time::Timestamp,
};
use jetstream::sealing::{self, Keyring};
use lifecycle::entropy;

use crate::{access, saving::Refusal};

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
) -> Result<SealedChange, Refusal> {
    let mut endpoint = change.endpoint;
    let owner = endpoint.seal_owner();
    if let Some(existing) = existing {
        for header in &mut endpoint.headers {
            keep_sealed(keyring, &owner, &existing.headers, header);
        }
    }
    endpoint.seal_headers(|value| keyring.seal(&owner, value))?;
    access::seal(keyring, existing, &mut endpoint)?;
    let is_generated = change.secret == SecretChange::Generate;
    let given = match change.secret {
        SecretChange::Keep => None,
        SecretChange::Generate => Some(signing::secret_from(entropy::bytes())),
        SecretChange::Set(secret) => Some(secret),
    };
    if existing.is_some_and(|existing| !existing.signing.is_like(&endpoint.signing)) {
        begin_anew(keyring, &mut endpoint, given.is_some())?;
    }
    if let Some(secret) = given
        && current(keyring, &endpoint).as_deref() != Some(secret.as_str())
    {
        let earlier = endpoint.current_secret();
        endpoint.secrets = vec![Secret {
            sealed: keyring.seal(&owner, &secret)?,
            expires_at: None,
            key_pair: earlier.and_then(|secret| secret.key_pair.clone()),
        }];
    }
    fit_key_pairs(keyring, &mut endpoint)?;
    Ok(SealedChange {
        endpoint,
        is_generated,
    })
}

/// Rotates the secret of an endpoint, and its key pair with it. One that is rotated already (the secret is
/// the one given, or one was generated and nobody was told) only has its overlap shortened, so that
/// a rotation can be repeated. Returns whether the new secret was generated.
pub(crate) fn rotate(
    keyring: &Keyring,
    endpoint: &mut Endpoint,
    rotation: &Rotation,
    is_untold: bool,
    now: Timestamp,
) -> Result<bool, Refusal> {
    let owner = endpoint.seal_owner();
    let end = now.after(rotation.overlap);
    let is_done = match &rotation.secret {
        Some(given) => current(keyring, endpoint).as_ref() == Some(given),
        None => is_untold,
    };
    if is_done {
        endpoint.shorten_overlap(end, now);
        return Ok(false);
    }
    let text = match &rotation.secret {
        Some(given) => {
            // One that comes back does not sign twice.
            endpoint
                .secrets
                .retain(|secret| open(keyring, &owner, &secret.sealed).as_ref() != Some(given));
            given.clone()
        }
        None => signing::secret_from(entropy::bytes()),
    };
    let key_pair = endpoint
        .signing
        .is_asymmetric()
        .then(|| key_pair(keyring, &owner));
    let new = Secret {
        sealed: keyring.seal(&owner, &text)?,
        expires_at: None,
        key_pair: key_pair.transpose()?,
    };
    endpoint.rotate_secret(new, end, now)?;
    Ok(rotation.secret.is_none())
}

/// Lets go of earlier secrets when the scheme changes, for receivers have to change too, and checks that the
/// current one fits unless another is there.
fn begin_anew(keyring: &Keyring, endpoint: &mut Endpoint, is_given: bool) -> Result<(), Refusal> {
    endpoint
        .secrets
        .retain(|secret| secret.expires_at.is_none());
    if is_given || !endpoint.signing.signs() {
        return Ok(());
    }
    let owner = endpoint.seal_owner();
    for secret in &endpoint.secrets {
        let text = keyring.open(&owner, &secret.sealed)?;
        endpoint.signing.key(&text).map_err(|invalid| Fault {
            field: "secret".to_owned(),
            problem: format!("must be given: for this signing the one that is kept {invalid}"),
        })?;
    }
    Ok(())
}

/// Gives the current secret a key pair if the endpoint is to have one, and else takes all of them away.
fn fit_key_pairs(keyring: &Keyring, endpoint: &mut Endpoint) -> Result<(), sealing::Error> {
    let owner = endpoint.seal_owner();
    let is_asymmetric = endpoint.signing.is_asymmetric();
    for secret in &mut endpoint.secrets {
        if !is_asymmetric {
            secret.key_pair = None;
        } else if secret.expires_at.is_none() && secret.key_pair.is_none() {
            secret.key_pair = Some(key_pair(keyring, &owner)?);
        }
    }
    Ok(())
}

fn key_pair(keyring: &Keyring, owner: &str) -> Result<KeyPair, sealing::Error> {
    let private_key = PrivateKey::from_seed(entropy::bytes());
    Ok(KeyPair {
        sealed: keyring.seal(owner, &private_key.expose())?,
        public_key: private_key.public_key().to_string(),
    })
}

/// Returns the endpoint's current secret in the clear, if it has one that can be opened.
pub(crate) fn current(keyring: &Keyring, endpoint: &Endpoint) -> Option<String> {
    let secret = endpoint.current_secret()?;
    open(keyring, &endpoint.seal_owner(), &secret.sealed)
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
