//! The rules of Posthorn as values and functions.
//!
//! **Invariant:** nothing here waits, reads, writes or can fail for outside reasons. There is no
//! clock, no randomness, no environment, no network and no logging: time and entropy come in as
//! arguments, decisions go out as values. Shells (the services) ask, then act.
//!
//! Modules in reading order: [`name`] and [`time`] are the vocabulary; [`event`], [`endpoint`],
//! [`matching`] and [`job`] are the way in; [`signing`], [`request`], [`outcome`], [`asked_wait`] and
//! [`retry`] are the way out; [`attempt`] and [`redaction`] are what is kept; [`destination`] is what
//! may be called, and [`access`], [`certificate`] and [`oauth2`] are how receivers know who calls.

pub mod access;
pub mod asked_wait;
pub mod attempt;
pub mod batch;
pub mod certificate;
mod cloud_event;
pub mod content;
pub mod dead_letter;
pub mod destination;
pub mod dispatch;
pub mod draft;
pub mod endpoint;
pub mod erasure;
pub mod event;
pub mod event_type;
pub mod flow;
pub mod health;
pub mod incoming;
pub mod job;
pub mod job_state;
pub mod lease;
pub mod matching;
pub mod name;
pub mod oauth2;
pub mod organisation;
pub mod outcome;
pub mod payload;
pub mod payload_schema;
pub mod rate;
pub mod redaction;
pub mod replay;
pub mod request;
pub mod retry;
pub mod schema;
pub mod signing;
pub mod statistics;
pub mod time;
pub mod token;
pub mod trace;
