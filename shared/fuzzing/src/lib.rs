//! Inputs for fuzzing parsers: examples of what they take, changed in a few places. A dev-dependency only.
//!
//! Random bytes seldom get past the first character of a parser. What is nearly right gets everywhere. A target is a
//! property test; `PROPTEST_CASES` says how many inputs it tries, and a failing one is shrunk, printed, and kept
//! beside the test, to be tried first from then on.

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

/// How many inputs a target tries unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 3_000;
/// The most changes of one example.
const EDITS: usize = 6;
/// What parsers stumble over, whatever they parse.
const NASTY: &[&[u8]] = &[
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"\\",
    b"\"",
    b"'",
    b"%",
    b"%00",
    b"%ff",
    b"+",
    b"-",
    b"--",
    b".",
    b"..",
    b"/",
    b"*",
    b">",
    b":",
    b";",
    b",",
    b"=",
    b"&",
    b"(",
    b")",
    b"[",
    b"]",
    b"{",
    b"}",
    b"{}",
    b"[]",
    b"null",
    b"true",
    b"0",
    b"-0",
    b"-1",
    b"1e999",
    b"1e-999",
    b"0.1",
    b"NaN",
    b"18446744073709551616",
    b"9223372036854775807",
    b"\\u0000",
    b"\\ud800",
    b"\\",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x92\xa9",
    b"\xe2\x80\xae",
    b"\xef\xbc\x8e",
    b"e\xcc\x81",
];

#[derive(Debug, Clone)]
enum Edit {
    /// Leaves out some bytes.
    Remove(Index, u8),
    /// Says some bytes again, and again.
    Repeat(Index, u8, u16),
    /// Puts something between.
    Insert(Index, Vec<u8>),
    /// Puts something in the place of some bytes.
    Replace(Index, u8, Vec<u8>),
    /// Goes on as another example does.
    Continue(Index, Vec<u8>),
}

/// Returns how targets run.
#[must_use]
pub fn config() -> ProptestConfig {
    // `PROPTEST_CASES` is in it already.
    let asked = ProptestConfig::default();
    ProptestConfig {
        cases: asked.cases.max(CASES),
        ..asked
    }
}

/// Returns inputs near the examples. `words` are what the parser knows, put in at all places.
pub fn near(
    examples: &'static [&'static str],
    words: &'static [&'static str],
) -> impl Strategy<Value = Vec<u8>> {
    (select(examples), vec(edit(examples, words), 0..EDITS)).prop_map(|(example, edits)| {
        edits
            .into_iter()
            .fold(example.as_bytes().to_vec(), |input, edit| edit.of(input))
    })
}

/// Returns texts near the examples: as [`near`], and what is no UTF-8 is replaced.
pub fn near_text(
    examples: &'static [&'static str],
    words: &'static [&'static str],
) -> impl Strategy<Value = String> {
    near(examples, words).prop_map(|input| String::from_utf8_lossy(&input).into_owned())
}

fn edit(
    examples: &'static [&'static str],
    words: &'static [&'static str],
) -> impl Strategy<Value = Edit> {
    let known: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    let nasty: Vec<Vec<u8>> = NASTY.iter().map(|bytes| bytes.to_vec()).collect();
    let all: Vec<Vec<u8>> = known.into_iter().chain(nasty).collect();
    let piece = prop_oneof![8 => select(all), 2 => vec(any::<u8>(), 0..8)].boxed();
    let other = select(examples).prop_map(|text| text.as_bytes().to_vec());
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, length)| Edit::Remove(at, length)),
        (any::<Index>(), 1..16_u8, 1..300_u16)
            .prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        (any::<Index>(), piece.clone()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<Index>(), 1..8_u8, piece)
            .prop_map(|(at, length, piece)| Edit::Replace(at, length, piece)),
        (any::<Index>(), other).prop_map(|(at, other)| Edit::Continue(at, other)),
    ]
}

impl Edit {
    fn of(self, input: Vec<u8>) -> Vec<u8> {
        let place = |at: &Index| at.index(input.len() + 1);
        let (at, length) = match &self {
            Self::Remove(at, length)
            | Self::Repeat(at, length, _)
            | Self::Replace(at, length, _) => (place(at), usize::from(*length)),
            Self::Insert(at, _) | Self::Continue(at, _) => (place(at), 0),
        };
        let (before, behind) = input.split_at(at);
        let (touched, rest) = behind.split_at(length.min(behind.len()));
        match self {
            Self::Remove(..) => [before, rest].concat(),
            Self::Repeat(_, _, times) => {
                [before, touched.repeat(usize::from(times)).as_slice(), rest].concat()
            }
            Self::Insert(_, piece) | Self::Replace(_, _, piece) => {
                [before, piece.as_slice(), rest].concat()
            }
            Self::Continue(_, other) => {
                let (_, end) = other.split_at(at.min(other.len()));
                [before, end].concat()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest! {
        #[test]
        fn many_inputs_are_other_than_the_example_and_few_are_rubbish(
            inputs in vec(near(&["{\"a\": [1, 2]}"], &["\"b\""]), 200),
        ) {
            let example: &[u8] = b"{\"a\": [1, 2]}";
            let changed = inputs.iter().filter(|input| *input != example).count();
            let kept = inputs.iter().filter(|input| input.starts_with(b"{\"")).count();

            prop_assert!(changed > 100, "{changed} of 200");
            prop_assert!(kept > 50, "{kept} of 200");
        }
    }
}
