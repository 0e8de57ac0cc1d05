//! The description of the API by `OpenAPI` 3.1: what every operation shares, and putting the parts of the
//! services together. An operation itself says only what is its own.

use serde_json::json;
use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{
        ComponentsBuilder, Content, Header, InfoBuilder, License, Object, OpenApi, OpenApiBuilder,
        PathItem, Ref, RefOr, Response, ResponseBuilder, Server, Tag,
        path::{Operation, ParameterIn},
        schema::Type,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
        tag::TagBuilder,
    },
};

use crate::{
    auth::TOKEN_HEADER,
    problem::{Code, Envelope},
};

#[cfg(test)]
mod tests;

const ABOUT: &str = "\
Posthorn delivers events as signed, retried, logged webhooks. An operation needs a token, in any of these \
spellings: `Authorization: Bearer <token>`, `Authorization: <token>`, `x-api-token: <token>` or \
`x-api-token: Bearer <token>`. A token belongs to one organisation and has a role: `producer` (send events), \
`viewer` (read configs), `admin` (everything in its organisation) or `operator` (all organisations, each named \
by `?organisationId=`). What belongs to another organisation answers as what does not exist: 404.

A failure is answered with one form of body, the schema `Problem`; its `code` is for programs, and its \
`message` names the field. Query parameters and fields that no operation knows are refused with 400.";

/// The groups of operations, in the order in which they are shown.
const TAGS: [(&str, &str); 9] = [
    (
        "Events",
        "What happened, as producers send it, and its erasure.",
    ),
    ("Webhook configs", "Where events go, which ones, and how."),
    ("Event types", "The catalogue of events."),
    ("Logs", "Every attempt to deliver, one record each."),
    ("Deliveries", "One event on its way to one webhook config."),
    ("Dead letters", "What was given up."),
    (
        "Replays",
        "What was accepted, delivered once more or at last.",
    ),
    ("Settings", "What holds for a whole organisation."),
    ("Tokens", "Who may do what."),
];

/// The failures that every operation may answer with, and those that depend on what it takes.
struct Failure {
    code: Code,
    name: &'static str,
    about: &'static str,
    example: &'static str,
}

const FAILURES: [Failure; 10] = [
    Failure {
        code: Code::BadRequest,
        name: "BadRequest",
        about: "The request is wrong; the message names the field.",
        example: "limit: must be a number from 1 to 100",
    },
    Failure {
        code: Code::Unauthorized,
        name: "Unauthorized",
        about: "There is no token, or none that is live.",
        example: "Unauthorized",
    },
    Failure {
        code: Code::Forbidden,
        name: "Forbidden",
        about: "The token's role or organisation does not allow it.",
        example: "Insufficient permissions for this operation.",
    },
    Failure {
        code: Code::NotFound,
        name: "NotFound",
        about: "There is no such thing in the organisation.",
        example: "there is no such webhook config",
    },
    Failure {
        code: Code::Conflict,
        name: "Conflict",
        about: "The state of things does not allow it.",
        example: "the webhook config was changed meanwhile",
    },
    Failure {
        code: Code::PayloadTooLarge,
        name: "PayloadTooLarge",
        about: "The body is larger than allowed.",
        example: "body: must be at most 1048576 bytes",
    },
    Failure {
        code: Code::UnsupportedMediaType,
        name: "UnsupportedMediaType",
        about: "The body is of another media type.",
        example: "content-type: must be application/json",
    },
    Failure {
        code: Code::TooManyRequests,
        name: "TooManyRequests",
        about: "Too much was asked for at once; `retry-after` says when to ask again.",
        example: "the token may send 100 requests a second: try again later",
    },
    Failure {
        code: Code::InternalServerError,
        name: "InternalServerError",
        about: "Something is broken. The same request may be sent again.",
        example: "Internal server error",
    },
    Failure {
        code: Code::ServiceUnavailable,
        name: "ServiceUnavailable",
        about: "The broker or the store does not answer. The same request may be sent again.",
        example: "not saved, repeat the request",
    },
];

/// Puts the parts of the services together to one document, and adds what every operation shares.
#[must_use]
pub fn document(parts: impl IntoIterator<Item = OpenApi>) -> OpenApi {
    let mut document = base();
    for part in parts {
        document.merge(part);
    }
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            complete(operation);
        }
    }
    document
}

fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Posthorn")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(License::new("Apache-2.0")))
        .build();
    let mut components = ComponentsBuilder::new()
        .schema(Envelope::name(), Envelope::schema())
        .security_scheme(
            "bearer",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        )
        .security_scheme(
            "apiToken",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(TOKEN_HEADER))),
        );
    let mut schemas = Vec::new();
    Envelope::schemas(&mut schemas);
    for (name, schema) in schemas {
        components = components.schema(name, schema);
    }
    for failure in &FAILURES {
        components = components.response(failure.name, failure.response());
    }
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new("/")]))
        .components(Some(components.build()))
        .security(Some(["bearer", "apiToken"].map(|scheme| {
            utoipa::openapi::security::SecurityRequirement::new(scheme, Vec::<String>::new())
        })))
        .tags(Some(TAGS.map(|(name, about)| tag(name, about))))
        .build()
}

fn tag(name: &str, about: &str) -> Tag {
    TagBuilder::new()
        .name(name)
        .description(Some(about))
        .build()
}

impl Failure {
    fn response(&self) -> Response {
        let mut response = ResponseBuilder::new()
            .description(self.about)
            .content("application/json", self.content());
        for (name, kind, about) in headers(self.code) {
            let mut header = Header::new(Object::with_type(kind));
            header.description = Some(about.to_owned());
            response = response.header(name, header);
        }
        response.build()
    }

    fn content(&self) -> Content {
        let mut content = Content::new(Some(problem()));
        content.example = Some(json!({
            "message": self.example,
            "code": self.code,
            "data": {"httpStatus": self.code.status().as_u16(), "path": "getWebhookConfig"},
        }));
        content
    }
}

/// Returns the headers that come with a failure.
fn headers(code: Code) -> Vec<(&'static str, Type, &'static str)> {
    let retry_after = (
        "retry-after",
        Type::Integer,
        "Seconds after which the request may be sent again.",
    );
    match code {
        Code::ServiceUnavailable => vec![retry_after],
        Code::TooManyRequests => vec![
            retry_after,
            (
                "ratelimit-limit",
                Type::Integer,
                "The limit, in requests or events a second.",
            ),
            (
                "ratelimit-remaining",
                Type::Integer,
                "What is left of it: 0.",
            ),
            (
                "ratelimit-reset",
                Type::Integer,
                "Seconds until something is left.",
            ),
        ],
        Code::Unauthorized => vec![("www-authenticate", Type::String, "`Bearer`.")],
        Code::BadRequest
        | Code::Forbidden
        | Code::NotFound
        | Code::MethodNotAllowed
        | Code::Conflict
        | Code::PayloadTooLarge
        | Code::UnsupportedMediaType
        | Code::InternalServerError => Vec::new(),
    }
}

fn problem() -> Ref {
    Ref::from_schema_name(Envelope::name())
}

/// Returns the operations of a path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.patch,
        &mut item.delete,
    ]
    .into_iter()
    .flatten()
}

/// Adds the failures that an operation may answer with. One that it names itself, with its own
/// description, gets the form of all.
fn complete(operation: &mut Operation) {
    // It comes from a comment, which is broken into lines.
    operation.summary = operation.summary.take().map(|text| text.replace('\n', " "));
    let has_body = operation.request_body.is_some();
    let names_something = operation.parameters.iter().flatten().any(|parameter| {
        let RefOr::T(parameter) = parameter else {
            return false;
        };
        parameter.parameter_in == ParameterIn::Path || parameter.name == "organisationId"
    });
    for failure in &FAILURES {
        let status = failure.code.status().as_str().to_owned();
        if let Some(RefOr::T(own)) = operation.responses.responses.get_mut(&status) {
            let shared = failure.response();
            own.content = shared.content;
            own.headers.extend(shared.headers);
        } else if failure.concerns(has_body, names_something) {
            let shared = Ref::from_response_name(failure.name);
            operation
                .responses
                .responses
                .insert(status, RefOr::Ref(shared));
        }
    }
}

impl Failure {
    /// Returns whether operations with a body, or with something that may not exist, may fail so.
    fn concerns(&self, has_body: bool, names_something: bool) -> bool {
        match self.code {
            Code::BadRequest
            | Code::Unauthorized
            | Code::Forbidden
            | Code::TooManyRequests
            | Code::InternalServerError
            | Code::ServiceUnavailable => true,
            Code::NotFound => names_something,
            Code::PayloadTooLarge | Code::UnsupportedMediaType => has_body,
            // Operations name their conflicts themselves.
            Code::Conflict | Code::MethodNotAllowed => false,
        }
    }
}
