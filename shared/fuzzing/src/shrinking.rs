//! Making an input that fails as small as it gets.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Returns what is left of an input when every piece is taken out without which it fails all the same.
pub(crate) fn least(input: &[u8], fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut least = input.to_vec();
    let mut piece = least.len();
    while piece > 0 {
        let mut at = 0;
        while at < least.len() {
            let end = least.len().min(at + piece);
            let (before, behind) = (least.get(..at), least.get(end..));
            let without = [before.unwrap_or_default(), behind.unwrap_or_default()].concat();
            if fails(&without) {
                least = without;
            } else {
                at = end;
            }
        }
        piece /= 2;
    }
    least
}

/// Returns a name for an input, the same in each run.
pub(crate) fn fingerprint(input: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::least;

    #[test]
    fn what_is_left_fails_and_nothing_can_be_taken_from_it() {
        let fails = |input: &[u8]| input.contains(&b'a') && input.ends_with(b"z");

        assert_eq!(least(b"some bytes with an a, up to z", fails), b"az");
        assert_eq!(least(b"any", |_| true), b"");
    }
}
