//! The attributes of a CloudEvent, and the event of ours that they make.

use bytes::Bytes;

use crate::{
    content::Content,
    event::{Event, Fault, check_label, hashed_id},
    name::{EventName, OrganisationId},
    time::Timestamp,
};

/// The most attributes of a CloudEvent.
pub(super) const ATTRIBUTES_MAX: usize = 64;
/// The most characters of an attribute's name.
const NAME_MAX: usize = 20;
/// The most bytes of `id` and of `source`.
const IDENTITY_MAX_BYTES: usize = 2_048;
/// The one version that is read.
const VERSION: &str = "1.0";
/// How much of a name that is none is repeated in a fault.
const SHOWN_CHARS: usize = 40;

/// The attributes of a CloudEvent by name, each once and as the text that it stands for.
#[derive(Debug, Default)]
pub(super) struct Context(Vec<(String, String)>);

impl Context {
    /// Adds an attribute.
    pub(super) fn add(&mut self, name: &str, value: String) -> Result<(), Fault> {
        let fault = |problem: String| Err(Fault::field(shown(name), problem));
        if !is_name(name) {
            return fault(format!(
                "is no attribute: its name must be 1 to {NAME_MAX} characters of a-z 0-9"
            ));
        }
        if self.get(name).is_some() {
            return fault("must be given once".to_owned());
        }
        if self.0.len() >= ATTRIBUTES_MAX {
            return fault(format!("is one attribute more than {ATTRIBUTES_MAX}"));
        }
        if value.chars().any(char::is_control) {
            return fault("must not hold control characters".to_owned());
        }
        self.0.push((name.to_owned(), value));
        Ok(())
    }

    /// Returns an attribute.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Makes the event of an organisation that these attributes describe.
    pub(super) fn event(
        &self,
        organisation: &OrganisationId,
        body: Bytes,
        content: Content,
    ) -> Result<Event, Fault> {
        if self.required("specversion")? != VERSION {
            return Err(Fault::field("specversion", "must be 1.0"));
        }
        let (id, source) = (self.identity("id")?, self.identity("source")?);
        let name: EventName = (self.required("type")?.parse())
            .map_err(|error: crate::name::Invalid| Fault::field("type", error.to_string()))?;
        if self
            .get("organisationid")
            .is_some_and(|claimed| claimed != organisation.as_str())
        {
            return Err(Fault::ForeignOrganisation);
        }
        self.check_time()?;
        self.check_media_type()?;
        self.filled("dataschema")?;
        Ok(Event {
            organisation: organisation.clone(),
            id: hashed_id("ce", organisation, source, id.as_bytes()),
            name,
            category: self.label("eventcategory")?,
            source_id: self.label("subject")?,
            body,
            content,
        })
    }

    /// Returns an attribute that is not empty, if it is there.
    fn filled(&self, name: &'static str) -> Result<Option<&str>, Fault> {
        match self.get(name) {
            Some("") => Err(Fault::field(name, "must not be empty")),
            value => Ok(value),
        }
    }

    fn required(&self, name: &'static str) -> Result<&str, Fault> {
        self.filled(name)?
            .ok_or_else(|| Fault::field(name, "is required"))
    }

    fn identity(&self, name: &'static str) -> Result<&str, Fault> {
        let value = self.required(name)?;
        if value.len() > IDENTITY_MAX_BYTES {
            let problem = format!("must be at most {IDENTITY_MAX_BYTES} bytes");
            return Err(Fault::field(name, problem));
        }
        Ok(value)
    }

    fn label(&self, name: &'static str) -> Result<Option<String>, Fault> {
        let Some(value) = self.filled(name)? else {
            return Ok(None);
        };
        check_label(name, value)?;
        Ok(Some(value.to_owned()))
    }

    fn check_time(&self) -> Result<(), Fault> {
        match self.get("time").map(Timestamp::parse) {
            Some(Err(error)) => Err(Fault::field("time", error.to_string())),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Refuses a media type that could not stand in a header.
    fn check_media_type(&self) -> Result<(), Fault> {
        let name = "datacontenttype";
        let Some(value) = self.filled(name)? else {
            return Ok(());
        };
        check_label(name, value)?;
        let is_ascii = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if is_ascii && value.contains('/') {
            Ok(())
        } else {
            Err(Fault::field(
                name,
                "must be a media type such as application/json",
            ))
        }
    }
}

/// Returns a name as it may be repeated to whoever sent it.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(SHOWN_CHARS).collect()
}

fn is_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len())
        && (text.bytes()).all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}
