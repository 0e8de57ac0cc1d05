//! Endpoints made ready to be sent to: URL parsed, secrets opened, headers built. Once per revision.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{
    access::Hidden,
    destination::{Policy, Refused},
    endpoint::{Endpoint, HeaderValue, Sealed},
    job::Job,
    name::EndpointId,
    redaction::{Scrubber, mask_url, secrets_in_url},
    request::Template,
    retry::Reason,
    signing::{LiveSecret, NoSigner, Signer},
    time::Timestamp,
};
use http::{HeaderName, Uri};
use jetstream::{
    endpoint_bucket::{EndpointBucket, Endpoints, Stored},
    sealing::Keyring,
};
use parking_lot::RwLock;
use rustls::ClientConfig;
use zeroize::Zeroizing;

use crate::{
    config::Settings,
    dial::callable,
    oauth2::Tokens,
    tls::{Own, Tls},
};

/// A secret in the clear.
type Opened = Zeroizing<String>;

/// An endpoint that can be sent to.
#[derive(Debug)]
pub(crate) struct Target {
    /// The endpoint with its policy.
    pub(crate) endpoint: Endpoint,
    revision: u64,
    /// Where to, or why not.
    pub(crate) uri: Result<Uri, Refused>,
    /// The URL as records show it.
    pub(crate) shown_url: String,
    /// What is the same for every request.
    pub(crate) template: Template,
    /// Takes the endpoint's secrets out of what the receiver answers.
    pub(crate) scrubber: Scrubber,
    /// TLS as the endpoint wants it, if it has a certificate or roots of its own.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// The tokens of an endpoint that wants OAuth 2.0.
    pub(crate) tokens: Option<Tokens>,
    /// The time-out of an attempt.
    pub(crate) timeout: Duration,
    /// When a secret stops signing and the target must be made anew.
    valid_until: Option<Timestamp>,
}

/// Why a job has no target at the moment.
#[derive(Debug)]
pub(crate) enum NoTarget {
    /// There will be none: the job is a dead letter.
    Never(Reason),
    /// Something is missing that will come back.
    NotNow(String),
}

/// All targets, made when they are first needed.
#[derive(Debug)]
pub(crate) struct Targets {
    endpoints: Arc<Endpoints>,
    bucket: EndpointBucket,
    keyring: Arc<Keyring>,
    destinations: Arc<Policy>,
    tls: Arc<Tls>,
    made: RwLock<HashMap<EndpointId, Arc<Target>>>,
}

impl Targets {
    pub(crate) fn new(
        endpoints: Arc<Endpoints>,
        bucket: EndpointBucket,
        settings: &Settings,
        tls: Arc<Tls>,
    ) -> Self {
        Self {
            endpoints,
            bucket,
            keyring: Arc::clone(&settings.keyring),
            destinations: Arc::clone(&settings.destinations),
            tls,
            made: RwLock::default(),
        }
    }

    /// Returns the target of a job as its endpoint is configured now.
    pub(crate) async fn of(&self, job: &Job, now: Timestamp) -> Result<Arc<Target>, NoTarget> {
        let stored = self.current(job).await?;
        if !stored.endpoint.is_enabled {
            return Err(NoTarget::Never(Reason::EndpointDisabled));
        }
        self.made_of(job, &stored, now)
    }

    /// As [`Targets::of`], for a job that a disabled endpoint gets too.
    pub(crate) async fn even_disabled(
        &self,
        job: &Job,
        now: Timestamp,
    ) -> Result<Arc<Target>, NoTarget> {
        let stored = self.current(job).await?;
        self.made_of(job, &stored, now)
    }

    fn made_of(&self, job: &Job, stored: &Stored, now: Timestamp) -> Result<Arc<Target>, NoTarget> {
        let known = self.made.read().get(&job.endpoint).map(Arc::clone);
        if let Some(target) = known.filter(|target| target.is_of(stored.revision, now)) {
            return Ok(target);
        }
        let target = Arc::new(self.make(stored, now).map_err(NoTarget::NotNow)?);
        self.made
            .write()
            .insert(job.endpoint.clone(), Arc::clone(&target));
        Ok(target)
    }

    /// Returns the endpoint. One that fan-out knows in a later revision than we do, or that we don't
    /// know at all, is read from the bucket before anything is decided.
    async fn current(&self, job: &Job) -> Result<Arc<Stored>, NoTarget> {
        if let Some(stored) = self.endpoints.get(&job.organisation, &job.endpoint)
            && stored.revision >= job.revision
        {
            return Ok(stored);
        }
        match self.bucket.get(&job.organisation, &job.endpoint).await {
            Ok(Some(stored)) => Ok(Arc::new(stored)),
            Ok(None) => {
                self.made.write().remove(&job.endpoint);
                Err(NoTarget::Never(Reason::EndpointDeleted))
            }
            Err(error) => Err(NoTarget::NotNow(error.to_string())),
        }
    }

