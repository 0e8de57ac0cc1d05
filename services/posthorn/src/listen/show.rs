//! A request for whoever watches.

use bytes::Bytes;
use domain::time::Timestamp;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::forward::Answered;
use crate::{
    failure::Ended,
    logs,
    output::{self, BAD, BOLD, DIM, GOOD, plain, styled},
};

/// How requests are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) json: bool,
    pub(super) headers: bool,
}

/// A request that came, or that was found in the log.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) at: Timestamp,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) signature: Signature,
    /// The status that was answered, if somebody here answered.
    pub(super) answered: Option<u16>,
    pub(super) forwarded: Option<Answered>,
}

/// Whether a request's signature is right.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// It is.
    Right,
    /// It is not; says which checks failed.
    Wrong(Vec<String>),
    /// The log does not keep signatures.
    NotThere,
}

impl Seen {
    /// Shows the request.
    pub(super) fn show(&self, format: Format) -> Ended {
        if format.json {
            return output::json(&self.told());
        }
        output::line(self.head())?;
        if format.headers {
            for (name, value) in &self.headers {
                let value = String::from_utf8_lossy(value.as_bytes());
                output::line(styled(DIM, format_args!("{name}: {}", plain(&value))))?;
            }
        }
        if self.body.is_empty() {
            return Ok(());
        }
        output::line(logs::lines_of(&self.pretty_body()))
    }

    fn head(&self) -> String {
        let signature = match &self.signature {
            Signature::Right => styled(GOOD, "signature ok"),
            Signature::Wrong(problems) => {
                let problems = plain(&problems.join("; "));
                styled(BAD, format_args!("signature wrong: {problems}"))
            }
            Signature::NotThere => styled(DIM, "from the log"),
        };
        let answered = self.answered.map(|status| {
            let style = if status < 300 { GOOD } else { BAD };
            format!("  → {}", styled(style, status))
        });
        let forwarded = self.forwarded.as_ref().map(|answer| match &answer.problem {
            Some(problem) => styled(BAD, format_args!("  not forwarded: {}", plain(problem))),
            None => format!(
                "  forwarded: {} in {} ms",
                answer.status.as_u16(),
                answer.took.as_millis()
            ),
        });
        format!(
            "{}  {} {}  {}  {}  #{}  {signature}{}{}",
            styled(DIM, self.at),
            self.method,
            plain(&self.path),
            styled(BOLD, self.header("x-posthorn-event")),
            self.header("webhook-id"),
            self.header("x-posthorn-attempt"),
            forwarded.unwrap_or_default(),
            answered.unwrap_or_default(),
        )
    }

    fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).map(|value| value.as_bytes());
        plain(&String::from_utf8_lossy(value.unwrap_or(b"-")))
    }

    fn pretty_body(&self) -> String {
        let pretty = serde_json::from_slice::<Value>(&self.body)
            .ok()
            .and_then(|document| serde_json::to_string_pretty(&document).ok());
        pretty.unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned())
    }

    fn told(&self) -> Value {
        let headers = self.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), Value::from(value))
        });
        let headers: serde_json::Map<String, Value> = headers.collect();
        let body = serde_json::from_slice(&self.body)
            .unwrap_or_else(|_error| Value::from(String::from_utf8_lossy(&self.body)));
        let (valid, problems) = match &self.signature {
            Signature::Right => (Some(true), Vec::new()),
            Signature::Wrong(problems) => (Some(false), problems.clone()),
            Signature::NotThere => (None, Vec::new()),
        };
        json!({
            "receivedAt": self.at, "method": self.method.as_str(), "path": self.path,
            "event": self.headers.get("x-posthorn-event").and_then(|it| it.to_str().ok()),
            "eventId": self.headers.get("webhook-id").and_then(|it| it.to_str().ok()),
            "attempt": self.headers.get("x-posthorn-attempt").and_then(|it| it.to_str().ok()?.parse::<u32>().ok()),
            "signatureValid": valid, "signatureProblems": problems,
            "answered": self.answered,
            "forwarded": self.forwarded.as_ref().map(|answer| json!({
                "status": answer.problem.is_none().then(|| answer.status.as_u16()),
                "problem": answer.problem,
                "durationMs": u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX),
            })),
            "headers": headers, "body": body,
        })
    }
}
