//! Reads the query of a URL into a type; a fault names the parameter.

use serde::Deserialize;

use crate::problem::Problem;

/// Reads a query; a type that denies unknown fields refuses unknown parameters.
///
/// # Errors
/// 400, naming the parameter that is wrong.
pub fn read<'de, T: Deserialize<'de>>(
    query: Option<&'de str>,
    operation: &'static str,
) -> Result<T, Problem> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs))
        .map_err(|error| Problem::unreadable(operation, "query", &error))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::read;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Page {
        event_id: Option<String>,
        limit: Option<u32>,
    }

    #[test]
    fn parameters_are_decoded() {
        let page: Page = read(Some("eventId=a%20b&limit=7"), "listWebhookLogs").unwrap();

        assert_eq!(
            page,
            Page {
                event_id: Some("a b".to_owned()),
                limit: Some(7)
            }
        );
        let nothing = Page {
            event_id: None,
            limit: None,
        };
        assert_eq!(read::<Page>(None, "listWebhookLogs").unwrap(), nothing);
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        check("limit=x", "limit: invalid digit found in string");
        check(
            "limits=1",
            "limits: unknown field `limits`, expected `eventId` or `limit`",
        );
        check("limit=1&limit=2", "query: duplicate field `limit`");
    }

    fn check(query: &str, message: &str) {
        let problem = read::<Page>(Some(query), "listWebhookLogs").unwrap_err();
        assert_eq!(problem.message(), message);
    }
}
