-- Every question is asked within one organisation, so that every index of questions begins with it: whoever asks
-- for an endpoint or event of somebody else walks past nobody's records.
drop index attempts_endpoint;
drop index attempts_event;
create index attempts_endpoint on attempts (organisation_id, endpoint_id, created_at);
create index attempts_event on attempts (organisation_id, event_id, created_at);
-- Small ones: failures and retries are rare, or there is worse than writing them twice.
create index attempts_endpoint_failures on attempts (organisation_id, endpoint_id, created_at)
    where success = false;
create index attempts_retries on attempts (organisation_id, created_at) where attempt > 1;

drop index job_states_endpoint;
drop index job_states_event;
create index job_states_endpoint on job_states (organisation_id, endpoint_id, created_at);
create index job_states_event on job_states (organisation_id, event_id, created_at);

-- Bodies that an organisation wants to be kept for less than its records: what is left says that there was one.
alter table attempts add column response_body_expired integer not null default 0;
alter table event_bodies add column expired integer not null default 0;
