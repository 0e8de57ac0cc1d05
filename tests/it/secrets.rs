//! Promise 6: whatever happens, no secret is in an answer, in a service's output, in a metric, in a span or at rest.

mod needle;
mod places;
mod story;

use std::sync::Arc;

use domain::endpoint::Endpoint;
use e2e::{Collector, Service, Stack};
use jetstream::sealing::Keyring;
use serde_json::json;
use test_support::{
    Answer, HttpProxy, Postgres, ProxyConduct, Receiver, Signal, StoredMessage, script,
};

use self::{
    needle::{Needle, Place},
    story::{CONFIGS, Story},
};
use crate::BOUND;

const NATS_PASSWORD: &str = "password-of-the-broker-31";
const STORE_PASSWORD: &str = "password-of-the-store-32";
const PROXY_PASSWORD: &str = "password-of-the-proxy-33";
/// `posthorn:password-of-the-proxy-33`.
const PROXY_AUTHORIZATION: &str = "Basic cG9zdGhvcm46cGFzc3dvcmQtb2YtdGhlLXByb3h5LTMz";
const COLLECTOR_KEY: &str = "key-of-the-collector-34";
const SECRETS_KEY: &str = "dGhpcyBrZXkgb2YgMzIgYnl0ZXMgc2VhbHMgaXQgYWw=";
/// Everything that services can be made to write.
const FILTER: &str = "trace";
const DATABASE: &str = "secrets";

#[tokio::test]
async fn no_secret_is_seen_with_a_file_for_a_store() {
    let collector = Collector::start();
    let (endpoint, key) = (collector.url(), format!("api-key={COLLECTOR_KEY}"));
    let variables = [
        ("POSTHORN_SECRETS_KEY", SECRETS_KEY),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_HEADERS", &key),
    ];
    let mut stack = Stack::start_guarded(NATS_PASSWORD, FILTER, &variables).await;
    let mut story = live(&mut stack).await;

    stack.broker().restart();
    stack.wait_ready().await;
    story.read_everything().await;
    let mut files = places::files(stack.directory());
    files.push(collected(&mut stack, &collector).await);

    assert!(files.iter().any(|file| file.name.contains("attempts.db")));
    assert_unseen(&mut stack, story, files).await;
}

#[tokio::test]
async fn no_secret_is_seen_with_postgresql_and_a_proxy() {
    let cluster = Arc::new(Postgres::start());
    let proxy = HttpProxy::start(ProxyConduct::ConnectFor(PROXY_AUTHORIZATION.to_owned()));
    let store = cluster.create_database(DATABASE);
    let store = store.replace("postgres@", &format!("postgres:{STORE_PASSWORD}@"));
    let collector = Collector::start_grpc();
    let (endpoint, key) = (collector.url(), format!("api-key={COLLECTOR_KEY}"));
    let through = format!("http://posthorn:{PROXY_PASSWORD}@{}", proxy.address());
    let variables = [
        ("POSTHORN_SECRETS_KEY", SECRETS_KEY),
        ("POSTHORN_STORE_URL", &store),
        ("POSTHORN_EGRESS_PROXY", &through),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", &key),
    ];
    let mut stack = Stack::start_guarded(NATS_PASSWORD, FILTER, &variables).await;
    let mut story = live(&mut stack).await;

    cluster.stop();
    let page = format!("{CONFIGS}/nowhere/stats");
    story.acme.admin.get(&page).await;
    cluster.restart();
    stack.wait_ready().await;
    story.read_everything().await;
    let mut files = places::files(&cluster.data_dir());
    files.push(Place::new("the tables", cluster.dump(DATABASE)));

    assert!(!proxy.heads().is_empty());
    let tables = String::from_utf8_lossy(&files[files.len() - 1].bytes).into_owned();
    assert!(tables.contains("you sent"), "records are in the tables");
    files.push(collected(&mut stack, &collector).await);
    assert_unseen(&mut stack, story, files).await;
}

