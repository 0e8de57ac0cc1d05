//! The client against real servers: names of a name server of the test's own, TLS, proxies.

mod proxy;
mod tls;

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use domain::{destination::Policy, outcome::ErrorKind};
use http::Request;
use http_body_util::Full;
use jetstream::sealing::Keyring;
use test_support::{Answer, NameServer, Receiver, script};

use super::{Client, Deadline, Reply};
use crate::{
    config::{Limits, Settings},
    dial::Dial,
    egress::Egress,
    tls::Tls,
};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const BOUND: Duration = Duration::from_secs(20);

#[tokio::test]
async fn of_a_names_addresses_only_allowed_ones_are_dialled() {
    let receiver = Receiver::start(script::always(Answer::ok()));
    let names = NameServer::start(|name, _| match name {
        "mixed.example" => Some(ips(&["10.0.0.1", "169.254.169.254", "127.0.0.1", "::1"])),
        "closed.example" => Some(ips(&["127.0.0.9", "10.0.0.1", "::1"])),
        "empty.example" => Some(Vec::new()),
        _ => None,
    });
    let client = client(&settings(&["127.0.0.1/32"], asking(&names)));
    let check = async |name: &str| get(&client, &receiver.url_of(name, "/")).await;

    assert_eq!(check("mixed.example").await.status, Some(200));
    for (name, kind, message) in [
        (
            "closed.example",
            ErrorKind::BlockedAddress,
            "host name has no address that is public",
        ),
        (
            "empty.example",
            ErrorKind::Dns,
            "host name does not resolve",
        ),
        (
            "missing.example",
            ErrorKind::Dns,
            "host name does not resolve",
        ),
        ("name.invalid", ErrorKind::Dns, "host name does not resolve"),
    ] {
        let failure = check(name).await.failure.unwrap();

        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (kind, message),
            "{name}"
        );
    }
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn a_name_is_looked_up_once_per_connection_and_what_was_checked_is_dialled() {
    let receiver = Receiver::start(script::always(Answer::ok()));
    let rebound = NameServer::start(|_, before| {
        Some(ips(&[if before == 0 {
            "127.0.0.1"
        } else {
            "127.0.0.9"
        }]))
    });
    let settings = settings(&["127.0.0.1/32"], asking(&rebound));
    let url = receiver.url_of("hooks.example", "/");
    let client_of_old = client(&settings);

    assert_eq!(get(&client_of_old, &url).await.status, Some(200));
    assert_eq!(get(&client_of_old, &url).await.status, Some(200));
    assert_eq!(
        rebound.asked("hooks.example"),
        1,
        "the connection is used again"
    );
    let failure = get(&client(&settings), &url).await.failure.unwrap();

    assert_eq!(failure.kind, ErrorKind::BlockedAddress);
    assert_eq!(rebound.asked("hooks.example"), 2);
}

#[tokio::test]
async fn a_pooled_connection_serves_its_own_host_alone() {
    let receiver = Receiver::start(script::always(Answer::ok()));
    let names = NameServer::start(|name, _| {
        Some(ips(&[if name == "a.example" {
            "127.0.0.1"
        } else {
            "127.0.0.9"
        }]))
    });
    let client = client(&settings(&["127.0.0.1/32"], asking(&names)));

    assert_eq!(
        get(&client, &receiver.url_of("a.example", "/"))
            .await
            .status,
        Some(200)
    );
    for name in ["b.example", "127.0.0.9", "[::ffff:127.0.0.9]", "[::1]"] {
        let failure = get(&client, &receiver.url_of(name, "/"))
            .await
            .failure
            .unwrap();

        assert_eq!(failure.kind, ErrorKind::BlockedAddress, "{name}");
    }
}

#[tokio::test]
async fn a_name_is_opened_in_every_spelling_and_no_other_with_it() {
    let receiver = Receiver::start(script::always(Answer::ok()));
    let names = NameServer::start(|_, _| Some(ips(&["127.0.0.1"])));
    let mut settings = settings(&[], asking(&names));
    settings.destinations = Arc::new(Policy {
        allow_http: true,
        networks: Vec::new(),
        hosts: vec![
            "hooks.example".to_owned(),
            "xn--bcher-kva.example".to_owned(),
        ],
    });
    let client = client(&settings);
    let check = async |name: &str| {
        // As a target is made: parsed by the rules, then dialled.
        let text = receiver.url_of(name, "/");
        let url = settings.destinations.check_url(&text).unwrap();
        get(&client, url.as_str()).await.status.is_some()
    };

    for name in [
        "hooks.example",
        "HOOKS.example.",
        "ｈooks.example",
        "bücher.example",
    ] {
        assert!(check(name).await, "{name}");
    }
    for name in [
        "x.hooks.example",
        "hooks.example.evil.example",
        "bucher.example",
    ] {
        assert!(!check(name).await, "{name}");
    }
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn asking(names: &NameServer) -> Egress {
    Egress {
        dns_servers: vec![names.address()],
        ..Egress::default()
    }
}

fn settings(open: &[&str], egress: Egress) -> Settings {
    Settings {
        limits: Limits {
            places: 1,
            disable_after: None,
        },
        keyring: Arc::new(Keyring::parse(KEY).unwrap()),
        destinations: Arc::new(Policy {
            allow_http: true,
            networks: open.iter().map(|text| text.parse().unwrap()).collect(),
            hosts: Vec::new(),
        }),
        egress,
    }
}

fn client(settings: &Settings) -> Client {
    let tls = Tls::new(&settings.egress.roots).unwrap();
    Client::new(&Dial::new(settings).unwrap(), tls.shared().unwrap(), 8).unwrap()
}

async fn get(client: &Client, url: &str) -> Reply {
    let request = Request::get(url).body(Full::<Bytes>::default()).unwrap();
    client.send(request, Deadline::after(BOUND)).await
}
