//! What may be kept and shown: which headers are secrets, masks, scrubbing, excerpts.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memchr::memmem::Finder;
use url::form_urlencoded;

use crate::attempt::BodyEncoding;

/// What stands in the place of a secret.
pub const MASK: &str = "***";
/// The authentication scheme that sends a name and a password.
const BASIC: &str = "basic ";
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

/// Returns the values in a URL's query whose names say that they are secrets, as they stand there and as they
/// are meant.
#[must_use]
pub fn secrets_in_url(url: &str) -> Vec<String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let as_written = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| is_sensitive(name))
        .map(|(_, value)| value.to_owned());
    let as_meant = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| is_sensitive(name))
        .map(|(_, value)| value.into_owned());
    let mut values: Vec<String> = as_written.chain(as_meant).collect();
    values.sort();
    values.dedup();
    values
}

/// Replaces an endpoint's secrets wherever a receiver echoes them: as they are, and within base64,
/// whatever stands before them there.
#[derive(Clone, Default)]
pub struct Scrubber(Vec<Finder<'static>>);

impl Scrubber {
    /// Makes a scrubber of the secrets of at least 8 bytes.
    #[must_use]
    pub fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let mut needles: Vec<String> = Vec::new();
        for part in secrets.flat_map(parts) {
            if part.len() >= SCRUBBED_MIN_BYTES {
                add_forms(&part, &mut needles);
            }
        }
        // The longest first, so that no part of a longer one stays.
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        needles.dedup();
        Self(
            needles
                .iter()
                .map(|needle| Finder::new(needle).into_owned())
                .collect(),
        )
    }

    /// Returns a scrubber that replaces one more secret, if that has at least 8 bytes.
    #[must_use]
    pub fn and(&self, secret: &str) -> Self {
        let mut needles = Vec::new();
        if secret.len() >= SCRUBBED_MIN_BYTES {
            add_forms(secret, &mut needles);
        }
        let more = needles
            .iter()
            .map(|needle| Finder::new(needle).into_owned());
        let mut finders: Vec<_> = self.0.iter().cloned().chain(more).collect();
        finders.sort_by_key(|finder| std::cmp::Reverse(finder.needle().len()));
        Self(finders)
    }

    /// Returns the text without the secrets.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.scrub_bytes(text.as_bytes(), false)).into_owned()
    }

    /// Returns bytes without the secrets. Where they were cut, as much of the end goes too as might
    /// be the beginning of a secret.
    #[must_use]
    pub fn scrub_bytes(&self, bytes: &[u8], is_cut: bool) -> Vec<u8> {
        let longest = self.0.first().map_or(0, |needle| needle.needle().len());
        let kept = if is_cut {
            bytes.len().saturating_sub(longest.saturating_sub(1))
        } else {
            bytes.len()
        };
        // What begins before the cut is looked for across it.
        let mut clean = bytes.to_vec();
        let mut end = kept;
        for needle in &self.0 {
            if needle.find(&clean).is_some() {
                (clean, end) = replaced(&clean, end, needle);
            }
        }
        clean.truncate(end);
        clean
    }
}

/// Replaces a needle; returns where `end` lies then, behind a needle that it stood in.
fn replaced(bytes: &[u8], end: usize, needle: &Finder<'_>) -> (Vec<u8>, usize) {
    let (mut clean, mut from, mut new_end) = (Vec::with_capacity(bytes.len()), 0, None);
    for at in needle.find_iter(bytes) {
        let before = bytes.get(from..at).unwrap_or_default();
        if new_end.is_none() && end <= at {
            new_end = Some(clean.len() + end.saturating_sub(from));
        }
        clean.extend_from_slice(before);
        clean.extend_from_slice(MASK.as_bytes());
        from = at + needle.needle().len();
        if new_end.is_none() && end < from {
            new_end = Some(clean.len());
        }
    }
    let new_end = new_end.unwrap_or(clean.len() + end.saturating_sub(from));
    clean.extend_from_slice(bytes.get(from..).unwrap_or_default());
    (clean, new_end)
}

/// Returns a secret and the parts of it that alone would do.
fn parts(secret: &str) -> Vec<Cow<'_, str>> {
    let mut parts = vec![Cow::Borrowed(secret)];
    // `Bearer x` and `Basic x` hide `x`; `whsec_x` hides `x` too.
    if let Some((_, inner)) = secret.split_once([' ', '_']) {
        parts.push(Cow::Borrowed(inner));
    }
    // What the receiver makes of `Basic x`: a name with a password, and the password.
    let basic = secret
        .get(..BASIC.len())
        .filter(|scheme| scheme.eq_ignore_ascii_case(BASIC));
    if let Some((_, encoded)) = basic.and_then(|_scheme| secret.split_once(' '))
        && let Some(pair) = STANDARD.decode(encoded.trim()).ok()
        && let Ok(pair) = String::from_utf8(pair)
    {
        let password = pair
            .split_once(':')
            .map(|(_, password)| password.to_owned());
        parts.extend(password.map(Cow::Owned));
        parts.push(Cow::Owned(pair));
    }
    // Cookies, and whatever else is written like them.
    for pair in secret.split(';') {
        parts.extend(
            pair.split_once('=')
                .map(|(_, value)| Cow::Borrowed(value.trim())),
        );
    }
    parts
}

