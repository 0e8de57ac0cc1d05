//! A walk over an organisation's dead letters, the oldest first, that ends after so much was looked at.

use std::{fmt, str::FromStr};

use domain::{dead_letter::Filter, name::OrganisationId};
use jetstream::dead_letters::{DeadLetters, Letter, Unavailable};

/// The most bytes of bodies that one walk reads past: a broker hands them out with every dead letter.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// The most dead letters that one walk looks at.
const LOOKED_AT_MAX: u32 = 2_000;

/// Where a walk goes on. What dies after its begin lies behind its end, so that dead letters that are
/// retried and die again are not met twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    next: u64,
    end: u64,
}

/// A text that is no place of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a nextCursor from an earlier answer")]
pub(crate) struct InvalidPlace;

/// A walk under way.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    letters: &'a DeadLetters,
    organisation: &'a OrganisationId,
    filter: &'a Filter,
    place: Place,
    looked_at: u32,
    bytes: usize,
    is_done: bool,
}

impl Place {
    /// Returns the place to begin at, to walk over everything that is there.
    pub(crate) fn begin(letters: &DeadLetters) -> Self {
        Self {
            next: 1,
            end: letters.last_sequence(),
        }
    }

    /// Returns the place at a dead letter of the same walk.
    pub(crate) fn at(self, letter: &Letter) -> Self {
        Self {
            next: letter.dead.sequence,
            ..self
        }
    }
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        letters: &'a DeadLetters,
        organisation: &'a OrganisationId,
        filter: &'a Filter,
        place: Place,
    ) -> Self {
        Self {
            letters,
            organisation,
            filter,
            place,
            looked_at: 0,
            bytes: 0,
            is_done: false,
        }
    }

    /// Returns the next dead letter that the filter wants; `None` at the end, and when enough was looked
    /// at.
    pub(crate) async fn next(&mut self) -> Result<Option<Letter>, Unavailable> {
        while !self.is_done && self.looked_at < LOOKED_AT_MAX && self.bytes < BYTES_MAX {
            let endpoint = self.filter.endpoint.as_ref();
            let found = self
                .letters
                .next(self.organisation, endpoint, self.place.next)
                .await?;
            let Some(found) = found.filter(|found| found.sequence <= self.place.end) else {
                self.is_done = true;
                break;
            };
            self.place.next = found.sequence.saturating_add(1);
            self.looked_at += 1;
            self.bytes = self.bytes.saturating_add(found.bytes);
            let Some(letter) = found.letter else { continue };
            if self.filter.ends_before(letter.dead.stored_at) {
                self.is_done = true;
            } else if self.filter.wants(&letter.dead) {
                return Ok(Some(letter));
            }
        }
        Ok(None)
    }

    /// Returns where to go on; `None` if nothing is left.
    pub(crate) fn rest(&self) -> Option<Place> {
        (!self.is_done).then_some(self.place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.next, self.end)
    }
}

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let (next, end) = text.split_once('-').ok_or(InvalidPlace)?;
        let number = |text: &str| text.parse().map_err(|_error| InvalidPlace);
        let place = Self {
            next: number(next)?,
            end: number(end)?,
        };
        // Only what is printed is taken: no signs and no leading zeros.
        (place.to_string() == text)
            .then_some(place)
            .ok_or(InvalidPlace)
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::{InvalidPlace, Place};

    #[test]
    fn a_place_reads_what_it_prints() {
        let place = Place { next: 7, end: 90 };

        assert_eq!(place.to_string().parse(), Ok(place));
        for text in [
            "",
            "7",
            "7-",
            "-7",
            "+7-9",
            "07-9",
            "7-9-1",
            "a-b",
            "99999999999999999999-1",
        ] {
            assert_eq!(text.parse::<Place>(), Err(InvalidPlace), "{text}");
        }
    }
}
