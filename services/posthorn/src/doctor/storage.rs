//! The attempt store: whether it answers, and whether its schema is up to date.

use attempt_store::Schema;
use config::Secret;

use super::finding::Finding;
use crate::store;

/// Judges the store, if it is said where it is.
pub(super) async fn store(url: Option<&Secret>) -> Vec<Finding> {
    let Some(url) = url else {
        let says = "not looked at: POSTHORN_STORE_URL is not set";
        return vec![
            Finding::warning("store", says)
                .todo("run this with the environment of the log writer or of admin"),
        ];
    };
    match Schema::of(url.expose(), store::options()).await {
        Ok(schema) => vec![Finding::good("store", "answers"), judged(&schema)],
        Err(error) => vec![
            Finding::failure("store", store::told(&error))
                .todo("start the database, or set POSTHORN_STORE_URL to where it is"),
        ],
    }
}

fn judged(schema: &Schema) -> Finding {
    if !schema.missing.is_empty() {
        Finding::failure("schema", format!("missing: {}", schema.missing.join(", ")))
            .todo("start the log writer or admin, or run posthorn migrate")
    } else if schema.version > schema.newest {
        let says = format!(
            "version {} is newer than {}, which this program knows",
            schema.version, schema.newest
        );
        Finding::warning("schema", says).todo("use the posthorn of the services' version")
    } else {
        Finding::good(
            "schema",
            format!("is up to date, at version {}", schema.version),
        )
    }
}
