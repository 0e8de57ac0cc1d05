//! How spans and metrics get to a collector, and what does not.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use e2e::{Collector, Dev, Service, Stack};
use http::Method;
use serde_json::json;
use test_support::{Answer, Authority, HttpClient, Receiver, eventually, script};

use super::{PER_DELIVERY, PRODUCER, TRACE, Tree, send_with, traced};
use crate::BOUND;

const LATER_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[tokio::test]
async fn a_collector_that_comes_back_is_noted_once_and_gets_spans_again() {
    let is_back = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&is_back);
    let collector = Collector::scripted(move |_request| {
        Answer::status(if answers.load(Ordering::Relaxed) {
            200
        } else {
            503
        })
    });
    let variables = [("OTEL_METRIC_EXPORT_INTERVAL", "100")];
    let (mut stack, acme) = traced(&collector, &variables).await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    acme.register(&receiver.url("/"), &["order.paid"], json!({}))
        .await;
    send_with(&acme, "evt-1", &format!("00-{TRACE}-{PRODUCER}-01")).await;
    acme.wait_logs(1, "").await;
    says(&mut stack, "spans are lost").await;
    says(&mut stack, "metrics don't reach the collector").await;

    is_back.store(true, Ordering::Relaxed);
    let later = format!("00-{LATER_TRACE}-{PRODUCER}-01");
    send_with(&acme, "evt-2", &later).await;

    collector.wait_trace(LATER_TRACE, PER_DELIVERY + 2).await;
    says(&mut stack, "the collector takes spans again").await;
    says(&mut stack, "metrics reach the collector again").await;
    for notice in [
        "spans are lost",
        "the collector takes spans again",
        "metrics don't reach the collector",
        "metrics reach the collector again",
    ] {
        for service in Service::ALL {
            let log = stack.service(service).log();
            assert_eq!(log.matches(notice).count(), 1, "{service:?}: {notice}");
        }
    }
    stack.stop().await;
}

#[tokio::test]
async fn a_collector_is_reached_over_tls_by_an_authority_of_its_own_and_gets_gzip() {
    let authority = Authority::new("the collector's authority");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("collector.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let tls = authority.server(&["127.0.0.1"]).server_config(None);
    let collector = Collector::start_tls(tls);
    let variables = [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", file.to_str().unwrap()),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
    ];
    let (stack, acme) = traced(&collector, &variables).await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    acme.register(&receiver.url("/"), &["order.paid"], json!({}))
        .await;

    send_with(&acme, "evt-1", &format!("00-{TRACE}-{PRODUCER}-01")).await;

    assert!(collector.url().starts_with("https:"));
    let spans = collector.wait_trace(TRACE, PER_DELIVERY + 2).await;
    let server = Tree::new(&spans).only("POST /api/v2/events").clone();
    assert_eq!(server.parent_span_id, PRODUCER);
    let encodings: Vec<_> = collector.header("content-encoding").into_iter().collect();
    assert_eq!(encodings, ["gzip"]);
    stack.stop().await;
}

#[tokio::test]
async fn a_collector_whose_certificate_nobody_vouches_for_gets_nothing() {
    let tls = Authority::new("somebody").server(&["127.0.0.1"]);
    let collector = Collector::start_tls(tls.server_config(None));

    let (mut stack, acme) = traced(&collector, &[]).await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    acme.register(&receiver.url("/"), &["order.paid"], json!({}))
        .await;
    send_with(&acme, "evt-1", &format!("00-{TRACE}-{PRODUCER}-01")).await;

    says(&mut stack, "spans are lost").await;
    receiver.wait_for(1, BOUND).await;
    assert_eq!(collector.spans(), []);
    stack.stop().await;
}

#[tokio::test]
async fn posthorn_dev_sends_the_spans_of_all_services() {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let url = collector.url();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
    ];
    let dev = Dev::start_with(data.path(), &variables).await;
    let acme = dev.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    acme.register(&receiver.url("/"), &["order.paid"], json!({}))
        .await;

    send_with(&acme, "evt-1", &format!("00-{TRACE}-{PRODUCER}-01")).await;

    let spans = collector.wait_trace(TRACE, PER_DELIVERY + 2).await;
    let services: BTreeSet<_> = spans.iter().map(|span| span.service.as_str()).collect();
    assert_eq!(services, BTreeSet::from(["posthorn-dev"]));
    eventually("the metrics arrive", BOUND, async || {
        let names = collector.metrics();
        if names.contains("posthorn_delivery_attempts") {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        }
    })
    .await;
    dev.stop(test_support::Signal::Terminate).await;
}

