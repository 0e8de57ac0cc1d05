//! What the API answers, as far as pages show it, and how they write it.

use std::collections::BTreeMap;

use domain::{retry::RetryPolicy, time::Timestamp};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// A webhook config.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) events: Vec<String>,
    pub(super) http_method: String,
    pub(super) is_enabled: bool,
    pub(super) is_paused: bool,
    pub(super) max_retries: u32,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) entity_filters: BTreeMap<String, Vec<String>>,
    pub(super) signing: Value,
    pub(super) public_key: Option<String>,
    pub(super) client_certificate: Option<CertificateShown>,
    pub(super) ca_certificate: Option<String>,
    pub(super) oauth2: Option<OAuth2Shown>,
    pub(super) secret: Option<String>,
    pub(super) retry_policy: RetryPolicy,
    pub(super) timeout_ms: u32,
    pub(super) rate_limit: Option<f64>,
    pub(super) max_in_flight: Option<u32>,
    pub(super) description: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) revision: u64,
}

/// The certificate that a config shows to its receiver.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CertificateShown {
    pub(super) expires_at: Timestamp,
}

/// Where a config's tokens come from.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OAuth2Shown {
    pub(super) token_url: String,
    pub(super) client_id: String,
}

impl Config {
    /// Returns the word for its state, and the class of its badge.
    pub(super) fn state(&self) -> (&'static str, &'static str) {
        match (self.is_enabled, self.is_paused) {
            (false, _) => ("disabled", "off"),
            (true, true) => ("paused", "wait"),
            (true, false) => ("enabled", "good"),
        }
    }

    /// Returns the name of the signing scheme.
    pub(super) fn scheme(&self) -> &str {
        let name = self.signing.get("scheme").unwrap_or(&self.signing);
        name.as_str().unwrap_or("standard")
    }
}

/// The configs of a filter's list, and which of them is chosen.
#[derive(Debug)]
pub(super) struct Pick {
    pub(super) configs: Vec<Config>,
    pub(super) chosen: String,
}

impl Pick {
    /// Returns what people know a config by: its URL, or its id if it is not in the list.
    pub(super) fn name_of<'a>(&'a self, id: &'a str) -> &'a str {
        let listed = self.configs.iter().find(|config| config.id == id);
        listed.map_or(id, |config| config.url.as_str())
    }

    /// Returns the chosen one if it is not in the list: deleted, or beyond its end.
    pub(super) fn unlisted(&self) -> Option<&str> {
        let is_listed = self.configs.iter().any(|config| config.id == self.chosen);
        (!self.chosen.is_empty() && !is_listed).then_some(self.chosen.as_str())
    }
}

/// Figures about a config.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    pub(super) attempts: u64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) success_rate: Option<f64>,
    pub(super) duration_ms: Option<Percentiles>,
    pub(super) is_complete: bool,
    pub(super) series: Vec<PointOfSeries>,
    pub(super) breaker: String,
    pub(super) waiting_jobs: u64,
    pub(super) last_success_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Percentiles {
    pub(super) p50: u32,
    pub(super) p95: u32,
    pub(super) p99: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct PointOfSeries {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
}

/// A log record.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) webhook_config_id: String,
    pub(super) job_id: String,
    pub(super) event_id: String,
    pub(super) event_sub_category: String,
    pub(super) url: String,
    pub(super) http_method: String,
    pub(super) request_headers: BTreeMap<String, String>,
    pub(super) request_body: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) request_body_expired: bool,
    #[serde(default)]
    pub(super) request_body_encoding: Option<String>,
    pub(super) response_status: Option<u16>,
    pub(super) response_headers: Option<BTreeMap<String, String>>,
    pub(super) response_body: Option<String>,
    #[serde(default)]
    pub(super) response_body_encoding: Option<String>,
    #[serde(default)]
    pub(super) response_body_expired: bool,
    #[serde(default)]
    pub(super) erased_at: Option<Timestamp>,
    pub(super) attempt: u32,
    pub(super) trigger: String,
    pub(super) success: bool,
    pub(super) error_message: Option<String>,
    pub(super) duration_ms: u32,
    pub(super) next_attempt_at: Option<Timestamp>,
    pub(super) trace_id: String,
    pub(super) created_at: Timestamp,
}

impl Record {
    /// Returns what came back, in a few words.
    pub(super) fn outcome(&self) -> String {
        match (self.response_status, &self.error_message) {
            (Some(status), _) => status.to_string(),
            (None, Some(message)) => message.clone(),
            (None, None) => "no answer".to_owned(),
        }
    }
}

/// A page of log records.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Records {
    pub(super) total_count: u64,
    pub(super) total_count_is_exact: bool,
    pub(super) edges: Vec<Record>,
    pub(super) next_cursor: Option<String>,
}

/// An event type.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventType {
    pub(super) name: String,
    pub(super) category: Option<String>,
    pub(super) description: Option<String>,
    pub(super) entity_type: Option<String>,
    pub(super) schema: Option<Value>,
    pub(super) is_seeded: bool,
    pub(super) revision: u64,
}

/// Writes a time as people read it, in UTC.
pub(super) fn time(time: &Timestamp) -> String {
    let text = time.to_string();
    text.replace('T', " ").chars().take(19).collect()
}

/// Writes a length of time in its two largest units.
pub(super) fn span(millis: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1_000, "s"),
    ];
    if millis < 1_000 {
        return format!("{millis} ms");
    }
    if millis < 60_000 && !millis.is_multiple_of(1_000) {
        return format!("{}.{} s", millis / 1_000, millis % 1_000 / 100);
    }
    let mut rest = millis;
    let mut texts = Vec::new();
    for (unit, name) in UNITS {
        if rest >= unit {
            texts.push(format!("{} {name}", rest / unit));
            rest %= unit;
        }
    }
    texts.truncate(2);
    texts.join(" ")
}

/// Writes a share as a percentage; a success rate that is not whole never looks whole.
pub(super) fn percent(share: Option<f64>) -> String {
    match share {
        None => "–".to_owned(),
        Some(share) if share >= 1.0 => "100 %".to_owned(),
        Some(share) => format!("{:.1} %", (share * 100.0).min(99.9)),
    }
}

/// Returns the class for a share of successes.
pub(super) fn grade(share: Option<f64>) -> &'static str {
    match share {
        None => "off",
        Some(share) if share >= 0.99 => "good",
        Some(share) if share >= 0.9 => "wait",
        Some(_) => "bad",
    }
}

/// Writes JSON over several lines where it is short enough to be worth it.
pub(super) fn pretty(text: &str) -> String {
    const WORTH_IT_BYTES: usize = 256 * 1024;
    if text.len() > WORTH_IT_BYTES {
        return text.to_owned();
    }
    let value: Result<Value, _> = serde_json::from_str(text);
    let pretty = value.and_then(|value| serde_json::to_string_pretty(&value));
    pretty.unwrap_or_else(|_no_json| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{percent, span};

    #[test]
    fn spans_are_written_in_two_units() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_500, "1.5 s"),
            (5_000, "5 s"),
            (148_400, "2 min 28 s"),
            (86_400_000, "1 d"),
            (90_061_000, "1 d 1 h"),
        ] {
            assert_eq!(span(millis), text);
        }
    }

    #[test]
    fn a_rate_is_whole_only_if_nothing_failed() {
        assert_eq!(percent(None), "–");
        assert_eq!(percent(Some(1.0)), "100 %");
        assert_eq!(percent(Some(0.99999)), "99.9 %");
        assert_eq!(percent(Some(0.5)), "50.0 %");
    }
}
