//! What may be kept and shown: which headers are secrets, masks, scrubbing, excerpts.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::attempt::BodyEncoding;

/// What stands in the place of a secret.
pub const MASK: &str = "***";
/// Secrets shorter than this are not looked for in answers: they would match by chance.
const SCRUBBED_MIN_BYTES: usize = 8;

/// Returns whether a header's or parameter's name says that its value is a secret.
#[must_use]
pub fn is_sensitive(name: &str) -> bool {
    const WORDS: [&str; 12] = [
        "authorization",
        "cookie",
        "token",
        "secret",
        "password",
        "passwd",
        "api-key",
        "apikey",
        "api_key",
        "credential",
        "signature",
        "session",
    ];
    let name = name.to_ascii_lowercase();
    // `webhook-signature` proves a request and is no secret by itself, but a record needs it not.
    WORDS.iter().any(|word| name.contains(word))
        || name.ends_with("-key")
        || name.ends_with("-auth")
}

/// Masks a value, keeping an authentication scheme in front of it: `Bearer ***`.
#[must_use]
pub fn mask(value: &str) -> String {
    match value.split_once(' ') {
        Some((scheme, _))
            if ["bearer", "basic", "digest", "token"]
                .contains(&scheme.to_ascii_lowercase().as_str()) =>
        {
            format!("{scheme} {MASK}")
        }
        _ => MASK.to_owned(),
    }
}

/// Masks the values in a URL's query, which may hold tokens.
#[must_use]
pub fn mask_url(url: &str) -> String {
    let Some((before, query)) = url.split_once('?') else {
        return url.to_owned();
    };
    let masked: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) if !value.is_empty() => format!("{name}={MASK}"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{before}?{}", masked.join("&"))
}

/// Replaces an endpoint's secrets wherever a receiver echoes them.
#[derive(Clone, Default)]
pub struct Scrubber(Vec<String>);

impl Scrubber {
    /// Makes a scrubber of the secrets of at least 8 bytes and of their base64 forms.
    #[must_use]
    pub fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let mut needles: Vec<String> = Vec::new();
        for secret in secrets.filter(|secret| secret.len() >= SCRUBBED_MIN_BYTES) {
            needles.push(secret.to_owned());
            needles.push(STANDARD.encode(secret).trim_end_matches('=').to_owned());
            // `Bearer x` and `Basic x` hide `x`; `whsec_x` hides `x` too.
            if let Some((_, inner)) = secret.split_once([' ', '_'])
                && inner.len() >= SCRUBBED_MIN_BYTES
            {
                needles.push(inner.to_owned());
            }
        }
        // The longest first, so that no part of a longer one stays.
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        needles.dedup();
        Self(needles)
    }

    /// Returns the text without the secrets.
    #[must_use]
    pub fn scrub(&self, text: String) -> String {
        self.0.iter().fold(text, |text, needle| {
            if text.contains(needle.as_str()) {
                text.replace(needle.as_str(), MASK)
            } else {
                text
            }
        })
    }
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrubber({} secrets)", self.0.len())
    }
}

/// Cuts a body to at most `limit` bytes for a record: text on a character boundary, anything else
/// (and text with NUL, which PostgreSQL cannot hold) as base64.
#[must_use]
pub fn excerpt(body: &[u8], limit: usize) -> (String, BodyEncoding) {
    let cut = body.get(..limit).unwrap_or(body);
    let whole = body.len() <= limit;
    let text = match std::str::from_utf8(cut) {
        Ok(text) => Some(text),
        // An incomplete character at the cut is no reason to call the body binary.
        Err(error) if !whole && error.error_len().is_none() => cut
            .get(..error.valid_up_to())
            .and_then(|valid| std::str::from_utf8(valid).ok()),
        Err(_) => None,
    };
    match text.filter(|text| !text.contains('\0')) {
        Some(text) => (text.to_owned(), BodyEncoding::Text),
        None => {
            let fitting = cut.get(..limit / 4 * 3).unwrap_or(cut);
            (STANDARD.encode(fitting), BodyEncoding::Base64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Scrubber, excerpt, is_sensitive, mask, mask_url};
    use crate::attempt::BodyEncoding;

    #[test]
    fn names_that_look_like_secrets_are_sensitive() {
        for name in [
            "Authorization",
            "cookie",
            "X-API-Key",
            "x-auth-token",
            "X-Shared-Secret",
            "Proxy-Authorization",
        ] {
            assert!(is_sensitive(name), "{name}");
        }
        for name in [
            "X-Webhook-Source",
            "content-type",
            "accept",
            "x-posthorn-event",
        ] {
            assert!(!is_sensitive(name), "{name}");
        }
    }

    #[test]
    fn a_mask_keeps_the_scheme_only() {
        assert_eq!(mask("Bearer your-webhook-secret"), "Bearer ***");
        assert_eq!(mask("abc def"), "***");
        assert_eq!(mask("abc"), "***");
    }

    #[test]
    fn query_values_are_masked() {
        assert_eq!(
            mask_url("https://a.example/x?token=abc&flag&empty="),
            "https://a.example/x?token=***&flag&empty="
        );
        assert_eq!(mask_url("https://a.example/x"), "https://a.example/x");
    }

    #[test]
    fn echoed_secrets_are_scrubbed_in_each_form() {
        let scrubber = Scrubber::new(
            [
                "Bearer your-webhook-secret",
                "whsec_MfKQ9r8GKYqrTwjUPD8I",
                "short",
            ]
            .into_iter(),
        );
        let scrub = |text: &str| scrubber.scrub(text.to_owned());

        assert_eq!(scrub("got Bearer your-webhook-secret!"), "got ***!");
        assert_eq!(scrub("your-webhook-secret"), "***");
        assert_eq!(scrub("MfKQ9r8GKYqrTwjUPD8I"), "***");
        assert_eq!(scrub("d2hzZWNfTWZLUTlyOEdLWXFyVHdqVVBEOEk="), "***=");
        assert_eq!(scrub("short stays"), "short stays");
    }

    #[test]
    fn text_is_cut_on_a_character_boundary() {
        assert_eq!(
            excerpt("aé".as_bytes(), 2),
            ("a".to_owned(), BodyEncoding::Text)
        );
        assert_eq!(
            excerpt("aé".as_bytes(), 3),
            ("aé".to_owned(), BodyEncoding::Text)
        );
        assert_eq!(excerpt(b"", 3), (String::new(), BodyEncoding::Text));
    }

    #[test]
    fn what_is_not_text_is_base64_and_stays_within_the_limit() {
        assert_eq!(
            excerpt(b"\xff\xfe", 100),
            ("//4=".to_owned(), BodyEncoding::Base64)
        );
        assert_eq!(
            excerpt(b"a\0b", 100),
            ("YQBi".to_owned(), BodyEncoding::Base64)
        );
        assert!(excerpt(&[0xff; 30_000], 20_000).0.len() <= 20_000);
    }
}
