//! An event is one trace, from its producer to its record; what nobody wants recorded is not, and a collector
//! that is away costs nothing.

mod exporting;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use e2e::{CollectedSpan, Collector, Organisation, Service, Stack, Store};
use http::Method;
use serde_json::json;
use test_support::{Answer, Received, Receiver, eventually, free_port, script};

use crate::BOUND;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PRODUCER: &str = "00f067aa0ba902b7";
/// The spans of an event with one endpoint that takes it at once, from fan-out on: reading the event, storing
/// its jobs, the attempt, its request, its record; and beside fan-out, its body in the archive.
const PER_DELIVERY: usize = 6;

#[tokio::test]
async fn an_event_with_two_endpoints_is_one_tree_from_the_producer_to_the_records() {
    let collector = Collector::start();
    let (stack, acme) = traced(&collector, &[]).await;
    let good = Receiver::start(script::always(Answer::ok()));
    let flaky = Receiver::start(script::failing_first(2, 500));
    acme.register(&good.url("/good?key=hunter2"), &["order.paid"], json!({}))
        .await;
    let policy =
        json!({"maxRetries": 3, "retryPolicy": {"preset": "nudj", "delay": {"fixed": 200}}});
    acme.register(&flaky.url("/flaky"), &["order.paid"], policy)
        .await;

    send_with(&acme, "evt-1", &format!("00-{TRACE}-{PRODUCER}-01")).await;

    let spans = collector.wait_trace(TRACE, 19).await;
    let tree = Tree::new(&spans);
    let server = tree.only("POST /api/v2/events");
    assert_eq!(server.parent_span_id, PRODUCER);
    assert_eq!(
        (server.kind.as_str(), server.service.as_str()),
        ("Server", "posthorn-ingest")
    );
    assert_eq!(server.attribute("http.response.status_code"), "202");
    let published = tree.only_below(server, "publish events");
    assert_eq!(published.kind, "Producer");
    assert_eq!(published.attribute("messaging.system"), "nats");
    assert_eq!(published.attribute("messaging.operation.type"), "send");
    assert_eq!(published.attribute("messaging.message.id"), "evt-1");
    let fanned_out = tree.only_below(published, "process events");
    assert_eq!(
        (fanned_out.kind.as_str(), fanned_out.service.as_str()),
        ("Consumer", "posthorn-fan-out")
    );
    let archived = tree.only_below(published, "archive events");
    assert_eq!(archived.service, "posthorn-log-writer");
    assert_eq!(archived.attribute("messaging.message.id"), "evt-1");
    let jobs = tree.only_below(fanned_out, "publish jobs");
    assert_eq!(jobs.attribute("messaging.batch.message_count"), "2");

    let attempts = tree.attempts_below(jobs);
    assert_eq!(attempts.len(), 4, "{attempts:?}");
    assert_attempts(&tree, &attempts, &good, &flaky);
    let waits = tree.below(jobs, "wait");
    assert_eq!(waits.len(), 2);
    for wait in waits {
        let waited = Duration::from_nanos(wait.ended - wait.started);
        assert!(waited >= Duration::from_millis(150), "{waited:?}");
    }
    assert!(!format!("{spans:?}").contains("hunter2"), "{spans:?}");
    stack.stop().await;
}

#[tokio::test]
async fn an_event_over_nats_goes_on_in_the_producer_s_trace_or_begins_one() {
    let collector = Collector::start();
    let (stack, acme) = traced(&collector, &[]).await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    acme.register(&receiver.url("/"), &["order.paid"], json!({}))
        .await;
    let broker = stack.broker_client().await;
    let publish = async |id: &str, headers: &[(&str, &str)]| {
        let body = format!("{{\"id\":\"{id}\",\"eventSubCategory\":\"order.paid\"}}");
        let subject = "posthorn.events.acme.order.paid";
        broker.publish(subject, headers, body).await.unwrap();
    };

    let parent = format!("00-{TRACE}-{PRODUCER}-01");
    publish("evt-traced", &[("traceparent", &parent)]).await;
    let spans = collector.wait_trace(TRACE, PER_DELIVERY).await;
    let tree = Tree::new(&spans);
    assert_eq!(tree.only("process events").parent_span_id, PRODUCER);
    assert_eq!(spans.len(), PER_DELIVERY);

    publish("evt-fresh", &[]).await;
    let request = eventually("the other event arrives", BOUND, async || {
        let requests = receiver.requests().into_iter();
        let mut fresh = requests.filter(|request| request.event_id() == "evt-fresh");
        fresh.next().ok_or("it has not come")
    })
    .await;
    let (trace, _) = context(&request);
    let spans = collector.wait_trace(&trace, PER_DELIVERY).await;
    assert_eq!(Tree::new(&spans).only("process events").parent_span_id, "");
}

