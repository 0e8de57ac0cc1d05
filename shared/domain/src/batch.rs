//! When a batch is full: by count, by bytes, by age. Pure, so that its shells only wait and send.

use std::time::Duration;

/// The limits of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most items.
    pub items: usize,
    /// The most bytes, unless a single item is larger.
    pub bytes: usize,
    /// How long the first item may wait for company.
    pub age: Duration,
}

/// How full a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fill {
    items: usize,
    bytes: usize,
}

impl Fill {
    /// Returns whether an item of that size still fits. Everything fits into an empty batch.
    #[must_use]
    pub fn fits(self, bytes: usize, limits: &Limits) -> bool {
        self.items == 0
            || (self.items < limits.items && self.bytes.saturating_add(bytes) <= limits.bytes)
    }

    /// Counts an item in.
    #[must_use]
    pub fn with(self, bytes: usize) -> Self {
        Self {
            items: self.items + 1,
            bytes: self.bytes.saturating_add(bytes),
        }
    }

    /// Returns whether nothing more can fit.
    #[must_use]
    pub fn is_full(self, limits: &Limits) -> bool {
        self.items >= limits.items || self.bytes >= limits.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Fill, Limits};

    const LIMITS: Limits = Limits {
        items: 3,
        bytes: 100,
        age: Duration::from_millis(5),
    };

    #[test]
    fn an_oversized_item_has_a_batch_of_its_own() {
        let fill = Fill::default();

        assert!(fill.fits(1_000, &LIMITS));
        assert!(!fill.with(1_000).fits(1, &LIMITS));
        assert!(fill.with(1_000).is_full(&LIMITS));
    }

    proptest! {
        #[test]
        fn batches_keep_their_limits(sizes in proptest::collection::vec(0_usize..150, 0..50)) {
            let mut fill = Fill::default();
            let (mut items, mut bytes) = (0, 0);
            for size in sizes {
                if !fill.fits(size, &LIMITS) {
                    (fill, items, bytes) = (Fill::default(), 0, 0);
                }
                fill = fill.with(size);
                items += 1;
                bytes += size;
                prop_assert!(items <= LIMITS.items);
                prop_assert!(items == 1 || bytes <= LIMITS.bytes);
            }
        }
    }
}
