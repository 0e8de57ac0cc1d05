//! Inputs near examples: a few places of one are changed.

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

/// The most changes of one example.
const EDITS: usize = 6;
/// The most times that a flood says its bytes again.
const FLOOD: u16 = 4_096;
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

/// Returns inputs near the examples, with `words` put in at all places.
pub(crate) fn near(
    examples: Vec<Vec<u8>>,
    words: &'static [&'static str],
) -> impl Strategy<Value = Vec<u8>> {
    let edits = vec(edit(examples.clone(), words), 0..EDITS);
    (select(examples), edits).prop_map(|(example, edits)| {
        edits
            .into_iter()
            .fold(example, |input, edit| edit.of(&input))
    })
}

fn edit(examples: Vec<Vec<u8>>, words: &'static [&'static str]) -> impl Strategy<Value = Edit> {
    let known = words.iter().map(|word| word.as_bytes());
    let all: Vec<Vec<u8>> = known
        .chain(NASTY.iter().copied())
        .map(<[u8]>::to_vec)
        .collect();
    let piece = prop_oneof![8 => select(all), 2 => vec(any::<u8>(), 0..8)].boxed();
    let at = any::<Index>;
    prop_oneof![
        40 => (at(), any::<u8>()).prop_map(|(at, length)| Edit::Remove(at, length)),
        40 => (at(), 1..16_u8, 1..300_u16)
            .prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        1 => (at(), 1..16_u8, 1..FLOOD)
            .prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        40 => (at(), piece.clone()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        40 => (at(), 1..8_u8, piece)
            .prop_map(|(at, length, piece)| Edit::Replace(at, length, piece)),
        40 => (at(), select(examples)).prop_map(|(at, other)| Edit::Continue(at, other)),
    ]
}

impl Edit {
    fn of(self, input: &[u8]) -> Vec<u8> {
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
