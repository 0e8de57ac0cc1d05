//! What the page shows, and what it never lets through.

use serde_json::{Value, json};

use super::render;

#[test]
fn every_operation_and_schema_of_the_document_has_its_place() {
    let document: Value = serde_json::from_str(super::super::DOCUMENT).unwrap();

    let page = render(&document);

    let operations = document["paths"].as_object().unwrap().values();
    let operations = operations.flat_map(|item| item.as_object().unwrap().values());
    let ids = operations.map(|operation| operation["operationId"].as_str().unwrap());
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for id in ids.chain(schemas.keys().map(String::as_str)) {
        assert!(page.contains(&format!("<article id=\"{id}\">")), "{id}");
    }
    for link in page.split("href=\"#").skip(1) {
        let target = link.split('"').next().unwrap();
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
    }
}

#[test]
fn the_page_loads_nothing_from_elsewhere_and_runs_nothing() {
    let document = serde_json::from_str(super::super::DOCUMENT).unwrap();

    let page = render(&document);

    for loads in [" src=", " href=\"http", " href=\"//", "<script", " style="] {
        assert!(!page.contains(loads), "{loads}");
    }
    let style = super::super::STYLE;
    assert!(!style.contains("url(") && !style.contains("@import"));
}

#[test]
fn what_looks_like_html_is_text() {
    let hostile = "<img src=x onerror=\"alert(1)\">`<b>`&";
    let operation = json!({
        "operationId": hostile, "tags": ["t"], "summary": hostile, "description": hostile,
        "parameters": [{"name": hostile, "in": "query", "schema": {"enum": [hostile]}}],
        "responses": {"200": {"description": hostile}},
    });
    let document = json!({
        "tags": [{"name": "t", "description": hostile}],
        "paths": {"/x": {"get": operation}},
        "components": {"schemas": {"S": {"type": "string", "pattern": hostile}}},
    });

    let page = render(&document);

    assert!(!page.contains("<img") && !page.contains("<b>`"), "{page}");
    assert!(page.contains("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;"));
}
