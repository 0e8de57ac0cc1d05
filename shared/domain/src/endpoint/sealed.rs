//! Everything of an endpoint that is sealed, for who seals it anew under another key.
//!
//! Every field of every type is named here, so that a new one does not compile until it has been decided
//! whether it holds something sealed.

use serde_json::Value;

use super::{Endpoint, Header, HeaderValue, KeyPair, Sealed, Secret};
use crate::{
    access::{ClientCertificate, Hidden},
    oauth2::OAuth2,
};

impl Endpoint {
    /// Returns what its sealed texts are bound to: the same for whoever seals or opens one.
    #[must_use]
    pub fn seal_owner(&self) -> String {
        format!("{}/{}", self.organisation_id, self.id)
    }

    /// Returns every sealed text of the fields that this version knows.
    pub fn sealed_mut(&mut self) -> impl Iterator<Item = &mut Sealed> {
        let Self {
            id: _,
            organisation_id: _,
            url: _,
            events: _,
            entity_filters: _,
            http_method: _,
            is_enabled: _,
            is_paused: _,
            max_retries: _,
            headers,
            signing: _,
            client_certificate,
            ca_certificate: _,
            oauth2,
            secrets,
            retry_policy: _,
            timeout_ms: _,
            rate_limit: _,
            max_in_flight: _,
            description: _,
            metadata: _,
            created_at: _,
            updated_at: _,
            unknown: _,
        } = self;
        let of_headers = headers.iter_mut().filter_map(of_header);
        let of_secrets = secrets.iter_mut().flat_map(of_secret);
        let of_certificate = client_certificate.as_mut().and_then(of_certificate);
        let of_oauth2 = oauth2.as_mut().and_then(of_oauth2);
        of_headers
            .chain(of_secrets)
            .chain(of_certificate)
            .chain(of_oauth2)
    }

