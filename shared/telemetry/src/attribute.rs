//! The names of attributes of spans: those of the semantic conventions of OpenTelemetry, and our own.

/// What went wrong: a status, or a kind of failure.
pub const ERROR_TYPE: &str = "error.type";
/// The method of a request.
pub const HTTP_METHOD: &str = "http.request.method";
/// How often the request was sent before, within one attempt.
pub const HTTP_RESEND_COUNT: &str = "http.request.resend_count";
/// The route that a request matched.
pub const HTTP_ROUTE: &str = "http.route";
/// The status of an answer.
pub const HTTP_STATUS: &str = "http.response.status_code";
/// How many messages one operation is about.
pub const MESSAGING_BATCH_COUNT: &str = "messaging.batch.message_count";
/// The bytes of a message's payload.
pub const MESSAGING_BODY_SIZE: &str = "messaging.message.body.size";
/// The durable consumer.
pub const MESSAGING_CONSUMER_GROUP: &str = "messaging.consumer.group.name";
/// The subject, in which an organisation's name may stand.
pub const MESSAGING_DESTINATION: &str = "messaging.destination.name";
/// The id under which the broker knows a message.
pub const MESSAGING_MESSAGE_ID: &str = "messaging.message.id";
/// What is done with a message, in our words.
pub const MESSAGING_OPERATION_NAME: &str = "messaging.operation.name";
/// What is done with a message, in the words of the conventions.
pub const MESSAGING_OPERATION_TYPE: &str = "messaging.operation.type";
/// The broker.
pub const MESSAGING_SYSTEM: &str = "messaging.system";
/// The host that is called.
pub const SERVER_ADDRESS: &str = "server.address";
/// The port that is called.
pub const SERVER_PORT: &str = "server.port";
/// The URL that is called, without what is secret in it.
pub const URL_FULL: &str = "url.full";
/// The scheme of a URL.
pub const URL_SCHEME: &str = "url.scheme";

/// The number of an attempt, from 1.
pub const ATTEMPT: &str = "posthorn.attempt.number";
/// What an attempt came to.
pub const ATTEMPT_OUTCOME: &str = "posthorn.attempt.outcome";
/// What caused an attempt.
pub const ATTEMPT_TRIGGER: &str = "posthorn.attempt.trigger";
/// How long the attempt waited before it: since the event was accepted, or since the attempt before.
pub const ATTEMPT_WAITED_MS: &str = "posthorn.attempt.waited_ms";
/// Why a job was given up.
pub const DEAD_LETTER_REASON: &str = "posthorn.dead_letter.reason";
/// The id of an endpoint.
pub const ENDPOINT: &str = "posthorn.endpoint.id";
/// The id of an event.
pub const EVENT: &str = "posthorn.event.id";
/// The name of an event.
pub const EVENT_NAME: &str = "posthorn.event.name";
/// The id of a job.
pub const JOB: &str = "posthorn.job.id";
/// When the next attempt is due.
pub const NEXT_ATTEMPT_AT: &str = "posthorn.next_attempt.at";
/// How long the next attempt waits, in milliseconds.
pub const NEXT_ATTEMPT_IN_MS: &str = "posthorn.next_attempt.in_ms";
/// The id of an organisation.
pub const ORGANISATION: &str = "posthorn.organisation.id";
/// The id of a record in the log.
pub const RECORD: &str = "posthorn.record.id";

/// The value of [`MESSAGING_SYSTEM`].
pub const NATS: &str = "nats";
