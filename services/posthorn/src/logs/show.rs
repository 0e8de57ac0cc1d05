//! A record for people: on one line, or all of it.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    output::{BAD, BOLD, DIM, GOOD, plain, styled},
    record::Record,
};

/// Returns a record on one line.
pub(crate) fn summary(record: &Record) -> String {
    let style = if record.success { GOOD } else { BAD };
    let again = match record.next_attempt_at {
        Some(at) => styled(DIM, format_args!("  again at {at}")),
        None => String::new(),
    };
    format!(
        "{at}  {outcome}  #{attempt} {trigger:<6}  {event}  {event_id}  {url}  {ms} ms  {id}{again}",
        at = styled(DIM, record.created_at),
        outcome = styled(style, format_args!("{:<7}", outcome(record))),
        attempt = record.attempt,
        trigger = plain(&record.trigger),
        event = styled(BOLD, plain(&record.event_sub_category)),
        event_id = plain(&record.event_id),
        url = plain(&record.url),
        ms = record.duration_ms,
        id = styled(DIM, plain(&record.id)),
    )
}

/// Returns everything about a record.
pub(crate) fn detail(record: &Record) -> String {
    let mut lines = vec![
        (
            "attempt",
            format!("#{} ({})", record.attempt, record.trigger),
        ),
        ("outcome", outcome(record)),
        (
            "event",
            format!("{} {}", record.event_sub_category, record.event_id),
        ),
        ("config", record.webhook_config_id.clone()),
        ("delivery", record.job_id.clone()),
        ("request", format!("{} {}", record.http_method, record.url)),
        ("began", record.created_at.to_string()),
        ("took", format!("{} ms", record.duration_ms)),
    ];
    lines.extend(record.error_message.clone().map(|error| ("error", error)));
    lines.extend(
        record
            .next_attempt_at
            .map(|at| ("again at", at.to_string())),
    );
    let mut text = format!("{}\n", styled(BOLD, plain(&record.id)));
    for (name, value) in lines {
        push(&mut text, format_args!("{name:<9} {}", plain(&value)));
    }
    let body = record.request_body.as_ref().map(|body| body.get());
    part(&mut text, "request", Some(&record.request_headers), body);
    let headers = record.response_headers.as_ref();
    part(
        &mut text,
        "response",
        headers,
        record.response_body.as_deref(),
    );
    text
}

fn part(
    text: &mut String,
    name: &str,
    headers: Option<&BTreeMap<String, String>>,
    body: Option<&str>,
) {
    push(text, format_args!("\n{}", styled(BOLD, name)));
    for (name, value) in headers.into_iter().flatten() {
        push(text, format_args!("{}: {}", plain(name), plain(value)));
    }
    match body {
        Some(body) => push(text, format_args!("\n{}", lines_of(body))),
        None => push(text, format_args!("{}", styled(DIM, "no body is kept"))),
    }
}

/// Returns a text with its own line breaks and no other control characters.
pub(crate) fn lines_of(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<String>>().join("\n")
}

fn push(text: &mut String, line: impl std::fmt::Display) {
    // Writing to a text can't fail.
    let _always = writeln!(text, "{line}");
}

fn outcome(record: &Record) -> String {
    match (record.response_status, &record.error_kind) {
        (Some(status), _) => status.to_string(),
        (None, Some(kind)) => plain(kind),
        (None, None) => "-".to_owned(),
    }
}