#[tokio::test]
async fn what_the_producer_does_not_record_is_not_recorded() {
    let collector = Collector::start();
    let (_stack, acme) = traced(&collector, &[]).await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    acme.register(&receiver.url("/"), &["order.paid"], json!({}))
        .await;
    let silent = "0af7651916cd43dd8448eb211c80319c";

    send_with(&acme, "evt-silent", &format!("00-{silent}-{PRODUCER}-00")).await;
    let request = receiver.wait_for(1, BOUND).await.remove(0);
    acme.wait_logs(1, "").await;
    send_with(&acme, "evt-heard", &format!("00-{TRACE}-{PRODUCER}-01")).await;
    collector.wait_trace(TRACE, PER_DELIVERY + 2).await;

    assert_eq!(context(&request).0, silent);
    assert!(request.header("traceparent").ends_with("-00"));
    let spans = collector.spans();
    assert!(
        spans.iter().all(|span| span.trace_id != silent),
        "{spans:?}"
    );
}

#[tokio::test]
async fn a_collector_that_is_away_or_stands_still_costs_one_warning() {
    for endpoint in [
        format!("http://127.0.0.1:{}", free_port()),
        Collector::answering(Answer::ok().after(Duration::from_secs(60))).url(),
    ] {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "50"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ];
        let mut stack = Stack::start_limited(Store::Sqlite, "info", &variables).await;
        let acme = stack.organisation("acme").await;
        let receiver = Receiver::start(script::always(Answer::ok()));
        acme.register(&receiver.url("/"), &["order.paid"], json!({}))
            .await;
        let events: Vec<_> = (0..200)
            .map(|n| json!({"id": format!("evt-{n}"), "eventSubCategory": "order.paid"}))
            .collect();

        acme.send(&json!(events)).await;
        receiver.wait_for(200, BOUND).await;
        let metrics = test_support::HttpClient::new(stack.url(Service::Delivery));
        eventually("spans are counted as lost", BOUND, async || {
            let text = metrics.get("/metrics").await;
            let text = String::from_utf8_lossy(&text.body).into_owned();
            let dropped = "posthorn_telemetry_spans_dropped_total{reason=\"queue-full\"} ";
            let count = text.lines().find_map(|line| line.strip_prefix(dropped));
            let count: u64 = count.and_then(|count| count.parse().ok()).unwrap_or(0);
            if count > 0 { Ok(()) } else { Err(text) }
        })
        .await;

        let begun = Instant::now();
        let delivery = stack.service(Service::Delivery);
        delivery.signal(test_support::Signal::Terminate);
        assert!(delivery.wait_exit(BOUND).await.success());
        assert!(
            begun.elapsed() < Duration::from_secs(15),
            "{:?}",
            begun.elapsed()
        );
        let log = delivery.log();
        assert_eq!(log.matches("spans are lost").count(), 1, "{log}");
        assert!(log.matches("metrics don't reach").count() <= 1, "{log}");
    }
}

#[tokio::test]
async fn a_collector_gets_spans_and_the_metrics_that_are_served_over_grpc_too() {
    let collector = Collector::start_grpc();
    let variables = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "api-key=s3cret-of-the-collector",
        ),
        ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
    ];
    let (mut stack, acme) = traced(&collector, &variables).await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    acme.register(&receiver.url("/"), &["order.paid"], json!({}))
        .await;
    send_with(&acme, "evt-1", &format!("00-{TRACE}-{PRODUCER}-01")).await;
    let spans = collector.wait_trace(TRACE, PER_DELIVERY + 2).await;
    assert_eq!(
        Tree::new(&spans).only("POST /api/v2/events").parent_span_id,
        PRODUCER
    );

    eventually("the metrics arrive", BOUND, async || {
        let names = collector.metrics();
        let wanted = [
            "posthorn_ingest_events",
            "posthorn_fan_out_jobs",
            "posthorn_delivery_attempts",
            "posthorn_log_writer_rows",
        ];
        let missing: Vec<_> = wanted
            .into_iter()
            .filter(|name| !names.contains(*name))
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("{missing:?} not in {names:?}"))
        }
    })
    .await;
    let keys: Vec<_> = collector.header("api-key").into_iter().collect();
    assert_eq!(keys, ["s3cret-of-the-collector"]);
    for service in Service::ALL {
        assert!(
            !stack
                .service(service)
                .log()
                .contains("s3cret-of-the-collector")
        );
    }
    stack.stop().await;
}