    /// Returns every text in the fields of later versions: what is sealed among them only who has the key
    /// can tell.
    pub fn unknown_texts_mut(&mut self) -> Vec<&mut String> {
        let mut texts = Vec::new();
        let mut values: Vec<&mut Value> = self.unknown.values_mut().collect();
        while let Some(value) = values.pop() {
            match value {
                Value::String(text) => texts.push(text),
                Value::Array(items) => values.extend(items),
                Value::Object(members) => values.extend(members.values_mut()),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        texts
    }
}

fn of_header(header: &mut Header) -> Option<&mut Sealed> {
    let Header { name: _, value } = header;
    match value {
        HeaderValue::Sealed { text, shown: _ } => Some(text),
        HeaderValue::Value(_) => None,
    }
}

fn of_secret(secret: &mut Secret) -> impl Iterator<Item = &mut Sealed> {
    let Secret {
        sealed,
        expires_at: _,
        key_pair,
    } = secret;
    std::iter::once(sealed).chain(key_pair.as_mut().map(of_key_pair))
}

fn of_key_pair(pair: &mut KeyPair) -> &mut Sealed {
    let KeyPair {
        sealed,
        public_key: _,
    } = pair;
    sealed
}

fn of_certificate(certificate: &mut ClientCertificate) -> Option<&mut Sealed> {
    let ClientCertificate {
        certificate: _,
        expires_at: _,
        private_key,
    } = certificate;
    of_hidden(private_key)
}

fn of_oauth2(oauth2: &mut OAuth2) -> Option<&mut Sealed> {
    let OAuth2 {
        token_url: _,
        client_id: _,
        client_secret,
        scope: _,
        audience: _,
    } = oauth2;
    of_hidden(client_secret)
}

fn of_hidden(hidden: &mut Hidden) -> Option<&mut Sealed> {
    match hidden {
        Hidden::Sealed(sealed) => Some(sealed),
        Hidden::Value(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::Endpoint;

    /// What every sealed text of the example begins with.
    const KEY: &str = "k:";

    #[test]
    fn every_sealed_text_of_the_stored_form_is_visited_once() {
        let stored = everything();
        let mut in_the_form = Vec::new();
        collect(&stored, &mut in_the_form);
        let mut endpoint: Endpoint = serde_json::from_value(stored).unwrap();

        let mut visited: Vec<String> = endpoint.sealed_mut().map(|text| text.0.clone()).collect();

        visited.sort();
        in_the_form.sort();
        assert_eq!(visited, in_the_form);
        assert_eq!(visited.len(), 7);
    }

    #[test]
    fn what_is_put_into_the_visited_texts_is_stored_and_nothing_else_changes() {
        let mut endpoint: Endpoint = serde_json::from_value(everything()).unwrap();

        for (n, sealed) in endpoint.sealed_mut().enumerate() {
            sealed.0 = format!("new:{n}");
        }

        let stored = serde_json::to_string(&endpoint).unwrap();
        assert!(!stored.contains(KEY), "{stored}");
        for n in 0..7 {
            assert_eq!(
                stored.matches(&format!("\"new:{n}\"")).count(),
                1,
                "{stored}"
            );
        }
    }

    #[test]
    fn the_example_leaves_no_field_out() {
        let fields = |value: &Value| -> BTreeSet<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let endpoint: Endpoint = serde_json::from_value(everything()).unwrap();

        assert_eq!(endpoint.unknown, std::collections::BTreeMap::new());
        assert_eq!(
            fields(&serde_json::to_value(&endpoint).unwrap()),
            fields(&everything())
        );
    }

    #[test]
    fn texts_of_later_versions_are_found_at_any_depth() {
        let mut stored = everything();
        stored["later"] = json!({"a": [{"b": "one"}, "two"], "c": 3, "d": null});
        let mut endpoint: Endpoint = serde_json::from_value(stored).unwrap();

        let mut texts: Vec<String> = endpoint
            .unknown_texts_mut()
            .into_iter()
            .map(|text| text.clone())
            .collect();

        texts.sort();
        assert_eq!(texts, ["one", "two"]);
    }

    fn collect(value: &Value, texts: &mut Vec<String>) {
        match value {
            Value::String(text) if text.starts_with(KEY) => texts.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
            Value::Object(members) => members.values().for_each(|item| collect(item, texts)),
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// An endpoint with every field that there is.
    fn everything() -> Value {
        json!({
            "id": "ep_1", "organisationId": "acme", "url": "https://a.example/", "events": ["*"],
            "entityFilters": {"a.b": ["x"]}, "httpMethod": "PUT", "isEnabled": true,
            "isPaused": true, "maxRetries": 5,
            "headers": [
                {"name": "X-A", "value": "b"},
                {"name": "Authorization", "sealed": {"text": "k:header-1", "shown": "Bearer ***"}},
                {"name": "X-Api-Key", "sealed": {"text": "k:header-2", "shown": "***"}},
            ],
            "signing": {"scheme": "standard", "asymmetric": true},
            "clientCertificate": {
                "certificate": "-----BEGIN CERTIFICATE-----", "expiresAt": "2027-03-14T10:21:45.102Z",
                "privateKey": {"sealed": "k:private-key"},
            },
            "caCertificate": "-----BEGIN CERTIFICATE-----",
            "oauth2": {
                "tokenUrl": "https://a.example/token", "clientId": "c",
                "clientSecret": {"sealed": "k:client-secret"}, "scope": "s", "audience": "a",
            },
            "secrets": [
                {"sealed": "k:secret-1", "keyPair": {"sealed": "k:pair", "publicKey": "whpk_a"}},
                {"sealed": "k:secret-2", "expiresAt": "2026-03-15T10:21:45.102Z"},
            ],
            "retryPolicy": {"preset": "nudj"}, "timeoutMs": 10_000, "rateLimit": 1.0,
            "maxInFlight": 5, "description": "d", "metadata": {"k": "v"},
            "createdAt": "2026-03-14T10:21:45.102Z", "updatedAt": "2026-03-14T10:21:45.102Z",
        })
    }
}