    /// Makes the TLS of an endpoint that has a certificate or roots of its own.
    fn own_tls(
        &self,
        endpoint: &Endpoint,
        open: impl Fn(&Sealed) -> Result<Opened, String>,
    ) -> Result<Option<Arc<ClientConfig>>, String> {
        let roots = endpoint.ca_certificate.as_deref();
        let certificate = endpoint.client_certificate.as_ref();
        if certificate.is_none() && roots.is_none() {
            return Ok(None);
        }
        let key = certificate.map(|own| opened(&own.private_key, open));
        let key = key.transpose()?;
        let identity = certificate
            .zip(key.as_ref())
            .map(|(own, key)| (own.certificate.as_str(), key.as_str()));
        self.tls
            .own(Own { identity, roots })
            .map(|config| Some(Arc::new(config)))
            .map_err(|error| format!("{error:#}"))
    }

    fn make(&self, stored: &Stored, now: Timestamp) -> Result<Target, String> {
        let endpoint = stored.endpoint.clone();
        let owner = endpoint.seal_owner();
        let open = |sealed: &Sealed| {
            self.keyring
                .open(&owner, sealed)
                .map_err(|error| error.to_string())
        };
        let mut secrets: Vec<Opened> = Vec::new();
        let headers = opened_headers(&endpoint, open, &mut secrets)?;
        let mut live = Vec::new();
        for secret in endpoint.live_secrets(now) {
            let key_pair = secret.key_pair.as_ref();
            live.push((
                open(&secret.sealed)?,
                key_pair.map(|pair| open(&pair.sealed)).transpose()?,
            ));
        }
        let signer = signer(&endpoint, &live).map_err(|error| error.to_string())?;
        for (text, private_key) in live {
            secrets.push(text);
            secrets.extend(private_key);
        }
        let tls = self.own_tls(&endpoint, open)?;
        let client_secret = client_secret(&endpoint, open)?;
        secrets.extend(client_secret.clone());
        secrets.extend(
            secrets_in_url(&endpoint.url)
                .into_iter()
                .map(Zeroizing::new),
        );
        let scrubber = Scrubber::new(secrets.iter().map(|secret| secret.as_str()));
        let tokens = endpoint.oauth2.as_ref().zip(client_secret);
        let tokens = tokens
            .map(|(oauth2, secret)| {
                Tokens::new(oauth2, &secret, &self.destinations, scrubber.clone())
            })
            .transpose()?;
        Ok(Target {
            revision: stored.revision,
            uri: callable(&self.destinations, &endpoint.url),
            shown_url: mask_url(&endpoint.url),
            template: Template {
                method: endpoint.http_method,
                headers,
                signer,
            },
            scrubber,
            tls,
            tokens,
            timeout: Duration::from_millis(u64::from(endpoint.timeout_ms)),
            valid_until: endpoint
                .live_secrets(now)
                .filter_map(|secret| secret.expires_at)
                .min(),
            endpoint,
        })
    }
}

/// Opens an endpoint's headers; values that were sealed are added to its secrets.
fn opened_headers(
    endpoint: &Endpoint,
    open: impl Fn(&Sealed) -> Result<Opened, String>,
    secrets: &mut Vec<Opened>,
) -> Result<Vec<(HeaderName, http::HeaderValue)>, String> {
    let mut headers = Vec::with_capacity(endpoint.headers.len());
    for header in &endpoint.headers {
        let value = match &header.value {
            HeaderValue::Value(value) => Zeroizing::new(value.clone()),
            HeaderValue::Sealed { text, .. } => {
                let value = open(text)?;
                secrets.push(value.clone());
                value
            }
        };
        let name = header
            .name
            .parse()
            .map_err(|_error| "header name".to_owned())?;
        let value = value
            .parse()
            .map_err(|_error| format!("header {}", header.name))?;
        headers.push((name, value));
    }
    Ok(headers)
}

/// Opens the secret of an endpoint's OAuth 2.0 client.
fn client_secret(
    endpoint: &Endpoint,
    open: impl Fn(&Sealed) -> Result<Opened, String>,
) -> Result<Option<Opened>, String> {
    let secret = endpoint.oauth2.as_ref().map(|oauth2| &oauth2.client_secret);
    secret.map(|secret| opened(secret, open)).transpose()
}

fn opened(
    hidden: &Hidden,
    open: impl Fn(&Sealed) -> Result<Opened, String>,
) -> Result<Opened, String> {
    match hidden {
        Hidden::Sealed(sealed) => open(sealed),
        Hidden::Value(_) => Err("a secret is not sealed".to_owned()),
    }
}

/// Makes what signs with live secrets and their private keys.
fn signer(
    endpoint: &Endpoint,
    live: &[(Zeroizing<String>, Option<Zeroizing<String>>)],
) -> Result<Signer, NoSigner> {
    let live: Vec<_> = live
        .iter()
        .map(|(text, private_key)| LiveSecret {
            text,
            private_key: private_key.as_ref().map(|key| key.as_str()),
        })
        .collect();
    Signer::new(&endpoint.signing, &live, &endpoint.url)
}

impl Target {
    fn is_of(&self, revision: u64, now: Timestamp) -> bool {
        self.revision == revision && self.valid_until.is_none_or(|end| end > now)
    }
}
