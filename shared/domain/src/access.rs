//! How we show an endpoint's receiver who we are, besides a signature: a client certificate.
//!
//! Its private key, like every secret of an endpoint, is kept only sealed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{endpoint::Sealed, redaction::MASK, time::Timestamp};

/// A secret text of a config: in the clear between a draft and its sealing, never afterwards.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Hidden {
    /// In the clear, to be sealed.
    Value(String),
    /// Sealed.
    Sealed(Sealed),
}

impl Hidden {
    /// Seals the text, if it is in the clear.
    ///
    /// # Errors
    /// Whatever `seal` returns.
    pub fn seal<E>(&mut self, seal: impl FnOnce(&str) -> Result<Sealed, E>) -> Result<(), E> {
        if let Self::Value(text) = self {
            *self = Self::Sealed(seal(text)?);
        }
        Ok(())
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// The certificate that is shown to a receiver which asks for one (mutual TLS), with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// The chain in PEM, the client's own certificate first.
    pub certificate: String,
    /// Until when the client's own certificate holds.
    pub expires_at: Timestamp,
    /// The private key in PEM.
    pub private_key: Hidden,
}
