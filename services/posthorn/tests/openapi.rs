//! The description of the API that the Admin API serves is what the operations of all services say.

#![expect(
    clippy::unwrap_used,
    reason = "a panic with a message is how a test fails, in the functions that tests share too"
)]

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../admin/openapi.json");
const SERVICES: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/../admin/src"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../ingest/src"),
];

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "`make openapi` says by a variable that the document is to be renewed"
)]
fn the_committed_document_is_what_the_operations_say() {
    let document = http_api::openapi::document([admin::openapi().unwrap(), ingest::openapi()]);
    let mut text = document.to_pretty_json().unwrap();
    text.push('\n');
    if std::env::var_os("POSTHORN_RENEW_OPENAPI").is_some() {
        fs::write(COMMITTED, &text).unwrap();
    }

    let committed = fs::read_to_string(COMMITTED).unwrap();

    let differs = committed
        .lines()
        .zip(text.lines())
        .find(|(committed, generated)| committed != generated);
    assert!(
        committed == text,
        "services/admin/openapi.json is out of date: run `make openapi`; the first difference is {differs:?}"
    );
}

#[test]
fn parts_that_call_different_schemas_by_one_name_are_found() {
    let parts = [admin::openapi().unwrap(), ingest::openapi()].map(|part| part.components);
    let [admin, ingest] = parts.map(|components| components.unwrap().schemas);

    for (name, schema) in &ingest {
        let other = admin.get(name).unwrap_or(schema);
        assert!(other == schema, "{name} is two different schemas");
    }
}

#[test]
fn every_operation_of_the_services_is_described_once() {
    let document = committed();
    let described: Vec<&str> = operations(&document)
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let unique: BTreeSet<&str> = described.iter().copied().collect();
    let mut declared = BTreeSet::new();
    for folder in SERVICES {
        declared_in(Path::new(folder), &mut declared);
    }

    assert_eq!(described.len(), unique.len(), "{described:?}");
    let declared: BTreeSet<&str> = declared.iter().map(String::as_str).collect();
    assert_eq!(unique, declared);
}

#[test]
fn every_operation_says_what_it_does_and_every_parameter_what_it_is() {
    let document = committed();
    let tags = document["tags"].as_array().unwrap();
    let tags: BTreeSet<&str> = tags
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    for operation in operations(&document) {
        let id = &operation["operationId"];
        assert!(operation["summary"].is_string(), "{id}");
        let [tag] = operation["tags"].as_array().unwrap().as_slice() else {
            panic!("{id} has not one tag");
        };
        assert!(tags.contains(tag.as_str().unwrap()), "{id}: {tag}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = &parameter["name"];
            assert!(parameter["description"].is_string(), "{id}: {name}");
        }
    }
}

#[test]
fn whatever_the_document_refers_to_is_in_it() {
    let text = fs::read_to_string(COMMITTED).unwrap();
    let document = committed();

    for reference in text.split("\"$ref\": \"#").skip(1) {
        let place = reference.split('"').next().unwrap();
        assert!(document.pointer(place).is_some(), "{place}");
    }
}

fn committed() -> Value {
    serde_json::from_str(&fs::read_to_string(COMMITTED).unwrap()).unwrap()
}

fn operations(document: &Value) -> impl Iterator<Item = &Value> {
    let paths = document["paths"].as_object().unwrap().values();
    paths.flat_map(|item| item.as_object().unwrap().values())
}

/// Collects what the constants named `OPERATION` hold.
fn declared_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            declared_in(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines() {
            if let Some((_, rest)) = line.split_once("const OPERATION: &str = \"") {
                found.insert(rest.split('"').next().unwrap().to_owned());
            }
        }
    }
}
