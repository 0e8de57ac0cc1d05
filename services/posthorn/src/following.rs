//! Follows the log as it grows.
//!
//! A record stands in the log by the time at which its attempt began, and comes there once it has
//! ended; so one may come in front of others that were read already. What is new is therefore read
//! from the newest record on, a little overlapping, and the log is read a second time where it is
//! *settled*: whatever came too late for the first reading is found there. Each record is shown once.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use domain::time::Timestamp;

use crate::{
    api::Api,
    failure::Failure,
    record::{self, Filter, PAGE, Shown},
};

/// How long an attempt that began before the newest one may take to be found at once.
const OVERLAP: Duration = Duration::from_secs(15);
/// Where more records than this lie in the overlap, nothing overlaps.
const OVERLAP_RECORDS: usize = 200;
/// How often the settled log is read.
const SETTLED_EVERY: Duration = Duration::from_secs(5);
/// The most records that are remembered; above it the settled log has to catch up first.
const REMEMBERED_MAX: usize = 50_000;
/// The most pages that one look reads before they are shown.
const PAGES_MAX: usize = 20;

/// Where a record stands.
type Place = (Timestamp, String);

/// Reads what is new in the log.
#[derive(Debug)]
pub(crate) struct Follower {
    filter: Filter,
    /// What was shown and is not settled yet.
    shown: BTreeSet<Place>,
    /// What was read and not handed out yet.
    new: Vec<Shown>,
    /// Before this nothing is shown.
    from: Option<Timestamp>,
    settled: Settled,
    /// How often the settled log is read.
    settled_every: Duration,
}

/// How far the settled log was read.
#[derive(Debug, Default)]
struct Settled {
    cursor: Option<String>,
    read_at: Option<Instant>,
}

impl Follower {
    /// Follows the log from the end on; returns the newest records too, at most so many, the oldest first.
    ///
    /// # Errors
    /// As [`Api::read`].
    pub(crate) async fn start(
        api: &Api,
        filter: Filter,
        before: u32,
    ) -> Result<(Self, Vec<Shown>), Failure> {
        // The newest one tells where the end is, by the clock of whoever wrote it.
        let mut newest = record::newest(api, &filter, before.max(1)).await?;
        let mut follower = Self {
            from: newest
                .first()
                .map(|first| first.record.created_at)
                .or(filter.since),
            filter,
            shown: BTreeSet::new(),
            new: Vec::new(),
            settled: Settled::default(),
            settled_every: SETTLED_EVERY,
        };
        for shown in &newest {
            follower.shown.insert(place(shown));
        }
        if before == 0 {
            newest.clear();
        }
        Ok((follower, newest))
    }

    /// Returns the records that are new since the last look, in their order as far as that is known.
    ///
    /// # Errors
    /// As [`Api::read`]; the next look goes on where this one failed.
    pub(crate) async fn look(&mut self, api: &Api) -> Result<Vec<Shown>, Failure> {
        if self.shown.len() < REMEMBERED_MAX {
            self.read_newest(api).await?;
        }
        if self
            .settled
            .read_at
            .is_none_or(|at| at.elapsed() >= self.settled_every)
        {
            self.read_settled(api).await?;
            self.settled.read_at = Some(Instant::now());
        }
        Ok(std::mem::take(&mut self.new))
    }

    async fn read_newest(&mut self, api: &Api) -> Result<(), Failure> {
        let since = self.overlapping();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let call = self
                .filter
                .call("createdAt", PAGE)
                .with_some("since", since)
                .with_some("cursor", cursor);
            let (records, next) = record::page(api, &call).await?;
            for shown in records {
                if self.shown.insert(place(&shown)) {
                    self.new.push(shown);
                }
            }
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Returns from when on the log is read again.
    fn overlapping(&self) -> Option<Timestamp> {
        let (newest, _) = self.shown.last()?;
        let overlap = i64::try_from(OVERLAP.as_millis()).unwrap_or(i64::MAX);
        let from = Timestamp::from_millis(newest.millis().saturating_sub(overlap));
        let lies_in = self.shown.range((from, String::new())..).count();
        let from = if lies_in > OVERLAP_RECORDS {
            *newest
        } else {
            from
        };
        Some(self.from.map_or(from, |first| first.max(from)))
    }

    async fn read_settled(&mut self, api: &Api) -> Result<(), Failure> {
        for _ in 0..PAGES_MAX {
            let call = self
                .filter
                .call("createdAt", PAGE)
                .with("settled", true)
                .with_some("since", self.from)
                .with_some("cursor", self.settled.cursor.as_ref());
            let (records, next) = record::page(api, &call).await?;
            let is_full = u32::try_from(records.len()).is_ok_and(|count| count == PAGE);
            if let Some(last) = records.last() {
                // Nothing comes before a settled record any more.
                let settled = place(last);
                for shown in records {
                    if !self.shown.contains(&place(&shown)) {
                        self.new.push(shown);
                    }
                }
                // Whoever looks again from there on must not meet what is forgotten.
                self.shown.retain(|(at, _)| *at >= settled.0);
                self.from = Some(settled.0);
                self.shown.insert(settled);
            }
            self.settled.cursor = next.or(self.settled.cursor.take());
            if !is_full {
                break;
            }
        }
        Ok(())
    }
}

fn place(shown: &Shown) -> Place {
    (shown.record.created_at, shown.record.id.clone())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc, time::Duration};

