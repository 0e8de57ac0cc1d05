//! The page: one HTML document without scripts, made of the description of the API.

mod kind;

use serde_json::{Map, Value};

use self::kind::kind;

#[cfg(test)]
mod tests;

/// The methods that operations have, in the order in which they are shown.
const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// One operation and where it is found.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    described: &'a Value,
}

/// Makes the page.
pub(super) fn render(document: &Value) -> String {
    let operations = operations(document);
    let tags: Vec<&Value> = items(&document["tags"]).collect();
    let mut links = String::new();
    let mut sections = String::new();
    for tag in tags {
        let name = text(&tag["name"]);
        let of_tag = || operations.iter().filter(|one| one.is_of(name));
        if of_tag().next().is_none() {
            continue;
        }
        links += &group(name, of_tag().map(Operation::id));
        sections += &format!("<h2>{}</h2>{}", escaped(name), prose(&tag["description"]));
        sections.extend(of_tag().map(Operation::article));
    }
    let schemas = entries(at(document, "/components/schemas"));
    links += &group("Schemas", schemas.clone().map(|(name, _)| name.as_str()));
    let schemas: String = schemas
        .map(|(name, schema)| defined(name, schema))
        .collect();
    let title = escaped(text(at(document, "/info/title")));
    let version = escaped(text(at(document, "/info/version")));
    let about = prose(at(document, "/info/description"));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} API</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <link rel=\"stylesheet\" href=\"/api/v2/docs/style.css\"></head><body>\
         <nav aria-label=\"Contents\">{links}</nav><main><h1>{title} API <small>{version}, as \
         <a href=\"/api/v2/openapi.json\">OpenAPI</a></small></h1>{about}{sections}\
         <h2>Schemas</h2>{schemas}</main></body></html>"
    )
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut found = Vec::new();
    for (path, item) in entries(&document["paths"]) {
        for method in METHODS {
            if let Some(described) = item.get(method) {
                found.push(Operation {
                    method,
                    path,
                    described,
                });
            }
        }
    }
    found
}

/// A group of links in the contents.
fn group<'a>(name: &str, ids: impl Iterator<Item = &'a str>) -> String {
    let links: String = ids
        .map(escaped)
        .map(|id| format!("<li><a href=\"#{id}\">{id}</a></li>"))
        .collect();
    format!("<h2>{}</h2><ul>{links}</ul>", escaped(name))
}

impl<'a> Operation<'a> {
    fn id(&self) -> &'a str {
        text(&self.described["operationId"])
    }

    fn is_of(&self, tag: &str) -> bool {
        items(&self.described["tags"]).any(|own| own == tag)
    }

    fn article(&self) -> String {
        let id = escaped(self.id());
        format!(
            "<article id=\"{id}\"><h3>{}</h3><p class=\"call\"><b>{}</b> {}</p>{}{}{}{}</article>",
            escaped(text(&self.described["summary"])),
            escaped(self.method),
            escaped(self.path),
            prose(&self.described["description"]),
            self.parameters(),
            self.body(),
            self.answers(),
        )
    }

    fn parameters(&self) -> String {
        let rows = items(&self.described["parameters"]).map(|parameter| {
            let place = match parameter["required"].as_bool() {
                Some(true) => format!("{}, required", text(&parameter["in"])),
                Some(false) | None => text(&parameter["in"]).to_owned(),
            };
            let about = prose(&parameter["description"]);
            let about = format!("{}{about}", kind(&parameter["schema"]));
            row(text(&parameter["name"]), &place, &about)
        });
        table("Parameters", rows)
    }

    fn body(&self) -> String {
        let body = &self.described["requestBody"];
        let about = prose(&body["description"]);
        let rows = entries(&body["content"])
            .map(|(media_type, content)| row(media_type, "", &kind(&content["schema"])));
        let table = table("Body", rows);
        format!("{table}{about}")
    }

    fn answers(&self) -> String {
        let rows = entries(&self.described["responses"]).map(|(status, answer)| {
            let shared = answer["$ref"]
                .as_str()
                .and_then(|place| place.rsplit('/').next());
            let about = match shared {
                Some(name) => format!("<a href=\"#Problem\">Problem</a> ({})", escaped(name)),
                None => {
                    let contents = entries(&answer["content"]);
                    let kinds: String = contents.map(|(_, one)| kind(&one["schema"])).collect();
                    format!("{kinds}{}", prose(&answer["description"]))
                }
            };
            row(status, "", &about)
        });
        table("Answers", rows)
    }
}

/// The definition of a schema.
fn defined(name: &str, schema: &Value) -> String {
    let name = escaped(name);
    let about = prose(&schema["description"]);
    let parts: Vec<&Value> = items(&schema["allOf"]).collect();
    let parts = if parts.is_empty() {
        vec![schema]
    } else {
        parts
    };
    let parts: String = parts.into_iter().map(part).collect();
    format!("<article id=\"{name}\"><h3>{name}</h3>{about}{parts}</article>")
}

fn part(schema: &Value) -> String {
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return format!("<p>{}</p>", kind(schema));
    };
    let required = |name: &str| items(&schema["required"]).any(|one| one == name);
    let rows = properties.iter().map(|(name, property)| {
        let note = if required(name) { "required" } else { "" };
        let about = format!("{}{}", kind(property), prose(&property["description"]));
        row(name, note, &about)
    });
    table("Fields", rows)
}

fn table(title: &str, rows: impl Iterator<Item = String>) -> String {
    let rows: String = rows.collect();
    if rows.is_empty() {
        return rows;
    }
    format!("<h4>{title}</h4><table><tbody>{rows}</tbody></table>")
}

fn row(name: &str, note: &str, about: &str) -> String {
    let (name, note) = (escaped(name), escaped(note));
    format!("<tr><th scope=\"row\">{name}<small>{note}</small></th><td>{about}</td></tr>")
}

/// Paragraphs in which what stands between backticks is code.
fn prose(value: &Value) -> String {
    let paragraphs = text(value).split("\n\n").filter(|one| !one.is_empty());
    paragraphs
        .map(|paragraph| {
            let mut html = String::from("<p>");
            for (at, piece) in paragraph.split('`').enumerate() {
                let piece = escaped(piece);
                if at % 2 == 0 {
                    html += &piece;
                } else {
                    html += &format!("<code>{piece}</code>");
                }
            }
            html + "</p>"
        })
        .collect()
}

fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> + Clone {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}
