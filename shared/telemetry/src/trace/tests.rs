//! What is recorded, what is passed on, and what a collector that is away costs.

use std::{sync::Arc, time::Duration};

use config::{Sampler, SpanBatch};
use domain::trace::TraceParent;
use opentelemetry::KeyValue;
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};
use tokio::sync::{Semaphore, mpsc};

use super::{Kind, Origin, Recorder, Tracer, export};
use crate::Metrics;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// Hands batches to the test once it is allowed to, or refuses them.
#[derive(Debug)]
struct Collector {
    taken: mpsc::UnboundedSender<Vec<SpanData>>,
    turns: Arc<Semaphore>,
    refuses: bool,
}

impl SpanExporter for Collector {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.turns.acquire().await.unwrap().forget();
        if self.refuses {
            return Err(OTelSdkError::InternalFailure("gone".to_owned()));
        }
        self.taken.send(batch).unwrap();
        Ok(())
    }
}

struct Setup {
    tracer: Tracer,
    exporting: export::Exporting,
    taken: mpsc::UnboundedReceiver<Vec<SpanData>>,
    turns: Arc<Semaphore>,
    metrics: Metrics,
}

fn setup(follows_parent: bool, ratio: f64, refuses: bool) -> Setup {
    let (sender, taken) = mpsc::unbounded_channel();
    let turns = Arc::new(Semaphore::new(0));
    let metrics = Metrics::new("test").unwrap();
    let collector = Collector {
        taken: sender,
        turns: Arc::clone(&turns),
        refuses,
    };
    let batch = SpanBatch {
        queue: 4,
        spans: 2,
        delay: Duration::from_millis(10),
        export_within: Duration::from_secs(1),
    };
    let (queue, exporting) = export::start(collector, batch, &metrics);
    let sampler = Sampler {
        follows_parent,
        ratio,
    };
    Setup {
        tracer: Tracer::new(Recorder { sampler, queue }),
        exporting,
        taken,
        turns,
        metrics,
    }
}

#[tokio::test(start_paused = true)]
async fn a_span_ends_up_at_the_collector_with_what_was_said_of_it() {
    let mut setup = setup(true, 0.0, false);
    setup.turns.add_permits(10);

    let mut span = setup
        .tracer
        .begin(Kind::Consumer, "process jobs", Origin::of(Some(PARENT)));
    span.describe(|| [KeyValue::new("a", 1)]);
    span.event("retry", || [KeyValue::new("b", 2)]);
    span.fail("timeout");
    let context = span.context();
    drop(setup.tracer.child(Kind::Client, "POST", context));
    drop(span);
    setup.exporting.finish(Duration::from_secs(2)).await;

    let spans = setup.taken.recv().await.unwrap();
    let [client, process] = &spans[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(process.parent_span_id.to_string(), "00f067aa0ba902b7");
    assert_eq!(
        process.span_context.trace_id().to_string(),
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
    assert_eq!(client.parent_span_id, process.span_context.span_id());
    assert_eq!(process.attributes.len(), 2);
    assert_eq!(process.events.len(), 1);
    assert!(process.end_time >= client.end_time);
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_decided_holds() {
    let setup = setup(true, 1.0, false);

    let silent = setup
        .tracer
        .begin(Kind::Server, "POST", Origin::of(Some(UNSAMPLED)));
    let heard = setup
        .tracer
        .begin(Kind::Server, "POST", Origin::of(Some(PARENT)));
    let fresh = setup.tracer.begin(Kind::Server, "POST", Origin::of(None));

    assert!(!silent.is_recorded());
    assert_eq!(silent.context(), TraceParent::parse(UNSAMPLED).unwrap());
    assert!(heard.is_recorded() && fresh.is_recorded());
    assert_ne!(
        heard.context().span_bytes(),
        TraceParent::parse(PARENT).unwrap().span_bytes()
    );
}

#[tokio::test(start_paused = true)]
async fn a_sampler_that_asks_nobody_says_so_to_everybody_below() {
    let setup = setup(false, 0.0, false);

    let span = setup
        .tracer
        .begin(Kind::Server, "POST", Origin::of(Some(PARENT)));

    assert!(!span.context().is_sampled());
    assert!(
        !setup
            .tracer
            .child(Kind::Client, "POST", span.context())
            .is_recorded()
    );
}

#[test]
fn without_a_collector_every_context_passes_through() {
    let tracer = Tracer::default();
    let parent = TraceParent::parse(PARENT).unwrap();

    assert_eq!(
        tracer
            .begin(Kind::Server, "POST", Origin::Within(parent))
            .context(),
        parent
    );
    assert_eq!(tracer.child(Kind::Client, "POST", parent).context(), parent);
    let root = tracer.begin(Kind::Server, "POST", Origin::Root { trace_id: [7; 16] });
    assert_eq!(root.context().trace_bytes(), [7; 16]);
    assert!(!root.context().is_sampled());
}

#[tokio::test(start_paused = true)]
async fn spans_that_find_no_room_are_dropped_and_counted() {
    let setup = setup(true, 1.0, false);

    for _ in 0..20 {
        drop(setup.tracer.begin(Kind::Server, "POST", Origin::of(None)));
    }

    let text = setup.metrics.render();
    let line = "posthorn_telemetry_spans_dropped_total{reason=\"queue-full\"} 16";
    assert!(text.contains(line), "{text}");
}

#[tokio::test(start_paused = true)]
async fn spans_that_the_collector_refuses_are_counted() {
    let setup = setup(true, 1.0, true);
    setup.turns.add_permits(10);

    for _ in 0..3 {
        drop(setup.tracer.begin(Kind::Server, "POST", Origin::of(None)));
    }
    setup.exporting.finish(Duration::from_secs(2)).await;

    let text = setup.metrics.render();
    let line = "posthorn_telemetry_spans_dropped_total{reason=\"export-failed\"} 3";
    assert!(text.contains(line), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_stands_still_does_not_hold_up_the_end() {
    let setup = setup(true, 1.0, false);
    drop(setup.tracer.begin(Kind::Server, "POST", Origin::of(None)));
    let begun = tokio::time::Instant::now();

    setup.exporting.finish(Duration::from_secs(2)).await;

    assert!(begun.elapsed() <= Duration::from_secs(2));
}
