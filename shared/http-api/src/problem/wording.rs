//! How a fault that serde finds is put to the caller: by the name of its field, and without repeating
//! what was sent, which may be a secret.

use std::fmt::Display;

use serde_path_to_error::{Path, Segment};

/// How much of a place is repeated: the names in it are the caller's.
const PLACE_MAX_CHARS: usize = 120;

/// Words a fault; `whole` is what a fault of no field in particular is about.
pub(super) fn fault(whole: &str, path: &Path, said: &impl Display) -> String {
    let said = said.to_string();
    let place = place(path);
    if let Some((field, _)) = said
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split_once('`'))
    {
        return match place {
            Some(place) => format!("{place}.{field}: is required"),
            None => format!("{field}: is required"),
        };
    }
    let place = place.as_deref().unwrap_or(whole);
    format!("{place}: {}", without_value(&said))
}

/// Returns the place as far as it is known, or `None` if that is the whole.
fn place(path: &Path) -> Option<String> {
    let is_known = |segment: &Segment| !matches!(segment, Segment::Unknown);
    if !path.iter().any(is_known) {
        return None;
    }
    let text = path.to_string();
    let known = text.strip_suffix(".?").unwrap_or(&text);
    Some(known.chars().take(PLACE_MAX_CHARS).collect())
}

fn without_value(said: &str) -> String {
    if said.starts_with("invalid type: ") && said.contains(", expected an object") {
        return "must be an object".to_owned();
    }
    if said.starts_with("must ") {
        // What is about the meaning of a field needs no position in the text.
        let own_words = said
            .rsplit_once(" at line ")
            .map_or(said, |(words, _)| words);
        return own_words.to_owned();
    }
    for (kind, opening, closing) in [
        ("invalid type: string", " \"", "\", expected "),
        ("invalid value: string", " \"", "\", expected "),
        ("unknown variant", " `", "`, expected "),
    ] {
        let value = said
            .strip_prefix(kind)
            .and_then(|rest| rest.strip_prefix(opening));
        if let Some(value) = value {
            // The value may hold the words behind it, which hold them but once.
            let expected = value.rsplit_once(closing);
            return expected.map_or_else(
                || kind.to_owned(),
                |(_, expected)| format!("{kind}, expected {expected}"),
            );
        }
    }
    said.to_owned()
}
