//! The description of the API, as a running service serves it, to hold its answers against.

use http::Method;
use serde_json::{Map, Value, json};
use test_support::{HttpClient, Reply};

/// The description of the API.
#[derive(Clone, Debug)]
pub struct Description {
    document: Value,
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Described<'a> {
    /// Its id, such as `getWebhookConfig`.
    pub id: &'a str,
    /// Its method.
    pub method: Method,
    /// Its path, with the names of parameters in braces.
    pub path: &'a str,
    operation: &'a Value,
}

impl Description {
    /// Reads it from a service.
    ///
    /// # Panics
    /// Panics when the service does not serve it.
    pub async fn of(client: &HttpClient) -> Self {
        Self::new(client.get("/api/v2/openapi.json").await.expect(200))
    }

    /// Takes a document.
    #[must_use]
    pub fn new(document: Value) -> Self {
        Self { document }
    }

    /// Returns all operations.
    ///
    /// # Panics
    /// Panics when the document is not of its form.
    #[must_use]
    pub fn operations(&self) -> Vec<Described<'_>> {
        let mut all = Vec::new();
        for (path, item) in members(&self.document["paths"]) {
            for (method, operation) in members(item) {
                let method = method.to_uppercase();
                all.push(Described {
                    id: operation["operationId"].as_str().expect("has an id"),
                    method: method.parse().expect("a method"),
                    path,
                    operation,
                });
            }
        }
        all
    }

    /// Makes sure that an answer is one that the operation may give, and has no field that is not described.
    ///
    /// # Panics
    /// Panics when it is not.
    pub fn check(&self, operation: &Described<'_>, reply: &Reply) {
        let id = operation.id;
        let response = &operation.operation["responses"][reply.status.as_str()];
        assert!(response.is_object(), "{id} does not describe: {reply}");
        let content = &self.resolved(response)["content"];
        if content.is_null() {
            assert!(reply.body.is_empty(), "{id} describes no body: {reply}");
            return;
        }
        let schema = &content["application/json"]["schema"];
        let body = reply.json();
        let faults = self.faults(schema, &body);
        assert!(faults.is_empty(), "{id}: {faults:?} in {reply}");
        let unknown = self.unknown(&[schema], &body);
        assert_eq!(unknown, None, "{id} does not describe the field in {reply}");
    }

    /// Returns what of a value is not as its schema says.
    fn faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        let whole = json!({"allOf": [schema], "components": self.document["components"]});
        let validator = jsonschema::validator_for(&whole).expect("the schemas can be used");
        let errors = validator.iter_errors(value);
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }

    /// Returns the name of a field that none of the schemas has. Fields of objects that may have any are known.
    fn unknown(&self, schemas: &[&Value], value: &Value) -> Option<String> {
        let parts: Vec<&Value> = schemas.iter().flat_map(|one| self.parts(one)).collect();
        match value {
            Value::Array(values) => {
                let items: Vec<&Value> =
                    parts.iter().filter_map(|part| part.get("items")).collect();
                values.iter().find_map(|value| self.unknown(&items, value))
            }
            Value::Object(fields) if !parts.iter().any(|part| is_open(part)) => {
                fields.iter().find_map(|(name, value)| {
                    let properties = parts.iter().filter_map(|part| part["properties"].get(name));
                    let properties: Vec<&Value> = properties.collect();
                    if properties.is_empty() {
                        return Some(name.clone());
                    }
                    self.unknown(&properties, value)
                })
            }
            Value::Object(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_) => None,
        }
    }

    /// Returns a schema with all that it is put together of.
    fn parts<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.resolved(schema);
        let of = ["allOf", "oneOf", "anyOf"].into_iter();
        let of = of.filter_map(|name| schema[name].as_array()).flatten();
        let mut parts = vec![schema];
        parts.extend(of.flat_map(|part| self.parts(part)));
        parts
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(place) => {
                let pointer = place.trim_start_matches('#');
                let target = self.document.pointer(pointer);
                target.unwrap_or_else(|| panic!("nothing is at {place}"))
            }
            None => value,
        }
    }
}

/// Returns whether a schema, by itself, lets an object have any fields.
fn is_open(schema: &Value) -> bool {
    const WORDS: [&str; 6] = ["type", "properties", "allOf", "oneOf", "anyOf", "enum"];
    let says_nothing = WORDS.iter().all(|word| schema[word].is_null());
    let names_others = schema["additionalProperties"].is_object();
    says_nothing || names_others || schema["additionalProperties"] == true
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
