//! The form of a bucket's value: a JSON object with its schema in front of the fields of what it holds.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{DecodeError, SCHEMA};

#[derive(Serialize, Deserialize)]
struct Form<T> {
    schema: u32,
    #[serde(flatten)]
    content: T,
}

#[derive(Deserialize)]
struct Version {
    schema: u32,
}

/// Writes a value. `T` is a struct of ours with string keys and no field that can fail.
pub(crate) fn encode<T: Serialize>(content: &T) -> Bytes {
    #[expect(
        clippy::expect_used,
        reason = "values have string keys and no fallible field"
    )]
    serde_json::to_vec(&Form {
        schema: SCHEMA,
        content,
    })
    .map(Bytes::from)
    .expect("a value of a bucket is always writable as JSON")
}

/// Reads a value; a newer form is told from a damaged one before its fields are looked at.
pub(crate) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, DecodeError> {
    let malformed = |error: serde_json::Error| DecodeError::Malformed(error.to_string());
    let Version { schema } = serde_json::from_slice(value).map_err(malformed)?;
    if schema > SCHEMA {
        return Err(DecodeError::Newer(schema));
    }
    let form: Form<T> = serde_json::from_slice(value).map_err(malformed)?;
    Ok(form.content)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::{decode, encode};
    use crate::wire::DecodeError;

    type Fields = BTreeMap<String, Value>;

    #[test]
    fn the_schema_is_no_field_of_what_is_read() {
        let fields = Fields::from([("a".to_owned(), json!(1))]);

        let value = encode(&fields);

        assert_eq!(value.as_ref(), b"{\"schema\":1,\"a\":1}");
        assert_eq!(decode::<Fields>(&value).unwrap(), fields);
    }

    #[test]
    fn numbers_are_the_same_however_often_they_are_written() {
        // Read in a hurry, each of these is a neighbour of itself, and the second time a neighbour of that.
        for number in ["1.3434524519385513", "9176668679803526e-11"] {
            let value = format!("{{\"schema\":1,\"a\":{number}}}");
            let once = encode(&decode::<Fields>(value.as_bytes()).unwrap());

            let twice = encode(&decode::<Fields>(&once).unwrap());

            assert_eq!(once, twice);
            let exact: f64 = number.parse().unwrap();
            assert_eq!(decode::<Fields>(&once).unwrap()["a"], json!(exact));
        }
    }

    #[test]
    fn a_newer_form_is_told_from_a_damaged_one() {
        assert!(matches!(
            decode::<Fields>(b"{\"schema\":2,\"all\":\"else\"}"),
            Err(DecodeError::Newer(2))
        ));
        for damaged in [&b"{"[..], b"{}", b"[]", b"{\"schema\":-1}"] {
            assert!(matches!(
                decode::<Fields>(damaged),
                Err(DecodeError::Malformed(_))
            ));
        }
    }
}
