//! A JSON Schema, compiled.

use domain::{
    draft,
    event::Fault,
    payload::Payload,
    payload_schema::{
        Effort, Shape,
        wording::{place, problem, shown},
    },
};
use jsonschema::{PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

/// The most bytes of a compiled regular expression, and of the states that it keeps.
const PATTERN_MEMORY: usize = 128 * 1024;

/// A schema of payloads; made once for each revision of its event type.
#[derive(Debug)]
pub struct Schema {
    document: Value,
    shape: Shape,
    validator: Validator,
}

impl Schema {
    /// Compiles a schema. `format` asserts nothing in it, whatever the draft.
    ///
    /// # Errors
    /// [`draft::Fault`] names the place, such as `schema.properties.points.type`.
    pub fn compile(document: &Value) -> Result<Self, draft::Fault> {
        let shape = Shape::of(document)?;
        let patterns = PatternOptions::regex()
            .size_limit(PATTERN_MEMORY)
            .dfa_size_limit(PATTERN_MEMORY);
        let validator = jsonschema::options()
            .offline()
            .should_validate_formats(false)
            .with_pattern_options(patterns)
            .build(document)
            .map_err(|error| not_taken(&error))?;
        Ok(Self {
            document: document.clone(),
            shape,
            validator,
        })
    }

    /// Returns how much work it may be at most to check an event of so many bytes.
    pub(crate) fn most_work(&self, bytes: usize) -> u64 {
        self.shape.most_work(bytes)
    }

    /// Checks a payload.
    ///
    /// # Errors
    /// [`Fault`] names the place, and repeats nothing that was sent.
    pub fn check(&self, payload: &Payload) -> Result<(), Fault> {
        let fault = |place: String, problem: &str| Fault::Field {
            field: place.into(),
            problem: problem.to_owned(),
        };
        let field = || payload.field.to_owned();
        let effort = self.shape.effort(&self.document, &payload.value);
        match effort {
            Effort::TooMuch => return Err(fault(field(), "is too large for its schema")),
            Effort::Plain | Effort::Detailed => {}
        }
        if self.validator.is_valid(&payload.value) {
            return Ok(());
        }
        let plain = || fault(field(), "must fit the schema of its event type");
        match effort {
            Effort::Plain | Effort::TooMuch => Err(plain()),
            Effort::Detailed => Err(match self.validator.validate(&payload.value) {
                Err(error) => self.located(payload, &error),
                Ok(()) => plain(),
            }),
        }
    }

    fn located(&self, payload: &Payload, error: &ValidationError<'_>) -> Fault {
        let pointer = error.instance_path().as_str();
        let mut place = place(payload.field, &payload.value, pointer, &self.shape);
        if let ValidationErrorKind::Required { property } = error.kind() {
            place.push('.');
            place.push_str(&shown(property.as_str().unwrap_or_default(), &self.shape));
        }
        let wanted = self.document.pointer(error.schema_path().as_str());
        Fault::Field {
            field: place.into(),
            problem: problem(error.kind().keyword(), wanted),
        }
    }
}

/// Tells why the library does not take a schema; it is its author who is told, so it may be repeated.
fn not_taken(error: &ValidationError<'_>) -> draft::Fault {
    let place = error.instance_path().as_str().replace('/', ".");
    let is_regex =
        matches!(error.kind(), ValidationErrorKind::Format { format } if format == "regex");
    let problem = if is_regex {
        "must be a regular expression without look-around and back references, and not too large"
            .to_owned()
    } else {
        format!("is not what the draft allows here: {error}")
    };
    draft::Fault {
        field: format!("schema{place}"),
        problem,
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
