//! An endpoint that fails while jobs pile up for it, and then comes back: how it gets them.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{
    finding::{Finding, Settings, arrived, losses, seconds},
    installation::Installation,
    ratio,
    sender::Sender,
    site::{Conduct, Site, Sites},
    timeline::{Span, Timeline},
};

const DEFAULT_JOBS: u64 = 50_000;
/// How long the endpoint takes to answer: long enough to see how many it gets at once.
const ANSWER: Duration = Duration::from_millis(10);
/// How long all jobs may take to be parked.
const TAKE_BOUND: Duration = Duration::from_secs(900);
/// How long nothing may arrive before what is left counts as lost: above the longest parking.
const STANDSTILL: Duration = Duration::from_secs(660);
/// How many seconds are reported one by one.
const SHOWN_SECONDS: u64 = 30;
/// What an endpoint that has just come back may get in its first second, and at once at any time.
const FIRST_SECOND_LIMIT: u64 = 50;
const AT_ONCE_LIMIT: u32 = 256;

/// Measures how an endpoint gets what has piled up.
///
/// # Errors
/// Events are refused, or the jobs are not parked.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Finding> {
    let jobs = settings.jobs.unwrap_or(DEFAULT_JOBS);
    let site = Site::new("recovery", Conduct::FAILING);
    let installation = Installation::start(settings.store).await;
    let sites = Sites::serve(&[Arc::clone(&site)]);
    let bench = &installation.bench;
    bench
        .register(&sites.url(0), &["recovery"], json!({}))
        .await;
    let sender = Sender {
        batch: 100.min(jobs.max(1)),
        ..installation.sender(&site.tally, settings.payload_bytes)?
    };

    sender.exactly(jobs).await?;
    installation.taken(|| site.under_way(), TAKE_BOUND).await?;
    let while_down = site.timeline().requests();
    let back = site.now();
    site.behave(Conduct::slow(ANSWER));
    arrived(&site.tally, STANDSTILL).await;

    let mut finding = finding(&site.timeline(), back, while_down);
    let totals = site.tally.totals();
    finding.lines.push(format!(
        "delivered {} of {}, lost {}, duplicates {}",
        totals.delivered, totals.accepted, totals.lost, totals.duplicates
    ));
    finding.figures["delivered"] = json!(totals.delivered);
    finding.figures["lost"] = json!(totals.lost);
    finding.figures["duplicates"] = json!(totals.duplicates);
    finding.faults.extend(losses("the endpoint", &site.tally));
    Ok(finding)
}

fn finding(timeline: &Timeline, back: Duration, while_down: u64) -> Finding {
    let first = timeline.first_since(back).unwrap_or(back);
    let last = timeline.last().unwrap_or(back);
    let per_second = timeline.per_second(first, SHOWN_SECONDS);
    let since_back = Span {
        from: back,
        to: last + Duration::from_secs(1),
    };
    let most_at_once = timeline.most_at_once(since_back);
    let busiest = timeline.busiest(Duration::from_secs(1), since_back);
    let drain_s = seconds(last.saturating_sub(back));
    let got = timeline.requests() - while_down;
    let mean = ratio(got, seconds(last.saturating_sub(first)));
    Finding {
        name: "recovery",
        lines: vec![
            format!("requests while it was down       {while_down}"),
            format!(
                "first request after it came back {:.1} s",
                seconds(first.saturating_sub(back))
            ),
            format!("requests in each second from then on {per_second:?}"),
            format!("most requests in a second {busiest}, most at once {most_at_once}"),
            format!("drained in {drain_s:.1} s, {mean:.0}/s"),
        ],
        figures: json!({
            "requests_while_down": while_down,
            "first_after_s": seconds(first.saturating_sub(back)),
            "per_second": per_second,
            "busiest_second": busiest,
            "most_at_once": most_at_once,
            "drain_s": drain_s,
        }),
        faults: faults(per_second.first().copied(), most_at_once),
    }
}

fn faults(first_second: Option<u64>, most_at_once: u32) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(count) = first_second.filter(|count| *count > FIRST_SECOND_LIMIT) {
        faults.push(format!(
            "{count} requests in the first second, more than {FIRST_SECOND_LIMIT}"
        ));
    }
    if most_at_once > AT_ONCE_LIMIT {
        faults.push(format!(
            "{most_at_once} requests at once, more than {AT_ONCE_LIMIT}"
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_at_the_beginning_is_a_fault() {
        let mut timeline = Timeline::default();
        for _ in 0..60 {
            timeline.arrived(Duration::from_secs(7));
            timeline.left(Duration::from_secs(7));
        }

        let finding = finding(&timeline, Duration::from_secs(2), 0);

        assert_eq!(finding.figures["first_after_s"], 5.0);
        assert_eq!(finding.faults.len(), 1, "{:?}", finding.faults);
    }

    #[test]
    fn a_ramp_is_none() {
        let mut timeline = Timeline::default();
        for second in 0..5_u64 {
            for _ in 0..10 << second {
                timeline.arrived(Duration::from_secs(7 + second));
                timeline.left(Duration::from_secs(7 + second));
            }
        }

        let finding = finding(&timeline, Duration::from_secs(2), 0);

        assert_eq!(finding.figures["per_second"][4], 160);
        assert!(finding.faults.is_empty(), "{:?}", finding.faults);
    }
}
