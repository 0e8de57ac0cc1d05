-- Events whose content was erased: what comes later, from a stream or a writer that was under way, loses it too.
-- Bodies are meant that were accepted up to a time, and attempts that began up to a time.
create table erased_events (
    organisation_id text not null,
    event_id text not null,
    bodies_until integer not null,
    attempts_until integer not null,
    erased_at integer not null,
    primary key (organisation_id, event_id)
) strict, without rowid;
