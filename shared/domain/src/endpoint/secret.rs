//! The signing secrets of an endpoint: which are live, and what rotating makes of them.

use serde::{Deserialize, Serialize};

use super::{Endpoint, Sealed};
use crate::time::Timestamp;

/// The most secrets that are live at once.
pub const LIVE_SECRETS_MAX: usize = 5;

/// A signing secret, and with it the key pair of an endpoint that has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// The sealed secret.
    pub sealed: Sealed,
    /// When it stops signing; `None` for the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The key pair that signs as long as the secret does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_pair: Option<KeyPair>,
}

/// A key pair for signatures that receivers verify without a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyPair {
    /// The sealed private key.
    pub sealed: Sealed,
    /// The public key: `whpk_…`.
    pub public_key: String,
}

/// As many secrets are live as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{LIVE_SECRETS_MAX} are in use already: wait until one of them ends, or end them with overlapMs 0"
)]
pub struct TooManySecrets;

impl Endpoint {
    /// Returns the secrets that sign at that time, the newest first.
    pub fn live_secrets(&self, now: Timestamp) -> impl Iterator<Item = &Secret> {
        self.secrets
            .iter()
            .filter(move |secret| secret.is_live(now))
    }

    /// Returns the secret that has no end yet.
    #[must_use]
    pub fn current_secret(&self) -> Option<&Secret> {
        self.secrets
            .iter()
            .find(|secret| secret.expires_at.is_none())
    }

    /// Returns the public key of the current key pair, if the endpoint has one.
    #[must_use]
    pub fn public_key(&self) -> Option<&str> {
        let key_pair = self.current_secret()?.key_pair.as_ref();
        key_pair.map(|pair| pair.public_key.as_str())
    }

    /// Returns when the last of the secrets before the current one stops signing.
    #[must_use]
    pub fn overlap_ends(&self) -> Option<Timestamp> {
        self.secrets
            .iter()
            .filter_map(|secret| secret.expires_at)
            .max()
    }

    /// Lets no secret but the current one sign at or after `end`.
    pub fn shorten_overlap(&mut self, end: Timestamp, now: Timestamp) {
        for secret in &mut self.secrets {
            secret.expires_at = secret.expires_at.map(|at| at.min(end));
        }
        self.secrets.retain(|secret| secret.is_live(now));
    }

    /// Puts a secret in the place of the current one. What signed before signs on until `end` at most.
    ///
    /// # Errors
    /// [`TooManySecrets`]; the endpoint is as it was.
    pub fn rotate_secret(
        &mut self,
        new: Secret,
        end: Timestamp,
        now: Timestamp,
    ) -> Result<(), TooManySecrets> {
        let earlier = self.secrets.iter().cloned().map(|secret| Secret {
            expires_at: Some(secret.expires_at.map_or(end, |at| at.min(end))),
            ..secret
        });
        let live = earlier.filter(|secret| secret.is_live(now));
        let secrets: Vec<Secret> = std::iter::once(new).chain(live).collect();
        if secrets.len() > LIVE_SECRETS_MAX {
            return Err(TooManySecrets);
        }
        self.secrets = secrets;
        Ok(())
    }
}

impl Secret {
    fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

#[cfg(test)]
mod tests {
    use super::{LIVE_SECRETS_MAX, Secret, TooManySecrets};
    use crate::{
        destination::Policy,
        draft::{ConfigDraft, Context},
        endpoint::{Endpoint, KeyPair, Sealed},
        time::Timestamp,
    };

    #[test]
    fn the_old_secret_signs_until_the_overlap_is_over() {
        let mut endpoint = endpoint();

        endpoint
            .rotate_secret(secret("new"), at(1_000), at(0))
            .unwrap();

        assert_eq!(live(&endpoint, 0), ["new", "old"]);
        assert_eq!(live(&endpoint, 999), ["new", "old"]);
        assert_eq!(live(&endpoint, 1_000), ["new"]);
        assert_eq!(endpoint.current_secret(), Some(&secret("new")));
        assert_eq!(endpoint.overlap_ends(), Some(at(1_000)));
    }

