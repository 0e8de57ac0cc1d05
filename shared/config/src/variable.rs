//! The names of all variables of Posthorn, without their prefix.

use crate::source::PREFIX;

/// Every variable that some service or tool of Posthorn reads.
///
/// All services may be given one and the same environment, so a variable of another service is
/// no fault.
pub(crate) const ALL: &[&str] = &[
    "ALLOW_HTTP",
    "API_RATE_PER_ORGANISATION",
    "API_RATE_PER_TOKEN",
    "ATTEMPTS_MAX_BYTES",
    "DELIVERY_PLACES",
    "DISABLE_AFTER",
    "DNS_SERVERS",
    "EGRESS_ALLOW",
    "EGRESS_CA",
    "EGRESS_PROXY",
    "EGRESS_PROXY_FILE",
    "EVENTS_MAX_BYTES",
    "FAN_OUT_PLACES",
    "INGEST_RATE_PER_ORGANISATION",
    "INGEST_RATE_PER_TOKEN",
    "LISTEN",
    "LOG",
    "LOG_FORMAT",
    "NATS_ACME_PASSWORD",
    "NATS_ADMIN_PASSWORD",
    "NATS_CREDS",
    "NATS_DELIVERY_PASSWORD",
    "NATS_FAN_OUT_PASSWORD",
    "NATS_INGEST_PASSWORD",
    "NATS_LOG_WRITER_PASSWORD",
    "NATS_PASSWORD",
    "NATS_SERVER",
    "NATS_SETUP_PASSWORD",
    "NATS_TLS_CA",
    "NATS_URL",
    "OPERATOR_TOKEN",
    "OPERATOR_TOKEN_FILE",
    "ORGANISATION",
    "PG_BIN",
    "PG_PASSWORD",
    "PREFIX",
    "REPLICAS",
    "RETENTION",
    "SECRETS_KEY",
    "SECRETS_KEY_FILE",
    "SHUTDOWN_GRACE_S",
    "SIGNING_SECRET",
    "SIGNING_SECRET_FILE",
    "STORE_URL",
    "STORE_URL_FILE",
    "TOKEN",
    "TOKEN_FILE",
    "TRACE_URL",
    "URL",
];

/// Returns the name that was probably meant, if one is near.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.trim_start_matches(PREFIX).len() / 3).clamp(1, 3);
    known
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Returns how many bytes have to be put in, taken out or replaced to get from one to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, left) in from.bytes().enumerate() {
        let mut next = vec![at + 1];
        let mut previous = at + 1;
        for (right, pair) in to.bytes().zip(row.windows(2)) {
            let (diagonal, above) = match pair {
                [diagonal, above] => (*diagonal, *above),
                _ => continue,
            };
            let replaced = diagonal + usize::from(left != right);
            previous = replaced.min(above + 1).min(previous + 1);
            next.push(previous);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
