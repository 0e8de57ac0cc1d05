//! The endpoints: which of them are not sent anything because they fail.

use domain::{health::Breaker, time::Timestamp};
use jetstream::{Broker, health_bucket::HealthBucket};

use super::finding::Finding;

/// How many endpoints are named.
const NAMED: usize = 5;

/// Judges the breakers.
pub(super) async fn health(broker: &Broker) -> Vec<Finding> {
    let looked = async {
        let bucket = HealthBucket::open(broker).await?;
        bucket.all().await
    };
    let all = match looked.await {
        Ok(all) => all,
        Err(error) => {
            let says = format!("their health can't be read: {error}");
            return vec![Finding::warning("endpoints", says).todo("look into the broker's log")];
        }
    };
    let now = Timestamp::from_millis(lifecycle::clock::now_ms());
    let open: Vec<String> = all
        .into_iter()
        .filter(|(_, health)| health.breaker(now) != Breaker::Closed)
        .map(|((organisation, endpoint), _)| format!("{organisation}/{endpoint}"))
        .collect();
    vec![judged(&open)]
}

fn judged(open: &[String]) -> Finding {
    if open.is_empty() {
        return Finding::good("endpoints", "no breaker is open");
    }
    let named: Vec<&str> = open.iter().take(NAMED).map(String::as_str).collect();
    let more = if open.len() > NAMED { ", …" } else { "" };
    let says = format!(
        "{} with an open breaker or disabled: {}{more}",
        open.len(),
        named.join(", ")
    );
    Finding::warning("endpoints", says)
        .todo("look at what they answer (posthorn logs --failed --config …); they are probed by themselves")
}

#[cfg(test)]
mod tests {
    use super::judged;

    #[test]
    fn a_few_are_named_and_all_are_counted() {
        let open: Vec<String> = (0..7).map(|n| format!("acme/ep_{n}")).collect();

        let told = judged(&open).told().to_string();

        assert!(told.contains("7 with an open breaker"), "{told}");
        assert!(told.contains("acme/ep_4, …"), "{told}");
        assert!(!told.contains("ep_5"), "{told}");
    }
}