    use axum::{Json, Router, extract::Query, routing::get};
    use domain::time::Timestamp;
    use serde_json::{Value, json};
    use tokio::{net::TcpListener, sync::Mutex, task::JoinSet};

    use super::Follower;
    use crate::{api::Api, record::Filter};

    /// A log as the API serves it: records by their times, up to which one it is settled.
    #[derive(Debug, Default)]
    struct Log {
        records: BTreeMap<(i64, String), ()>,
        settled_until: i64,
    }

    impl Log {
        fn page(&self, query: &BTreeMap<String, String>) -> Value {
            let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
            let since = query
                .get("since")
                .map_or(0, |text| Timestamp::parse(text).unwrap().millis());
            let is_settled = query.get("settled").is_some_and(|it| it == "true");
            let until = if is_settled {
                self.settled_until
            } else {
                i64::MAX
            };
            let after = query.get("cursor").map(|cursor| {
                let (at, id) = cursor.split_once('.').unwrap();
                (at.parse::<i64>().unwrap(), id.to_owned())
            });
            let mut found: Vec<&(i64, String)> = (self.records.keys())
                .filter(|(at, _)| *at >= since && *at < until)
                .filter(|place| after.as_ref().is_none_or(|after| *place > after))
                .collect();
            if query["sort"] == "-createdAt" {
                found.reverse();
            }
            let limit = number("limit").unwrap();
            let has_more = found.len() > limit;
            found.truncate(limit);
            let cursor = found.last().filter(|_| has_more || is_settled);
            json!({
                "edges": found.iter().map(|(at, id)| record(*at, id)).collect::<Vec<_>>(),
                "nextCursor": cursor.map(|(at, id)| format!("{at}.{id}")),
            })
        }
    }

    fn record(at: i64, id: &str) -> Value {
        json!({
            "id": id, "webhookConfigId": "ep_1", "jobId": "j", "eventId": "e", "eventSubCategory": "a",
            "url": "http://a/", "httpMethod": "POST", "requestHeaders": {}, "requestBody": null,
            "responseStatus": 200, "responseHeaders": {}, "responseBody": "", "attempt": 1, "trigger": "auto",
            "success": true, "errorMessage": null, "errorKind": null, "durationMs": 1, "nextAttemptAt": null,
            "createdAt": Timestamp::from_millis(at),
        })
    }

    async fn serve(log: &Arc<Mutex<Log>>, tasks: &mut JoinSet<()>) -> Api {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::clone(log);
        let handler = async move |Query(query): Query<BTreeMap<String, String>>| {
            let page = log.lock().await.page(&query);
            Json(page)
        };
        let router = Router::new().route("/api/v2/admin/webhooks/logs", get(handler));
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Api::for_tests(&base)
    }

    async fn new_ids(follower: &mut Follower, api: &Api) -> Vec<String> {
        let new = follower.look(api).await.unwrap();
        new.into_iter().map(|shown| shown.record.id).collect()
    }

    #[tokio::test]
    async fn each_record_is_shown_once_also_those_that_come_too_late() {
        let log = Arc::new(Mutex::new(Log::default()));
        let mut tasks = JoinSet::new();
        let api = serve(&log, &mut tasks).await;
        let add = async |at: i64, id: &str| {
            log.lock().await.records.insert((at, id.to_owned()), ());
        };
        add(1_000, "before").await;
        let (mut follower, shown) = Follower::start(&api, Filter::default(), 10).await.unwrap();
        follower.settled_every = Duration::ZERO;

        assert_eq!(shown.len(), 1);
        assert_eq!(new_ids(&mut follower, &api).await, Vec::<String>::new());
        add(2_000, "a").await;
        add(60_000, "b").await;
        assert_eq!(new_ids(&mut follower, &api).await, ["a", "b"]);
        add(50_000, "overlapping").await;
        assert_eq!(new_ids(&mut follower, &api).await, ["overlapping"]);
        add(30_000, "late").await;
        assert_eq!(new_ids(&mut follower, &api).await, Vec::<String>::new());
        log.lock().await.settled_until = 55_000;
        assert_eq!(new_ids(&mut follower, &api).await, ["late"]);
        log.lock().await.settled_until = 100_000;
        add(60_000, "same-time").await;
        assert_eq!(new_ids(&mut follower, &api).await, ["same-time"]);
        assert_eq!(new_ids(&mut follower, &api).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn more_than_a_page_and_a_crowd_at_one_time_are_shown_once() {
        let log = Arc::new(Mutex::new(Log::default()));
        let mut tasks = JoinSet::new();
        let api = serve(&log, &mut tasks).await;
        let (mut follower, _none) = Follower::start(&api, Filter::default(), 0).await.unwrap();
        follower.settled_every = Duration::ZERO;
        let mut shown = Vec::new();

        for round in 0..6_i64 {
            for n in 0..130_i64 {
                let at = 10_000 + round * 1_000 + n / 50;
                let mut log = log.lock().await;
                log.records.insert((at, format!("{round}-{n:03}")), ());
                log.settled_until = 9_000 + round * 1_000;
            }
            shown.extend(new_ids(&mut follower, &api).await);
        }

        let mut unique = shown.clone();
        unique.sort();
        unique.dedup();
        assert_eq!((shown.len(), unique.len()), (780, 780));
    }
}
