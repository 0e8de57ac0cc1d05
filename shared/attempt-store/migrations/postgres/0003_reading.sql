-- The keys begin with the id, so that they serve to find one record and never tempt a planner to walk through a day
-- in order of time, past the records of everybody else.
alter table attempts drop constraint attempts_pkey;
drop index attempts_id_idx;
alter table attempts add primary key (id, created_at);
alter table job_states drop constraint job_states_pkey;
alter table job_states add primary key (id, created_at);

-- Every question is asked within one organisation, so that every index of questions begins with it: whoever asks
-- for an endpoint or event of somebody else walks past nobody's records.
drop index attempts_endpoint_id_created_at_idx;
drop index attempts_event_id_created_at_idx;
create index on attempts (organisation_id, endpoint_id, created_at);
create index on attempts (organisation_id, event_id, created_at);
-- Small ones: failures and retries are rare, or there is worse than writing them twice.
create index on attempts (organisation_id, endpoint_id, created_at) where success = false;
create index on attempts (organisation_id, created_at) where attempt > 1;

drop index job_states_endpoint_id_created_at_idx;
drop index job_states_event_id_created_at_idx;
create index on job_states (organisation_id, endpoint_id, created_at);
create index on job_states (organisation_id, event_id, created_at);

-- Bodies that an organisation wants to be kept for less than its records: what is left says that there was one.
alter table attempts add column response_body_expired boolean not null default false;
alter table event_bodies add column expired boolean not null default false;
