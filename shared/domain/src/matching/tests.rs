use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::Index;
use crate::{endpoint::Endpoint, name::EventName};

#[test]
fn exact_prefix_and_star_find_their_endpoints_once() {
    let endpoints = [
        endpoint("exact", &["reward.earned"], &[]),
        endpoint("prefix", &["reward.*", "reward.earned", "reward.*"], &[]),
        endpoint("star", &["*", "reward.*", "x"], &[]),
        endpoint("other", &["challenge-completion"], &[]),
        endpoint("nothing", &[], &[]),
    ];

    assert_eq!(
        found(&endpoints, "reward.earned", None),
        ["exact", "prefix", "star"]
    );
    assert_eq!(found(&endpoints, "reward", None), ["star"]);
}

#[test]
fn an_entity_filter_limits_its_own_event_only() {
    let endpoints = [
        endpoint(
            "e1",
            &["challenge-*"],
            &[("challenge-started", &["c1", "c2"])],
        ),
        endpoint("e2", &["*"], &[("challenge-started", &["c2"])]),
    ];

    assert_eq!(found(&endpoints, "challenge-started", Some("c1")), ["e1"]);
    assert_eq!(
        found(&endpoints, "challenge-started", Some("c2")),
        ["e1", "e2"]
    );
    assert_eq!(
        found(&endpoints, "challenge-started", Some("c3")),
        Vec::<String>::new()
    );
    assert_eq!(
        found(&endpoints, "challenge-started", None),
        Vec::<String>::new()
    );
    assert_eq!(
        found(&endpoints, "challenge-completion", Some("c3")),
        ["e1", "e2"]
    );
}

#[test]
fn disabled_endpoints_get_nothing() {
    let mut endpoint = endpoint("e", &["*"], &[]);
    endpoint.is_enabled = false;

    assert_eq!(found(&[endpoint], "a", None), Vec::<String>::new());
}

#[test]
fn what_does_not_match_is_not_looked_at() {
    let endpoints: Vec<Endpoint> = (0..20_000)
        .map(|n| {
            let entity = n.to_string();
            endpoint(
                &format!("e{n}"),
                &["*"],
                &[("challenge-started", &[&entity])],
            )
        })
        .collect();
    let index = Index::new(endpoints.iter().map(|endpoint| (endpoint, 1)));
    let name: EventName = "challenge-started".parse().unwrap();

    // A look at every config would be 2,000,000,000 of them, minutes and not a moment.
    for _ in 0..100_000 {
        assert_eq!(index.matches(&name, Some("7")).len(), 1);
    }
}

proptest! {
    #[test]
    fn the_index_finds_exactly_what_the_slow_truth_finds(
        configs in proptest::collection::vec((patterns(), filters()), 0..12),
        name in names(),
        source in proptest::option::of("[abc]"),
    ) {
        let endpoints: Vec<Endpoint> = configs
            .iter()
            .enumerate()
            .map(|(at, (patterns, filters))| {
                let mut endpoint = endpoint(&format!("e{at:02}"), &[], &[]);
                endpoint.events = patterns.iter().map(|text| text.parse_pattern()).collect();
                endpoint.entity_filters = filters.clone();
                endpoint
            })
            .collect();
        let name: EventName = name.parse().unwrap();
        let expected: Vec<String> = endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(&name, source.as_deref()))
            .map(|endpoint| endpoint.id.to_string())
            .collect();

        prop_assert_eq!(found(&endpoints, name.as_str(), source.as_deref()), expected);
    }
}

trait ParsePattern {
    fn parse_pattern(&self) -> crate::endpoint::EventPattern;
}

impl ParsePattern for String {
    fn parse_pattern(&self) -> crate::endpoint::EventPattern {
        crate::endpoint::EventPattern::parse(self).unwrap()
    }
}

fn names() -> impl Strategy<Value = String> {
    "[ab](\\.[ab]){0,2}"
}

fn patterns() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(
        prop_oneof![
            names(),
            names().prop_map(|n| n + ".*"),
            names().prop_map(|n| n + "*"),
            Just("*".to_owned())
        ],
        0..4,
    )
}

fn filters() -> impl Strategy<Value = BTreeMap<EventName, BTreeSet<String>>> {
    proptest::collection::btree_map(
        names().prop_map(|name| name.parse().unwrap()),
        proptest::collection::btree_set("[abc]", 1..3),
        0..3,
    )
}

fn found(endpoints: &[Endpoint], name: &str, source: Option<&str>) -> Vec<String> {
    let index = Index::new(endpoints.iter().map(|endpoint| (endpoint, 1)));
    let name = name.parse().unwrap();
    let mut ids: Vec<String> = index
        .matches(&name, source)
        .iter()
        .map(|found| found.endpoint.to_string())
        .collect();
    ids.sort();
    ids
}

fn endpoint(id: &str, patterns: &[&str], filters: &[(&str, &[&str])]) -> Endpoint {
    let filters: BTreeMap<&str, &[&str]> = filters.iter().copied().collect();
    serde_json::from_value(serde_json::json!({
        "id": id, "organisationId": "acme", "url": "https://a.example/", "events": patterns,
        "entityFilters": filters, "isEnabled": true, "timeoutMs": 10_000,
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
    }))
    .unwrap()
}
