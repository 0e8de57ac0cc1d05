//! What a process says about itself: its log and its metrics. Nothing here is a global of ours;
//! the log alone is installed for the whole process, because `tracing` is.

pub mod field;
mod log;
mod metrics;

pub use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, UpDownCounter},
};

pub use log::{FilterHandle, Guard, InvalidFilter, init};
pub use metrics::Metrics;
