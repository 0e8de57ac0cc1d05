//! Values of buckets.

use std::fmt::Debug;

use bytes::Bytes;
use domain::{
    endpoint::Endpoint, erasure::Erasure, event_type::EventType, health::Health,
    organisation::Settings, replay::Replay, time::Timestamp, token::Token,
};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use super::target;
use crate::{
    bucket::{Change, View},
    endpoint_bucket::Endpoints,
    erasure_bucket::Erasures,
    health_bucket::Healths,
    organisation_bucket::Organisations,
    presence::Replicas,
    replay_bucket::Replays,
    token_bucket::Tokens,
    wire::value::{decode, encode},
};

#[test]
fn an_endpoint_is_kept_as_it_was_read() {
    check::<Endpoint>("endpoint");
}

#[test]
fn an_event_type_is_kept_as_it_was_read() {
    check::<EventType>("event-type");
}

#[test]
fn health_is_kept_as_it_was_read() {
    check::<Health>("health");
}

#[test]
fn a_replay_is_kept_as_it_was_read() {
    check::<Replay>("replay");
}

#[test]
fn an_erasure_is_kept_as_it_was_read() {
    check::<Erasure>("erasure");
}

#[test]
fn settings_are_kept_as_they_were_read() {
    check::<Settings>("settings");
}

#[test]
fn a_token_is_kept_as_it_was_read() {
    target("token").check(|input| {
        if let Ok(token) = decode::<Token>(input) {
            prop_assert_eq!(decode::<Token>(&encode(&token)).unwrap(), token);
        }
        Ok(())
    });
}

/// Tries values of a kind that keeps the fields which it does not know.
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str) {
    target(name).check(|input| {
        let Ok(value) = decode::<T>(input) else {
            return Ok(());
        };
        prop_assert_eq!(&decode::<T>(&encode(&value)).unwrap(), &value);

        let mut later: serde_json::Value = serde_json::from_slice(input).unwrap();
        later["laterField"] = serde_json::json!({"a": [1, null]});
        let kept = decode::<T>(later.to_string().as_bytes()).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&encode(&kept)).unwrap();
        prop_assert_eq!(&written["laterField"], &later["laterField"]);
        Ok(())
    });
}

#[test]
fn what_keeps_a_bucket_in_memory_takes_whatever_stands_there() {
    target("change").check(|input| {
        let end = input.iter().position(|byte| *byte == b'\n');
        let (key, value) = input.split_at(end.unwrap_or(input.len()));
        let change = Change {
            key: String::from_utf8_lossy(key).into_owned(),
            value: value.get(1..).map(Bytes::copy_from_slice),
            revision: 1,
            stored_at: Timestamp::from_millis(0),
        };
        hold(&Endpoints::default(), &change);
        hold(&Erasures::default(), &change);
        hold(&Healths::default(), &change);
        hold(&Organisations::default(), &change);
        hold(&Replays::default(), &change);
        hold(&Tokens::default(), &change);
        hold(&Replicas::default(), &change);
        Ok(())
    });
}

/// Lets a view hold a change, have it again, and see it gone.
fn hold<V: View>(view: &V, change: &Change) {
    let gone = Change {
        value: None,
        ..change.clone()
    };
    view.replace(vec![change.clone(), change.clone()]);
    view.apply(vec![change.clone(), gone, change.clone()]);
}
