//! `hmac-hex`: `sha256=` and the HMAC-SHA256 of the body in hex, as many older receivers expect it.

use subtle::ConstantTimeEq as _;

use super::SigningKey;

const PREFIX: &str = "sha256=";

/// Signs a body: the value of the signature's header.
#[must_use]
pub fn sign(key: &SigningKey, body: &[u8]) -> String {
    let code = key.code(body);
    let mut value = String::with_capacity(PREFIX.len() + 2 * code.len());
    value.push_str(PREFIX);
    let digits = code.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    value.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
    value
}

/// Returns whether a header's value is this key's signature of the body, in time that does not depend on
/// where they differ.
#[must_use]
pub fn verify(key: &SigningKey, body: &[u8], value: &str) -> bool {
    sign(key, body).as_bytes().ct_eq(value.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::{sign, verify};
    use crate::signing::SigningKey;

    /// The example that GitHub publishes. Its secret has blanks, which ours may not have.
    const SECRET: &[u8] = b"It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str =
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn the_published_vector_is_met() {
        let key = SigningKey::new(SECRET).unwrap();

        assert_eq!(sign(&key, BODY), SIGNATURE);
        assert!(verify(&key, BODY, SIGNATURE));
        assert!(!verify(&key, b"Hello, World?", SIGNATURE));
        for wrong in [
            "",
            "sha256=",
            &SIGNATURE[7..],
            &SIGNATURE[..70],
            &SIGNATURE.to_uppercase(),
        ] {
            assert!(!verify(&key, BODY, wrong), "{wrong}");
        }
    }
}