    #[test]
    fn without_an_overlap_the_new_secret_is_alone() {
        let mut endpoint = endpoint();
        endpoint
            .rotate_secret(secret("new"), at(1_000), at(0))
            .unwrap();

        endpoint
            .rotate_secret(secret("newest"), at(5), at(5))
            .unwrap();

        assert_eq!(endpoint.secrets, [secret("newest")]);
        assert_eq!(endpoint.overlap_ends(), None);
    }

    #[test]
    fn no_later_rotation_prolongs_what_ends_sooner() {
        let mut endpoint = endpoint();
        endpoint
            .rotate_secret(secret("b"), at(1_000), at(0))
            .unwrap();
        endpoint
            .rotate_secret(secret("c"), at(5_000), at(10))
            .unwrap();

        assert_eq!(live(&endpoint, 999), ["c", "b", "old"]);
        assert_eq!(live(&endpoint, 1_000), ["c", "b"]);
        endpoint.shorten_overlap(at(2_000), at(1_500));
        assert_eq!(live(&endpoint, 1_999), ["c", "b"]);
        assert_eq!(live(&endpoint, 2_000), ["c"]);
        endpoint.shorten_overlap(at(9_000), at(1_500));
        assert_eq!(endpoint.overlap_ends(), Some(at(2_000)));
        endpoint.shorten_overlap(at(1_500), at(1_500));
        assert_eq!(endpoint.secrets, [secret("c")]);
    }

    #[test]
    fn live_secrets_are_few_and_ended_ones_do_not_count() {
        let mut endpoint = endpoint();
        for n in 1..LIVE_SECRETS_MAX {
            endpoint
                .rotate_secret(secret(&n.to_string()), at(1_000), at(0))
                .unwrap();
        }
        let before = endpoint.clone();

        let refused = endpoint.rotate_secret(secret("x"), at(1_000), at(999));

        assert_eq!(refused, Err(TooManySecrets));
        assert_eq!(endpoint, before);
        endpoint
            .rotate_secret(secret("x"), at(2_000), at(1_000))
            .unwrap();
        assert_eq!(endpoint.secrets.len(), 2);
    }

    #[test]
    fn the_public_key_is_that_of_the_current_secret() {
        let mut endpoint = endpoint();
        let pair = |public_key: &str| KeyPair {
            sealed: Sealed("k:p".to_owned()),
            public_key: public_key.to_owned(),
        };
        assert_eq!(endpoint.public_key(), None);

        for public_key in ["whpk_a", "whpk_b"] {
            let new = Secret {
                key_pair: Some(pair(public_key)),
                ..secret(public_key)
            };
            endpoint.rotate_secret(new, at(1_000), at(0)).unwrap();
        }

        assert_eq!(endpoint.public_key(), Some("whpk_b"));
    }

    fn live(endpoint: &Endpoint, now: i64) -> Vec<&str> {
        endpoint
            .live_secrets(at(now))
            .map(|secret| secret.sealed.0.as_str())
            .collect()
    }

    fn secret(text: &str) -> Secret {
        Secret {
            sealed: Sealed(text.to_owned()),
            expires_at: None,
            key_pair: None,
        }
    }

    fn endpoint() -> Endpoint {
        let draft = serde_json::json!({"url": "https://a.example/", "events": []});
        let draft: ConfigDraft = serde_json::from_value(draft).unwrap();
        let context = Context {
            id: "ep_1".parse().unwrap(),
            organisation: "acme".parse().unwrap(),
            now: at(0),
            destination: &Policy::default(),
        };
        let mut endpoint = draft.apply(None, &context).unwrap().endpoint;
        endpoint.secrets = vec![secret("old")];
        endpoint
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }
}
