//! Parts of a draft that serde does not read as they are meant by itself.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IntoDeserializer as _, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    redaction::MASK,
    retry::{Delay, Preset, RetryOn, RetryPolicy},
};

/// From an event name to the ids that it is limited to.
pub(super) type Filters = Pairs<Vec<String>>;
/// The owner's own labels.
pub(super) type Metadata = Pairs<String>;
/// Request headers.
pub(super) type HeaderPairs = Pairs<SecretText>;

/// A value that is read from an object, and from nothing else.
///
/// What derives `Deserialize` is also read from an array, whose items are taken for the fields by
/// their places; a public input must not mean that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object<T>(pub T);

/// The members of an object in the order in which they were sent, doublets included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pairs<V>(pub(super) Vec<(String, V)>);

/// A retry policy as it is sent.
pub(super) struct Policy(RetryPolicy);

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
pub(crate) fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
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

impl<V> Default for Pairs<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(OfMap(PhantomData)).map(Self)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for OfMap<V> {
            type Value = Pairs<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<V>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(OfMap(PhantomData))
    }
}

impl Policy {
    pub(super) fn get(&self) -> &RetryPolicy {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// The fields of [`RetryPolicy`], objects as objects and words as words.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Fields {
            #[serde(default, deserialize_with = "word")]
            preset: Preset,
            delay: Option<Object<Delay>>,
            jitter: Option<f64>,
            retry_on: Option<Object<RetryOn>>,
            honour_retry_after: Option<bool>,
        }

        let Object(fields) = Object::<Fields>::deserialize(deserializer)?;
        Ok(Self(RetryPolicy {
            preset: fields.preset,
            delay: fields.delay.map(|Object(delay)| delay),
            jitter: fields.jitter,
            retry_on: fields.retry_on.map(|Object(retry_on)| retry_on),
            honour_retry_after: fields.honour_retry_after,
        }))
    }
}

/// Reads one of a few words from a string, and from nothing else: what derives `Deserialize` is also
/// read from `{"word": null}`.
///
/// # Errors
/// Whatever is no string, and what the type says of other words.
pub fn word<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    T::deserialize(text.into_deserializer())
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
