//! Randomness, all of it from the cryptographic generator.

use crate::clock;

/// Returns `N` random bytes, fit for keys and tokens.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "without the system's randomness nothing safe can be made, and no caller can go on"
)]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the generator of the system works");
    bytes
}

/// Returns a number from 0 up to, but not including, 1; in steps of 2⁻³².
#[must_use]
pub fn unit() -> f64 {
    f64::from(u32::from_ne_bytes(bytes())) / (f64::from(u32::MAX) + 1.0)
}

/// Returns a new UUID of version 7 as 32 hexadecimal digits; later ones sort behind those of
/// earlier milliseconds.
#[must_use]
pub fn uuid_v7() -> String {
    let now_ms = u64::try_from(clock::now_ms()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(now_ms, &bytes())
        .into_uuid()
        .simple()
        .to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{bytes, unit, uuid_v7};
    use crate::clock;

    #[test]
    fn ids_differ_and_carry_the_time() {
        let before_ms = u64::try_from(clock::now_ms()).unwrap();
        let ids: BTreeSet<String> = (0..1_000).map(|_| uuid_v7()).collect();

        assert_eq!(ids.len(), 1_000);
        for id in ids {
            assert_eq!(id.len(), 32);
            assert_eq!(id.as_bytes()[12], b'7', "version");
            let millis = u64::from_str_radix(&id[..12], 16).unwrap();
            assert!(millis >= before_ms);
        }
    }

    #[test]
    fn the_unit_interval_is_left_neither_below_nor_above() {
        let drawn: Vec<f64> = (0..1_000).map(|_| unit()).collect();

        assert!(drawn.iter().all(|number| (0.0..1.0).contains(number)));
        assert!(drawn.iter().any(|number| *number < 0.5));
        assert!(drawn.iter().any(|number| *number >= 0.5));
    }

    #[test]
    fn bytes_are_not_the_same_twice() {
        assert_ne!(bytes::<32>(), bytes::<32>());
    }
}
