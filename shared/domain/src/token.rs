//! API tokens: who may do what, in which organisation.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::{name::OrganisationId, time::Timestamp};

/// What a token's holder may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Send events.
    Producer,
    /// Read configs.
    Viewer,
    /// Everything in its organisation.
    Admin,
    /// Everything in every organisation.
    Operator,
}

/// The kinds of things that a token may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Send events.
    SendEvents,
    /// Read configs.
    ReadConfigs,
    /// Make, change and delete configs.
    WriteConfigs,
    /// Read delivery logs.
    ReadLogs,
    /// Make, list and delete tokens.
    ManageTokens,
    /// Erase the content of events.
    EraseEvents,
}

impl Role {
    /// Returns whether the role has the permission (in its own organisation, but for operators).
    #[must_use]
    pub fn may(self, permission: Permission) -> bool {
        match self {
            Self::Operator | Self::Admin => true,
            Self::Producer => permission == Permission::SendEvents,
            Self::Viewer => permission == Permission::ReadConfigs,
        }
    }
}

/// A token as it is kept: under the hash of its text, which is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// The token's id, under which it is listed and deleted.
    pub id: String,
    /// Its organisation; `None` for an operator, who has all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation_id: Option<OrganisationId>,
    /// Its role.
    pub role: Role,
    /// A name for people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops to work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl Token {
    /// Returns whether the token still works.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

/// Returns the key under which a token is kept: the SHA-256 of its text in hex.
#[must_use]
pub fn key_of(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Finds the token in the values of `x-api-token` and `authorization`, with or without `Bearer `.
/// The first header wins.
#[must_use]
pub fn presented<'a>(
    x_api_token: Option<&'a str>,
    authorization: Option<&'a str>,
) -> Option<&'a str> {
    let text = x_api_token.or(authorization)?.trim();
    let bare = match text.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim(),
        Some(_) => return None,
        None => text,
    };
    (!bare.is_empty() && !bare.eq_ignore_ascii_case("bearer")).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::{Permission, Role, key_of, presented};

    #[test]
    fn each_role_has_its_permissions() {
        use Permission::{
            EraseEvents, ManageTokens, ReadConfigs, ReadLogs, SendEvents, WriteConfigs,
        };
        let all = [
            SendEvents,
            ReadConfigs,
            WriteConfigs,
            ReadLogs,
            ManageTokens,
            EraseEvents,
        ];
        let of = |role: Role| all.into_iter().filter(|p| role.may(*p)).collect::<Vec<_>>();

        assert_eq!(of(Role::Producer), [SendEvents]);
        assert_eq!(of(Role::Viewer), [ReadConfigs]);
        assert_eq!(of(Role::Admin), all);
        assert_eq!(of(Role::Operator), all);
    }

    #[test]
    fn all_four_spellings_are_taken() {
        assert_eq!(presented(Some("t"), None), Some("t"));
        assert_eq!(presented(Some("Bearer t"), None), Some("t"));
        assert_eq!(presented(None, Some("bearer  t ")), Some("t"));
        assert_eq!(presented(None, Some("t")), Some("t"));
        assert_eq!(presented(None, Some("Basic t")), None);
        assert_eq!(presented(Some("Bearer "), None), None);
        assert_eq!(presented(None, None), None);
    }

    #[test]
    fn keys_are_hashes() {
        assert_eq!(
            key_of(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
