//! Messages of streams: their headers and payloads.

use std::collections::BTreeMap;

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use domain::time::Timestamp;
use proptest::prelude::*;
use serde_json::value::RawValue;

use super::target;
use crate::{
    consumer::Delivery,
    retry_lane::{self, Cargo, Waiting},
    subject::Names,
    wire::{
        self, TraceHeaders,
        attempts::{self, Encoder, Entry, without_content},
        event, job,
    },
};

const LIMIT: usize = 16_384;

#[test]
fn a_job_is_read_as_it_was_written_and_keeps_what_is_unknown() {
    let names = Names::new("posthorn");
    target("job").check_text(|input| {
        let Ok(job) = job::decode(input) else {
            return Ok(());
        };
        prop_assert_eq!(&job::decode(&job::encode(&job)).unwrap(), &job);
        let next = job::encode_next(&job, input);
        prop_assert_eq!(&job::decode(&next).unwrap(), &job);
        // Every field is there still, as it was written, but those that no longer hold.
        let own = fields(&job::encode(&job));
        let gone = ["dueAt", "run", "request", "category", "content"];
        for (name, value) in fields(input) {
            let kept = fields(&next).remove(&name);
            let is_own = own.contains_key(&name) || gone.contains(&name.as_str());
            prop_assert!(is_own || kept.as_ref() == Some(&value), "{}", name);
        }
        let cargo = Cargo {
            body: Bytes::new(),
            trace: TraceHeaders::default(),
            previous: Some(input.to_owned()),
        };
        for waiting in [Waiting::Nak, Waiting::Schedule] {
            let message = retry_lane::message(&names, &job, &cargo, waiting);
            let header = wire::header(Some(&message.headers), wire::JOB_HEADER).unwrap();
            prop_assert_eq!(&job::decode(header).unwrap(), &job);
            prop_assert!(!message.subject.contains(char::is_whitespace));
        }
        Ok(())
    });
}

#[test]
fn an_event_goes_on_as_it_came() {
    let names = Names::new("posthorn");
    target("event").check(|input| {
        let end = input.iter().position(|byte| *byte == b'\n');
        let (subject, rest) = input.split_at(end.unwrap_or(input.len()));
        let (headers, payload) = fuzzing::message(rest.get(1..).unwrap_or_default());
        let message = delivery(&String::from_utf8_lossy(subject), map(headers), payload);
        let Ok(event) = event::read(&names, &message, LIMIT) else {
            return Ok(());
        };
        let mut headers = HeaderMap::new();
        event::write(&event.content, &mut headers);
        let subject = names.event(&event.organisation, &event.name);
        let again = delivery(&subject, headers, &event.body);
        prop_assert_eq!(event::read(&names, &again, 2 * LIMIT), Ok(event));
        Ok(())
    });
}

#[test]
fn a_batch_is_read_record_by_record_and_loses_its_content_alone() {
    target("attempts").check(|input| {
        let Ok(batch) = attempts::decode(input) else {
            return Ok(());
        };
        let mut encoder = Encoder::default();
        (batch.records.iter()).for_each(|record| encoder.push(&Entry::attempt(record)));
        (batch.states.iter()).for_each(|record| encoder.push(&Entry::state(record)));
        let again = attempts::decode(&encoder.finish()).unwrap();
        prop_assert_eq!(&again.records, &batch.records);
        prop_assert_eq!(&again.states, &batch.states);
        prop_assert!(again.unreadable.is_empty());

        if let Some(stripped) = without_content(input, |_, _, _| true) {
            let left = attempts::decode(&stripped).unwrap();
            prop_assert!(left.unreadable.len() <= batch.unreadable.len());
            // What was not readable may be so without its content, or without a field that stood there twice.
            if batch.unreadable.is_empty() {
                let records = batch.records.iter();
                let expected: Vec<_> = records.map(domain::erasure::without_content).collect();
                prop_assert_eq!(&left.records, &expected);
                prop_assert_eq!(&left.states, &batch.states);
            }
            prop_assert_eq!(without_content(&stripped, |_, _, _| true), None);
        }
        Ok(())
    });
}

#[test]
fn a_trace_goes_on_as_it_came() {
    target("trace").check(|input| {
        let (headers, _) = fuzzing::message(input);
        let trace = TraceHeaders::read(Some(&map(headers)));
        let mut headers = HeaderMap::new();
        trace.write(&mut headers);
        prop_assert_eq!(TraceHeaders::read(Some(&headers)), trace);
        Ok(())
    });
}

fn fields(json: &str) -> BTreeMap<String, String> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap();
    let texts = fields.into_iter();
    texts
        .map(|(name, value)| (name, value.get().to_owned()))
        .collect()
}

/// Returns the headers that the broker would hand out.
fn map(headers: Vec<(&str, &[u8])>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = name.parse::<HeaderName>();
        let value = String::from_utf8_lossy(value).parse::<HeaderValue>();
        if let (Ok(name), Ok(value)) = (name, value) {
            map.append(name, value);
        }
    }
    map
}

fn delivery(subject: &str, headers: HeaderMap, payload: &[u8]) -> Delivery {
    Delivery {
        subject: subject.to_owned(),
        headers: Some(headers),
        payload: Bytes::copy_from_slice(payload),
        sequence: 1,
        deliveries: 1,
        stored_at: Timestamp::from_millis(1_773_483_705_102),
        is_poison: false,
    }
}
