//! What is held of the event types, by organisation and name.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use domain::{
    event::Event,
    event_type::{EventType, seed},
    name::{EventName, OrganisationId},
    payload::Payload,
    time::Timestamp,
};
use jetstream::{
    bucket::{Change, View},
    consumer::Delivery,
    event_type_bucket::{decode, parse_key},
};
use parking_lot::RwLock;

use crate::{Refusal, is_checked, schema::Schema};

/// All saved event types in memory. An organisation that saved none costs one look-up.
#[derive(Debug, Default)]
pub struct Catalogue(RwLock<HashMap<OrganisationId, Types>>);

type Types = HashMap<EventName, Arc<Entry>>;

/// An event type as it is held.
#[derive(Debug)]
pub struct Entry {
    /// The event type; `None` if this version can't read it.
    event_type: Option<EventType>,
    revision: u64,
    stored_at: Timestamp,
    /// Its schema, compiled when it is needed first; `None` in it if that fails.
    schema: OnceLock<Option<Schema>>,
}

/// How somebody came by an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// From its producer.
    Sent,
    /// From the stream, where the broker stored it at that time.
    Stored {
        /// The time.
        at: Timestamp,
        /// Whether it was checked when it was accepted.
        is_checked: bool,
    },
}

impl From<&Delivery> for Met {
    fn from(delivery: &Delivery) -> Self {
        Self::Stored {
            at: delivery.stored_at,
            is_checked: is_checked(delivery.headers.as_ref()),
        }
    }
}

impl Entry {
    /// Returns the event type, if it can be read.
    #[must_use]
    pub fn event_type(&self) -> Option<&EventType> {
        self.event_type.as_ref()
    }

    /// Returns the revision.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn new(change: &Change, event_type: Option<EventType>) -> Self {
        Self {
            event_type,
            revision: change.revision,
            stored_at: change.stored_at,
            schema: OnceLock::new(),
        }
    }

    fn most_work(&self, event: &Event) -> u64 {
        let event_type = self.event_type();
        if event_type.is_none_or(|event_type| event_type.payload_schema.is_none()) {
            return 0;
        }
        match self.schema.get() {
            Some(Some(schema)) => schema.most_work(event.body.len()),
            Some(None) => 0,
            None => u64::MAX,
        }
    }

    /// Checks the payload of an event.
    fn check(&self, event: &Event) -> Result<(), Refusal> {
        let event_type = self.event_type().ok_or(Refusal::Unreadable)?;
        let Some(document) = &event_type.payload_schema else {
            return Ok(());
        };
        let schema = self.schema.get_or_init(|| compiled(document, event));
        let schema = schema.as_ref().ok_or(Refusal::Unreadable)?;
        Ok(schema.check(&Payload::of(event)?)?)
    }
}

/// Compiles a schema that was taken when it was saved, perhaps by another version.
fn compiled(document: &serde_json::Value, event: &Event) -> Option<Schema> {
    Schema::compile(document)
        .inspect_err(|fault| {
            let (organisation, name) = (&event.organisation, &event.name);
            tracing::error!(error = %fault, %organisation, %name, "schema can't be compiled");
        })
        .ok()
}

impl Catalogue {
    /// Returns an event type that the organisation saved.
    #[must_use]
    pub fn get(&self, organisation: &OrganisationId, name: &EventName) -> Option<Arc<Entry>> {
        let all = self.0.read();
        all.get(organisation)?.get(name).map(Arc::clone)
    }

    /// Returns all event types that the organisation saved, in no particular order.
    #[must_use]
    pub fn of(&self, organisation: &OrganisationId) -> Vec<Arc<Entry>> {
        let all = self.0.read();
        let types = all.get(organisation).into_iter().flat_map(HashMap::values);
        types.map(Arc::clone).collect()
    }

    /// Returns whether events of a name may be filtered by entity; those of an unknown name may.
    #[must_use]
    pub fn is_filterable(&self, organisation: &OrganisationId, name: &EventName) -> bool {
        match self.get(organisation, name) {
            Some(entry) => entry
                .event_type()
                .is_none_or(|event_type| event_type.entity_type.is_some()),
            None => seed::find(name.as_str()).is_none_or(|seed| seed.entity_type.is_some()),
        }
    }

    /// Returns how much work it may be at most to check an event, in the units of
    /// [`domain::payload_schema::WORK_MAX`]; what nobody can say is more than any number.
    #[must_use]
    pub fn most_work(&self, event: &Event) -> u64 {
        let entry = self.get(&event.organisation, &event.name);
        entry.map_or(0, |entry| entry.most_work(event))
    }

    /// Lets an event pass or not, and gives one that came without a category that of its name. The event's
    /// bytes stay as they are.
    ///
    /// # Errors
    /// [`Refusal`]; an event that was checked before is never refused.
    pub fn admit(&self, event: &mut Event, met: Met) -> Result<(), Refusal> {
        let entry = self.get(&event.organisation, &event.name);
        if let Some(entry) = &entry
            && is_asked(entry, met)
        {
            entry.check(event)?;
        }
        categorise(event, entry.as_deref());
        Ok(())
    }

    /// Gives an event that came without a category that of its name.
    pub fn categorise(&self, event: &mut Event) {
        let entry = self.get(&event.organisation, &event.name);
        categorise(event, entry.as_deref());
    }
}

fn categorise(event: &mut Event, entry: Option<&Entry>) {
    if event.category.is_some() {
        return;
    }
    event.category = match entry.and_then(Entry::event_type) {
        Some(event_type) => event_type.category.clone(),
        None => seed::find(event.name.as_str()).map(|seed| seed.category.to_owned()),
    };
}

/// Returns whether an event type is asked about an event: not if somebody asked before, or if it was saved
/// after the event was stored.
fn is_asked(entry: &Entry, met: Met) -> bool {
    match met {
        Met::Sent => true,
        Met::Stored { at, is_checked } => !is_checked && entry.stored_at <= at,
    }
}

impl View for Catalogue {
    fn replace(&self, all: Vec<Change>) {
        let mut fresh = HashMap::new();
        all.iter().for_each(|change| note(&mut fresh, change));
        *self.0.write() = fresh;
    }

    fn apply(&self, changes: Vec<Change>) {
        let mut held = self.0.write();
        changes.iter().for_each(|change| note(&mut held, change));
    }
}

fn note(held: &mut HashMap<OrganisationId, Types>, change: &Change) {
    let Some((organisation, name)) = parse_key(&change.key) else {
        return;
    };
    let decoded = change.value.as_ref().map(|value| decode(value));
    let Some(decoded) = decoded else {
        if let Some(types) = held.get_mut(&organisation) {
            types.remove(&name);
            if types.is_empty() {
                held.remove(&organisation);
            }
        }
        return;
    };
    if let Err(error) = &decoded {
        tracing::error!(error = %error, key = change.key, "event type is not readable");
    }
    let entry = Entry::new(change, decoded.ok());
    let types = held.entry(organisation).or_default();
    types.insert(name, Arc::new(entry));
}

#[cfg(test)]
mod tests;
