//! Checks every item of a list before any of them is written.

use std::collections::HashMap;

use domain::{
    draft::{ConfigDraft, url_key},
    endpoint::Endpoint,
    name::{EndpointId, OrganisationId},
};
use futures::future::join_all;

use super::{Configs, Refusal, new_id};

/// The most configs of an organisation. Requests at the same moment may exceed it by as many as they
/// bring.
pub(super) const CONFIGS_MAX: usize = 10_000;

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

/// A field with a URL whose host was not checked before.
pub(super) type NewHost = (&'static str, String);

/// What an item comes to.
#[derive(Debug)]
struct Item {
    target: Target,
    /// What of it is called that was not called before.
    hosts: Vec<NewHost>,
    /// The URL that it will have.
    url: String,
}

/// What the items before an item are about.
#[derive(Debug, Default)]
struct Seen {
    ids: HashMap<EndpointId, usize>,
    urls: HashMap<String, usize>,
    made: usize,
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
        let mut items = Vec::with_capacity(drafts.len());
        for (at, draft) in drafts.iter().enumerate() {
            let item = self
                .plan_one(organisation, draft, &holders)
                .await
                .and_then(|item| seen.note(at, &item).map(|()| item))
                .map_err(|refusal| (at, refusal))?;
            if holders.len() + seen.made > CONFIGS_MAX {
                return Err((at, Refusal::Full));
            }
            items.push(item);
        }
        let checks = items.iter().map(|item| self.check_hosts(&item.hosts));
        let checked = join_all(checks).await.into_iter().enumerate();
        for (at, is_allowed) in checked {
            is_allowed.map_err(|refusal| (at, refusal))?;
        }
        Ok(items.into_iter().map(|item| item.target).collect())
    }

    /// Checks what the hosts of new URLs resolve to.
    pub(super) async fn check_hosts(&self, hosts: &[NewHost]) -> Result<(), Refusal> {
        for (field, url) in hosts {
            self.lookups.check(&self.destinations, field, url).await?;
        }
        Ok(())
    }

    /// Returns who has which URL, as far as is known in memory.
    pub(super) fn holders(&self, organisation: &OrganisationId) -> HashMap<String, EndpointId> {
        let all = self.endpoints.of(organisation);
        all.iter()
            .map(|s| (url_key(&s.endpoint.url), s.endpoint.id.clone()))
            .collect()
    }

    /// Checks an item by itself.
    async fn plan_one(
        &self,
        organisation: &OrganisationId,
        draft: &ConfigDraft,
        holders: &HashMap<String, EndpointId>,
    ) -> Result<Item, Refusal> {
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
        let endpoint = self.seal(existing, change)?.endpoint;
        let key = url_key(&endpoint.url);
        let target = match &draft.id {
            Some(id) if holders.get(&key).is_some_and(|holder| holder != id) => {
                return Err(Refusal::UrlTaken);
            }
            Some(id) => Target::Existing(id.clone()),
            None => Target::Url {
                key,
                known: known.cloned(),
            },
        };
        Ok(Item {
            target,
            hosts: new_hosts(existing, &endpoint),
            url: endpoint.url,
        })
    }
}

/// Returns the URLs of an endpoint that it did not have before.
pub(super) fn new_hosts(existing: Option<&Endpoint>, endpoint: &Endpoint) -> Vec<NewHost> {
    let token_url = |endpoint: &Endpoint| endpoint.oauth2.as_ref().map(|o| o.token_url.clone());
    let mut hosts = Vec::new();
    if existing.is_none_or(|existing| existing.url != endpoint.url) {
        hosts.push(("url", endpoint.url.clone()));
    }
    if let Some(url) = token_url(endpoint)
        && existing.and_then(token_url).as_ref() != Some(&url)
    {
        hosts.push(("oauth2.tokenUrl", url));
    }
    hosts
}

impl Seen {
    fn note(&mut self, at: usize, item: &Item) -> Result<(), Refusal> {
        let (id, field) = match &item.target {
            Target::Existing(id) => (Some(id), "id"),
            Target::Url { known, .. } => (known.as_ref(), "url"),
        };
        if id.is_none() {
            self.made += 1;
        }
        let by_id = id.and_then(|id| self.ids.insert(id.clone(), at));
        let by_url = self
            .urls
            .insert(url_key(&item.url), at)
            .map(|earlier| ("url", earlier));
        match by_id.map(|earlier| (field, earlier)).or(by_url) {
            Some((field, earlier)) => Err(Refusal::Doublet { field, earlier }),
            None => Ok(()),
        }
    }
}
