//! The key of an HMAC, and the texts that keys are made of.

use std::{fmt, ops::RangeInclusive};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The prefix of a secret as people see it.
const PREFIX: &str = "whsec_";
/// How many bytes a decoded secret has.
const DECODED_BYTES: RangeInclusive<usize> = 24..=64;
/// The most characters of a secret that is used as it is shown.
const TEXT_MAX_CHARS: usize = 256;

/// A signing key, ready to use. Its bytes are never shown.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

/// A text that is no signing secret of a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// The scheme decodes its secret.
    #[error("must be whsec_ and the base64 of 24 to 64 bytes")]
    NotEncoded,
    /// The scheme uses the secret as it is shown.
    #[error("must be {min_chars} to {TEXT_MAX_CHARS} visible ASCII characters")]
    NotText {
        /// The fewest characters.
        min_chars: usize,
    },
}

impl SigningKey {
    /// Makes a key of what a secret encodes: `whsec_` and the standard base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// [`InvalidSecret`]; it never repeats the text.
    pub fn decode(secret: &str) -> Result<Self, InvalidSecret> {
        let invalid = InvalidSecret::NotEncoded;
        let encoded = secret.strip_prefix(PREFIX).ok_or(invalid)?;
        let bytes = STANDARD.decode(encoded).map_err(|_error| invalid)?;
        if !DECODED_BYTES.contains(&bytes.len()) {
            return Err(invalid);
        }
        Self::new(&bytes).ok_or(invalid)
    }

    /// Makes a key of a secret's characters as they are shown: from `min_chars` to 256, all of them
    /// visible ASCII.
    ///
    /// # Errors
    /// [`InvalidSecret`]; it never repeats the text.
    pub fn of_text(secret: &str, min_chars: usize) -> Result<Self, InvalidSecret> {
        let invalid = InvalidSecret::NotText { min_chars };
        let fits = (min_chars..=TEXT_MAX_CHARS).contains(&secret.len())
            && secret.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            return Err(invalid);
        }
        Self::new(secret.as_bytes()).ok_or(invalid)
    }

    /// Begins a code under this key.
    pub(super) fn begin(&self) -> Hmac<Sha256> {
        self.0.clone()
    }

    /// Returns the code of one text.
    pub(super) fn code(&self, text: &[u8]) -> [u8; 32] {
        let mut mac = self.begin();
        mac.update(text);
        mac.finalize().into_bytes().into()
    }

    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        Hmac::new_from_slice(bytes).ok().map(Self)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

/// Makes a secret from 32 random bytes, in the form that people see. Every scheme takes it.
#[must_use]
pub fn secret_from(entropy: [u8; 32]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(entropy))
}

#[cfg(test)]
mod tests {
    use super::{SigningKey, secret_from};

    #[test]
    fn what_is_no_secret_is_refused_without_being_repeated() {
        for text in [
            "",
            "whsec_",
            "whsec_c2hvcnQ=",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_",
            &format!("whsec_{}", "A".repeat(88)),
        ] {
            let error = SigningKey::decode(text).unwrap_err().to_string();

            assert_eq!(error, "must be whsec_ and the base64 of 24 to 64 bytes");
        }
    }

    #[test]
    fn a_text_has_bounds_and_is_visible() {
        let max = "x".repeat(256);
        for good in ["0123456789abcdef", "your-webhook-secret", &max] {
            assert!(SigningKey::of_text(good, 16).is_ok(), "{good}");
        }
        let long = "x".repeat(257);
        for bad in [
            "",
            "0123456789abcde",
            "with a blank inside",
            "sécret-of-sixteen",
            &long,
        ] {
            let error = SigningKey::of_text(bad, 16).unwrap_err().to_string();

            assert_eq!(error, "must be 16 to 256 visible ASCII characters");
        }
    }

    #[test]
    fn a_key_does_not_print_itself() {
        let key = SigningKey::decode(&secret_from([7; 32])).unwrap();

        assert_eq!(format!("{key:?}"), "SigningKey(***)");
    }
}
