//! One event against 100,000 configs of which 10 match, and the building of their index.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use divan::{Bencher, black_box};
use domain::{endpoint::Endpoint, matching::Index, name::EventName};

fn main() {
    divan::main();
}

/// Every config wants everything, limited to one entity of the event that is looked up.
#[divan::bench(args = [1_000, 10_000, 100_000])]
fn filtered_by_entity(bencher: Bencher<'_, '_>, configs: usize) {
    let endpoints: Vec<Endpoint> = (0..configs)
        .map(|n| {
            let entity = (n % (configs / 10)).to_string();
            endpoint(
                n,
                "*",
                &serde_json::json!({ "challenge-completion": [entity] }),
            )
        })
        .collect();
    look_up(bencher, &endpoints);
}

/// Ten configs want the event, all others another one each.
#[divan::bench(args = [1_000, 10_000, 100_000])]
fn by_name(bencher: Bencher<'_, '_>, configs: usize) {
    let endpoints: Vec<Endpoint> = (0..configs)
        .map(|n| {
            let name = if n < 10 {
                "challenge-completion".to_owned()
            } else {
                format!("other-{n}")
            };
            endpoint(n, &name, &serde_json::json!({}))
        })
        .collect();
    look_up(bencher, &endpoints);
}

fn look_up(bencher: Bencher<'_, '_>, endpoints: &[Endpoint]) {
    let index = Index::new(endpoints.iter().map(|endpoint| (endpoint, 1)));
    let name: EventName = "challenge-completion".parse().unwrap();
    assert_eq!(index.matches(&name, Some("7")).len(), 10);
    bencher.bench_local(|| black_box(index.matches(black_box(&name), black_box(Some("7")))));
}

fn endpoint(n: usize, pattern: &str, filters: &serde_json::Value) -> Endpoint {
    serde_json::from_value(serde_json::json!({
        "id": format!("ep_{n}"), "organisationId": "acme", "url": "https://a.example/",
        "events": [pattern], "entityFilters": filters, "isEnabled": true, "timeoutMs": 10_000,
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
    }))
    .unwrap()
}
