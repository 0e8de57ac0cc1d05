//! The operator's token that comes from configuration.

use anyhow::Context as _;
use config::Secret;
use domain::token::{Role, Token, key_of};

use crate::{following::Following, now};

/// The id of the token that comes from configuration.
pub(crate) const ID: &str = "operator";

/// Puts the configured token into the bucket and takes out what an earlier configuration put there.
pub(crate) async fn put_in_force(token: &Secret, following: &Following) -> anyhow::Result<()> {
    following.tokens_are_held().await?;
    let key = key_of(token.expose());
    let known = following.tokens.all();
    let is_there = known
        .iter()
        .any(|(held, token)| *held == key && token.id == ID);
    if !is_there {
        let token = Token {
            id: ID.to_owned(),
            organisation_id: None,
            role: Role::Operator,
            name: "From configuration".to_owned(),
            created_at: now(),
            expires_at: None,
        };
        following
            .token_bucket
            .put(&key, &token)
            .await
            .context("write the token")?;
    }
    for (earlier, _) in known
        .iter()
        .filter(|(held, token)| token.id == ID && *held != key)
    {
        following
            .token_bucket
            .delete(earlier)
            .await
            .context("remove an earlier token")?;
        tracing::info!("an earlier operator token is revoked");
    }
    Ok(())
}
