//! W3C trace context: the ids that make one event one trace, from the producer to the receiver.

use std::fmt;

/// The most bytes of `tracestate` that travel with an event; longer ones are dropped.
pub const TRACESTATE_MAX_BYTES: usize = 512;

/// The `traceparent` of a span, version 00.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
}

impl TraceParent {
    /// Makes the first span of a new trace from random bytes.
    #[must_use]
    pub fn root(trace_id: [u8; 16], span_id: [u8; 8]) -> Self {
        Self {
            trace_id,
            span_id,
            flags: 0,
        }
    }

    /// Makes a span of a trace of which only the id is known, in lower-case hex; `None` if it is no id.
    #[must_use]
    pub fn within(trace_id: &str, span_id: [u8; 8]) -> Option<Self> {
        let trace_id = hex::<16>(trace_id)?;
        (trace_id != [0; 16]).then_some(Self::root(trace_id, span_id))
    }

    /// Parses a header; `None` if it is not a valid `traceparent`, which W3C says to ignore.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let version = hex::<1>(version)?;
        if version == [0xff] || (version == [0] && parts.next().is_some()) {
            return None;
        }
        let (trace_id, span_id) = (hex::<16>(trace)?, hex::<8>(span)?);
        let [flags] = hex::<1>(flags)?;
        (trace_id != [0; 16] && span_id != [0; 8]).then_some(Self {
            trace_id,
            span_id,
            flags: flags & 1,
        })
    }

    /// Returns the same span, marked as sampled or not.
    #[must_use]
    pub fn sampled(self, is_sampled: bool) -> Self {
        let flags = u8::from(is_sampled);
        Self { flags, ..self }
    }

    /// Returns whether whoever made the span records its trace.
    #[must_use]
    pub fn is_sampled(self) -> bool {
        self.flags & 1 == 1
    }

    /// Returns the id of the trace.
    #[must_use]
    pub fn trace_bytes(self) -> [u8; 16] {
        self.trace_id
    }

    /// Returns the id of the span.
    #[must_use]
    pub fn span_bytes(self) -> [u8; 8] {
        self.span_id
    }

    /// Returns a child span of the same trace, its id taken from random bytes.
    #[must_use]
    pub fn child(self, span_id: [u8; 8]) -> Self {
        Self { span_id, ..self }
    }

    /// Returns the trace id in lower-case hex.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.trace_id
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace_id
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.span_id
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", self.flags)
    }
}

/// Parses exactly `N` bytes of lower-case hex.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N
        || !digits
            .iter()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::TraceParent;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn prints_what_it_parses() {
        let parent = TraceParent::parse(EXAMPLE).unwrap();

        assert_eq!(parent.to_string(), EXAMPLE);
        assert_eq!(parent.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[test]
    fn a_child_keeps_trace_and_sampling() {
        let child = TraceParent::parse(EXAMPLE).unwrap().child([1; 8]);

        assert_eq!(
            child.to_string(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0101010101010101-01"
        );
    }

    #[test]
    fn whether_a_span_is_sampled_can_be_read_and_changed() {
        let parent = TraceParent::parse(EXAMPLE).unwrap();

        assert!(parent.is_sampled());
        assert!(!parent.sampled(false).is_sampled());
        assert_eq!(parent.sampled(false).sampled(true), parent);
        assert_eq!(parent.trace_bytes()[0], 0x4b);
        assert_eq!(parent.span_bytes()[1], 0xf0);
    }

    #[test]
    fn a_trace_goes_on_from_its_id_alone() {
        let within = |id: &str| TraceParent::within(id, [1; 8]).map(|span| span.to_string());

        assert_eq!(
            within("4bf92f3577b34da6a3ce929d0e0e4736").as_deref(),
            Some("00-4bf92f3577b34da6a3ce929d0e0e4736-0101010101010101-00")
        );
        for text in ["", "t", "00000000000000000000000000000000"] {
            assert_eq!(within(text), None, "{text}");
        }
    }

    #[test]
    fn what_the_recommendation_calls_invalid_is_ignored() {
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_later_version_may_carry_more() {
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra";

        assert!(TraceParent::parse(later).is_some());
    }
}
