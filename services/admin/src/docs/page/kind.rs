//! What a value may be, in a few words.

use serde_json::Value;

use super::{escaped, text};

/// Says what a value of a schema may be, with links to the schemas that it names.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|place| place.rsplit('/').next())
    {
        let name = escaped(name);
        return format!("<a href=\"#{name}\">{name}</a>");
    }
    if let Some(words) = schema["enum"].as_array() {
        let words = words.iter().map(|word| code(&said(word)));
        return words.collect::<Vec<_>>().join(" ");
    }
    for any in ["oneOf", "anyOf", "allOf"] {
        if let Some(kinds) = schema[any].as_array() {
            let kinds = kinds.iter().map(kind);
            return kinds.collect::<Vec<_>>().join(" or ");
        }
    }
    let names = match &schema["type"] {
        Value::String(name) => named(name, schema),
        Value::Array(names) => {
            let names = names.iter().map(|name| named(text(name), schema));
            names.collect::<Vec<_>>().join(" or ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => "anything".to_owned(),
    };
    format!("{names}{}", bounds(schema))
}

fn named(name: &str, schema: &Value) -> String {
    match name {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!(
                "object with values: {}",
                kind(&schema["additionalProperties"])
            )
        }
        "object" if schema["properties"].is_object() => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            let fields = fields.map(|(name, field)| format!("{}: {}", code(name), kind(field)));
            format!("object with {}", fields.collect::<Vec<_>>().join(", "))
        }
        other => escaped(other),
    }
}

/// The bounds of a value.
fn bounds(schema: &Value) -> String {
    const WORDS: [(&str, &str); 10] = [
        ("minimum", "at least"),
        ("exclusiveMinimum", "above"),
        ("maximum", "at most"),
        ("minLength", "characters at least"),
        ("maxLength", "characters at most"),
        ("minItems", "entries at least"),
        ("maxItems", "entries at most"),
        ("pattern", "of the form"),
        ("format", "format"),
        ("default", "unless given"),
    ];
    let found: Vec<String> = WORDS
        .iter()
        .filter_map(|(key, words)| {
            let value = schema.get(key).filter(|value| !value.is_null())?;
            Some(format!("{words} {}", code(&said(value))))
        })
        .collect();
    if found.is_empty() {
        return String::new();
    }
    format!(" <small>{}</small>", found.join(", "))
}

/// A value as a person writes it.
fn said(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn code(text: &str) -> String {
    let text = escaped(text);
    format!("<code>{text}</code>")
}
