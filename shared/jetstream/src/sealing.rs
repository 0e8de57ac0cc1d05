//! Sealing of secrets at rest: AES-256-GCM under a key from configuration, whose id travels along.

use std::{collections::HashSet, fmt};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::endpoint::Sealed;
use zeroize::Zeroizing;

/// The keys that seal and open: the first seals, all open.
pub struct Keyring(Vec<(String, RandomizedNonceKey)>);

/// A text that holds no usable keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be one or more keys separated by commas, each the base64 of 32 bytes, or <id>:<base64>, \
     and no id twice"
)]
pub struct InvalidKeys;

/// A sealed text that can't be opened, or a text that can't be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No key of that id is configured.
    #[error("is sealed with a key that is not configured")]
    UnknownKey,
    /// It was changed, belongs elsewhere, or is no sealed text.
    #[error("can't be opened")]
    Damaged,
    /// Sealing failed.
    #[error("can't be sealed")]
    NotSealed,
}

impl Keyring {
    /// Parses the keys: `<base64>` or `<id>:<base64>`, the current one first, separated by commas.
    /// A key without an id is called by the hash of its bytes.
    ///
    /// # Errors
    /// [`InvalidKeys`]; it never repeats the text.
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let keys: Vec<_> = text.split(',').map(parse_key).collect::<Result<_, _>>()?;
        let ids: HashSet<&str> = keys.iter().map(|(id, _)| id.as_str()).collect();
        if ids.len() < keys.len() {
            return Err(InvalidKeys);
        }
        Ok(Self(keys))
    }

    /// Seals a text for its owner; only with the same owner can it be opened.
    ///
    /// # Errors
    /// [`Error::NotSealed`].
    pub fn seal(&self, owner: &str, text: &str) -> Result<Sealed, Error> {
        let (id, key) = self.0.first().ok_or(Error::NotSealed)?;
        let mut bytes = text.as_bytes().to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(owner), &mut bytes)
            .map_err(|_unspecified| Error::NotSealed)?;
        let mut whole = nonce.as_ref().to_vec();
        whole.extend_from_slice(&bytes);
        Ok(Sealed(format!("{id}:{}", STANDARD.encode(whole))))
    }

    /// Opens a sealed text.
    ///
    /// # Errors
    /// [`Error`] says whether the key is missing or the text is damaged.
    pub fn open(&self, owner: &str, sealed: &Sealed) -> Result<Zeroizing<String>, Error> {
        let (id, encoded) = sealed.0.split_once(':').ok_or(Error::Damaged)?;
        let (_, key) = self
            .0
            .iter()
            .find(|(known, _)| known == id)
            .ok_or(Error::UnknownKey)?;
        let mut whole = STANDARD.decode(encoded).map_err(|_error| Error::Damaged)?;
        let (nonce, bytes) = whole
            .split_at_mut_checked(NONCE_LEN)
            .ok_or(Error::Damaged)?;
        let nonce =
            Nonce::try_assume_unique_for_key(nonce).map_err(|_unspecified| Error::Damaged)?;
        let opened = key
            .open_in_place(nonce, Aad::from(owner), bytes)
            .map_err(|_unspecified| Error::Damaged)?;
        let text = std::str::from_utf8(opened).map_err(|_error| Error::Damaged)?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Returns whether a sealed text, which can be opened, is sealed under the first key.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub fn is_under_first(&self, owner: &str, sealed: &Sealed) -> Result<bool, Error> {
        self.open(owner, sealed)?;
        let first = self.0.first().map(|(id, _)| id.as_str());
        Ok(first == key_id(sealed))
    }

    /// Returns a text that is sealed under another key than the first one as it reads under the first.
    ///
    /// # Errors
    /// As [`Keyring::open`] and [`Keyring::seal`].
    pub fn reseal(&self, owner: &str, sealed: &Sealed) -> Result<Sealed, Error> {
        self.seal(owner, &self.open(owner, sealed)?)
    }
}

