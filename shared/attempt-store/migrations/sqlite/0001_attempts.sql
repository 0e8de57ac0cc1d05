-- The attempt log. Times are milliseconds since 1970-01-01T00:00:00Z. Days are deleted in small pieces.
create table attempts (
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
    success integer not null,
    error_kind text,
    error_message text,
    url text not null,
    http_method text not null,
    request_headers text not null,
    response_status integer,
    response_headers text,
    response_body text,
    response_body_encoding text,
    duration_ms integer not null,
    next_attempt_at integer,
    trace_id text not null
) strict;

create index attempts_created_at on attempts (created_at, id);
create index attempts_organisation on attempts (organisation_id, created_at);
create index attempts_endpoint on attempts (endpoint_id, created_at);
create index attempts_event on attempts (event_id, created_at);
create index attempts_failures on attempts (organisation_id, created_at) where success = false;

-- The archive of event bodies: each body once for each day on which it was accepted, as in PostgreSQL.
-- `accepted_on` is the day as a number of days since 1970-01-01.
create table event_bodies (
    organisation_id text not null,
    event_id text not null,
    body_hash blob not null,
    accepted_on integer not null,
    accepted_at integer not null,
    event_name text not null,
    event_category text,
    source_id text,
    body blob not null,
    primary key (organisation_id, event_id, body_hash, accepted_on)
) strict;

create index event_bodies_accepted_on on event_bodies (accepted_on);
