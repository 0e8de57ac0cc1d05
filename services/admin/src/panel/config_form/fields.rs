//! The fields of a config's form: from a config or from what a browser sent, and to what the API takes.

use std::collections::{BTreeMap, BTreeSet};

use domain::retry::{Delay, Preset, RetryPolicy};
use serde_json::{Map, Value, json};

use crate::panel::{
    form::Form,
    plot::Timetable,
    shown::{Config, EventType},
};

/// The fields as texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) url: String,
    pub(super) description: String,
    pub(super) method: String,
    pub(super) is_enabled: bool,
    /// Names of event types that are ticked.
    pub(super) events: BTreeSet<String>,
    /// Names and patterns that the catalogue does not have, one on each line.
    pub(super) patterns: String,
    /// For names of events, ids one after the other.
    pub(super) entities: BTreeMap<String, String>,
    /// One on each line.
    pub(super) headers: String,
    pub(super) scheme: String,
    pub(super) secret: String,
    pub(super) preset: String,
    pub(super) max_retries: String,
    pub(super) delay_kind: String,
    pub(super) delay: String,
    pub(super) timeout_ms: String,
    pub(super) rate_limit: String,
    pub(super) max_in_flight: String,
    pub(super) revision: String,
}

impl Default for Fields {
    fn default() -> Self {
        let text = String::new;
        Self {
            url: text(),
            description: text(),
            method: "POST".to_owned(),
            is_enabled: true,
            events: BTreeSet::new(),
            patterns: text(),
            entities: BTreeMap::new(),
            headers: text(),
            scheme: "standard".to_owned(),
            secret: text(),
            preset: "nudj".to_owned(),
            max_retries: text(),
            delay_kind: "preset".to_owned(),
            delay: text(),
            timeout_ms: text(),
            rate_limit: text(),
            max_in_flight: text(),
            revision: text(),
        }
    }
}

impl Fields {
    /// Fills the form with what is.
    pub(super) fn of_config(config: &Config) -> Self {
        let (delay_kind, delay) = delay_texts(config.retry_policy.delay.as_ref());
        let headers = config.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let number = |number: Option<String>| number.unwrap_or_default();
        Self {
            url: config.url.clone(),
            description: config.description.clone().unwrap_or_default(),
            method: config.http_method.clone(),
            is_enabled: config.is_enabled,
            events: config.events.iter().cloned().collect(),
            patterns: String::new(),
            entities: config
                .entity_filters
                .iter()
                .map(|(name, ids)| (name.clone(), ids.join(" ")))
                .collect(),
            headers: headers.join("\n"),
            scheme: config.scheme().to_owned(),
            secret: String::new(),
            preset: preset_name(config.retry_policy.preset).to_owned(),
            max_retries: config.max_retries.to_string(),
            delay_kind: delay_kind.to_owned(),
            delay,
            timeout_ms: config.timeout_ms.to_string(),
            rate_limit: number(config.rate_limit.map(|rate| rate.to_string())),
            max_in_flight: number(config.max_in_flight.map(|most| most.to_string())),
            revision: config.revision.to_string(),
        }
    }

    /// Reads what a browser sent.
    pub(super) fn of_form(form: &Form) -> Self {
        let text = |name: &str| form.text(name).trim().to_owned();
        let entities = form.under("entity.");
        let entities = entities.filter(|(_, ids)| !ids.trim().is_empty());
        Self {
            url: text("url"),
            description: text("description"),
            method: text("method"),
            is_enabled: form.is_on("isEnabled"),
            events: form.all("event").map(str::to_owned).collect(),
            patterns: text("patterns"),
            entities: entities
                .map(|(name, ids)| (name.to_owned(), ids.trim().to_owned()))
                .collect(),
            headers: text("headers"),
            scheme: text("scheme"),
            secret: text("secret"),
            preset: text("preset"),
            max_retries: text("maxRetries"),
            delay_kind: text("delayKind"),
            delay: text("delay"),
            timeout_ms: text("timeoutMs"),
            rate_limit: text("rateLimit"),
            max_in_flight: text("maxInFlight"),
            revision: text("revision"),
        }
    }

    /// Moves what the catalogue does not have from the boxes to the lines of text.
    pub(super) fn sorted(mut self, catalogue: &[EventType]) -> Self {
        let known: BTreeSet<&str> = catalogue.iter().map(|one| one.name.as_str()).collect();
        let (ticked, other): (BTreeSet<_>, BTreeSet<_>) = self
            .events
            .into_iter()
            .partition(|name| known.contains(name.as_str()));
        let mut lines: Vec<String> = self.patterns.lines().map(str::to_owned).collect();
        lines.extend(other);
        self.events = ticked;
        self.patterns = lines.join("\n");
        self
    }

    /// Returns the ids that events of a name are limited to.
    pub(super) fn entities_of(&self, name: &str) -> String {
        self.entities.get(name).cloned().unwrap_or_default()
    }

