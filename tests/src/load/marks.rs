//! Which endpoints each event has been at: a bit for each of both.

const BITS: u32 = u64::BITS;

/// Bits by event number and endpoint.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    words: Vec<u64>,
    words_per_event: usize,
}

impl Marks {
    /// Makes marks for events that go to so many endpoints.
    pub(crate) fn for_each_of(endpoints: u32) -> Self {
        Self {
            words: Vec::new(),
            words_per_event: index(endpoints.div_ceil(BITS)),
        }
    }

    /// Sets a mark; returns whether it was not set before.
    pub(crate) fn set(&mut self, event: u64, endpoint: u32) -> bool {
        let event = usize::try_from(event).expect("event numbers are small");
        let at = event * self.words_per_event + index(endpoint / BITS);
        if at >= self.words.len() {
            self.words.resize(at + 1, 0);
        }
        let word = &mut self.words[at];
        let bit = 1 << (endpoint % BITS);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Returns how many endpoints an event has been at.
    pub(crate) fn count(&self, event: usize) -> u32 {
        let words = self.words.iter().skip(event * self.words_per_event);
        let words = words.take(self.words_per_event);
        words.map(|word| word.count_ones()).sum()
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).expect("a machine of 32 bits or more")
}

#[cfg(test)]
mod tests {
    use super::Marks;

    #[test]
    fn marks_of_many_endpoints_do_not_touch_those_of_the_next_event() {
        let mut marks = Marks::for_each_of(100);

        assert!(marks.set(3, 99));
        assert!(marks.set(4, 0));
        assert!(!marks.set(3, 99));

        let counts = [2, 3, 4, 5].map(|event| marks.count(event));
        assert_eq!(counts, [0, 1, 1, 0]);
    }
}