#[tokio::test]
async fn who_has_no_token_leaves_no_span_however_much_is_asked() {
    let collector = Collector::start();
    let (stack, acme) = traced(&collector, &[]).await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    acme.register(&receiver.url("/"), &["order.paid"], json!({}))
        .await;
    let traceparent = format!("00-{LATER_TRACE}-{PRODUCER}-01");
    let headers = [
        ("content-type", "application/json"),
        ("traceparent", traceparent.as_str()),
    ];
    let (ingest, admin) = (stack.url(Service::Ingest), stack.url(Service::Admin));
    for (base, method, path, token) in [
        (&ingest, Method::POST, "/api/v2/events", None),
        (&ingest, Method::POST, "/api/v2/events", Some("pht_guessed")),
        (&admin, Method::GET, "/api/v2/admin/webhooks/configs", None),
        (&admin, Method::GET, "/panel/sign-in", None),
        (&admin, Method::GET, "/panel/", None),
    ] {
        let client = HttpClient::new(base);
        let client = token.map_or(client.clone(), |token| client.with_token(token));
        for _ in 0..20 {
            let body = bytes::Bytes::from_static(b"{}");
            let reply = client.send_with(method.clone(), path, &headers, body).await;
            assert!(!reply.unwrap().status.is_server_error());
        }
    }

    let known = format!("00-{TRACE}-{PRODUCER}-01");
    let headers = [("traceparent", known.as_str())];
    let path = "/api/v2/admin/webhooks/configs";
    let nothing = bytes::Bytes::new();
    let reply = (acme.admin).send_with(Method::GET, path, &headers, nothing);
    reply.await.unwrap().expect(200);
    send_with(&acme, "evt-1", &known).await;
    // Of the event, its request, and the question before it.
    let spans = collector.wait_trace(TRACE, PER_DELIVERY + 3).await;

    Tree::new(&spans).only("GET /api/v2/admin/webhooks/configs");
    stack.stop().await;
    let all = collector.spans();
    let strangers: Vec<_> = all
        .iter()
        .filter(|span| span.trace_id == LATER_TRACE)
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}

#[tokio::test]
async fn a_collector_gets_every_metric_that_is_served() {
    let collector = Collector::start();
    let variables = [
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
    ];
    let (stack, acme) = traced(&collector, &variables).await;
    let receiver = Receiver::start(script::failing_first(1, 500));
    let soon = json!({"retryPolicy": {"preset": "nudj", "delay": {"fixed": 200}}});
    acme.register(&receiver.url("/"), &["order.paid"], soon)
        .await;
    send_with(&acme, "evt-1", &format!("00-{TRACE}-{PRODUCER}-01")).await;
    acme.wait_logs(2, "").await;

    for service in Service::ALL {
        let served = served(&HttpClient::new(stack.url(service))).await;
        assert!(served.len() >= 2, "{service:?} serves {served:?}");
        eventually("the metrics arrive", BOUND, async || {
            let sent: BTreeSet<String> =
                collector.metrics().iter().map(|name| bare(name)).collect();
            let missing: Vec<_> = served.difference(&sent).collect();
            if missing.is_empty() {
                Ok(())
            } else {
                Err(format!("{service:?}: {missing:?} not in {sent:?}"))
            }
        })
        .await;
    }
    assert_eq!(collector.spans(), []);
    stack.stop().await;
}

/// Returns the names of our metrics that a service serves.
async fn served(service: &HttpClient) -> BTreeSet<String> {
    let text = service.get("/metrics").await;
    let text = String::from_utf8_lossy(&text.body).into_owned();
    let typed = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = typed.filter_map(|line| line.split(' ').next());
    names
        .filter(|name| name.starts_with("posthorn_"))
        .map(bare)
        .collect()
}

/// Returns a metric's name without what Prometheus puts behind it.
fn bare(name: &str) -> String {
    let name = name.strip_suffix("_total").unwrap_or(name);
    let units = ["_seconds", "_bytes", "_ratio"];
    let unit = units.into_iter().find_map(|unit| name.strip_suffix(unit));
    unit.unwrap_or(name).to_owned()
}

/// Waits until every service has said something in its log.
async fn says(stack: &mut Stack, what: &str) {
    for service in Service::ALL {
        eventually(&format!("{service:?} says: {what}"), BOUND, async || {
            let log = stack.service(service).log();
            if log.contains(what) { Ok(()) } else { Err(log) }
        })
        .await;
    }
}
