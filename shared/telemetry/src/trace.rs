//! Spans: made directly, as values that are handed to a bounded queue when they end.
//!
//! They are neither made of `tracing`'s spans nor kept as what is current in a task: a job's trace comes in a
//! header and leaves in one, so its context is an argument like any other. What is not recorded costs a
//! look at a flag. The sampler, the form and the sending are OpenTelemetry's own.

mod export;

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use config::Sampler;
use domain::trace::TraceParent;
use lifecycle::{clock, entropy};
use opentelemetry::{
    InstrumentationScope, KeyValue, Value,
    trace::{Event, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{
    Sampler as SdkSampler, SamplingDecision, ShouldSample as _, SpanData, SpanEvents, SpanLinks,
};

pub(crate) use self::export::{Exporting, Queue, start};

#[cfg(test)]
mod tests;

/// Who made the spans.
const SCOPE: &str = "posthorn";

/// What a span is to the spans around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A request that is answered.
    Server,
    /// A request that is sent.
    Client,
    /// A message that is published.
    Producer,
    /// A message that is worked on.
    Consumer,
    /// Nothing that crosses a process.
    Internal,
}

/// Where a span belongs that is the first of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Below the span of somebody who says whether the trace is recorded.
    Within(TraceParent),
    /// In a trace without a span above it.
    Root {
        /// The id of the trace.
        trace_id: [u8; 16],
    },
}

/// Makes spans; cheap to clone. The default one records nothing, and leaves every context as it is.
#[derive(Debug, Clone, Default)]
pub struct Tracer {
    recorder: Option<Arc<Recorder>>,
}

#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) sampler: Sampler,
    pub(crate) queue: Queue,
}

/// A span under way, which ends when it is dropped.
#[derive(Debug)]
pub struct Span {
    context: TraceParent,
    open: Option<Box<Open>>,
}

#[derive(Debug)]
struct Open {
    recorder: Arc<Recorder>,
    data: SpanData,
    is_timed: bool,
}

impl Origin {
    /// Returns where a message belongs that came with this `traceparent`, or in a trace of its own without one, whose id
    /// follows from its content: what is done twice, or by several, is one trace.
    #[must_use]
    pub fn of_message(parent: Option<&str>, content: [u8; 16]) -> Self {
        let parent = parent.and_then(TraceParent::parse);
        parent.map_or(Self::Root { trace_id: content }, Self::Within)
    }

    /// Returns where something belongs that came with this `traceparent`, or in a new trace without one.
    #[must_use]
    pub fn of(parent: Option<&str>) -> Self {
        parent.and_then(TraceParent::parse).map_or_else(
            || Self::Root {
                trace_id: entropy::bytes(),
            },
            Self::Within,
        )
    }
}

impl Tracer {
    pub(crate) fn new(recorder: Recorder) -> Self {
        Self {
            recorder: Some(Arc::new(recorder)),
        }
    }

    /// Returns whether any span is recorded.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.recorder.is_some()
    }

    /// Begins the first span of this process in a trace. Whether it is recorded is decided here, for
    /// everything below it.
    #[must_use]
    pub fn begin(&self, kind: Kind, name: &'static str, origin: Origin) -> Span {
        let Some(recorder) = &self.recorder else {
            return Span::silent(match origin {
                Origin::Within(parent) => parent,
                Origin::Root { trace_id } => root(trace_id),
            });
        };
        let (parent, context) = match origin {
            Origin::Within(parent) => (Some(parent), parent),
            Origin::Root { trace_id } => (None, root(trace_id)),
        };
        if !is_sampled(recorder.sampler, parent, context.trace_bytes()) {
            return Span::silent(context.sampled(false));
        }
        let context = context.child(entropy::bytes()).sampled(true);
        Span::recorded(recorder, kind, name, (parent, context))
    }

    /// Returns whether a span that begins here would be recorded.
    #[must_use]
    pub fn would_record(&self, origin: Origin) -> bool {
        self.recorder.as_ref().is_some_and(|recorder| match origin {
            Origin::Within(parent) => {
                is_sampled(recorder.sampler, Some(parent), parent.trace_bytes())
            }
            Origin::Root { trace_id } => is_sampled(recorder.sampler, None, trace_id),
        })
    }

    /// Begins a span below one of this process, recorded if that one is.
    #[must_use]
    pub fn child(&self, kind: Kind, name: &'static str, parent: TraceParent) -> Span {
        match self.recorder_of(parent) {
            Some(_) => self.child_as(kind, name, parent, parent.child(entropy::bytes())),
            None => Span::silent(parent),
        }
    }

    /// As [`Tracer::child`], with a context that was made before and may have left the process already.
    #[must_use]
    pub fn child_as(
        &self,
        kind: Kind,
        name: &'static str,
        parent: TraceParent,
        context: TraceParent,
    ) -> Span {
        match self.recorder_of(parent) {
            Some(recorder) => Span::recorded(recorder, kind, name, (Some(parent), context)),
            None => Span::silent(context),
        }
    }

    fn recorder_of(&self, parent: TraceParent) -> Option<&Arc<Recorder>> {
        self.recorder.as_ref().filter(|_| parent.is_sampled())
    }
}

