//! The bucket of tokens, under the hashes of their texts, and all of them in memory.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use domain::{name::OrganisationId, token::Token};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::{
    bucket::{Bucket, Change, Error, View},
    connection::Broker,
    subject,
    wire::SCHEMA,
};

#[derive(Serialize, Deserialize)]
struct Form<T> {
    schema: u32,
    #[serde(flatten)]
    token: T,
}

/// The bucket of tokens; cheap to clone.
#[derive(Debug, Clone)]
pub struct TokenBucket(Bucket);

impl TokenBucket {
    /// Opens the bucket.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn open(broker: &Broker) -> Result<Self, Error> {
        Bucket::open(broker, subject::Bucket::Tokens)
            .await
            .map(Self)
    }

    /// Returns the bucket, to follow it.
    #[must_use]
    pub fn bucket(&self) -> &Bucket {
        &self.0
    }

    /// Writes a token under the hash of its text, and returns the revision.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn put(&self, key: &str, token: &Token) -> Result<u64, Error> {
        #[expect(
            clippy::expect_used,
            reason = "tokens have string keys and no fallible field"
        )]
        let value = serde_json::to_vec(&Form {
            schema: SCHEMA,
            token,
        })
        .map(Bytes::from)
        .expect("a token is always writable as JSON");
        self.0.put(key, value).await
    }

    /// Deletes a token, and returns a revision that is not before the deletion's.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn delete(&self, key: &str) -> Result<u64, Error> {
        self.0.delete(key, None).await?;
        self.0.last_revision().await
    }
}

/// All tokens in memory, by the hash of their texts.
#[derive(Debug, Default)]
pub struct Tokens(RwLock<Held>);

#[derive(Debug, Default)]
struct Held {
    by_key: HashMap<String, Arc<Token>>,
    /// How many tokens each organisation has; no organisation has none.
    counts: HashMap<OrganisationId, usize>,
}

impl Tokens {
    /// Returns the token of that key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Arc<Token>> {
        self.0.read().by_key.get(key).map(Arc::clone)
    }

    /// Returns how many tokens an organisation has, expired ones included.
    #[must_use]
    pub fn count_of(&self, organisation: &OrganisationId) -> usize {
        self.0.read().counts.get(organisation).copied().unwrap_or(0)
    }

    /// Returns all tokens with their keys, the oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<(String, Arc<Token>)> {
        let mut all: Vec<_> = self
            .0
            .read()
            .by_key
            .iter()
            .map(|(key, token)| (key.clone(), Arc::clone(token)))
            .collect();
        all.sort_by(|(_, a), (_, b)| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        all
    }
}

impl Held {
    fn apply(&mut self, change: Change) {
        if let Some(earlier) = self.by_key.remove(&change.key) {
            self.uncount(&earlier);
        }
        let token = change
            .value
            .as_ref()
            .map(|value| serde_json::from_slice::<Form<Token>>(value));
        match token {
            Some(Ok(Form { token, .. })) => {
                if let Some(organisation) = &token.organisation_id {
                    *self.counts.entry(organisation.clone()).or_default() += 1;
                }
                self.by_key.insert(change.key, Arc::new(token));
            }
            Some(Err(error)) => tracing::error!(error = %error, "token is not readable"),
            None => {}
        }
    }

    fn uncount(&mut self, token: &Token) {
        let Some(organisation) = &token.organisation_id else {
            return;
        };
        if let Some(count) = self.counts.get_mut(organisation) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(organisation);
            }
        }
    }
}

impl View for Tokens {
    fn replace(&self, all: Vec<Change>) {
        let mut fresh = Held::default();
        all.into_iter().for_each(|change| fresh.apply(change));
        *self.0.write() = fresh;
    }

    fn apply(&self, changes: Vec<Change>) {
        let mut held = self.0.write();
        changes.into_iter().for_each(|change| held.apply(change));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use domain::{name::OrganisationId, time::Timestamp};

    use super::Tokens;
    use crate::bucket::{Change, View as _};

    #[test]
    fn tokens_are_counted_by_organisation() {
        let (acme, umbra): (OrganisationId, OrganisationId) =
            ("acme".parse().unwrap(), "umbra".parse().unwrap());
        let tokens = Tokens::default();
        let count = || (tokens.count_of(&acme), tokens.count_of(&umbra));

        tokens.replace(vec![
            put("a", Some("acme")),
            put("b", Some("acme")),
            put("c", None),
        ]);
        assert_eq!(count(), (2, 0));
        tokens.apply(vec![put("a", Some("umbra")), put("b", Some("acme"))]);
        assert_eq!(count(), (1, 1));
        tokens.apply(vec![gone("a"), gone("a"), gone("c"), unreadable("b")]);
        assert_eq!(count(), (0, 0));
        assert!(tokens.all().is_empty());
    }

    fn put(key: &str, organisation: Option<&str>) -> Change {
        let organisation =
            organisation.map_or(String::new(), |id| format!("\"organisationId\":\"{id}\","));
        let value = format!(
            "{{\"schema\":1,\"id\":\"t\",{organisation}\"role\":\"viewer\",\"name\":\"n\",\
             \"createdAt\":\"2026-03-14T10:21:45.102Z\"}}"
        );
        change(key, Some(value))
    }

    fn gone(key: &str) -> Change {
        change(key, None)
    }

    fn unreadable(key: &str) -> Change {
        change(key, Some("{".to_owned()))
    }

    fn change(key: &str, value: Option<String>) -> Change {
        Change {
            key: key.to_owned(),
            value: value.map(Bytes::from),
            revision: 1,
            stored_at: Timestamp::from_millis(0),
        }
    }
}