/// Adds a secret as it is, and as it reads within base64 at each of the three places where it can
/// begin, in both alphabets.
fn add_forms(secret: &str, needles: &mut Vec<String>) {
    needles.push(secret.to_owned());
    for (bytes_before, first) in [(0_usize, 0_usize), (1, 2), (2, 3)] {
        let mut padded = vec![0; bytes_before];
        padded.extend_from_slice(secret.as_bytes());
        // Characters that also hold bits of a neighbour's byte are left out.
        let whole = padded.len() * 8 / 6;
        let Some(encoded) = STANDARD
            .encode(&padded)
            .get(first..whole)
            .map(str::to_owned)
        else {
            continue;
        };
        let url_safe = encoded.replace('+', "-").replace('/', "_");
        if url_safe != encoded {
            needles.push(url_safe);
        }
        needles.push(encoded);
    }
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrubber({} forms)", self.0.len())
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
    use base64::{
        Engine as _,
        engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    };

    use super::{Scrubber, excerpt, is_sensitive, mask, mask_url, secrets_in_url};
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
        let scrub = |text: &str| scrubber().scrub(text);

        assert_eq!(scrub("got Bearer your-webhook-secret!"), "got ***!");
        assert_eq!(scrub("your-webhook-secret"), "***");
        assert_eq!(scrub("MfKQ9r8GKYqrTwjUPD8I"), "***");
        assert_eq!(scrub("short stays"), "short stays");
    }

    #[test]
    fn what_a_receiver_makes_of_a_secret_is_scrubbed_too() {
        let secrets = [
            "Basic YWdlbnQ6cGE1NXdvcmQtNDcxMQ==",
            "session=cookie-4711; theme=dark; id = cookie-0815",
        ];
        let scrub = |text: &str| Scrubber::new(secrets.into_iter()).scrub(text);

        assert_eq!(scrub("user agent:pa55word-4711"), "user ***");
        assert_eq!(scrub("wrong: pa55word-4711"), "wrong: ***");
        assert_eq!(scrub("cookie-4711, dark, cookie-0815"), "***, dark, ***");
    }

    #[test]
    fn secrets_in_a_query_are_told_from_the_rest() {
        let url = "https://a.example/?token=a%20b&env=production&api_key=c&flag&secret=";

        assert_eq!(secrets_in_url(url), ["", "a b", "a%20b", "c"]);
        assert_eq!(secrets_in_url("https://a.example/token=x"), [""; 0]);
    }

    #[test]
    fn one_more_secret_is_scrubbed_beside_the_others() {
        let more = scrubber().and("your-webhook-secret-and-more").and("short");

        assert_eq!(more.scrub("a your-webhook-secret-and-more"), "a ***");
        assert_eq!(more.scrub("a your-webhook-secret-short"), "a ***-short");
        assert_eq!(
            scrubber().scrub("your-webhook-secret-and-more"),
            "***-and-more"
        );
    }

    #[test]
    fn a_secret_within_base64_is_scrubbed_wherever_it_begins() {
        for before in ["", "u", "us", "user:"] {
            for engine in [STANDARD, URL_SAFE_NO_PAD] {
                let echoed = engine.encode(format!("{before}your-webhook-secret, and more"));

                let clean = scrubber().scrub(&echoed);

                assert!(clean.contains("***"), "{before}: {echoed} {clean}");
                assert!(
                    !clean.contains(&STANDARD.encode("your-webhook-secret")[4..20]),
                    "{clean}"
                );
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_scrubbed_too() {
        let clean = scrubber().scrub_bytes(b"\0\xffyour-webhook-secret\xfe", false);

        assert_eq!(clean, b"\0\xff***\xfe");
    }

    #[test]
    fn a_secret_at_a_cut_leaves_no_part_of_itself() {
        let secret = "Bearer your-webhook-secret";
        let text = format!("{}{secret}", "x".repeat(100));
        for cut in 100..text.len() {
            let clean = scrubber().scrub_bytes(&text.as_bytes()[..cut], true);

            assert!(
                clean.iter().all(|byte| *byte == b'x'),
                "{}",
                String::from_utf8_lossy(&clean)
            );
        }
    }

    fn scrubber() -> Scrubber {
        Scrubber::new(
            [
                "Bearer your-webhook-secret",
                "whsec_MfKQ9r8GKYqrTwjUPD8I",
                "short",
            ]
            .into_iter(),
        )
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
