//! The wire form of a delivery job: its event's body as payload, everything else in one header.

use std::{borrow::Cow, collections::BTreeMap};

use domain::{
    attempt::Trigger,
    content::Content,
    event::BodyHash,
    job::{Job, Run},
    name::{EndpointId, EventId, EventName, JobId, OrganisationId, RequestId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{DecodeError, SCHEMA};

/// The header's JSON. Times are milliseconds since the epoch.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form<'a> {
    schema: u32,
    id: Cow<'a, JobId>,
    organisation: Cow<'a, OrganisationId>,
    endpoint: Cow<'a, EndpointId>,
    revision: u64,
    event: Cow<'a, EventId>,
    name: Cow<'a, EventName>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    category: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Content::is_own")]
    content: Content,
    hash: BodyHash,
    accepted_at: i64,
    attempt: u32,
    retry: u32,
    hold: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<i64>,
    trigger: Trigger,
    #[serde(default, skip_serializing_if = "is_policy")]
    run: Run,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<Cow<'a, RequestId>>,
}

/// Reads only the version, so that a newer form is told from a damaged one.
#[derive(Deserialize)]
struct Version {
    schema: u32,
}

/// Writes a job's header.
#[must_use]
pub fn encode(job: &Job) -> String {
    let form = Form {
        schema: SCHEMA,
        id: Cow::Borrowed(&job.id),
        organisation: Cow::Borrowed(&job.organisation),
        endpoint: Cow::Borrowed(&job.endpoint),
        revision: job.revision,
        event: Cow::Borrowed(&job.event),
        name: Cow::Borrowed(&job.name),
        category: job.category.as_deref().map(Cow::Borrowed),
        content: job.content.clone(),
        hash: job.body_hash,
        accepted_at: job.accepted_at.millis(),
        attempt: job.attempt,
        retry: job.retry,
        hold: job.hold,
        due_at: job.due.map(Timestamp::millis),
        trigger: job.trigger,
        run: job.run,
        request: job.request.as_ref().map(Cow::Borrowed),
    };
    #[expect(
        clippy::expect_used,
        reason = "the form has string keys and no fallible field"
    )]
    serde_json::to_string(&form).expect("a job is always writable as JSON")
}

/// Writes the header of the job that follows `previous`, keeping the fields that a later version put
/// there and this one does not know.
#[must_use]
pub fn encode_next(next: &Job, previous: &str) -> String {
    let own = encode(next);
    let (Ok(mut kept), Ok(fields)) = (fields(previous), fields(&own)) else {
        return own;
    };
    for optional in ["dueAt", "run", "request"] {
        kept.remove(optional);
    }
    kept.extend(fields);
    serde_json::to_string(&kept).unwrap_or(own)
}

/// Takes a form apart; the values stay as they are written.
fn fields(text: &str) -> serde_json::Result<BTreeMap<String, &RawValue>> {
    serde_json::from_str(text)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields by reference"
)]
fn is_policy(run: &Run) -> bool {
    *run == Run::Policy
}

/// Reads a job's header.
///
/// # Errors
/// [`DecodeError`] tells a newer form from a damaged one.
pub fn decode(text: &str) -> Result<Job, DecodeError> {
    let malformed = |error: serde_json::Error| DecodeError::Malformed(error.to_string());
    let form: Form<'_> = match serde_json::from_str(text) {
        Ok(form) => form,
        Err(error) => {
            let Version { schema } = serde_json::from_str(text).map_err(malformed)?;
            return Err(if schema > SCHEMA {
                DecodeError::Newer(schema)
            } else {
                malformed(error)
            });
        }
    };
    if form.schema > SCHEMA {
        return Err(DecodeError::Newer(form.schema));
    }
    Ok(Job {
        id: form.id.into_owned(),
        organisation: form.organisation.into_owned(),
        endpoint: form.endpoint.into_owned(),
        revision: form.revision,
        event: form.event.into_owned(),
        name: form.name.into_owned(),
        category: form.category.map(Cow::into_owned),
        content: form.content,
        body_hash: form.hash,
        accepted_at: Timestamp::from_millis(form.accepted_at),
        attempt: form.attempt,
        retry: form.retry,
        hold: form.hold,
        due: form.due_at.map(Timestamp::from_millis),
        trigger: form.trigger,
        run: form.run,
        request: form.request.map(Cow::into_owned),
    })
}

