//! Endpoints made ready to be sent to: URL parsed, secrets opened, headers built. Once per revision.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{
    destination::{Policy, Refused},
    endpoint::{Endpoint, HeaderValue},
    job::Job,
    name::EndpointId,
    redaction::{Scrubber, mask_url},
    request::Template,
    retry::Reason,
    signing::{Scheme, SigningKey},
    time::Timestamp,
};
use http::Uri;
use jetstream::{
    endpoint_bucket::{EndpointBucket, Endpoints, Stored},
    sealing::Keyring,
};
use parking_lot::RwLock;
use zeroize::Zeroizing;

use crate::config::Settings;

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
    made: RwLock<HashMap<EndpointId, Arc<Target>>>,
}

impl Targets {
    pub(crate) fn new(
        endpoints: Arc<Endpoints>,
        bucket: EndpointBucket,
        settings: &Settings,
    ) -> Self {
        Self {
            endpoints,
            bucket,
            keyring: Arc::clone(&settings.keyring),
            destinations: Arc::clone(&settings.destinations),
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

    fn make(&self, stored: &Stored, now: Timestamp) -> Result<Target, String> {
        let endpoint = stored.endpoint.clone();
        let owner = format!("{}/{}", endpoint.organisation_id, endpoint.id);
        let open = |sealed| {
            self.keyring
                .open(&owner, sealed)
                .map_err(|error| error.to_string())
        };
        let mut secrets: Vec<Zeroizing<String>> = Vec::new();
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
        let mut keys = Vec::new();
        for secret in endpoint.live_secrets(now) {
            let text = open(&secret.sealed)?;
            match endpoint.signing {
                Scheme::Standard => {
                    keys.push(SigningKey::parse(&text).map_err(|error| error.to_string())?);
                }
                Scheme::None => {}
            }
            secrets.push(text);
        }
        let uri = self.destinations.check_url(&endpoint.url).and_then(|url| {
            url.as_str()
                .parse::<Uri>()
                .map_err(|_error| Refused::NotAUrl)
        });
        Ok(Target {
            revision: stored.revision,
            uri,
            shown_url: mask_url(&endpoint.url),
            template: Template {
                method: endpoint.http_method,
                headers,
                keys,
            },
            scrubber: Scrubber::new(secrets.iter().map(|secret| secret.as_str())),
            timeout: Duration::from_millis(u64::from(endpoint.timeout_ms)),
            valid_until: endpoint
                .live_secrets(now)
                .filter_map(|secret| secret.expires_at)
                .min(),
            endpoint,
        })
    }
}

impl Target {
    fn is_of(&self, revision: u64, now: Timestamp) -> bool {
        self.revision == revision && self.valid_until.is_none_or(|end| end > now)
    }
}
