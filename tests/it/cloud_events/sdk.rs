//! The official SDK of CloudEvents, which makes messages and reads requests.

use std::{collections::BTreeMap, io::Write as _, process::Stdio};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use test_support::Received;

/// A message that the SDK made.
pub(super) struct Message {
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// What the SDK says that it holds.
    pub(super) event: Value,
}

impl Message {
    /// Returns its headers.
    pub(super) fn pairs(&self) -> Vec<(&str, &str)> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }
}

/// Has the SDK make messages of every kind.
pub(super) fn made() -> Vec<Message> {
    let made = sdk("make", "");
    let messages = made.as_array().unwrap().iter().map(|message| {
        let headers = message["headers"].as_object().unwrap().iter();
        let headers =
            headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        let body = STANDARD.decode(message["body"].as_str().unwrap()).unwrap();
        Message {
            headers: headers.collect(),
            body: body.into(),
            event: message["event"].clone(),
        }
    });
    messages.collect()
}

/// Has the SDK say what requests hold.
pub(super) fn read(requests: &[Received]) -> Vec<Value> {
    let messages: Vec<Value> = requests
        .iter()
        .map(|request| {
            let headers = request.headers.iter();
            let headers: BTreeMap<&str, &str> = headers
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                .collect();
            json!({"headers": headers, "body": STANDARD.encode(&request.body)})
        })
        .collect();
    sdk("read", &json!(messages).to_string())
        .as_array()
        .unwrap()
        .clone()
}

/// Has the SDK do something.
fn sdk(what: &str, input: &str) -> Value {
    let python = std::env::var_os("POSTHORN_CLOUD_EVENTS_PYTHON");
    let python = python
        .unwrap_or_else(|| panic!("run the tests by make, or set POSTHORN_CLOUD_EVENTS_PYTHON"));
    let mut child = std::process::Command::new(python)
        .arg("-B")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/cloud_events/sdk.py"))
        .arg(what)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the SDK failed to {what}");
    serde_json::from_slice(&output.stdout).unwrap()
}
