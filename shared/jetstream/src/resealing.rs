//! Sealing everything in the endpoints bucket anew, after a new key was put in front of the old ones.
//!
//! **Invariant:** an endpoint is written only under the revision that was read, with nothing changed but
//! what is sealed, so the walk may run beside services, be stopped at any moment, and be repeated. What a
//! key was before is forgotten only once what it is now can do without the old keys.

use std::collections::{BTreeMap, HashMap};

use domain::{
    endpoint::{Endpoint, Sealed},
    name::{EndpointId, OrganisationId},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    bucket::{Change, Error},
    endpoint_bucket::{EndpointBucket, decode, key, parse_key},
    sealing::{self, Keyring, key_id},
};

/// How many endpoints are worked on at once.
const AT_ONCE: usize = 16;
/// How often an endpoint is tried that somebody else changes meanwhile.
const TRIES: usize = 10;

/// What stands in the bucket, and under which keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// How many endpoints there are.
    pub endpoints: usize,
    /// How many sealed texts are under the first key.
    pub current: usize,
    /// How many are under each of the other keys, by its id.
    pub earlier: BTreeMap<String, usize>,
    /// How many endpoints, deleted ones included, were once something that is not under the first key,
    /// which the bucket still remembers.
    pub histories: usize,
    /// What can't be sealed anew.
    pub stuck: Vec<Stuck>,
}

/// An endpoint with something that can't be sealed anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Which one it is.
    pub endpoint: EndpointId,
    /// Why.
    pub why: Why,
}

/// Why something can't be sealed anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// No key of that id is configured.
    #[error("sealed under the key {0}, which is not configured")]
    UnknownKey(String),
    /// It was changed, belongs elsewhere, or is no sealed text.
    #[error("can't be opened")]
    Damaged,
    /// Another version wrote the endpoint.
    #[error("written in a form that this version can't read")]
    Unreadable,
}

/// What was done, and what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// How many texts were sealed anew.
    pub texts: usize,
    /// How many earlier revisions of endpoints were forgotten.
    pub revisions: usize,
    /// What stands in the bucket afterwards.
    pub left: Survey,
}

impl Survey {
    /// Returns whether nothing needs any key but the first.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.earlier.is_empty() && self.histories == 0 && self.stuck.is_empty()
    }

    fn add(&mut self, organisation: &OrganisationId, endpoint: &EndpointId, seen: Seen) {
        self.endpoints += usize::from(seen.is_there);
        self.histories += usize::from(seen.may_be_forgotten());
        self.current += seen.newest.current;
        for (id, texts) in seen.newest.earlier {
            *self.earlier.entry(id).or_default() += texts;
        }
        self.stuck.extend(seen.newest.stuck.map(|why| Stuck {
            organisation: organisation.clone(),
            endpoint: endpoint.clone(),
            why,
        }));
    }
}

/// Looks at everything in the bucket and changes nothing.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn survey(bucket: &EndpointBucket, keyring: &Keyring) -> Result<Survey, Error> {
    let mut survey = Survey::default();
    for ((organisation, endpoint), seen) in look(bucket, keyring).await? {
        survey.add(&organisation, &endpoint, seen);
    }
    survey
        .stuck
        .sort_by(|a, b| (&a.organisation, &a.endpoint).cmp(&(&b.organisation, &b.endpoint)));
    Ok(survey)
}

/// Seals everything under the first key that can be opened with another one, and forgets earlier
/// revisions that are under other keys.
///
/// # Errors
/// [`Error::Unavailable`]; what was done so far stays done.
pub async fn reseal(bucket: &EndpointBucket, keyring: &Keyring) -> Result<Done, Error> {
    let seen = look(bucket, keyring).await?.into_iter();
    let behind = seen.filter(|(_, seen)| !seen.newest.earlier.is_empty());
    let texts = stream::iter(behind)
        .map(|(id, _)| async move { reseal_one(bucket, keyring, &id).await })
        .buffer_unordered(AT_ONCE)
        .try_fold(0, async |sum, texts| Ok(sum + texts))
        .await?;
    let seen = look(bucket, keyring).await?.into_iter();
    let outlived = seen.filter(|(_, seen)| seen.may_be_forgotten());
    let revisions = stream::iter(outlived)
        .map(|((organisation, endpoint), seen)| async move {
            let key = key(&organisation, &endpoint);
            bucket.bucket().forget_before(&key, seen.revision).await
        })
        .buffer_unordered(AT_ONCE)
        .try_fold(0, async |sum, revisions| Ok(sum + revisions))
        .await?;
    let left = survey(bucket, keyring).await?;
    Ok(Done {
        texts,
        revisions,
        left,
    })
}

