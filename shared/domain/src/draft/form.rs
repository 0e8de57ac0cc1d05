//! Parts of a draft that serde does not read as they are meant by itself.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use crate::redaction::MASK;

/// From an event name to the ids that it is limited to.
pub(super) type Filters = BTreeMap<String, Vec<String>>;
/// The owner's own labels.
pub(super) type Metadata = BTreeMap<String, String>;

/// Headers in the order in which they were sent, doublets included.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct HeaderPairs(pub(super) Vec<(String, String)>);

/// A signing secret as it was sent; never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SecretText(String);

impl SecretText {
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Returns whether the text is what is shown in the place of a secret.
    pub(super) fn is_masked(&self) -> bool {
        self.0.strip_prefix("whsec_").unwrap_or(&self.0) == MASK
    }
}

/// Tells `null` (`Some(None)`) from a field that is left out (`None`).
pub(super) fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What serde says of a wrong type repeats the value.
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = value
            .as_str()
            .ok_or_else(|| D::Error::custom("must be a string"))?;
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for HeaderPairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs(PhantomData<HeaderPairs>);

        impl<'de> Visitor<'de> for Pairs {
            type Value = HeaderPairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of header names and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeaderPairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, SecretText>()? {
                    pairs.push((name, value.0));
                }
                Ok(HeaderPairs(pairs))
            }
        }

        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

impl fmt::Debug for HeaderPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