    /// Returns what the API is to save. What is empty is cleared; a secret that is empty stays as it is.
    ///
    /// # Errors
    /// Names the field that can't be put into the API's form; the API checks everything else.
    pub(super) fn draft(&self, existing: Option<&Config>) -> Result<Value, String> {
        let patterns = self.patterns.split_whitespace().map(str::to_owned);
        let events: BTreeSet<String> = self.events.iter().cloned().chain(patterns).collect();
        let entities = self
            .entities
            .iter()
            .filter(|(name, _)| events.contains(*name));
        let entities: Map<String, Value> = entities
            .map(|(name, ids)| (name.clone(), ids_of(ids).into()))
            .collect();
        let mut draft = json!({
            "url": self.url,
            "description": optional(&self.description),
            "httpMethod": self.method,
            "isEnabled": self.is_enabled,
            "events": events,
            "entityFilters": entities,
            "headers": self.header_map()?,
            "retryPolicy": self.policy_value(existing)?,
            "maxRetries": number("maxRetries", &self.max_retries)?,
            "timeoutMs": number("timeoutMs", &self.timeout_ms)?,
            "rateLimit": number("rateLimit", &self.rate_limit)?,
            "maxInFlight": number("maxInFlight", &self.max_in_flight)?,
        });
        // What else belongs to a scheme is not on the form, and stays while the scheme does.
        if existing.is_none_or(|existing| existing.scheme() != self.scheme) {
            set(&mut draft, "signing", self.scheme.as_str().into());
        }
        if !self.secret.is_empty() {
            set(&mut draft, "secret", self.secret.as_str().into());
        }
        Ok(draft)
    }

    /// Draws when attempts would be made; `None` while what is filled in is no policy.
    pub(super) fn timetable(&self) -> Option<Timetable> {
        let policy = self.policy_value(None).ok()?;
        let policy: RetryPolicy = serde_json::from_value(policy).ok()?;
        policy.check().ok()?;
        let max_retries = if self.max_retries.is_empty() {
            policy.preset.max_retries()
        } else {
            self.max_retries.parse().ok()?
        };
        Some(Timetable::of(&policy, max_retries))
    }

    fn header_map(&self) -> Result<Map<String, Value>, String> {
        let mut headers = Map::new();
        for line in self.headers.lines().filter(|line| !line.trim().is_empty()) {
            let (name, value) = line
                .split_once(':')
                .ok_or("headers: must be one on each line, such as X-Team: blue")?;
            let (name, value) = (name.trim(), value.trim());
            if headers.insert(name.to_owned(), value.into()).is_some() {
                return Err(format!("headers: {name} is given twice"));
            }
        }
        Ok(headers)
    }

    /// Returns the policy. What is not on the form stays as it is.
    fn policy_value(&self, existing: Option<&Config>) -> Result<Value, String> {
        let kept = existing.map(|existing| serde_json::to_value(&existing.retry_policy));
        let kept = kept.transpose().map_err(|error| error.to_string())?;
        let mut policy = kept.unwrap_or_else(|| json!({}));
        set(&mut policy, "preset", self.preset.as_str().into());
        set(&mut policy, "delay", self.delay_value()?);
        Ok(policy)
    }

    fn delay_value(&self) -> Result<Value, String> {
        let numbers = |wrong: &str| -> Result<Vec<Value>, String> {
            let texts = self.delay.split([',', ' ']).filter(|text| !text.is_empty());
            let numbers: Result<_, _> = texts.map(serde_json::from_str).collect();
            numbers.map_err(|_error| format!("delay: must be {wrong}"))
        };
        Ok(match self.delay_kind.as_str() {
            "fixed" => {
                let wrong = "a number of milliseconds, such as 5000";
                match numbers(wrong)?.as_slice() {
                    [millis] => json!({"fixed": millis}),
                    _ => return Err(format!("delay: must be {wrong}")),
                }
            }
            "exponential" => {
                let wrong = "base, factor and cap, such as 1000, 2, 3600000";
                match numbers(wrong)?.as_slice() {
                    [base, factor, cap] => {
                        json!({"exponential": {"base": base, "factor": factor, "cap": cap}})
                    }
                    _ => return Err(format!("delay: must be {wrong}")),
                }
            }
            "schedule" => json!({"schedule": numbers("milliseconds, such as 5000, 300000")?}),
            "expression" => json!({"expression": self.delay}),
            _ => Value::Null,
        })
    }
}

fn preset_name(preset: Preset) -> &'static str {
    match preset {
        Preset::Nudj => "nudj",
        Preset::Qstash => "qstash",
        Preset::StandardWebhooks => "standard-webhooks",
        Preset::Custom => "custom",
    }
}

/// Returns how delays are written in the form: their kind, and their numbers or text.
fn delay_texts(delay: Option<&Delay>) -> (&'static str, String) {
    match delay {
        None => ("preset", String::new()),
        Some(Delay::Fixed(millis)) => ("fixed", millis.to_string()),
        Some(Delay::Exponential { base, factor, cap }) => {
            ("exponential", format!("{base}, {factor}, {cap}"))
        }
        Some(Delay::Schedule(list)) => {
            let list: Vec<_> = list.iter().map(ToString::to_string).collect();
            ("schedule", list.join(", "))
        }
        Some(Delay::Expression(expression)) => ("expression", String::from(expression.clone())),
    }
}

fn ids_of(text: &str) -> Vec<String> {
    let ids = text.split(|at: char| at == ',' || at.is_whitespace());
    ids.filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

fn optional(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        text.into()
    }
}

/// Reads a number; one that is left out is cleared.
fn number(field: &str, text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let number: serde_json::Number = text
        .parse()
        .map_err(|_error| format!("{field}: must be a number"))?;
    Ok(Value::Number(number))
}

#[cfg(test)]
mod tests;
