//! `/webhooks/dead-letters`: the form of a dead letter.

mod delete;
mod delete_many;
mod get;
mod list;
mod query;
mod retry;
mod retry_many;

use std::sync::Arc;

use domain::{
    dead_letter::DeadLetter,
    name::{EndpointId, EventId, EventName, JobId, OrganisationId},
    time::Timestamp,
};
use http_api::problem::Problem;
use jetstream::dead_letters::{DeadLetters, Letter};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Admin,
    api::{PathId, counted, path_id},
    metrics::Instruments,
};

const MISSING: &str = "there is no such dead letter";

/// Returns the routes of dead letters.
pub(super) fn routes(instruments: &Arc<Instruments>) -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .routes(counted(
            instruments,
            list::OPERATION,
            routes!(list::handler),
        ))
        .routes(counted(
            instruments,
            delete_many::OPERATION,
            routes!(delete_many::handler),
        ))
        .routes(counted(
            instruments,
            retry_many::OPERATION,
            routes!(retry_many::handler),
        ))
        .routes(counted(instruments, get::OPERATION, routes!(get::handler)))
        .routes(counted(
            instruments,
            delete::OPERATION,
            routes!(delete::handler),
        ))
        .routes(counted(
            instruments,
            retry::OPERATION,
            routes!(retry::handler),
        ))
}

/// A dead letter as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DeadLetter)]
#[serde(rename_all = "camelCase")]
struct LetterView<'a> {
    id: String,
    job_id: &'a JobId,
    webhook_config_id: &'a EndpointId,
    organisation_id: &'a OrganisationId,
    event_id: &'a EventId,
    #[schema(required)]
    event_category: Option<&'a str>,
    event_sub_category: &'a EventName,
    /// One of the reasons that a list may be filtered by.
    reason: &'a str,
    #[schema(required)]
    error_message: Option<&'a str>,
    /// The number of the last attempt, or of the one that was due.
    attempt: u32,
    /// Whether the job was delivered all the same, by another chain of attempts.
    delivered: bool,
    created_at: Timestamp,
    #[schema(required)]
    expires_at: Option<Timestamp>,
}

impl<'a> LetterView<'a> {
    fn new(dead: &'a DeadLetter, delivered: bool) -> Self {
        let job = &dead.job;
        Self {
            id: dead.sequence.to_string(),
            job_id: &job.id,
            webhook_config_id: &job.endpoint,
            organisation_id: &job.organisation,
            event_id: &job.event,
            event_category: job.category.as_deref(),
            event_sub_category: &job.name,
            reason: &dead.reason,
            error_message: dead.error.as_deref(),
            attempt: job.attempt,
            delivered,
            created_at: dead.stored_at,
            expires_at: dead.expires_at,
        }
    }
}

/// Returns the sequence that an id is; an id is never written in another way.
fn sequence(id: &str) -> Option<u64> {
    let sequence: u64 = id.parse().ok()?;
    (sequence > 0 && sequence.to_string() == id).then_some(sequence)
}

impl Admin {
    /// Returns the dead letter of a path, with those among which it is.
    async fn dead_letter(
        &self,
        organisation: &OrganisationId,
        path: PathId,
        operation: &'static str,
    ) -> Result<(DeadLetters, Letter), Problem> {
        let missing = || Problem::not_found(operation, MISSING);
        let id: String = path_id(path, operation, MISSING)?;
        let sequence = sequence(&id).ok_or_else(missing)?;
        let found = async {
            let letters = self.asking.letters().await?;
            let letter = letters.get(organisation, sequence).await?;
            Ok((letters, letter))
        };
        let (letters, letter) = found
            .await
            .map_err(|refusal: crate::asking::Refusal| refusal.problem(operation))?;
        Ok((letters, letter.ok_or_else(missing)?))
    }
}

#[cfg(test)]
mod tests {
    use super::sequence;

    #[test]
    fn an_id_is_written_in_one_way() {
        assert_eq!(sequence("17"), Some(17));
        for text in [
            "",
            "0",
            "017",
            "+17",
            "-1",
            "1.0",
            "99999999999999999999",
            "x",
        ] {
            assert_eq!(sequence(text), None, "{text}");
        }
    }
}
