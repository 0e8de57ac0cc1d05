//! Letting bodies go that an organisation wants to be kept for less than its records.
//!
//! **Invariant:** a sweep holds no lock for longer than one small piece takes, and touches old rows only, so that
//! writers never wait for it. What is left of a body says that there was one.

use domain::{name::OrganisationId, organisation::Sweep};

use crate::{
    error::WriteError,
    store::{AttemptStore, Engine},
};

/// How many rows are changed at once.
pub(crate) const PIECE: i64 = 500;

/// How many bodies a sweep let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExpiredBodies {
    /// Those of answers.
    pub responses: u64,
    /// Those of events.
    pub events: u64,
}

/// A kind of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Responses,
    Events,
}

impl AttemptStore {
    /// Lets an organisation's bodies go that are as old as the sweep says, in small pieces.
    ///
    /// It may be given up at any time; the next one completes it.
    ///
    /// # Errors
    /// [`WriteError`]; what was let go before it stays so.
    pub async fn expire_bodies(
        &self,
        organisation: &OrganisationId,
        sweep: Sweep,
    ) -> Result<ExpiredBodies, WriteError> {
        let engine = self.engine();
        Ok(ExpiredBodies {
            responses: engine.expire(Kind::Responses, organisation, sweep).await?,
            events: engine.expire(Kind::Events, organisation, sweep).await?,
        })
    }
}

impl Engine {
    async fn expire(
        &self,
        kind: Kind,
        organisation: &OrganisationId,
        sweep: Sweep,
    ) -> Result<u64, WriteError> {
        match self {
            Self::Postgres(store) => store.expire_bodies(kind, organisation, sweep).await,
            Self::Sqlite(store) => store.expire_bodies(kind, organisation, sweep).await,
        }
    }
}

impl Kind {
    /// Returns the columns of the table for that kind: the time, and what tells a body that is left.
    pub(crate) fn columns(self) -> (&'static str, &'static str) {
        match self {
            Self::Responses => ("created_at", "response_body is not null"),
            Self::Events => ("accepted_at", "expired = false"),
        }
    }

    /// Returns the change of a row.
    pub(crate) fn change(self, empty: &'static str) -> String {
        match self {
            Self::Responses => "response_body = null, response_body_encoding = null, \
                response_body_expired = true"
                .to_owned(),
            // The headers that travel with a body are as much of its content.
            Self::Events => format!("body = {empty}, content = null, expired = true"),
        }
    }
}