impl Span {
    /// Makes a span that is not recorded.
    #[must_use]
    pub fn silent(context: TraceParent) -> Self {
        Self {
            context,
            open: None,
        }
    }

    fn recorded(
        recorder: &Arc<Recorder>,
        kind: Kind,
        name: &'static str,
        (parent, context): (Option<TraceParent>, TraceParent),
    ) -> Self {
        let now = clock::now();
        let data = SpanData {
            span_context: SpanContext::new(
                TraceId::from_bytes(context.trace_bytes()),
                SpanId::from_bytes(context.span_bytes()),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: parent.map_or(SpanId::INVALID, |parent| {
                SpanId::from_bytes(parent.span_bytes())
            }),
            parent_span_is_remote: matches!(kind, Kind::Server | Kind::Consumer)
                && parent.is_some(),
            span_kind: kind.into(),
            name: Cow::Borrowed(name),
            start_time: now,
            end_time: now,
            attributes: Vec::with_capacity(12),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder(SCOPE)
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        };
        Self {
            context,
            open: Some(Box::new(Open {
                recorder: Arc::clone(recorder),
                data,
                is_timed: false,
            })),
        }
    }

    /// Returns what goes along with everything that belongs below this span.
    #[must_use]
    pub fn context(&self) -> TraceParent {
        self.context
    }

    /// Returns whether the span is recorded.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.open.is_some()
    }

    /// Adds attributes, which are made only if the span is recorded.
    pub fn describe<const N: usize>(&mut self, attributes: impl FnOnce() -> [KeyValue; N]) {
        if let Some(open) = &mut self.open {
            open.data.attributes.extend(attributes());
        }
    }

    /// Adds one attribute.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.describe(|| [KeyValue::new(name, value.into())]);
    }

    /// Gives the span a name that had to be put together. It must be one of a few.
    pub fn rename(&mut self, name: impl FnOnce() -> String) {
        if let Some(open) = &mut self.open {
            open.data.name = Cow::Owned(name());
        }
    }

    /// Notes that something happened now.
    pub fn event<const N: usize>(
        &mut self,
        name: &'static str,
        attributes: impl FnOnce() -> [KeyValue; N],
    ) {
        if let Some(open) = &mut self.open {
            let event = Event::new(name, clock::now(), attributes().to_vec(), 0);
            open.data.events.events.push(event);
        }
    }

    /// Says that what the span stands for failed.
    pub fn fail(&mut self, kind: impl Into<Value>) {
        self.set(crate::attribute::ERROR_TYPE, kind);
        if let Some(open) = &mut self.open {
            open.data.status = Status::error("");
        }
    }

    /// Puts the beginning elsewhere.
    pub fn began(&mut self, at: SystemTime) {
        if let Some(open) = &mut self.open {
            open.data.start_time = at;
        }
    }

    /// Puts the end elsewhere than where the span is dropped.
    pub fn ended(&mut self, at: SystemTime) {
        if let Some(open) = &mut self.open {
            open.data.end_time = at;
            open.is_timed = true;
        }
    }

    /// Forgets the span.
    pub fn discard(mut self) {
        self.open = None;
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(mut open) = self.open.take() {
            if !open.is_timed {
                open.data.end_time = clock::now();
            }
            open.recorder.queue.push(open.data);
        }
    }
}

impl From<Kind> for SpanKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Server => Self::Server,
            Kind::Client => Self::Client,
            Kind::Producer => Self::Producer,
            Kind::Consumer => Self::Consumer,
            Kind::Internal => Self::Internal,
        }
    }
}

/// Makes the context of a trace that nobody records, at a span that nobody made.
fn root(trace_id: [u8; 16]) -> TraceParent {
    TraceParent::root(trace_id, entropy::bytes())
}

/// Decides whether a trace is recorded. The same id is decided on alike by every process.
fn is_sampled(sampler: Sampler, parent: Option<TraceParent>, trace_id: [u8; 16]) -> bool {
    if sampler.follows_parent
        && let Some(parent) = parent
    {
        return parent.is_sampled();
    }
    let part = SdkSampler::TraceIdRatioBased(sampler.ratio);
    let id = TraceId::from_bytes(trace_id);
    let decided = part.should_sample(None, id, "", &SpanKind::Internal, &[], &[]);
    decided.decision == SamplingDecision::RecordAndSample
}
