//! The bucket of tokens, under the hashes of their texts, and all of them in memory.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use domain::token::Token;
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
pub struct Tokens(RwLock<HashMap<String, Arc<Token>>>);

impl Tokens {
    /// Returns the token of that key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Arc<Token>> {
        self.0.read().get(key).map(Arc::clone)
    }

    /// Returns all tokens with their keys, the oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<(String, Arc<Token>)> {
        let mut all: Vec<_> = self
            .0
            .read()
            .iter()
            .map(|(key, token)| (key.clone(), Arc::clone(token)))
            .collect();
        all.sort_by(|(_, a), (_, b)| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        all
    }

    fn put(map: &mut HashMap<String, Arc<Token>>, change: Change) {
        let token = change
            .value
            .as_ref()
            .map(|value| serde_json::from_slice::<Form<Token>>(value));
        match token {
            Some(Ok(form)) => {
                map.insert(change.key, Arc::new(form.token));
            }
            Some(Err(error)) => {
                tracing::error!(error = %error, "token is not readable");
                map.remove(&change.key);
            }
            None => {
                map.remove(&change.key);
            }
        }
    }
}

impl View for Tokens {
    fn replace(&self, all: Vec<Change>) {
        let mut fresh = HashMap::new();
        all.into_iter()
            .for_each(|change| Self::put(&mut fresh, change));
        *self.0.write() = fresh;
    }

    fn apply(&self, changes: Vec<Change>) {
        let mut map = self.0.write();
        changes
            .into_iter()
            .for_each(|change| Self::put(&mut map, change));
    }
}
