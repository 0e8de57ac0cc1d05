//! What an organisation's people and programs do: register endpoints, send events, read the log.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use test_support::{HttpClient, Reply, eventually};

use crate::{Service, Stack};

const CONFIGS: &str = "/api/v2/admin/webhooks/configs";
const LOGS: &str = "/api/v2/admin/webhooks/logs";
const EVENTS: &str = "/api/v2/events";
/// How long a record may take from the attempt to the log in a test.
const LOG_BOUND: Duration = Duration::from_secs(60);
/// How long a saved config may take to be in force everywhere while services restart.
const SAVE_BOUND: Duration = Duration::from_secs(30);

/// An organisation with an admin's and a producer's token.
#[derive(Clone, Debug)]
pub struct Organisation {
    /// Its id.
    pub id: String,
    /// Client of the Admin API with an admin's token.
    pub admin: HttpClient,
    /// Client of ingest with a producer's token.
    pub producer: HttpClient,
}

/// An (event id, attempt number) pair: what a receiver sees and the log says must agree on it.
pub type Delivered = (String, u32);

impl Organisation {
    pub(crate) fn new(id: &str, admin: HttpClient, producer: HttpClient) -> Self {
        Self {
            id: id.to_owned(),
            admin,
            producer,
        }
    }

    /// Returns the same organisation at the addresses that the installation's services have now.
    #[must_use]
    pub fn at(&self, stack: &Stack) -> Self {
        Self {
            id: self.id.clone(),
            admin: self.admin.with_base(stack.url(Service::Admin)),
            producer: self.producer.with_base(stack.url(Service::Ingest)),
        }
    }

    /// Registers an endpoint for these events, with further fields from `more`; answers the saved config.
    ///
    /// # Panics
    /// Panics when the Admin API refuses it.
    pub async fn register(&self, url: &str, events: &[&str], more: Value) -> Value {
        let mut config =
            json!({"url": url, "events": events, "httpMethod": "POST", "isEnabled": true});
        let fields = config.as_object_mut().expect("made as an object");
        fields.extend(
            more.as_object()
                .expect("further fields are an object")
                .clone(),
        );
        self.register_all(&[config]).await[0].clone()
    }

    /// Saves configs, at most 100, and answers them as they were saved. While others save, it is asked again.
    ///
    /// # Panics
    /// Panics when the Admin API refuses one.
    pub async fn register_all(&self, configs: &[Value]) -> Value {
        let body = json!(configs);
        eventually("the configs are in force", SAVE_BOUND, async || {
            let reply = self.admin.put(CONFIGS, &body).await;
            if matches!(
                reply.status,
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT
            ) {
                return Err(reply.to_string());
            }
            Ok(reply.expect(200))
        })
        .await
    }

    /// Returns all its configs.
    ///
    /// # Panics
    /// Panics when the Admin API refuses.
    pub async fn configs(&self) -> Vec<Value> {
        let configs = self.admin.get(CONFIGS).await.expect(200);
        configs.as_array().expect("configs are an array").clone()
    }

    /// Sends one event or an array and returns the ids that were accepted.
    ///
    /// # Panics
    /// Panics when ingest answers anything but 202.
    pub async fn send(&self, events: &Value) -> Vec<String> {
        let accepted = self.producer.post(EVENTS, events).await.expect(202);
        ids(&accepted)
    }

    /// Sends bytes as they are and returns the answer, whatever it is.
    ///
    /// # Panics
    /// Panics when no answer comes.
    pub async fn send_bytes(&self, body: impl Into<Bytes>) -> Reply {
        let sent = self.producer.send(Method::POST, EVENTS, body.into()).await;
        sent.unwrap_or_else(|error| panic!("send an event: {error}"))
    }

    /// Sends as a careful producer does: the same again until it is accepted.
    ///
    /// # Panics
    /// Panics when it is refused, or not accepted within the bound.
    pub async fn send_until_accepted(&self, events: &Value, bound: Duration) -> Vec<String> {
        let body = Bytes::from(events.to_string());
        eventually("the events are accepted", bound, async || {
            self.try_send(body.clone()).await
        })
        .await
    }

    /// Sends once and returns the ids that were accepted.
    ///
    /// # Errors
    /// Says why they may not be: no answer came, or that the broker did not store them.
    ///
    /// # Panics
    /// Panics when they are refused.
    pub async fn try_send(&self, events: Bytes) -> Result<Vec<String>, String> {
        let sent = self.producer.send(Method::POST, EVENTS, events).await;
        let reply = sent.map_err(|error| error.to_string())?;
        if reply.status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(reply.to_string());
        }
        Ok(ids(&reply.expect(202)))
    }

    /// Returns one page of the log; `query` comes without its question mark.
    ///
    /// # Panics
    /// Panics when the Admin API refuses.
    pub async fn log_page(&self, query: &str) -> Value {
        self.admin.get(&format!("{LOGS}?{query}")).await.expect(200)
    }

    /// Asks for one record by its id.
    ///
    /// # Panics
    /// Panics when no answer comes.
    pub async fn log_record(&self, id: &str) -> Reply {
        self.admin.get(&format!("{LOGS}/{id}")).await
    }

    /// Returns all records that match, page by page; `query` comes without its question mark.
    ///
    /// # Panics
    /// Panics when the Admin API refuses.
    pub async fn logs(&self, query: &str) -> Vec<Value> {
        let mut records = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.log_page(&format!("limit=100&{query}{cursor}")).await;
            records.extend(
                page["edges"]
                    .as_array()
                    .expect("edges are an array")
                    .iter()
                    .cloned(),
            );
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return records,
            }
        }
    }

    /// Waits until at least `n` records match and returns them, oldest first.
    ///
    /// # Panics
    /// Panics when fewer match within a minute.
    pub async fn wait_logs(&self, n: usize, query: &str) -> Vec<Value> {
        let mut records = eventually(&format!("{n} records in the log"), LOG_BOUND, async || {
            let records = self.logs(query).await;
            if records.len() >= n {
                Ok(records)
            } else {
                Err(records.len())
            }
        })
        .await;
        records.sort_by_key(|record| {
            let text = record["createdAt"].as_str().unwrap_or_default().to_owned();
            (text, record["attempt"].as_u64())
        });
        records
    }

    /// Returns what the log says was sent, sorted.
    ///
    /// # Panics
    /// Panics when a record has no event id or attempt number.
    pub async fn logged(&self, query: &str) -> Vec<Delivered> {
        let mut pairs: Vec<Delivered> = self.logs(query).await.iter().map(pair).collect();
        pairs.sort();
        pairs
    }
}

fn pair(record: &Value) -> Delivered {
    let event = record["eventId"]
        .as_str()
        .expect("a record names its event")
        .to_owned();
    let attempt = record["attempt"].as_u64().expect("a record has a number");
    (
        event,
        u32::try_from(attempt).expect("attempt numbers are small"),
    )
}

fn ids(accepted: &Value) -> Vec<String> {
    let items = accepted["accepted"]
        .as_array()
        .expect("accepted is an array");
    items
        .iter()
        .map(|item| {
            item["id"]
                .as_str()
                .expect("an accepted event has an id")
                .to_owned()
        })
        .collect()
}
