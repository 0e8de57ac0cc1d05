//! What has to be done until the configs are as a file says.

use std::collections::HashMap;

use domain::draft::url_key;
use serde_json::Value;

use super::{
    Config,
    diff::{self, Change},
};

/// What only Posthorn writes.
const READ_ONLY: [&str; 6] = [
    "organisationId",
    "isPaused",
    "publicKey",
    "createdAt",
    "updatedAt",
    "revision",
];

/// One thing to do.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Make a config.
    Make(Config),
    /// Change fields of one.
    Change {
        /// Which.
        known: Known,
        /// What is different.
        changes: Vec<Change>,
        /// Fields with secrets, of which it can't be seen whether they are different.
        given: Vec<String>,
        /// The fields to send.
        patch: Config,
    },
    /// Delete one that the file does not have.
    Delete(Known),
}

/// A config that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) revision: Option<u64>,
}

impl Step {
    /// Returns whether it makes a difference that can be seen.
    pub(super) fn differs(&self) -> bool {
        match self {
            Self::Make(_) | Self::Delete(_) => true,
            Self::Change { changes, .. } => !changes.is_empty(),
        }
    }
}

/// Takes out of a config what can't be applied again: what only Posthorn writes, and what is empty.
pub(super) fn make_applicable(config: &mut Config) {
    config.retain(|field, value| {
        !READ_ONLY.contains(&field.as_str()) && field != "secret" && !diff::is_empty(value)
    });
    let certificate = config.get_mut("clientCertificate");
    if let Some(certificate) = certificate.and_then(Value::as_object_mut) {
        certificate.remove("expiresAt");
    }
}

/// Plans the steps: items of the file in their order, then, with `prune`, what has to go.
///
/// # Errors
/// Names the item that fits no config, or the same one as another.
pub(super) fn plan(wanted: &[Config], there: &[Config], prune: bool) -> Result<Vec<Step>, String> {
    let by_id: HashMap<&str, usize> = (there.iter().enumerate())
        .filter_map(|(at, config)| Some((text(config, "id")?, at)))
        .collect();
    let by_url: HashMap<String, usize> = (there.iter().enumerate())
        .filter_map(|(at, config)| Some((url_key(text(config, "url")?), at)))
        .collect();
    let mut taken: HashMap<usize, usize> = HashMap::new();
    let mut new_urls: HashMap<String, usize> = HashMap::new();
    let mut steps = Vec::new();
    for (at, item) in wanted.iter().enumerate() {
        let url = text(item, "url").map(url_key);
        let found = match text(item, "id") {
            Some(id) => Some(*by_id.get(id).ok_or_else(|| {
                format!("[{at}].id: there is no webhook config {id}; leave the id out to make one")
            })?),
            None => url.as_ref().and_then(|url| by_url.get(url)).copied(),
        };
        let earlier = match (found, url) {
            (Some(place), _) => taken.insert(place, at),
            (None, Some(url)) => new_urls.insert(url, at),
            (None, None) => return Err(format!("[{at}]: needs a url, or the id of a config")),
        };
        if let Some(earlier) = earlier {
            return Err(format!("[{at}]: is the same webhook config as [{earlier}]"));
        }
        match found.and_then(|place| there.get(place)) {
            Some(known) => steps.extend(changed(item, known)),
            None => steps.push(Step::Make(sendable(item))),
        }
    }
    if prune {
        let gone = (there.iter().enumerate()).filter(|(place, _)| !taken.contains_key(place));
        steps.extend(gone.map(|(_, config)| Step::Delete(known(config))));
    }
    Ok(steps)
}

/// Returns the step that makes a config what an item says, if anything is to be sent.
fn changed(item: &Config, there: &Config) -> Option<Step> {
    let mut changes = Vec::new();
    let mut given = Vec::new();
    let mut patch = Config::new();
    for (field, wanted) in sendable(item) {
        if field == "id" {
            continue;
        }
        let shown = there.get(&field).unwrap_or(&Value::Null);
        let compared = diff::compare(&field, &wanted, shown);
        if !compared.is_sent() {
            continue;
        }
        if compared.differs {
            changes.push(Change::new(&field, shown, &wanted));
        }
        given.extend(compared.given);
        patch.insert(field, wanted);
    }
    (!patch.is_empty()).then(|| Step::Change {
        known: known(there),
        changes,
        given,
        patch,
    })
}

