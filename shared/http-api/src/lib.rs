//! HTTP as Posthorn serves it: the server, the error envelope, bodies and queries, authentication, and
//! the start of every service's process.
//!
//! Every path answers a failure with the envelope of [`problem`].

pub mod auth;
mod backlog;
pub mod body;
pub mod host;
pub mod openapi;
pub mod problem;
pub mod query;
pub mod rate_limit;
pub mod server;
pub mod span;
