//! The names of receivers can't be looked up, or only now and then.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use e2e::{Stack, Store};
use serde_json::json;
use test_support::{Answer, NameServer, Receiver};

use crate::{
    pace,
    stage::{Seen, Stage},
};

const WELL: u8 = 0;
const FAILING: u8 = 1;
const FLAPPING: u8 = 2;

#[tokio::test]
async fn names_fail_and_flap() {
    let state = Arc::new(AtomicU8::new(WELL));
    let asked = Arc::clone(&state);
    let names = NameServer::start(move |_, before| {
        let address: IpAddr = [127, 0, 0, 1].into();
        match asked.load(Ordering::Relaxed) {
            FAILING => None,
            // It flaps between the right address, none, and one that may not be called.
            FLAPPING => match before % 3 {
                0 => Some(vec![address]),
                1 => None,
                _ => Some(vec![[10, 0, 0, 1].into()]),
            },
            _ => Some(vec![address]),
        }
    });
    let servers = names.address().to_string();
    let variables = [("POSTHORN_DNS_SERVERS", servers.as_str())];
    let stack = Stack::start_limited(Store::Sqlite, "info", &variables).await;
    let mut stage = Stage::set(stack).await;
    let seen = Seen::default();
    let noted = seen.clone();
    let receiver = Receiver::start(move |request| {
        noted.note(request.event_id(), request.attempt());
        // Each request needs a connection, and a look-up, of its own.
        Answer::Reply {
            status: 200,
            headers: vec![("connection", "close".to_owned())],
            body: bytes::Bytes::new(),
        }
    });
    stage
        .endpoint(&receiver.url_of("hooks.example", "/hook"), seen, json!({}))
        .await;
    let mut stage = stage.under_load().await;

    for (name, how) in [("no name resolves", FAILING), ("names flap", FLAPPING)] {
        stage
            .fault(name, async |stage| {
                state.store(how, Ordering::Relaxed);
                stage.goes_on(pace::seconds(4, 40)).await;
                state.store(WELL, Ordering::Relaxed);
            })
            .await;
    }

    let balance = stage.settle("names").await;
    assert_eq!((balance.cut_off, balance.repeated), (0, 0));
}
