use super::{EndpointId, EventId, EventName, JobId, OrganisationId};

#[test]
fn event_names_are_dotted_parts_of_token_characters() {
    for good in [
        "challenge-completion",
        "reward.earned",
        "auth.email",
        "a",
        "A_1.b-2.c",
        &"x".repeat(64),
    ] {
        assert!(EventName::try_new(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a b",
        "a*",
        "a>",
        "é",
        &"x".repeat(65),
        "a\n",
    ] {
        assert!(EventName::try_new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn organisation_ids_are_one_subject_token() {
    for good in ["60f7b8c8e7d4a2b1c9e3f4a1", "acme", "a-b_C", &"x".repeat(64)] {
        assert!(OrganisationId::try_new(good).is_ok(), "{good}");
    }
    for bad in ["", "a.b", "*", ">", "a b", &"x".repeat(65)] {
        assert!(OrganisationId::try_new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn event_ids_may_hold_colons_but_no_dots() {
    assert!(EventId::try_new("order:1-2_3").is_ok());
    assert!(EventId::try_new(&"x".repeat(128)).is_ok());
    for bad in ["", "a.b", "a b", &"x".repeat(129)] {
        assert!(EventId::try_new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn job_id_is_event_id_and_endpoint_id() {
    let event = EventId::try_new("evt-1").unwrap();
    let endpoint = EndpointId::try_new("ep_1").unwrap();

    assert_eq!(JobId::of(&event, &endpoint).as_str(), "evt-1:ep_1");
}
