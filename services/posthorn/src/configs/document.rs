//! A file of webhook configs: YAML or JSON, a list or `configs:` with one.

use serde::Serialize;
use serde_json::{Value, json};

use super::Config;
use crate::failure::{Failure, failed};

/// Reads the configs of a file; every JSON is YAML too.
///
/// # Errors
/// [`Failure::Failed`] says what the file is not.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Config>, Failure> {
    let text = std::str::from_utf8(bytes).map_err(failed("the file is no UTF-8"))?;
    let document: Value = if text.trim_start().starts_with(['[', '{']) {
        serde_json::from_str(text).map_err(failed("the file is no JSON"))?
    } else {
        serde_saphyr::from_str(text).map_err(failed("the file is no YAML"))?
    };
    let Value::Array(items) = list_in(document)? else {
        return Err(form("the configs must be a list"));
    };
    let configs = items.into_iter().enumerate().map(|(at, item)| {
        if let Value::Object(config) = item {
            Ok(config)
        } else {
            Err(form(&format!("[{at}]: must be an object")))
        }
    });
    configs.collect()
}

/// Takes the list out of `configs:`, unless the document is the list.
fn list_in(mut document: Value) -> Result<Value, Failure> {
    let Some(fields) = document.as_object_mut() else {
        return Ok(document);
    };
    match (fields.remove("configs"), fields.keys().next()) {
        (Some(list), None) => Ok(list),
        (_, Some(stray)) => Err(form(&format!("{stray}: is no field of the file"))),
        (None, None) => Err(form("configs: is missing")),
    }
}

/// Writes configs as a file.
///
/// # Errors
/// [`Failure::Failed`] when they can't be written.
pub(super) fn text(configs: &[Config], as_json: bool) -> Result<String, Failure> {
    let document = json!({"configs": configs});
    if as_json {
        let text = serde_json::to_string_pretty(&document).map_err(failed("write JSON"))?;
        return Ok(format!("{text}\n"));
    }
    yaml(&document)
}

/// Writes a document as YAML.
///
/// # Errors
/// [`Failure::Failed`] when it can't be written.
pub(super) fn yaml(document: &impl Serialize) -> Result<String, Failure> {
    serde_saphyr::to_string(document).map_err(failed("write YAML"))
}

fn form(problem: &str) -> Failure {
    Failure::Failed(format!(
        "{problem} (expected a list of webhook configs, or `configs:` with one)"
    ))
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{read, text};

    #[test]
    fn yaml_and_json_are_read_alike() {
        let yaml = "# ours\nconfigs:\n  - url: https://a.example/hook\n    events: [reward.*, \"*\"]\n    \
                    rateLimit: 5\n    description: null\n";
        let json = r#"[{"url": "https://a.example/hook", "events": ["reward.*", "*"], "rateLimit": 5, "description": null}]"#;

        let configs = read(yaml.as_bytes()).unwrap();

        assert_eq!(configs, read(json.as_bytes()).unwrap());
        assert_eq!(configs[0]["rateLimit"], json!(5));
        assert_eq!(read(b"[]").unwrap(), Vec::new());
    }

    #[test]
    fn what_was_written_is_read_again() {
        let odd = json!({
            "url": "https://a.example/x?y=%20#", "description": "yes\n- no: {\"a\"} # ✓",
            "headers": {"X-A": "***", "1": "0123", "true": "~"}, "rateLimit": 0.5,
            "entityFilters": {"a.b": ["1e3", "null", ""]}, "isEnabled": false
        });
        let configs = vec![odd.as_object().unwrap().clone()];

        for as_json in [false, true] {
            let text = text(&configs, as_json).unwrap();
            assert_eq!(read(text.as_bytes()).unwrap(), configs, "{text}");
        }
    }

    /// A small file that would be ten thousand million texts.
    fn bomb() -> String {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let before = format!("*a{}", level - 1);
            let items = vec![before; 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        text
    }

    #[test]
    fn another_form_is_refused_with_what_is_wrong() {
        for (file, words) in [
            ("configs: 1", "must be a list"),
            ("configs: []\nversion: 1", "version: is no field"),
            ("{}", "configs: is missing"),
            ("[1]", "[0]: must be an object"),
            ("- url: a\n  url: b", "no YAML"),
            ("[", "no JSON"),
            ("a: &x [*x]", "no YAML"),
            (&bomb(), "no YAML"),
        ] {
            let failure = format!("{:?}", read(file.as_bytes()).unwrap_err());
            assert!(failure.contains(words), "{file}: {failure}");
        }
    }
}
