//! A secret, in every form that would give it away.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memchr::memmem;

/// Shorter parts would be found by chance.
const MIN_BYTES: usize = 8;

/// What must not be seen.
#[derive(Debug)]
pub(super) struct Needle {
    name: String,
    forms: Vec<Vec<u8>>,
    /// Whether it stands in the URL of an endpoint, which its owner may see.
    is_in_a_url: bool,
}

/// Where somebody could look.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// Whether whole URLs of endpoints belong there.
    pub(super) shows_urls: bool,
}

impl Needle {
    /// Makes it of a text such as `whsec_…`, `Bearer …`, a key in base64 or a password.
    pub(super) fn new(name: impl Into<String>, text: &str) -> Self {
        let mut forms = vec![text.as_bytes().to_vec()];
        let inner = text
            .split_once([' ', '_'])
            .map_or(text, |(_scheme, inner)| inner);
        forms.push(inner.as_bytes().to_vec());
        if let Ok(decoded) = STANDARD.decode(inner) {
            // A password behind a user's name is secret without the name too.
            if let Some(colon) = memchr::memchr(b':', &decoded) {
                forms.push(decoded[colon + 1..].to_vec());
            }
            forms.push(decoded);
        }
        let encoded = STANDARD.encode(text);
        forms.push(encoded.as_bytes()[..text.len() / 3 * 4].to_vec());
        if text.starts_with("-----BEGIN ") {
            forms.extend(text.lines().filter(|line| line.len() > 30).map(Into::into));
        }
        forms.retain(|form| form.len() >= MIN_BYTES);
        Self {
            name: name.into(),
            forms,
            is_in_a_url: false,
        }
    }

    /// Makes it of a value in the query of an endpoint's URL.
    pub(super) fn in_a_url(name: impl Into<String>, text: &str) -> Self {
        Self {
            is_in_a_url: true,
            ..Self::new(name, text)
        }
    }

    /// Tells where it is, with what stands around it.
    pub(super) fn found_in(&self, place: &Place) -> Option<String> {
        if self.is_in_a_url && place.shows_urls {
            return None;
        }
        let at = self
            .forms
            .iter()
            .find_map(|form| memmem::find(&place.bytes, form))?;
        let around = &place.bytes[at.saturating_sub(120)..(at + 120).min(place.bytes.len())];
        let around = String::from_utf8_lossy(around);
        Some(format!("{} is in {}: …{around}…", self.name, place.name))
    }
}

impl Place {
    pub(super) fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
            shows_urls: false,
        }
    }

    /// A place where endpoints stand as their owners see them.
    pub(super) fn with_urls(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            shows_urls: true,
            ..Self::new(name, bytes)
        }
    }
}

#[test]
fn a_secret_is_found_in_each_of_its_forms() {
    let needle = Needle::new("secret", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    let decoded = STANDARD.decode("C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
    let basic = Needle::new("password", "Basic dXNlcjpodW50ZXIyLWh1bnRlcjI=");

    for seen in [
        b"a C2FVsBQIhrscChlQIMV+b5sSYspob7oD z".to_vec(),
        [b"a".to_vec(), decoded].concat(),
        STANDARD
            .encode("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
            .into_bytes(),
    ] {
        assert!(needle.found_in(&Place::new("here", seen)).is_some());
    }
    assert!(
        basic
            .found_in(&Place::new("here", "is hunter2-hunter2 wrong?"))
            .is_some()
    );
    assert_eq!(needle.found_in(&Place::new("here", "whsec_***")), None);
    let of_url = Needle::in_a_url("token", "the-token-of-a-url");
    let url = "https://a.example/?token=the-token-of-a-url";
    assert_eq!(of_url.found_in(&Place::with_urls("config", url)), None);
    assert!(of_url.found_in(&Place::new("log", url)).is_some());
}