type Id = (OrganisationId, EndpointId);

/// What the revisions of one key hold.
#[derive(Debug, Default)]
struct Seen {
    revision: u64,
    is_there: bool,
    newest: Texts,
    /// Whether an earlier revision needs another key than the first.
    is_history_behind: bool,
}

impl Seen {
    fn may_be_forgotten(&self) -> bool {
        self.is_history_behind && self.newest.is_under_first()
    }
}

/// The sealed texts of one revision.
#[derive(Debug, Default)]
struct Texts {
    current: usize,
    earlier: BTreeMap<String, usize>,
    stuck: Option<Why>,
}

impl Texts {
    fn is_under_first(&self) -> bool {
        self.earlier.is_empty() && self.stuck.is_none()
    }

    fn add(&mut self, sealed: &Sealed, opened: Result<bool, sealing::Error>) {
        let id = || key_id(sealed).unwrap_or_default().to_owned();
        match opened {
            Ok(true) => self.current += 1,
            Ok(false) => *self.earlier.entry(id()).or_default() += 1,
            Err(sealing::Error::UnknownKey) => self.stuck = Some(Why::UnknownKey(id())),
            Err(sealing::Error::Damaged | sealing::Error::NotSealed) => {
                self.stuck = Some(Why::Damaged);
            }
        }
    }
}

/// Looks at every revision of every endpoint that the bucket still holds.
async fn look(bucket: &EndpointBucket, keyring: &Keyring) -> Result<HashMap<Id, Seen>, Error> {
    let mut all: HashMap<Id, Seen> = HashMap::new();
    let add = |change: Change| {
        let Some(id) = parse_key(&change.key) else {
            return;
        };
        let seen = all.entry(id).or_default();
        let is_behind = seen.is_history_behind || !seen.newest.is_under_first();
        *seen = Seen {
            revision: change.revision,
            is_there: change.value.is_some(),
            newest: change
                .value
                .map(|value| texts_of(&value, keyring))
                .unwrap_or_default(),
            is_history_behind: is_behind,
        };
    };
    bucket.bucket().each_revision(add).await?;
    Ok(all)
}

fn texts_of(value: &[u8], keyring: &Keyring) -> Texts {
    let mut texts = Texts::default();
    let Ok(mut endpoint) = decode(value) else {
        texts.stuck = Some(Why::Unreadable);
        return texts;
    };
    let owner = endpoint.seal_owner();
    for sealed in endpoint.sealed_mut() {
        texts.add(sealed, keyring.is_under_first(&owner, sealed));
    }
    for text in endpoint.unknown_texts_mut() {
        let sealed = Sealed(std::mem::take(text));
        // What can't be opened need not be sealed at all.
        if let Ok(is_under_first) = keyring.is_under_first(&owner, &sealed) {
            texts.add(&sealed, Ok(is_under_first));
        }
    }
    texts
}

/// Seals an endpoint's texts anew; returns how many. One that is changed all the time stays as it is.
async fn reseal_one(
    bucket: &EndpointBucket,
    keyring: &Keyring,
    (organisation, id): &Id,
) -> Result<usize, Error> {
    for _ in 0..TRIES {
        let Some(stored) = bucket.get(organisation, id).await? else {
            return Ok(0);
        };
        let mut endpoint = stored.endpoint;
        let texts = reseal_texts(&mut endpoint, keyring);
        if texts == 0 {
            return Ok(0);
        }
        match bucket.update(&endpoint, stored.revision).await {
            Ok(_revision) => return Ok(texts),
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(0)
}

fn reseal_texts(endpoint: &mut Endpoint, keyring: &Keyring) -> usize {
    let owner = endpoint.seal_owner();
    let anew = |sealed: &Sealed| match keyring.is_under_first(&owner, sealed) {
        Ok(false) => keyring.reseal(&owner, sealed).ok(),
        Ok(true) | Err(_) => None,
    };
    let mut texts = 0;
    for sealed in endpoint.sealed_mut() {
        if let Some(new) = anew(sealed) {
            *sealed = new;
            texts += 1;
        }
    }
    for text in endpoint.unknown_texts_mut() {
        if let Some(Sealed(new)) = anew(&Sealed(text.clone())) {
            *text = new;
            texts += 1;
        }
    }
    texts
}