#[cfg(test)]
mod tests {
    use domain::{
        attempt::Trigger,
        content::Content,
        event::BodyHash,
        job::{Job, Run},
        name::JobId,
        time::Timestamp,
    };

    use super::{decode, encode, encode_next};
    use crate::wire::DecodeError;

    /// The bytes that versions in the field write: additive changes only.
    const GOLDEN: &str = "{\"schema\":1,\"id\":\"evt-1:ep_1\",\"organisation\":\"acme\",\
        \"endpoint\":\"ep_1\",\"revision\":7,\"event\":\"evt-1\",\"name\":\"a.b\",\
        \"category\":\"c \\\"é\\\"\",\"hash\":\"e3b0c44298fc1c149afbf4c8996fb924\",\
        \"acceptedAt\":1000,\"attempt\":2,\"retry\":1,\"hold\":3,\"dueAt\":6000,\"trigger\":\"retry\"}";

    #[test]
    fn the_form_is_pinned() {
        assert_eq!(encode(&job()), GOLDEN);
        assert_eq!(decode(GOLDEN).unwrap(), job());
    }

    #[test]
    fn fields_of_a_later_version_travel_on() {
        let later = GOLDEN.replacen('{', "{\"lane\":\"slow\",\"load\":1e400,", 1);
        let mut next = decode(&later).unwrap();
        next.attempt = 3;
        next.due = None;

        let text = encode_next(&next, &later);

        assert!(text.contains("\"lane\":\"slow\",\"load\":1e400"), "{text}");
        assert_eq!(decode(&text).unwrap(), next);
    }

    #[test]
    fn what_a_manual_attempt_leads_to_travels_and_ends_with_it() {
        let manual = job().manual(5, Run::OnceOrDead, "r1".parse().unwrap());
        let text = encode(&manual);

        assert!(text.contains("\"run\":\"once-or-dead\""), "{text}");
        assert_eq!(decode(&text).unwrap(), manual);
        let anew = manual.manual(6, Run::Policy, "r2".parse().unwrap());
        assert_eq!(decode(&encode_next(&anew, &text)).unwrap(), anew);
    }

    #[test]
    fn the_headers_of_a_body_travel_with_its_job() {
        let headers = [
            ("ce-subject", "a \"b\" %20"),
            ("content-type", "text/plain"),
        ];
        let content = Content::new(
            headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
        );
        let job = Job { content, ..job() };
        let text = encode(&job);

        assert!(
            text.contains(
                "\"content\":[[\"ce-subject\",\"a \\\"b\\\" %20\"],[\"content-type\",\"text/plain\"]]"
            ),
            "{text}"
        );
        assert_eq!(decode(&text).unwrap(), job);
        let next = job.held(Timestamp::from_millis(9_000));
        assert_eq!(decode(&encode_next(&next, &text)).unwrap(), next);
    }

    #[test]
    fn a_newer_form_is_told_from_a_damaged_one() {
        let newer = "{\"schema\":2,\"everything\":\"else\"}";

        assert!(matches!(decode(newer), Err(DecodeError::Newer(2))));
        assert!(matches!(
            decode(&GOLDEN.replace("\"schema\":1", "\"schema\":2")),
            Err(DecodeError::Newer(2))
        ));
        for damaged in [
            "",
            "{}",
            "{\"schema\":1}",
            &GOLDEN.replace("ep_1\",\"rev", "e p\",\"rev"),
        ] {
            assert!(
                matches!(decode(damaged), Err(DecodeError::Malformed(_))),
                "{damaged}"
            );
        }
    }

    fn job() -> Job {
        Job {
            id: "evt-1:ep_1".parse::<JobId>().unwrap(),
            organisation: "acme".parse().unwrap(),
            endpoint: "ep_1".parse().unwrap(),
            revision: 7,
            event: "evt-1".parse().unwrap(),
            name: "a.b".parse().unwrap(),
            category: Some("c \"é\"".to_owned()),
            content: Content::default(),
            body_hash: BodyHash::of(b""),
            accepted_at: Timestamp::from_millis(1_000),
            attempt: 2,
            retry: 1,
            hold: 3,
            due: Some(Timestamp::from_millis(6_000)),
            trigger: Trigger::Retry,
            run: Run::Policy,
            request: None,
        }
    }
}
