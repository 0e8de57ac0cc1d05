-- What happened to jobs without an attempt: parked, or given up. Partitions are made and dropped as those of
-- `attempts`, and the key is made of the same parts for the same reasons.
create table job_states (
    created_at timestamptz not null,
    id text collate "C" not null,
    organisation_id text collate "C" not null,
    endpoint_id text collate "C" not null,
    job_id text collate "C" not null,
    event_id text collate "C" not null,
    body_hash bytea not null,
    event_category text collate "C",
    event_name text collate "C" not null,
    attempt bigint not null,
    triggered_by text collate "C" not null,
    state text collate "C" not null,
    reason text,
    next_attempt_at timestamptz,
    primary key (created_at, id)
) partition by range (created_at);

create index on job_states (organisation_id, created_at);
create index on job_states (endpoint_id, created_at);
create index on job_states (event_id, created_at);
create index on job_states (job_id, created_at);

-- All that is known of a job, whatever the day.
create index on attempts (job_id, created_at);

-- Replays walk through an organisation's events in order of time.
create index on event_bodies (organisation_id, accepted_at);
