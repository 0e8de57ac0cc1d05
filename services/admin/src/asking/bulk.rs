//! Many dead letters at once: retried or deleted, a bounded number at a time.

use std::collections::{BTreeSet, VecDeque};

use domain::{dead_letter::Filter, name::OrganisationId};
use futures::future::join_all;
use jetstream::dead_letters::{DeadLetters, Letter};

use super::{
    Asking, Refusal,
    walk::{Place, Walk},
};

/// The most dead letters that one request names.
pub(crate) const IDS_MAX: usize = 1_000;
/// After so many dead letters a request retries or deletes no more.
const ENOUGH: u32 = 1_000;
/// How many dead letters are in memory, and under way, at a time.
const CHUNK: usize = 20;

/// Which dead letters are meant.
#[derive(Debug)]
pub(crate) enum Picked {
    /// Those with these ids.
    Ids(BTreeSet<u64>),
    /// Those that a filter wants, from a place on.
    Filter(Filter, Option<Place>),
}

/// What a retry of many came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Retried {
    /// How many are attempted again.
    pub(crate) retried: u32,
    /// How many stay as they are: their job was delivered, their endpoint is deleted or disabled, or they
    /// are not there.
    pub(crate) skipped: u32,
    /// Where to go on, if anything may be left.
    pub(crate) rest: Option<Place>,
}

/// What a deletion of many came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Deleted {
    /// How many are deleted.
    pub(crate) deleted: u32,
    /// Where to go on, if anything may be left.
    pub(crate) rest: Option<Place>,
}

/// Where dead letters come from.
enum Source<'a> {
    Ids {
        letters: &'a DeadLetters,
        organisation: &'a OrganisationId,
        left: VecDeque<u64>,
    },
    Walk(Walk<'a>),
}

/// Some dead letters.
#[derive(Default)]
struct Chunk {
    letters: Vec<Letter>,
    /// How many were named and are not there.
    missing: u32,
}

impl Asking {
    /// Has many dead letters attempted again. After an error some may be: repeating the request goes on.
    pub(crate) async fn retry_many(
        &self,
        organisation: &OrganisationId,
        picked: &Picked,
        with_retries: bool,
    ) -> Result<Retried, Refusal> {
        let letters = self.letters().await?;
        let mut source = Source::new(&letters, organisation, picked);
        let mut done = Retried::default();
        while done.retried < ENOUGH {
            let chunk = source.chunk().await?;
            done.skipped += chunk.missing;
            if chunk.letters.is_empty() {
                break;
            }
            let retried = self
                .retry_chunk((&letters, organisation), &chunk.letters, with_retries)
                .await?;
            done.retried += retried;
            done.skipped += u32::try_from(chunk.letters.len()).unwrap_or(u32::MAX) - retried;
        }
        done.rest = source.rest();
        Ok(done)
    }

    /// Deletes many dead letters. After an error some may be: repeating the request goes on.
    pub(crate) async fn delete_many(
        &self,
        organisation: &OrganisationId,
        picked: &Picked,
    ) -> Result<Deleted, Refusal> {
        let letters = self.letters().await?;
        let mut source = Source::new(&letters, organisation, picked);
        let mut done = Deleted::default();
        while done.deleted < ENOUGH {
            let chunk = source.chunk().await?.letters;
            if chunk.is_empty() {
                break;
            }
            for deleted in join_all(chunk.iter().map(|one| letters.delete(&one.dead))).await {
                done.deleted += u32::from(deleted?);
            }
        }
        done.rest = source.rest();
        Ok(done)
    }

    /// Has those attempted again that may be, and returns how many these are.
    async fn retry_chunk(
        &self,
        (letters, organisation): (&DeadLetters, &OrganisationId),
        chunk: &[Letter],
        with_retries: bool,
    ) -> Result<u32, Refusal> {
        let delivered = self.delivered(organisation, chunk).await?;
        let wanted = (chunk.iter()).filter(|letter| !delivered.contains(&letter.dead.job.id));
        let attempts = wanted.map(|letter| self.retry_letter(letters, letter, with_retries));
        let mut retried = 0;
        for outcome in join_all(attempts).await {
            match outcome {
                Ok(_job) => retried += 1,
                Err(Refusal::EndpointDeleted | Refusal::EndpointDisabled) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(retried)
    }
}

impl<'a> Source<'a> {
    fn new(letters: &'a DeadLetters, organisation: &'a OrganisationId, picked: &'a Picked) -> Self {
        match picked {
            Picked::Ids(ids) => Self::Ids {
                letters,
                organisation,
                left: ids.iter().copied().collect(),
            },
            Picked::Filter(filter, place) => {
                let place = place.unwrap_or_else(|| Place::begin(letters));
                Self::Walk(Walk::new(letters, organisation, filter, place))
            }
        }
    }

    /// Returns the next dead letters; none at the end, and when enough was looked at.
    async fn chunk(&mut self) -> Result<Chunk, Refusal> {
        let mut chunk = Chunk::default();
        while chunk.letters.len() < CHUNK {
            match self {
                Self::Ids {
                    letters,
                    organisation,
                    left,
                } => {
                    let Some(id) = left.pop_front() else { break };
                    match letters.get(organisation, id).await? {
                        Some(letter) => chunk.letters.push(letter),
                        None => chunk.missing += 1,
                    }
                }
                Self::Walk(walk) => match walk.next().await? {
                    Some(letter) => chunk.letters.push(letter),
                    None => break,
                },
            }
        }
        Ok(chunk)
    }

    fn rest(&self) -> Option<Place> {
        match self {
            Self::Ids { .. } => None,
            Self::Walk(walk) => walk.rest(),
        }
    }
}
