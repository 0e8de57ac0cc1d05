//! Where trace ids lead: to the tracing system that an installation has.

use std::str::FromStr;

use url::Url;

/// Where a trace id leads: an address with `{traceId}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceLink(String);

const TRACE_ID: &str = "{traceId}";

impl FromStr for TraceLink {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be an http or https URL with {traceId} in it, such as https://traces.example/trace/{traceId}";
        let url = Url::parse(text).map_err(|_error| wrong)?;
        let is_usable = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none();
        if is_usable && text.contains(TRACE_ID) {
            Ok(Self(text.to_owned()))
        } else {
            Err(wrong)
        }
    }
}

impl TraceLink {
    /// Returns where a trace is shown; `None` for what is no trace id.
    pub(super) fn to(&self, trace_id: &str) -> Option<String> {
        let is_id = trace_id.len() == 32 && trace_id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then(|| self.0.replace(TRACE_ID, trace_id))
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::TraceLink;

    #[test]
    fn a_trace_link_needs_a_place_for_the_id() {
        let link: TraceLink = "https://traces.example/t/{traceId}?x=1".parse().unwrap();
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";

        assert_eq!(
            link.to(id),
            Some(format!("https://traces.example/t/{id}?x=1"))
        );
        assert_eq!(link.to("\"><script>"), None);
        for wrong in [
            "",
            "https://traces.example/",
            "/{traceId}",
            "javascript:{traceId}",
            "https://user:word@traces.example/{traceId}",
        ] {
            assert!(wrong.parse::<TraceLink>().is_err(), "{wrong}");
        }
    }
}
