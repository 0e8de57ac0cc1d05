-- The attempt log. Partitions are made on demand, one for each UTC day; dropping them is the retention.
-- The key begins with the partition's column because PostgreSQL demands it; ids alone are unique too.
-- Text that is compared is in collation "C": cheap, and ordered like the bytes of a cursor.
create table attempts (
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
    success boolean not null,
    error_kind text collate "C",
    error_message text,
    url text not null,
    http_method text not null,
    -- JSON as text: nothing looks inside, and parsing it would cost more than the row.
    request_headers text not null,
    response_status integer,
    response_headers text,
    response_body text,
    response_body_encoding text collate "C",
    duration_ms bigint not null,
    next_attempt_at timestamptz,
    trace_id text collate "C" not null,
    primary key (created_at, id)
) partition by range (created_at);

create index on attempts (id);
-- Each ends with the time, though few rows share an event: a planner without statistics, which a new day's
-- partition does not have, would otherwise rather walk the whole day in order of time.
create index on attempts (organisation_id, created_at);
create index on attempts (endpoint_id, created_at);
create index on attempts (event_id, created_at);
create index on attempts (organisation_id, created_at) where success = false;

-- The archive of event bodies. The broker's time of an event is the same however often it is read, so the
-- day is part of the key without making a second row; a body published again on a later day is kept again,
-- which lets whole days be dropped without asking who else refers to them.
-- Bodies are bytes: JSON text may hold \u0000 or nest deeper than jsonb allows, and comes back unchanged.
create table event_bodies (
    accepted_on date not null,
    organisation_id text collate "C" not null,
    event_id text collate "C" not null,
    body_hash bytea not null,
    accepted_at timestamptz not null,
    event_name text collate "C" not null,
    event_category text collate "C",
    source_id text collate "C",
    body bytea not null,
    primary key (organisation_id, event_id, body_hash, accepted_on)
) partition by range (accepted_on);
