//! The value of an attribute in a header, as the HTTP binding of CloudEvents writes it.

use super::context::shown;
use crate::event::Fault;

/// Returns a header's value as printable ASCII, as it can be sent on. Bytes beyond ASCII, which a producer
/// should have percent-encoded, are percent-encoded here.
pub(super) fn text(name: &str, raw: &[u8]) -> Result<String, Fault> {
    let mut text = String::with_capacity(raw.len());
    for byte in raw.trim_ascii() {
        match byte {
            b' '..=b'~' => text.push(char::from(*byte)),
            0x80.. => text.push_str(&format!("%{byte:02X}")),
            _ => {
                let problem = "must not hold control characters";
                return Err(Fault::field(shown(name), problem));
            }
        }
    }
    Ok(text)
}

/// Returns what a header's value stands for: unquoted, then percent-decoded once.
pub(super) fn decode(name: &str, text: &str) -> Result<String, Fault> {
    let fault = |problem: &str| Fault::field(shown(name), problem);
    let unquoted = unquoted(text).ok_or_else(|| fault("must end with its quotation mark"))?;
    let mut bytes = Vec::with_capacity(unquoted.len());
    let mut rest = unquoted.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let decoded = behind
            .split_first_chunk::<2>()
            .and_then(|(digits, behind)| {
                rest = behind;
                hex(*digits)
            });
        bytes.push(decoded.ok_or_else(|| fault("must have two hex digits behind each %"))?);
    }
    String::from_utf8(bytes).map_err(|_error| fault("must be percent-encoded UTF-8"))
}

fn hex(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? * 16 + low?).ok()
}

/// Takes quotation marks and backslashes away, which older producers wrote; `None` if the last one is missing.
fn unquoted(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('"') else {
        return Some(text.to_owned());
    };
    let mut plain = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(plain),
            '\\' => plain.push(characters.next()?),
            other => plain.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{decode, text};

    #[test]
    fn values_are_read_as_the_binding_says() {
        for (raw, expected) in [
            ("plain", Some("plain")),
            ("", Some("")),
            (
                "Euro%20%E2%82%AC%20%F0%9F%98%80",
                Some("Euro \u{20ac} \u{1f600}"),
            ),
            ("%e2%82%ac", Some("\u{20ac}")),
            ("\u{20ac} raw", Some("\u{20ac} raw")),
            ("un%6eecessary", Some("unnecessary")),
            ("%2525", Some("%25")),
            ("\"a b\"", Some("a b")),
            ("\"a \\\"b\\\" %20\"", Some("a \"b\"  ")),
            ("\"open", None),
            ("\"a\" b", None),
            ("100%", None),
            ("%4", None),
            ("%zz", None),
            ("%+1", None),
            ("%C0%A0", None),
            ("\u{7}", None),
        ] {
            let read = text("a", raw.as_bytes()).and_then(|text| decode("a", &text));

            assert_eq!(read.ok().as_deref(), expected, "{raw}");
        }
        assert!(
            text("a", b"\xff")
                .and_then(|text| decode("a", &text))
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn what_is_percent_encoded_comes_back(value in "[^\\p{Cc}]{0,40}") {
            let mut encoded = String::new();
            for byte in value.bytes() {
                if (0x21..0x7f).contains(&byte) && !b"\"%".contains(&byte) {
                    encoded.push(char::from(byte));
                } else {
                    encoded.push_str(&format!("%{byte:02X}"));
                }
            }

            let sent_on = text("a", encoded.as_bytes()).unwrap();

            prop_assert_eq!(&sent_on, &encoded);
            prop_assert_eq!(decode("a", &sent_on).unwrap(), value);
        }

        #[test]
        fn reading_never_panics(raw in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(text) = text("a", &raw) {
                prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
                let _read = decode("a", &text);
            }
        }
    }
}
