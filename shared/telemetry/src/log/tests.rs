//! The form of the lines, and the filter.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing_subscriber::{layer::SubscriberExt as _, reload};

use super::{FilterHandle, JsonLines, discretion, json_lines, parse};

#[test]
fn a_line_of_json_names_the_service_and_is_flat() {
    let lines = Lines::default();
    let writer = lines.clone();
    let layer = json_lines(JsonLines::new("ingest", move || writer.clone()));

    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!({ crate::field::EVENT_ID } = "evt-1", "taken");
    });

    let line = lines.text();
    assert!(
        line.starts_with("{\"service\":\"ingest\",\"timestamp\":\""),
        "{line}"
    );
    assert!(line.contains("\"event.id\":\"evt-1\""), "{line}");
    assert!(line.contains("\"message\":\"taken\""), "{line}");
    assert_eq!(line.matches('\n').count(), 1);
}

#[test]
fn a_filter_that_is_no_ascii_is_refused_without_a_panic() {
    assert!(parse("a [{\u{fffd}[").is_err());
}

#[test]
fn the_filter_changes_while_the_log_runs() {
    let lines = Lines::default();
    let writer = lines.clone();
    let (filter, handle) = reload::Layer::new(parse("info").unwrap());
    let filter_handle = FilterHandle { handle };
    let subscriber = tracing_subscriber::registry()
        .with(filter)
        .with(json_lines(JsonLines::new("ingest", move || writer.clone())));

    tracing::subscriber::with_default(subscriber, || {
        tracing::debug!("before");
        filter_handle.set("debug").unwrap();
        tracing::debug!("after");
        assert_eq!(filter_handle.current(), "debug");
    });

    assert!(!lines.text().contains("before"));
    assert!(lines.text().contains("after"));
}

#[test]
fn no_filter_makes_libraries_print_what_they_carry() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::registry()
        .with(parse("trace,async_nats=trace,hyper::proto=trace").unwrap())
        .with(discretion())
        .with(json_lines(JsonLines::new("ingest", move || writer.clone())));

    tracing::subscriber::with_default(subscriber, || {
        tracing::trace!(target: "async_nats::connection", "payload");
        tracing::debug!(target: "hyper::proto::h1", "payload");
        tracing::debug!(target: "sqlx::query", "payload");
        tracing::info!(target: "async_nats", "connected");
        tracing::trace!("own");
    });

    assert!(!lines.text().contains("payload"), "{}", lines.text());
    assert!(lines.text().contains("connected"));
    assert!(lines.text().contains("own"));
}

#[test]
fn directives_that_make_no_sense_change_nothing() {
    // The subscriber holds the filter that the handle refers to.
    let (filter, handle) = reload::Layer::new(parse("info").unwrap());
    let filter_handle = FilterHandle { handle };

    let error = filter_handle.set("delivery=loud").unwrap_err();

    assert_eq!(
        error.to_string(),
        "must be a log filter such as info or info,delivery=debug"
    );
    assert_eq!(filter_handle.current(), "info");
    drop(filter);
}

/// Collects what is written.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().map_err(|_poisoned| io::ErrorKind::Other)?;
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
