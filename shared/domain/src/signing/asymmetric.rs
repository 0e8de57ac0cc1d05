//! Standard Webhooks, `v1a`: ed25519 over `id.timestamp.body`, so that receivers need no secret.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::standard::{head, signatures};

/// The prefixes of keys as people see them.
const PRIVATE_PREFIX: &str = "whsk_";
const PUBLIC_PREFIX: &str = "whpk_";

/// The private key of an endpoint's key pair. It is never shown.
#[derive(Clone)]
pub struct PrivateKey(SigningKey);

/// The public key of an endpoint's key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {prefix} and the base64 of {bytes} bytes that are an ed25519 key")]
pub struct InvalidKey {
    prefix: &'static str,
    bytes: usize,
}

impl PrivateKey {
    /// Makes a key from 32 random bytes.
    #[must_use]
    pub fn from_seed(entropy: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&entropy))
    }

    /// Parses a key: `whsk_` and the base64 of its seed and public key.
    ///
    /// # Errors
    /// [`InvalidKey`]; it never repeats the text.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        decode(text, PRIVATE_PREFIX)
            .and_then(|bytes| SigningKey::from_keypair_bytes(&bytes).ok())
            .map(Self)
            .ok_or(InvalidKey {
                prefix: PRIVATE_PREFIX,
                bytes: 64,
            })
    }

    /// Returns the text that [`PrivateKey::parse`] takes: a secret, only to be sealed.
    #[must_use]
    pub fn expose(&self) -> String {
        format!(
            "{PRIVATE_PREFIX}{}",
            STANDARD.encode(self.0.to_keypair_bytes())
        )
    }

    /// Returns the public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(super) fn sign(&self, content: &[u8]) -> [u8; 64] {
        self.0.sign(content).to_bytes()
    }
}

impl PublicKey {
    /// Parses a key: `whpk_` and the base64 of 32 bytes.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        decode(text, PUBLIC_PREFIX)
            .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
            .map(Self)
            .ok_or(InvalidKey {
                prefix: PUBLIC_PREFIX,
                bytes: 32,
            })
    }
}

/// Returns whether one of the signatures in a `webhook-signature` header is of this key's pair. The
/// caller checks the timestamp's age.
#[must_use]
pub fn verify(key: &PublicKey, id: &str, seconds: i64, body: &[u8], header: &str) -> bool {
    let content = [head(id, seconds).as_bytes(), body].concat();
    signatures(header, "v1a,")
        .filter_map(|bytes| Signature::from_slice(&bytes).ok())
        .any(|signature| key.0.verify_strict(&content, &signature).is_ok())
}

fn decode<const N: usize>(text: &str, prefix: &str) -> Option<[u8; N]> {
    let bytes = STANDARD.decode(text.strip_prefix(prefix)?).ok()?;
    bytes.try_into().ok()
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", STANDARD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::{PrivateKey, PublicKey, verify};
    use crate::{
        name::EventId,
        signing::{SigningKey, secret_from, standard},
        time::Timestamp,
    };

    /// The vector of the Svix server.
    const PRIVATE: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SECONDS: i64 = 1_614_265_330;
    const BODY: &[u8] = b"{\"test\": 2432232314}";
    const SIGNATURE: &str = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";

    #[test]
    fn the_published_vector_is_met() {
        let private = PrivateKey::parse(PRIVATE).unwrap();
        let public = PublicKey::parse(PUBLIC).unwrap();

        assert_eq!(private.public_key(), public);
        assert_eq!(public.to_string(), PUBLIC);
        assert_eq!(private.expose(), PRIVATE);
        assert_eq!(signed(&[], &[private]), SIGNATURE);
        assert!(verify(&public, ID, SECONDS, BODY, SIGNATURE));
        assert!(!verify(&public, ID, SECONDS + 1, BODY, SIGNATURE));
        assert!(!verify(&public, ID, SECONDS, b"{}", SIGNATURE));
        assert!(!verify(&public, ID, SECONDS, BODY, &SIGNATURE[..60]));
        assert!(!verify(&public, ID, SECONDS, BODY, "v1a, v1a,AAAA"));
        let other = PrivateKey::from_seed([9; 32]).public_key();
        assert!(!verify(&other, ID, SECONDS, BODY, SIGNATURE));
    }

    #[test]
    fn all_live_keys_sign_side_by_side() {
        let keys = [1, 2].map(|n| SigningKey::decode(&secret_from([n; 32])).unwrap());
        let private_keys = [3, 4].map(|n| PrivateKey::from_seed([n; 32]));

        let header = signed(&keys, &private_keys);

        let versions: Vec<_> = header
            .split(' ')
            .map(|part| part.split_once(',').unwrap().0)
            .collect();
        assert_eq!(versions, ["v1", "v1", "v1a", "v1a"]);
        for key in &keys {
            assert!(standard::verify(key, ID, SECONDS, BODY, &header));
        }
        for key in &private_keys {
            assert!(verify(&key.public_key(), ID, SECONDS, BODY, &header));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_none_prints_itself() {
        let swapped = format!("whsk_{}{}", "A".repeat(43), &PRIVATE[48..]);
        for text in ["", "whsk_", PUBLIC, &PRIVATE[..60], &swapped] {
            assert!(PrivateKey::parse(text).is_err(), "{text}");
        }
        for text in ["", "whpk_", PRIVATE, "whpk_AAAA"] {
            assert!(PublicKey::parse(text).is_err(), "{text}");
        }
        let shown = format!("{:?}", PrivateKey::parse(PRIVATE).unwrap());
        assert_eq!(shown, "PrivateKey(***)");
    }

    fn signed(keys: &[SigningKey], private_keys: &[PrivateKey]) -> String {
        let at = Timestamp::from_millis(SECONDS * 1000);
        standard::sign(keys, private_keys, &EventId::try_new(ID).unwrap(), at, BODY)
    }
}
