//! Compares a field as a file has it with what the API shows, which writes some fields in a form of its own
//! and shows no secrets.

use domain::{
    redaction::{MASK, is_sensitive, mask},
    retry::RetryPolicy,
    signing::Scheme,
};
use serde_json::{Map, Value, json};

/// What comparing a field comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Whether something is different.
    pub(super) differs: bool,
    /// Secrets in it, of which it can't be seen.
    pub(super) given: Vec<String>,
}

/// A field that is different; its texts show no secrets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) field: String,
    pub(super) from: String,
    pub(super) to: String,
}

impl Compared {
    /// Returns whether the field has to be sent.
    pub(super) fn is_sent(&self) -> bool {
        self.differs || !self.given.is_empty()
    }

    fn given(field: &str) -> Self {
        Self {
            differs: false,
            given: vec![field.to_owned()],
        }
    }

    fn of(differs: bool) -> Self {
        Self {
            differs,
            given: Vec::new(),
        }
    }
}

impl Change {
    pub(super) fn new(field: &str, from: &Value, to: &Value) -> Self {
        Self {
            field: field.to_owned(),
            from: shown(field, from),
            to: shown(field, to),
        }
    }
}

/// Returns whether a value says no more than its absence.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Compares a field as it is wanted with what is shown of it.
pub(super) fn compare(field: &str, wanted: &Value, shown: &Value) -> Compared {
    match field {
        "secret" => secret(field, wanted),
        "headers" => headers(wanted, shown),
        "clientCertificate" => with_secret(field, "privateKey", wanted, shown),
        "oauth2" => with_secret(field, "clientSecret", wanted, shown),
        _ => Compared::of(normal(field, wanted) != normal(field, shown)),
    }
}

/// Returns a field's value for people: on one line, its secrets masked.
pub(super) fn shown(field: &str, value: &Value) -> String {
    let mut value = value.clone();
    match (field, &mut value) {
        ("secret", value) => *value = json!(MASK),
        ("headers", Value::Object(headers)) => {
            for (_, value) in headers.iter_mut().filter(|(name, _)| is_sensitive(name)) {
                *value = json!(mask(value.as_str().unwrap_or(MASK)));
            }
        }
        (_, Value::Object(fields)) => {
            for (_, value) in fields.iter_mut().filter(|(name, _)| is_hidden(name)) {
                *value = json!(MASK);
            }
        }
        (_, _) => {}
    }
    value.to_string()
}

fn is_hidden(name: &str) -> bool {
    ["privateKey", "clientSecret"].contains(&name)
}

fn secret(field: &str, wanted: &Value) -> Compared {
    match wanted.as_str() {
        Some(text) if text.strip_prefix("whsec_").unwrap_or(text) != MASK => Compared::given(field),
        Some(_) | None => Compared::default(),
    }
}

/// Compares headers by their names in any case; the values of sensitive ones are shown masked.
fn headers(wanted: &Value, shown: &Value) -> Compared {
    let (wanted, shown) = (by_lower_name(wanted), by_lower_name(shown));
    let mut compared = Compared::of(!wanted.keys().eq(shown.keys()));
    for (name, value) in &wanted {
        let (value, shown) = (value.as_str(), shown.get(name).and_then(Value::as_str));
        match (value, shown) {
            (value, shown) if value == shown => {}
            (Some(value), Some(shown)) if is_sensitive(name) && mask(value) == shown => {
                compared.given.push(format!("headers.{name}"));
            }
            (Some(MASK), Some(shown)) if shown.ends_with(MASK) => {}
            _ => compared.differs = true,
        }
    }
    compared
}

fn by_lower_name(headers: &Value) -> Map<String, Value> {
    let headers = headers.as_object().into_iter().flatten();
    headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .collect()
}

/// Compares an object that holds a secret and may hold more than was given.
fn with_secret(field: &str, hidden: &str, wanted: &Value, shown: &Value) -> Compared {
    let (Some(fields), Some(known)) = (wanted.as_object(), shown.as_object()) else {
        return Compared::of(is_empty(wanted) != is_empty(shown));
    };
    let open = |(name, _): &(&String, &Value)| name.as_str() != hidden && *name != "expiresAt";
    let trimmed = |value: &Value| value.as_str().map(|text| text.trim().to_owned());
    let differs = fields
        .iter()
        .filter(open)
        .any(|(name, value)| trimmed(value) != known.get(name).and_then(trimmed));
    let left_out = known
        .iter()
        .filter(open)
        .any(|(name, _)| !fields.contains_key(name));
    let given = match fields.get(hidden).and_then(Value::as_str) {
        Some(text) if text != MASK => vec![format!("{field}.{hidden}")],
        Some(_) | None => Vec::new(),
    };
    Compared {
        differs: differs || left_out,
        given,
    }
}

