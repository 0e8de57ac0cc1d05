//! What the broker says of itself: what our account may use and uses, and what time it is there.

use domain::time::Timestamp;
use serde::Deserialize;

use crate::{connection::Broker, subject::Stream};

/// What an account of the broker uses, and the most that it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Its files.
    pub storage: Usage,
    /// Its memory.
    pub memory: Usage,
}

/// Bytes that are used, and the most that may be, if there is a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes that are used.
    pub bytes: u64,
    /// The most.
    pub max_bytes: Option<u64>,
}

impl Broker {
    /// Returns what our account uses; an error also if `JetStream` is not enabled for it.
    ///
    /// # Errors
    /// The broker's word when it does not answer.
    pub async fn account(&self) -> Result<Account, String> {
        let account = self.context.query_account().await;
        let account = account.map_err(|error| error.to_string())?;
        let most = |limit: Option<i64>| limit.and_then(|limit| u64::try_from(limit).ok());
        Ok(Account {
            storage: Usage {
                bytes: account.storage,
                max_bytes: most(account.limits.max_storage),
            },
            memory: Usage {
                bytes: account.memory,
                max_bytes: most(account.limits.max_memory),
            },
        })
    }

    /// Returns what time it is by the broker's clock.
    ///
    /// # Errors
    /// The broker's word when it does not answer, or there is no events stream yet.
    pub async fn time(&self) -> Result<Timestamp, String> {
        #[derive(Deserialize)]
        struct Told {
            ts: Timestamp,
        }
        let subject = format!("STREAM.INFO.{}", self.names.stream(Stream::Events));
        let told: Result<Told, _> = self.context.request(subject, &()).await;
        told.map(|told| told.ts).map_err(|error| error.to_string())
    }
}
