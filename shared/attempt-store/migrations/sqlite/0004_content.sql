-- The headers that travel with a body, as a JSON array of pairs; none with an event in Posthorn's own form.
alter table event_bodies add column content text;
