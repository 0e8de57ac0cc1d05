//! The names of log fields, so that one thing has one name in every service.
//!
//! Written as `tracing::info!({ field::JOB_ID } = %job.id, "delivered")`.

/// The number of an attempt, from 1.
pub const ATTEMPT_NUMBER: &str = "attempt.number";
/// How often the broker has handed out a message.
pub const BROKER_DELIVERY_COUNT: &str = "broker.delivery_count";
/// The name of a consumer.
pub const CONSUMER: &str = "consumer";
/// How long something took, in milliseconds.
pub const DURATION_MS: &str = "duration_ms";
/// The id of an endpoint.
pub const ENDPOINT_ID: &str = "endpoint.id";
/// An error with the chain of its causes.
pub const ERROR: &str = "error";
/// The id of an event.
pub const EVENT_ID: &str = "event.id";
/// The name of an event.
pub const EVENT_NAME: &str = "event.name";
/// The id of a delivery job.
pub const JOB_ID: &str = "job.id";
/// The id of the operation of an API, such as `putWebhookConfigs`.
pub const OPERATION: &str = "operation";
/// The id of an organisation.
pub const ORGANISATION_ID: &str = "organisation.id";
/// Why something was decided.
pub const REASON: &str = "reason";
/// The id of a log record.
pub const RECORD_ID: &str = "record.id";
/// The status of an HTTP answer.
pub const STATUS: &str = "http.status";
/// The name of a stream.
pub const STREAM: &str = "stream";
/// A sequence number in a stream.
pub const STREAM_SEQUENCE: &str = "stream.sequence";
/// A subject of the broker.
pub const SUBJECT: &str = "subject";
/// The trace that something belongs to.
pub const TRACE_ID: &str = "trace.id";