/// Returns the id of the key that a text says it is sealed under.
#[must_use]
pub fn key_id(sealed: &Sealed) -> Option<&str> {
    let (id, _) = sealed.0.split_once(':')?;
    is_id(id).then_some(id)
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(id, _)| id))
            .finish()
    }
}

fn parse_key(text: &str) -> Result<(String, RandomizedNonceKey), InvalidKeys> {
    let text = text.trim();
    let (id, encoded) = text
        .split_once(':')
        .map_or((None, text), |(id, rest)| (Some(id), rest));
    let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_error| InvalidKeys)?);
    let id = match id {
        Some(id) if is_id(id) => id.to_owned(),
        Some(_) => return Err(InvalidKeys),
        None => domain::token::key_of(encoded).chars().take(8).collect(),
    };
    let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_unspecified| InvalidKeys)?;
    Ok((id, key))
}

#[cfg(test)]
mod tests {
    use domain::endpoint::Sealed;

    use super::{Error, Keyring, key_id};

    const OLD: &str = "b2xkIGtleSBvZiB0aGlydHktdHdvIGJ5dGVzIGxlbmc=";
    const NEW: &str = "bmV3IGtleSBvZiB0aGlydHktdHdvIGJ5dGVzIGxlbmc=";

    #[test]
    fn what_is_sealed_is_opened_by_its_owner_only() {
        let ring = Keyring::parse(OLD).unwrap();
        let sealed = ring.seal("acme/ep_1", "whsec_x").unwrap();

        assert_eq!(ring.open("acme/ep_1", &sealed).unwrap().as_str(), "whsec_x");
        assert_eq!(ring.open("acme/ep_2", &sealed).unwrap_err(), Error::Damaged);
        assert!(!sealed.0.contains("whsec"));
        assert_ne!(ring.seal("acme/ep_1", "whsec_x").unwrap(), sealed);
    }

    #[test]
    fn an_old_key_still_opens_and_the_first_one_seals() {
        let sealed = Keyring::parse(OLD).unwrap().seal("a", "x").unwrap();
        let ring = Keyring::parse(&format!("k2:{NEW}, {OLD}")).unwrap();

        assert_eq!(ring.open("a", &sealed).unwrap().as_str(), "x");
        assert!(ring.seal("a", "x").unwrap().0.starts_with("k2:"));
        assert_eq!(
            Keyring::parse(NEW).unwrap().open("a", &sealed).unwrap_err(),
            Error::UnknownKey
        );
    }

    #[test]
    fn what_is_under_an_old_key_is_sealed_anew_under_the_first() {
        let old = Keyring::parse(OLD).unwrap().seal("a", "x").unwrap();
        let ring = Keyring::parse(&format!("k2:{NEW},{OLD}")).unwrap();

        let new = ring.reseal("a", &old).unwrap();

        assert_eq!(ring.is_under_first("a", &old), Ok(false));
        assert_eq!(ring.is_under_first("a", &new), Ok(true));
        assert_eq!(key_id(&new), Some("k2"));
        assert_eq!(ring.open("a", &new).unwrap().as_str(), "x");
        let first = Keyring::parse(&format!("k2:{OLD}")).unwrap();
        assert_eq!(first.is_under_first("a", &new), Err(Error::Damaged));
        assert_eq!(first.is_under_first("a", &old), Err(Error::UnknownKey));
        assert_eq!(key_id(&Sealed("no id".to_owned())), None);
    }

    #[test]
    fn damage_is_noticed() {
        let ring = Keyring::parse(&format!("k:{OLD}")).unwrap();
        for text in ["", "k", "k:", "k:AAAA", "k:!!!"] {
            assert_eq!(
                ring.open("a", &Sealed(text.to_owned())).unwrap_err(),
                Error::Damaged,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_keys_are_not_printed() {
        for text in [
            "",
            "abc",
            "k:",
            ":x",
            &OLD[..20],
            &format!("{OLD},"),
            &format!("k:{NEW},k:{OLD}"),
            &format!("{OLD},{OLD}"),
        ] {
            assert!(Keyring::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            format!("{:?}", Keyring::parse(&format!("k:{OLD}")).unwrap()),
            "[\"k\"]"
        );
    }
}