/// Returns an item without what only Posthorn writes, its fields by the names under which they are shown.
fn sendable(item: &Config) -> Config {
    let fields = item
        .iter()
        .filter(|(field, _)| !READ_ONLY.contains(&field.as_str()));
    fields
        .map(|(field, value)| match field.as_str() {
            "active" => ("isEnabled".to_owned(), value.clone()),
            _ => (field.clone(), value.clone()),
        })
        .collect()
}

fn known(config: &Config) -> Known {
    let owned = |field| text(config, field).unwrap_or_default().to_owned();
    Known {
        id: owned("id"),
        url: owned("url"),
        revision: config.get("revision").and_then(Value::as_u64),
    }
}

fn text<'a>(config: &'a Config, field: &str) -> Option<&'a str> {
    config.get(field).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Config, Step, make_applicable, plan};

    fn configs(list: Value) -> Vec<Config> {
        serde_json::from_value(list).unwrap()
    }

    fn there() -> Vec<Config> {
        configs(json!([
            {"id": "ep_1", "url": "https://a.example/", "events": ["*"], "revision": 7, "rateLimit": null,
             "headers": {"Authorization": "Bearer ***"}, "isEnabled": true},
            {"id": "ep_2", "url": "https://b.example/hook", "events": ["a"], "revision": 9},
        ]))
    }

    #[test]
    fn what_was_read_and_is_applied_again_changes_nothing() {
        let mut exported = there();
        exported.iter_mut().for_each(make_applicable);

        assert_eq!(plan(&there(), &there(), true), Ok(Vec::new()));
        assert_eq!(plan(&exported, &there(), true), Ok(Vec::new()));
        assert!(!exported[0].contains_key("revision"));
        assert!(!exported[0].contains_key("rateLimit"));
    }

    #[test]
    fn items_are_matched_by_id_or_by_url_and_only_changes_are_sent() {
        let wanted = configs(json!([
            {"url": "HTTPS://a.example", "events": ["*", "a"], "active": true},
            {"id": "ep_2", "url": "https://new.example/hook", "events": ["a"]},
            {"url": "https://c.example/", "events": ["c"]},
        ]));

        let steps = plan(&wanted, &there(), true).unwrap();

        let sent: Vec<(&str, Option<u64>, Value)> = steps
            .iter()
            .map(|step| match step {
                Step::Make(config) => ("make", None, json!(config)),
                Step::Change { known, patch, .. } => ("change", known.revision, json!(patch)),
                Step::Delete(known) => ("delete", known.revision, json!(known.id)),
            })
            .collect();
        assert_eq!(
            sent,
            [
                ("change", Some(7), json!({"events": ["*", "a"]})),
                (
                    "change",
                    Some(9),
                    json!({"url": "https://new.example/hook"})
                ),
                (
                    "make",
                    None,
                    json!({"url": "https://c.example/", "events": ["c"]})
                ),
            ]
        );
    }

    #[test]
    fn only_pruning_deletes() {
        let none: &[Config] = &[];

        assert_eq!(plan(none, &there(), false), Ok(Vec::new()));
        assert_eq!(plan(none, &there(), true).unwrap().len(), 2);
    }

    #[test]
    fn a_secret_is_sent_and_no_difference_that_can_be_seen() {
        let secret = |secret: &str| {
            configs(
                json!([{"id": "ep_1", "secret": secret, "headers": {"authorization": "Bearer x"}}]),
            )
        };

        let steps = plan(&secret("whsec_abc"), &there(), false).unwrap();

        let [Step::Change { given, changes, .. }] = steps.as_slice() else {
            panic!("{steps:?}");
        };
        assert_eq!(given, &["headers.authorization", "secret"]);
        assert_eq!(changes, &[]);
        assert!(!steps[0].differs());
        let masked = configs(json!([{"id": "ep_1", "secret": "whsec_***"}]));
        assert_eq!(plan(&masked, &there(), false), Ok(Vec::new()));
    }

    #[test]
    fn items_that_fit_nothing_or_the_same_are_refused() {
        for (wanted, words) in [
            (
                json!([{"id": "ep_9"}]),
                "[0].id: there is no webhook config ep_9",
            ),
            (json!([{"events": []}]), "[0]: needs a url"),
            (
                json!([{"id": "ep_1"}, {"url": "https://a.example"}]),
                "[1]: is the same webhook config as [0]",
            ),
            (
                json!([{"url": "https://x.example"}, {"url": "https://X.example/"}]),
                "[1]: is the same",
            ),
        ] {
            let refused = plan(&configs(wanted), &there(), false).unwrap_err();
            assert!(refused.starts_with(words), "{refused}");
        }
    }
}