#[tokio::test]
async fn a_generated_secret_is_shown_once() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;

    let saved = acme
        .register("http://127.0.0.1:9/hook", &["*"], json!({}))
        .await;

    let secret = saved["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"), "{saved}");
    let again = acme.admin.get(CONFIGS).await;
    assert_eq!(
        Needle::new("secret", &secret).found_in(&Place::new("here", again.body)),
        None
    );
}

#[tokio::test]
async fn secrets_reach_the_receiver_as_they_were_given() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let headers =
        json!({"headers": {"Authorization": "Bearer s3cret-4711", "X-Api-Key": "key-0815"}});
    acme.register(&receiver.url("/hook"), &["*"], headers).await;

    acme.send(&json!({"id": "evt-1", "eventSubCategory": "reward-claim", "payload": {}}))
        .await;

    let request = receiver.wait_for(1, BOUND).await.remove(0);
    assert_eq!(request.header("authorization"), "Bearer s3cret-4711");
    assert_eq!(request.header("x-api-key"), "key-0815");
}

/// Returns everything that a collector got once all services have sent their last spans; then they start again.
async fn collected(stack: &mut Stack, collector: &Collector) -> Place {
    for service in Service::ALL {
        stack.service(service).signal(Signal::Terminate);
    }
    for service in Service::ALL {
        stack.service(service).wait_exit(BOUND).await;
    }
    let bytes = collector.bytes();
    for name in ["process jobs", "http.response.status_code", "url.full"] {
        let found = memchr::memmem::find(&bytes, name.as_bytes());
        assert!(found.is_some(), "{name} is in no span");
    }
    for service in Service::ALL {
        stack.service(service).restart();
    }
    stack.wait_ready().await;
    Place::new("what a collector got", bytes)
}

/// Lets everything happen in which a secret plays a part.
async fn live(stack: &mut Stack) -> Story {
    let mut story = Story::begin(stack).await;
    story.register().await;
    story.change().await;
    story::block(stack).await;
    story.deliver().await;
    story.repeat().await;
    story.err().await;
    story.read_everything().await;
    story
}

/// Looks for every secret, those that only the endpoints bucket knows included, everywhere.
async fn assert_unseen(stack: &mut Stack, story: Story, files: Vec<Place>) {
    let mut needles = story.needles;
    for (name, text) in [
        ("the broker's password", NATS_PASSWORD),
        ("the store's password", STORE_PASSWORD),
        ("the proxy's password", PROXY_PASSWORD),
        ("the proxy's authorization", PROXY_AUTHORIZATION),
        ("the key of the secrets", SECRETS_KEY),
        ("the key of the collector", COLLECTOR_KEY),
    ] {
        needles.push(Needle::new(name, text));
    }
    let stored = stack
        .broker_client()
        .await
        .messages(places::ENDPOINTS)
        .await;
    needles.extend(stored.iter().flat_map(opened));
    let mut places = story.seen;
    places.extend(files);
    places.extend(places::told(stack).await);
    for service in Service::ALL {
        stack.service(service).signal(Signal::Terminate);
    }
    for service in Service::ALL {
        stack.service(service).wait_exit(BOUND).await;
    }
    places.extend(places::logs(stack));
    places.extend(places::files(&stack.broker().store_dir()));

    assert!(
        needles.len() > 30 && places.len() > 100,
        "{} {}",
        needles.len(),
        places.len()
    );
    let found = needles
        .iter()
        .flat_map(|needle| places.iter().filter_map(|place| needle.found_in(place)));
    let found: Vec<String> = found.collect();
    assert!(
        found.is_empty(),
        "{} times:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// Opens everything that is sealed in a revision of an endpoint, with the key that the services have.
fn opened(stored: &StoredMessage) -> Vec<Needle> {
    let Ok(mut endpoint) = serde_json::from_slice::<Endpoint>(&stored.body) else {
        return Vec::new();
    };
    let keyring = Keyring::parse(SECRETS_KEY).unwrap();
    let owner = endpoint.seal_owner();
    let texts = endpoint
        .sealed_mut()
        .map(|sealed| keyring.open(&owner, sealed).unwrap());
    texts
        .map(|text| Needle::new(format!("a sealed text of {}", stored.subject), &text))
        .collect()
}
