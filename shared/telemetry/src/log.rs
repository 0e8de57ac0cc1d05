//! The log: lines on standard error, as JSON or made for people, with a filter that can be
//! changed while the process runs.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::Arc,
};

use anyhow::Context as _;
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::LevelFilter, filter::Targets, fmt, fmt::MakeWriter,
    layer::SubscriberExt as _, registry::LookupSpan, reload, util::SubscriberInitExt as _,
};

#[cfg(test)]
mod tests;

/// Libraries that write payloads, tokens or keys below `info`.
const TALKATIVE: [&str; 8] = [
    "async_nats",
    "h2",
    "hyper",
    "hyper_util",
    "rustls",
    "sqlx",
    "tonic",
    "tower",
];

/// Keeps the log; hands out the handle to its filter.
#[derive(Debug)]
pub struct Guard {
    filter: FilterHandle,
}

/// Reads and changes the filter of the log; cheap to clone.
#[derive(Debug, Clone)]
pub struct FilterHandle {
    handle: reload::Handle<EnvFilter, Registry>,
}

/// Directives that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("must be a log filter such as info or info,delivery=debug")]
pub struct InvalidFilter;

/// Starts the log of the process, once.
///
/// `filter` holds directives such as `info,delivery=debug`; libraries that write payloads stay at
/// `info` under every filter. With `json` each line is an object
/// that names the service, without it lines are made for people. Standard output stays free.
/// A panic becomes a line of the log.
///
/// # Errors
/// Directives that can't be used, or a log that has been started before.
pub fn init(service: &'static str, filter: &str, json: bool) -> anyhow::Result<Guard> {
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let lines = if json {
        json_lines(JsonLines::new(service, io::stderr)).boxed()
    } else {
        fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(discretion())
        .with(lines)
        .try_init()
        .context("start the log")?;
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(%backtrace, "{panic}");
    }));
    Ok(Guard {
        filter: FilterHandle { handle },
    })
}

/// Keeps libraries at `info`, whatever the filter says: what they write below holds secrets.
fn discretion() -> Targets {
    let kept = TALKATIVE.map(|library| (library, LevelFilter::INFO));
    Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_targets(kept)
}

fn parse(directives: &str) -> Result<EnvFilter, InvalidFilter> {
    let directives = config::parse::log_filter(directives).map_err(|_invalid| InvalidFilter)?;
    EnvFilter::try_new(directives).map_err(|_ignored| InvalidFilter)
}

impl Guard {
    /// Returns the handle to the filter.
    #[must_use]
    pub fn log_filter(&self) -> FilterHandle {
        self.filter.clone()
    }
}

impl FilterHandle {
    /// Returns the directives in force.
    #[must_use]
    pub fn current(&self) -> String {
        self.handle
            .with_current(ToString::to_string)
            .unwrap_or_default()
    }

    /// Replaces the directives at once.
    ///
    /// # Errors
    /// [`InvalidFilter`]; the old directives stay in force.
    pub fn set(&self, directives: &str) -> Result<(), InvalidFilter> {
        let filter = parse(directives)?;
        self.handle.reload(filter).map_err(|_gone| InvalidFilter)
    }
}

fn json_lines<S, W>(writer: JsonLines<W>) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer)
}

/// Writes lines of JSON and puts the name of the service into each.
#[derive(Debug)]
struct JsonLines<W> {
    opening: Arc<str>,
    inner: W,
}

impl<W> JsonLines<W> {
    fn new(service: &str, inner: W) -> Self {
        Self {
            opening: format!("{{\"service\":\"{service}\",").into(),
            inner,
        }
    }
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for JsonLines<W> {
    type Writer = JsonLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        JsonLine {
            opening: Arc::clone(&self.opening),
            inner: self.inner.make_writer(),
        }
    }
}

/// Writes one line; the layer hands it over whole, in one call.
struct JsonLine<W> {
    opening: Arc<str>,
    inner: W,
}

impl<W: Write> Write for JsonLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match line.strip_prefix(b"{") {
            // One write, so that lines of several threads don't mix.
            Some(rest) => self
                .inner
                .write_all(&[self.opening.as_bytes(), rest].concat())?,
            None => self.inner.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
