//! Operator mode: accounts and users are signed tokens, and a user's credentials are a file.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use serde_json::{Value, json};

/// An operator with one account that may use JetStream, and one for the servers themselves.
pub(super) struct NatsOperator {
    operator: KeyPair,
    system: KeyPair,
    account: KeyPair,
}

impl Default for NatsOperator {
    fn default() -> Self {
        Self {
            operator: KeyPair::new_operator(),
            system: KeyPair::new_account(),
            account: KeyPair::new_account(),
        }
    }
}

impl NatsOperator {
    /// Returns what a server's configuration says to have it trust this operator.
    pub(super) fn configuration(&self) -> String {
        let operator = claims(
            &self.operator,
            "operator",
            &self.operator.public_key(),
            &json!({}),
        );
        let unlimited = [
            "subs",
            "data",
            "payload",
            "imports",
            "exports",
            "conn",
            "leaf",
            "mem_storage",
            "disk_storage",
            "streams",
            "consumer",
        ];
        let mut limits: serde_json::Map<String, Value> = unlimited
            .map(|name| (name.to_owned(), json!(-1)))
            .into_iter()
            .collect();
        limits.insert("wildcards".to_owned(), json!(true));
        let name = self.account.public_key();
        let account = claims(&self.operator, "account", &name, &json!({"limits": limits}));
        let system = self.system.public_key();
        let servers = claims(&self.operator, "account", &system, &json!({}));
        format!(
            "operator: {operator}\nsystem_account: {system}\nresolver: MEMORY\n\
             resolver_preload: {{ {name}: {account}, {system}: {servers} }}\n"
        )
    }

    /// Returns the credentials file of a new user of the account, who may do everything in it.
    pub(super) fn credentials(&self) -> String {
        let user = KeyPair::new_user();
        let limits = json!({"subs": -1, "data": -1, "payload": -1});
        let token = claims(&self.account, "user", &user.public_key(), &limits);
        let seed = user.seed().unwrap();
        format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

/// Signs what somebody says about a key.
fn claims(by: &KeyPair, kind: &str, about: &str, more: &Value) -> String {
    let mut said = json!({"type": kind, "version": 2});
    let fields = said.as_object_mut().unwrap();
    fields.extend(more.as_object().cloned().unwrap_or_default());
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let claims = json!({
        "jti": about, "iat": 1_700_000_000, "iss": by.public_key(), "name": kind, "sub": about, "nats": said,
    });
    let encoded = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let text = encoded.join(".");
    let signature = by.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
