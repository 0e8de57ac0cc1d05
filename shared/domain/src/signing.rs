//! Signatures of requests.
//!
//! A [`Scheme`] is what an endpoint is configured with; a [`Signer`] is what the scheme and the live
//! secrets come to, made once and used for every request. Each scheme has a module, which also verifies
//! what it signs: that is what receivers have to do, written down as code.

pub mod asymmetric;
pub mod hmac_hex;
pub mod jwt;
mod key;
mod scheme;
mod signer;
pub mod standard;

pub use self::{
    key::{InvalidSecret, SigningKey, secret_from},
    scheme::{InvalidScheme, Scheme},
    signer::{LiveSecret, NoSigner, Signed, Signer},
};
