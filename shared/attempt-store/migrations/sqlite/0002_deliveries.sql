-- What happened to jobs without an attempt: parked, or given up.
create table job_states (
    id text not null primary key,
    created_at integer not null,
    organisation_id text not null,
    endpoint_id text not null,
    job_id text not null,
    event_id text not null,
    body_hash blob not null,
    event_category text,
    event_name text not null,
    attempt integer not null,
    triggered_by text not null,
    state text not null,
    reason text,
    next_attempt_at integer
) strict;

create index job_states_created_at on job_states (created_at, id);
create index job_states_organisation on job_states (organisation_id, created_at);
create index job_states_endpoint on job_states (endpoint_id, created_at);
create index job_states_event on job_states (event_id, created_at);
create index job_states_job on job_states (job_id, created_at);

-- All that is known of a job, whatever the day.
create index attempts_job on attempts (job_id, created_at);

-- Replays walk through an organisation's events in order of time.
create index event_bodies_organisation on event_bodies (organisation_id, accepted_at);
