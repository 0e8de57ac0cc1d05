//! When requests came and how many were under way, in slots of a tenth of a second.

use std::time::Duration;

/// How long a slot is: the grain of every answer.
pub(crate) const SLOT: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    arrived: u64,
    /// The most that were under way at once.
    most: u32,
}

/// The requests of one endpoint. Times count from one origin, and only go forward.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    slots: Vec<Slot>,
    under_way: u32,
    requests: u64,
}

/// A part of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

impl Timeline {
    pub(crate) fn arrived(&mut self, at: Duration) {
        // First the slots up to now, in which it was not under way yet.
        self.slot(at);
        self.under_way += 1;
        self.requests += 1;
        let under_way = self.under_way;
        let slot = self.slot(at);
        slot.arrived += 1;
        slot.most = slot.most.max(under_way);
    }

    pub(crate) fn left(&mut self, at: Duration) {
        // First the slots up to now, in which it was still under way.
        self.slot(at);
        self.under_way = self.under_way.saturating_sub(1);
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    pub(crate) fn under_way(&self) -> u32 {
        self.under_way
    }

    /// Returns the most requests under way at once.
    pub(crate) fn most_at_once(&self, span: Span) -> u32 {
        let slots = self.slots(span).map(|slot| slot.most);
        slots.max().unwrap_or_default()
    }

    /// Returns how long more than `limit` requests were under way.
    pub(crate) fn time_above(&self, limit: u32, span: Span) -> Duration {
        let above = self.slots(span).filter(|slot| slot.most > limit);
        whole(above.count())
    }

    /// Returns the most requests that came within a time as long as `window`.
    pub(crate) fn busiest(&self, window: Duration, span: Span) -> u64 {
        self.windows(window, span).into_iter().max().unwrap_or(0)
    }

    /// Returns for how long it was true that more than `limit` requests had come within the latest `window`.
    pub(crate) fn time_over_rate(&self, limit: f64, window: Duration, span: Span) -> Duration {
        let windows = self.windows(window, span);
        let over = windows
            .into_iter()
            .filter(|count| super::ratio(*count, 1.0) > limit);
        whole(over.count())
    }

    /// Returns how many requests came in each second from `from` on.
    pub(crate) fn per_second(&self, from: Duration, seconds: u64) -> Vec<u64> {
        (0..seconds)
            .map(|second| {
                let from = from + Duration::from_secs(second);
                let to = from + Duration::from_secs(1);
                self.slots(Span { from, to }).map(|slot| slot.arrived).sum()
            })
            .collect()
    }

    /// Returns when the first request came from `from` on.
    pub(crate) fn first_since(&self, from: Duration) -> Option<Duration> {
        let first = index(from);
        let slots = self.slots.iter().enumerate().skip(first);
        let mut arrived = slots.filter(|(_, slot)| slot.arrived > 0);
        arrived.next().map(|(at, _)| whole(at))
    }

    /// Returns when the last request came.
    pub(crate) fn last(&self) -> Option<Duration> {
        let last = self.slots.iter().rposition(|slot| slot.arrived > 0);
        last.map(whole)
    }

    fn windows(&self, window: Duration, span: Span) -> Vec<u64> {
        let arrived: Vec<u64> = self.slots(span).map(|slot| slot.arrived).collect();
        arrived
            .windows(index(window).max(1))
            .map(|slots| slots.iter().sum())
            .collect()
    }

    /// Returns the slots of a span; after the last request nothing has come and as many are under way.
    fn slots(&self, Span { from, to }: Span) -> impl Iterator<Item = Slot> {
        let quiet = Slot {
            arrived: 0,
            most: self.under_way,
        };
        (index(from)..index(to)).map(move |at| self.slots.get(at).copied().unwrap_or(quiet))
    }

    fn slot(&mut self, at: Duration) -> &mut Slot {
        let at = index(at);
        // What is under way was so all the time since the last change.
        let carried = Slot {
            arrived: 0,
            most: self.under_way,
        };
        if at >= self.slots.len() {
            self.slots.resize(at + 1, carried);
        }
        &mut self.slots[at]
    }
}

fn index(at: Duration) -> usize {
    usize::try_from(at.as_millis() / SLOT.as_millis()).unwrap_or(usize::MAX)
}

fn whole(slots: usize) -> Duration {
    SLOT * u32::try_from(slots).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_window_is_found_wherever_it_begins() {
        let mut timeline = Timeline::default();
        for at in [100, 2_900, 2_950, 3_000, 3_500, 7_000] {
            timeline.arrived(ms(at));
            timeline.left(ms(at));
        }

        let second = Duration::from_secs(1);
        assert_eq!(timeline.busiest(second, span(0, 8_000)), 4);
        assert_eq!(timeline.busiest(second, span(3_000, 8_000)), 2);
        assert_eq!(timeline.per_second(ms(2_000), 3), [2, 2, 0]);
        assert_eq!(timeline.first_since(ms(200)), Some(ms(2_900)));
        assert_eq!(timeline.last(), Some(ms(7_000)));
        // All four lie in the windows that begin between 2.6 and 2.9 s.
        assert_eq!(
            timeline.time_over_rate(3.5, second, span(0, 8_000)),
            ms(400)
        );
    }

    #[test]
    fn what_is_under_way_counts_until_it_leaves() {
        let mut timeline = Timeline::default();
        timeline.arrived(ms(0));
        timeline.arrived(ms(250));
        timeline.left(ms(1_050));

        assert_eq!(timeline.most_at_once(span(0, 200)), 1);
        assert_eq!(timeline.most_at_once(span(0, 2_000)), 2);
        assert_eq!(timeline.time_above(1, span(0, 5_000)), ms(900));
        assert_eq!(timeline.most_at_once(span(3_000, 4_000)), 1);
        assert_eq!((timeline.requests(), timeline.under_way()), (2, 1));
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn span(from: u64, to: u64) -> Span {
        Span {
            from: ms(from),
            to: ms(to),
        }
    }
}