/// Returns the one form of values that mean the same.
fn normal(field: &str, value: &Value) -> Value {
    match (field, value) {
        (_, value) if is_empty(value) => Value::Null,
        ("url", Value::String(text)) => {
            url::Url::parse(text).map_or_else(|_error| value.clone(), |url| json!(url.as_str()))
        }
        ("httpMethod", Value::String(text)) => json!(text.to_ascii_uppercase()),
        ("signing", value) => Scheme::parse(value)
            .ok()
            .and_then(|scheme| serde_json::to_value(scheme).ok())
            .unwrap_or_else(|| value.clone()),
        ("retryPolicy", value) => serde_json::from_value::<RetryPolicy>(value.clone())
            .ok()
            .and_then(|policy| serde_json::to_value(policy).ok())
            .map_or_else(|| numbers(value), |policy| numbers(&policy)),
        ("entityFilters", Value::Object(filters)) => filters
            .iter()
            .filter(|(_, ids)| !is_empty(ids))
            .map(|(event, ids)| (event.clone(), set(ids)))
            .collect::<Map<String, Value>>()
            .into(),
        (_, value) => numbers(value),
    }
}

/// Returns a value in which whole numbers are written as others are: 5 is 5.0.
fn numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or_else(|| value.clone(), Value::from),
        Value::Array(items) => items.iter().map(numbers).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), numbers(value)))
            .collect::<Map<String, Value>>()
            .into(),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

fn set(ids: &Value) -> Value {
    let mut ids: Vec<&str> = ids
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    json!(ids)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{compare, shown};

    #[test]
    fn values_that_mean_the_same_are_the_same() {
        for (field, wanted, shown) in [
            ("rateLimit", json!(5), json!(5.0)),
            ("headers", Value::Null, json!({})),
            ("description", Value::Null, Value::Null),
            (
                "url",
                json!("https://A.example"),
                json!("https://a.example/"),
            ),
            ("httpMethod", json!("post"), json!("POST")),
            ("signing", json!({"scheme": "standard"}), json!("standard")),
            (
                "retryPolicy",
                json!({"jitter": 0}),
                json!({"preset": "nudj", "jitter": 0.0}),
            ),
            (
                "entityFilters",
                json!({"a": ["2", "1", "2"], "b": []}),
                json!({"a": ["1", "2"]}),
            ),
            (
                "headers",
                json!({"X-A": "1", "x-token": "***"}),
                json!({"x-a": "1", "X-Token": "***"}),
            ),
            (
                "oauth2",
                json!({"tokenUrl": "u", "clientId": "c"}),
                json!({"tokenUrl": "u", "clientId": "c", "clientSecret": "***"}),
            ),
        ] {
            assert!(
                !compare(field, &wanted, &shown).is_sent(),
                "{field}: {wanted}"
            );
        }
    }

    #[test]
    fn values_that_mean_something_else_differ() {
        for (field, wanted, shown) in [
            ("rateLimit", Value::Null, json!(5.0)),
            ("events", json!(["a", "b"]), json!(["b", "a"])),
            (
                "headers",
                json!({"x-a": "1"}),
                json!({"x-a": "1", "x-b": "2"}),
            ),
            (
                "headers",
                json!({"authorization": "Basic x"}),
                json!({"authorization": "Bearer ***"}),
            ),
            ("signing", json!("jwt"), json!("standard")),
            ("signing", json!("none of ours"), json!("standard")),
            ("oauth2", Value::Null, json!({"tokenUrl": "u"})),
            (
                "oauth2",
                json!({"tokenUrl": "u"}),
                json!({"tokenUrl": "u", "scope": "s"}),
            ),
        ] {
            assert!(compare(field, &wanted, &shown).differs, "{field}: {wanted}");
        }
    }

    #[test]
    fn no_difference_shows_a_secret() {
        let secret = "s3cret";
        for (field, value) in [
            ("secret", json!(secret)),
            (
                "headers",
                json!({"Authorization": format!("Bearer {secret}"), "x-api-key": secret}),
            ),
            (
                "clientCertificate",
                json!({"certificate": "c", "privateKey": secret}),
            ),
            ("oauth2", json!({"clientId": "c", "clientSecret": secret})),
        ] {
            let shown = shown(field, &value);
            assert!(!shown.contains(secret), "{shown}");
            assert!(shown.contains("***"), "{shown}");
        }
    }
}
