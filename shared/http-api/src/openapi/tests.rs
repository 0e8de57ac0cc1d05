//! What operations are given that they do not say themselves.

use serde_json::{Value, json};
use utoipa::{
    OpenApi as _,
    openapi::{
        OpenApi, PathItem, ResponseBuilder,
        path::{
            HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathsBuilder,
        },
        request_body::RequestBody,
    },
};

use super::document;

#[test]
fn every_operation_gets_the_failures_that_it_may_answer_with() {
    let statuses = |operation: OperationBuilder| -> Vec<String> {
        let described = described(operation.build());
        let responses = described["responses"].as_object().unwrap();
        responses.keys().cloned().collect()
    };
    let always = ["400", "401", "403", "429", "500", "503"];
    let id = ParameterBuilder::new()
        .name("name")
        .parameter_in(ParameterIn::Path)
        .build();

    assert_eq!(statuses(OperationBuilder::new()), always);
    assert_eq!(
        statuses(OperationBuilder::new().parameter(id)),
        ["400", "401", "403", "404", "429", "500", "503"]
    );
    assert_eq!(
        statuses(OperationBuilder::new().request_body(Some(RequestBody::new()))),
        ["400", "401", "403", "413", "415", "429", "500", "503"]
    );
}

#[test]
fn a_failure_with_words_of_its_own_has_the_form_of_all() {
    let own = ResponseBuilder::new()
        .description("It is too late.")
        .build();
    let operation = OperationBuilder::new().response("409", own).build();

    let conflict = &described(operation)["responses"]["409"];

    assert_eq!(conflict["description"], "It is too late.");
    let schema = &conflict["content"]["application/json"]["schema"];
    assert_eq!(schema["$ref"], "#/components/schemas/Problem");
}

#[test]
fn who_is_told_to_wait_is_told_how_long() {
    let responses = &json(&document([]))["components"]["responses"];

    for name in ["TooManyRequests", "ServiceUnavailable"] {
        assert!(responses[name]["headers"]["retry-after"].is_object());
    }
    assert!(responses["Unauthorized"]["headers"]["www-authenticate"].is_object());
}

fn described(operation: Operation) -> Value {
    #[derive(utoipa::OpenApi)]
    struct Empty;
    let mut part: OpenApi = Empty::openapi();
    let item = PathItem::new(HttpMethod::Get, operation);
    part.paths = PathsBuilder::new().path("/x", item).build();
    json(&document([part]))["paths"]["/x"]["get"].clone()
}

fn json(document: &OpenApi) -> Value {
    json!(document)
}
