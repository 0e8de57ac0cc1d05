//! Checks every item of a list before any of them is written.

use std::collections::HashMap;

use domain::{
    draft::{ConfigDraft, url_key},
    name::{EndpointId, OrganisationId},
};

use super::{Configs, Refusal, new_id};

/// Which endpoint an item is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The one that the item names.
    Existing(EndpointId),
    /// The one with the item's URL, if there is one; else it is made.
    Url {
        /// The key of the URL.
        key: String,
        /// Who has the URL, as far as is known in memory.
        known: Option<EndpointId>,
    },
}

/// What the items before an item are about.
#[derive(Debug, Default)]
struct Seen {
    ids: HashMap<EndpointId, usize>,
    urls: HashMap<String, usize>,
}

impl Configs {
    /// Finds out which endpoint each item is about, and checks them all.
    ///
    /// # Errors
    /// The place of the first wrong item, and what is wrong with it.
    pub(crate) async fn plan(
        &self,
        organisation: &OrganisationId,
        drafts: &[ConfigDraft],
    ) -> Result<Vec<Target>, (usize, Refusal)> {
        let holders = self.holders(organisation);
        let mut seen = Seen::default();
        let mut targets = Vec::with_capacity(drafts.len());
        for (at, draft) in drafts.iter().enumerate() {
            let target = self
                .plan_one(organisation, draft, &holders)
                .await
                .and_then(|(target, url)| seen.note(at, &target, url).map(|()| target))
                .map_err(|refusal| (at, refusal))?;
            targets.push(target);
        }
        Ok(targets)
    }

    /// Returns who has which URL, as far as is known in memory.
    pub(super) fn holders(&self, organisation: &OrganisationId) -> HashMap<String, EndpointId> {
        let all = self.endpoints.of(organisation);
        all.iter()
            .map(|s| (url_key(&s.endpoint.url), s.endpoint.id.clone()))
            .collect()
    }

    /// Returns the target of an item and the key of the URL that it will have.
    async fn plan_one(
        &self,
        organisation: &OrganisationId,
        draft: &ConfigDraft,
        holders: &HashMap<String, EndpointId>,
    ) -> Result<(Target, String), Refusal> {
        if draft.is_foreign_to(organisation) {
            return Err(Refusal::Foreign);
        }
        let known = match &draft.id {
            Some(id) => Some(id),
            None => draft.url().and_then(|url| holders.get(&url_key(url))),
        };
        let stored = match known {
            Some(id) => self.bucket.get(organisation, id).await?,
            None => None,
        };
        if draft.id.is_some() && stored.is_none() {
            return Err(Refusal::NotFound);
        }
        let existing = stored.as_ref().map(|stored| &stored.endpoint);
        let id = known.cloned().map_or_else(new_id, Ok)?;
        let change = draft.apply(existing, &self.context(organisation, id))?;
        let key = url_key(&change.endpoint.url);
        let target = match &draft.id {
            Some(id) if holders.get(&key).is_some_and(|holder| holder != id) => {
                return Err(Refusal::UrlTaken);
            }
            Some(id) => Target::Existing(id.clone()),
            None => Target::Url {
                key: key.clone(),
                known: known.cloned(),
            },
        };
        Ok((target, key))
    }
}

impl Seen {
    fn note(&mut self, at: usize, target: &Target, url: String) -> Result<(), Refusal> {
        let (id, field) = match target {
            Target::Existing(id) => (Some(id), "id"),
            Target::Url { known, .. } => (known.as_ref(), "url"),
        };
        let by_id = id.and_then(|id| self.ids.insert(id.clone(), at));
        let by_url = self.urls.insert(url, at).map(|earlier| ("url", earlier));
        match by_id.map(|earlier| (field, earlier)).or(by_url) {
            Some((field, earlier)) => Err(Refusal::Doublet { field, earlier }),
            None => Ok(()),
        }
    }
}
