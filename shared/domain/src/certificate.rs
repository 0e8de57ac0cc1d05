//! X.509 certificates as far as a config shows them: taken out of PEM, and until when they hold.
//!
//! Nothing here trusts a certificate; that is for the handshake.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use time::{Date, Month, PrimitiveDateTime, Time};

use crate::time::Timestamp;

/// The most bytes of a text in PEM.
pub const PEM_MAX_BYTES: usize = 32 * 1024;
/// The most certificates in a chain, or in a list of roots.
pub const CERTIFICATES_MAX: usize = 10;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
const LABEL: &str = "CERTIFICATE";
const LINE_BYTES: usize = 64;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Certificates, the first one's owner being the one that a chain is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    ders: Vec<Vec<u8>>,
    expires_at: Timestamp,
}

/// Why a text holds no certificates; never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The text is too long.
    #[error("must be at most {PEM_MAX_BYTES} bytes")]
    TooLong,
    /// There is no certificate.
    #[error("must hold a certificate in PEM")]
    None,
    /// There are too many.
    #[error("must hold at most {CERTIFICATES_MAX} certificates")]
    TooMany,
    /// There is something else, such as a private key.
    #[error("must hold nothing but certificates")]
    Other,
    /// What a certificate stands for can't be read.
    #[error("must hold certificates that can be read")]
    Damaged,
}

impl Certificates {
    /// Reads certificates in PEM. Text around them, such as tools write, is dropped.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn parse(pem: &str) -> Result<Self, Invalid> {
        if pem.len() > PEM_MAX_BYTES {
            return Err(Invalid::TooLong);
        }
        let ders = blocks(pem)?;
        if ders.len() > CERTIFICATES_MAX {
            return Err(Invalid::TooMany);
        }
        let mut expiries = Vec::with_capacity(ders.len());
        for der in &ders {
            expiries.push(expires_at(der).ok_or(Invalid::Damaged)?);
        }
        let expires_at = *expiries.first().ok_or(Invalid::None)?;
        Ok(Self { ders, expires_at })
    }

    /// Returns the certificates as DER, in their order.
    #[must_use]
    pub fn ders(&self) -> &[Vec<u8>] {
        &self.ders
    }

    /// Returns until when the first one holds.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Returns the certificates in PEM, with nothing around them.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let mut pem = String::new();
        for der in &self.ders {
            pem.push_str("-----BEGIN CERTIFICATE-----\n");
            let mut encoded = STANDARD.encode(der);
            while encoded.len() > LINE_BYTES {
                let rest = encoded.split_off(LINE_BYTES);
                pem.push_str(&encoded);
                pem.push('\n');
                encoded = rest;
            }
            pem.push_str(&encoded);
            pem.push_str("\n-----END CERTIFICATE-----\n");
        }
        pem
    }
}

/// Returns what the blocks of a text stand for, all of which must be certificates.
fn blocks(pem: &str) -> Result<Vec<Vec<u8>>, Invalid> {
    let mut ders = Vec::new();
    let mut encoded: Option<String> = None;
    for line in pem.lines().map(str::trim) {
        if let Some(label) = marker(line, BEGIN) {
            if label != LABEL {
                return Err(Invalid::Other);
            }
            if encoded.replace(String::new()).is_some() {
                return Err(Invalid::Damaged);
            }
        } else if marker(line, END).is_some() {
            let whole = encoded.take().ok_or(Invalid::Damaged)?;
            let der = STANDARD.decode(whole).map_err(|_error| Invalid::Damaged)?;
            ders.push(der);
        } else if let Some(encoded) = &mut encoded {
            encoded.push_str(line);
        }
    }
    match encoded {
        Some(_) => Err(Invalid::Damaged),
        None => Ok(ders),
    }
}

/// Returns the label of a line that begins or ends a block.
fn marker<'a>(line: &'a str, kind: &str) -> Option<&'a str> {
    line.strip_prefix(kind)?.strip_suffix(DASHES)
}

/// Returns until when a certificate holds: `tbsCertificate.validity.notAfter` of RFC 5280.
fn expires_at(der: &[u8]) -> Option<Timestamp> {
    let (certificate, []) = expect(der, SEQUENCE)? else {
        return None;
    };
    let (mut rest, _) = expect(certificate, SEQUENCE)?;
    if let Some((_version, behind)) = expect(rest, VERSION) {
        rest = behind;
    }
    let (_serial, rest) = expect(rest, INTEGER)?;
    let (_algorithm, rest) = expect(rest, SEQUENCE)?;
    let (_issuer, rest) = expect(rest, SEQUENCE)?;
    let (validity, _) = expect(rest, SEQUENCE)?;
    let (_, _not_before, rest) = element(validity)?;
    let (tag, not_after, []) = element(rest)? else {
        return None;
    };
    time_of(tag, not_after)
}

/// Returns the content of an element that must have that tag, and what follows it.
fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(der)?;
    (found == tag).then_some((content, rest))
}

/// Splits DER into the tag and content of its first element, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// Reads `YYMMDDHHMMSSZ` (1950 to 2049) or `YYYYMMDDHHMMSSZ`.
fn time_of(tag: u8, content: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (tag, text.len()) {
        (UTC_TIME, 12) => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i32 = year.parse().ok()?;
            (year + if year < 50 { 2_000 } else { 1_900 }, rest)
        }
        (GENERALIZED_TIME, 14) => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |from: usize| rest.get(from..from + 2)?.parse::<u8>().ok();
    let month = Month::try_from(part(0)?).ok()?;
    let date = Date::from_calendar_date(year, month, part(2)?).ok()?;
    let time = Time::from_hms(part(4)?, part(6)?, part(8)?).ok()?;
    let seconds = PrimitiveDateTime::new(date, time)
        .assume_utc()
        .unix_timestamp();
    seconds.checked_mul(1_000).map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests;
