//! Who is counted with whom, and what is kept of them.

use std::{net::SocketAddr, time::Duration};

use domain::{
    name::OrganisationId,
    rate::Rate,
    time::Timestamp,
    token::{Role, Token},
};

use super::{Buckets, RateLimit, Rates};

#[test]
fn a_token_and_its_organisation_have_limits_of_their_own() {
    let limit = limit(1, 2);
    let (acme, umbra) = (organisation("acme"), organisation("umbra"));

    let spent = |id, organisation, things| {
        let token = token(id);
        let refused = limit.spend(&token, organisation, things);
        refused.map_err(|too_much| too_much.whose)
    };

    assert_eq!(spent("a", Some(&acme), 10), Ok(()));
    assert_eq!(spent("a", Some(&acme), 1), Err("token"));
    assert_eq!(spent("b", Some(&acme), 10), Ok(()));
    assert_eq!(spent("c", Some(&acme), 1), Err("organisation"));
    assert_eq!(spent("d", Some(&umbra), 1), Ok(()));
    assert_eq!(spent("e", None, 1), Ok(()));
}

#[test]
fn without_limits_nothing_is_counted() {
    let limit = limit(0, 0);
    let (acme, token) = (organisation("acme"), token("a"));

    for _ in 0..3 {
        assert_eq!(limit.spend(&token, Some(&acme), u32::MAX), Ok(()));
    }

    assert!(limit.of_tokens.0.lock().own.is_empty());
}

#[test]
fn addresses_of_one_network_are_one_caller() {
    let limit = limit(0, 0);
    let fail = |address: &str| {
        let address: SocketAddr = address.parse().unwrap();
        limit.fail(address).map_err(|too_much| too_much.whose)
    };
    let exhaust = |address: &str| while fail(address).is_ok() {};

    exhaust("10.0.0.1:1");
    exhaust("[2001:db8::1]:1");

    assert_eq!(fail("10.0.0.1:2"), Err("address"));
    assert_eq!(fail("[::ffff:10.0.0.1]:2"), Err("address"));
    assert_eq!(fail("10.0.0.2:1"), Ok(()));
    assert_eq!(fail("[2001:db8::ffff:1]:1"), Err("address"));
    assert_eq!(fail("[2001:db8:0:1::1]:1"), Ok(()));
}

#[test]
fn when_there_is_no_room_strangers_share_a_bucket_until_somebody_is_forgotten() {
    let buckets: Buckets<String> = Buckets::new(2);
    let rate = Rate::new(1).unwrap();
    let take = |key: &str, things, second| {
        buckets
            .take(key, things, (Duration::from_secs(second), rate))
            .is_ok()
    };
    assert!(take("a", 10, 0));
    assert!(take("b", 10, 0));

    assert!(take("c", 10, 0));
    assert!(!take("d", 1, 0), "c and d have one bucket");
    assert!(!take("a", 1, 0), "a keeps its own");

    assert!(take("e", 10, 10), "the first two are full again");
    assert!(take("f", 10, 10));
    let kept = buckets.0.lock();
    assert_eq!(kept.own.len(), 2);
}

fn limit(per_token: u32, per_organisation: u32) -> RateLimit {
    RateLimit::new(Rates {
        per_token: Rate::new(per_token),
        per_organisation: Rate::new(per_organisation),
    })
}

fn organisation(id: &str) -> OrganisationId {
    id.parse().unwrap()
}

fn token(id: &str) -> Token {
    Token {
        id: id.to_owned(),
        organisation_id: None,
        role: Role::Operator,
        name: "a".to_owned(),
        created_at: Timestamp::EPOCH,
        expires_at: None,
    }
}
