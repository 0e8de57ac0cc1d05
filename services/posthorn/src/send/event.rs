//! An event made of flags.

use std::path::Path;

use clap::Args;
use serde_json::{Map, Value};

use crate::{failure::Failure, input};

/// The fields of an event.
#[derive(Debug, Args)]
#[command(next_help_heading = "Event")]
pub(super) struct Flags {
    /// Name of the event, such as reward.earned
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Payload in JSON, or @FILE with it (@- is standard input) [default: {}]
    #[arg(long, value_name = "JSON", requires = "event")]
    payload: Option<String>,
    /// Id, which makes it one event however often it is sent
    #[arg(long, value_name = "ID", requires = "event")]
    id: Option<String>,
    /// Category [default: as the catalogue says]
    #[arg(long, value_name = "NAME", requires = "event")]
    category: Option<String>,
    /// What it is about, `eventSourceId`, which entity filters are compared with
    #[arg(long, value_name = "ID", requires = "event")]
    source_id: Option<String>,
    /// User that it is about
    #[arg(long, value_name = "ID", requires = "event")]
    user: Option<String>,
    /// Community that it is about
    #[arg(long, value_name = "ID", requires = "event")]
    community: Option<String>,
}

impl Flags {
    /// Returns the event.
    ///
    /// # Errors
    /// [`Failure`] when the payload can't be read or is no JSON.
    pub(super) fn to_json(&self) -> Result<Value, Failure> {
        let payload = match self.payload.as_deref() {
            None => Value::Object(Map::new()),
            Some(text) => payload(text)?,
        };
        let texts = [
            ("eventSubCategory", &self.event),
            ("id", &self.id),
            ("eventCategory", &self.category),
            ("eventSourceId", &self.source_id),
            ("userId", &self.user),
            ("communityId", &self.community),
        ];
        let mut event: Map<String, Value> = texts
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text.clone()?.into())))
            .collect();
        if self.id.is_none() {
            // Two events that read the same would be one.
            let now = lifecycle::clock::now_ms();
            let now = domain::time::Timestamp::from_millis(now).to_string();
            event.insert("id".to_owned(), lifecycle::entropy::uuid_v7().into());
            event.insert("createdAt".to_owned(), now.into());
        }
        event.insert("payload".to_owned(), payload);
        Ok(Value::Object(event))
    }
}

fn payload(text: &str) -> Result<Value, Failure> {
    let bytes = match text.strip_prefix('@') {
        Some(file) => input::read(Path::new(file))?,
        None => text.as_bytes().to_vec(),
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::Usage(format!("--payload: must be JSON: {error}")))
}
