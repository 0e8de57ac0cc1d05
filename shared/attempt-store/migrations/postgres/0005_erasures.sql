-- Events whose content was erased: what comes later, from a stream or a writer that was under way, loses it too.
-- Bodies are meant that were accepted up to a time, and attempts that began up to a time.
create table erased_events (
    organisation_id text collate "C" not null,
    event_id text collate "C" not null,
    bodies_until timestamptz not null,
    attempts_until timestamptz not null,
    erased_at timestamptz not null,
    primary key (organisation_id, event_id)
);