/// Checks each attempt with what is below it, and that each receiver got its request's span.
fn assert_attempts(
    tree: &Tree<'_>,
    attempts: &[&CollectedSpan],
    good: &Receiver,
    flaky: &Receiver,
) {
    let mut sent: BTreeMap<String, Received> = BTreeMap::new();
    for request in good.requests().into_iter().chain(flaky.requests()) {
        let (trace, span) = context(&request);
        assert_eq!(trace, TRACE);
        sent.insert(span, request);
    }
    let mut seen = Vec::new();
    for attempt in attempts {
        let client = tree.only_below(attempt, "POST");
        let record = tree.only_below(attempt, "process attempts");
        let request = &sent[&client.span_id];
        let number = attempt.attribute("posthorn.attempt.number");
        let status = client.attribute("http.response.status_code");
        assert_eq!(number, request.attempt().to_string());
        assert_eq!(
            (client.kind.as_str(), attempt.kind.as_str()),
            ("Client", "Consumer")
        );
        assert_eq!(
            (record.kind.as_str(), record.service.as_str()),
            ("Consumer", "posthorn-log-writer")
        );
        assert_eq!(attempt.failed, status == "500");
        assert_eq!(client.failed, status == "500");
        let outcome = if status == "500" {
            "status"
        } else {
            "accepted"
        };
        assert_eq!(attempt.attribute("posthorn.attempt.outcome"), outcome);
        assert!(
            client
                .attribute("url.full")
                .starts_with("http://127.0.0.1:")
        );
        let retries = attempt.events.iter().filter(|(name, _)| name == "retry");
        assert_eq!(retries.count(), usize::from(status == "500"));
        seen.push((request.path.clone(), number.to_owned(), status.to_owned()));
    }
    seen.sort();
    let expected = [
        ("/flaky", "1", "500"),
        ("/flaky", "2", "500"),
        ("/flaky", "3", "200"),
        ("/good?key=hunter2", "1", "200"),
    ];
    let expected = expected
        .map(|(path, number, status)| (path.to_owned(), number.to_owned(), status.to_owned()));
    assert_eq!(seen, expected);
}

/// Spans of one trace, by what is above them.
struct Tree<'a> {
    spans: &'a [CollectedSpan],
}

impl<'a> Tree<'a> {
    fn new(spans: &'a [CollectedSpan]) -> Self {
        Self { spans }
    }

    fn only(&self, name: &str) -> &'a CollectedSpan {
        let found: Vec<_> = self.spans.iter().filter(|span| span.name == name).collect();
        assert_eq!(found.len(), 1, "{name}: {:?}", self.spans);
        found[0]
    }

    fn below(&self, parent: &CollectedSpan, name: &str) -> Vec<&'a CollectedSpan> {
        let below = |span: &&CollectedSpan| span.parent_span_id == parent.span_id;
        let named = |span: &&CollectedSpan| span.name == name;
        self.spans.iter().filter(below).filter(named).collect()
    }

    fn only_below(&self, parent: &CollectedSpan, name: &str) -> &'a CollectedSpan {
        let found = self.below(parent, name);
        assert_eq!(found.len(), 1, "{name} below {parent:?}: {:?}", self.spans);
        found[0]
    }

    fn attempts_below(&self, jobs: &CollectedSpan) -> Vec<&'a CollectedSpan> {
        let mut attempts = self.below(jobs, "process jobs");
        attempts.extend(self.below(jobs, "process retries"));
        attempts
    }
}

/// Returns the ids of trace and span that a request carries.
fn context(request: &Received) -> (String, String) {
    let mut parts = request.header("traceparent").split('-').skip(1);
    let mut next = || parts.next().unwrap_or_default().to_owned();
    (next(), next())
}

async fn traced(collector: &Collector, more: &[(&'static str, &str)]) -> (Stack, Organisation) {
    let url = collector.url();
    let mut variables = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    variables.extend_from_slice(more);
    let stack = Stack::start_limited(Store::Sqlite, "info", &variables).await;
    let acme = stack.organisation("acme").await;
    (stack, acme)
}

async fn send_with(acme: &Organisation, id: &str, traceparent: &str) {
    let body = json!({"id": id, "eventSubCategory": "order.paid"});
    let headers = [
        ("content-type", "application/json"),
        ("traceparent", traceparent),
    ];
    let path = "/api/v2/events";
    let sent = acme
        .producer
        .send_with(Method::POST, path, &headers, body.to_string().into());
    sent.await.unwrap().expect(202);
}
