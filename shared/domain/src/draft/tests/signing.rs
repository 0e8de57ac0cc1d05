//! What drafts may say of signatures, and what rotations may.

use std::time::Duration;

use serde_json::{Value, json};

use super::{create, existing, refused, update, with};
use crate::{
    draft::{RotationDraft, SecretChange},
    endpoint::Endpoint,
    signing::Scheme,
};

const SIG: &str = "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r";

#[test]
fn a_scheme_is_chosen_by_name_or_with_options() {
    let signing = |form: Value| {
        create(with(json!({"signing": form})))
            .unwrap()
            .endpoint
            .signing
    };

    assert_eq!(signing(json!(null)), Scheme::Standard { asymmetric: false });
    assert_eq!(
        signing(json!({"scheme": "standard", "asymmetric": true})),
        Scheme::Standard { asymmetric: true }
    );
    let header = "x-posthorn-signature".parse().unwrap();
    assert_eq!(signing(json!("hmac-hex")), Scheme::HmacHex { header });
    let header = "x-token".parse().unwrap();
    assert_eq!(
        signing(json!({"scheme": "jwt", "header": "X-Token"})),
        Scheme::Jwt { header }
    );
    assert_eq!(signing(json!("none")), Scheme::None);
}

#[test]
fn a_secret_must_fit_the_scheme_that_is_asked_for() {
    let given = |form: Value| create(with(form)).map(|change| change.secret);

    assert_eq!(
        given(json!({"signing": "jwt", "secret": SIG})),
        Ok(SecretChange::Set(SIG.to_owned()))
    );
    assert_eq!(given(json!({"signing": "jwt"})), Ok(SecretChange::Generate));
    refused(&[
        (
            json!({"secret": SIG}),
            "secret: must be whsec_ and the base64 of 24 to 64 bytes",
        ),
        (
            json!({"signing": "jwt", "secret": "only-20-characters-!"}),
            "secret: must be 32 to 256 visible ASCII characters",
        ),
        (
            json!({"signing": "hmac-hex", "secret": "short"}),
            "secret: must be 16 to 256 visible ASCII characters",
        ),
    ]);
}

#[test]
fn the_header_of_the_signature_is_no_other_header() {
    let x_sig = json!({"scheme": "hmac-hex", "header": "x-sig"});
    let authorization = json!({"scheme": "jwt", "header": "authorization"});
    let oauth2 = json!({
        "tokenUrl": "https://a.example/token", "clientId": "c", "clientSecret": "a-client-secret",
    });
    refused(&[
        (
            json!({"signing": x_sig, "headers": {"X-Sig": "a"}}),
            "signing.header: must not be one of headers",
        ),
        (
            json!({"signing": "hmac-hex", "headers": {"X-Posthorn-Signature": "a"}}),
            "headers.X-Posthorn-Signature: may not be set",
        ),
        (
            json!({"signing": authorization, "oauth2": oauth2}),
            "signing.header: must not be given beside the other, which sets authorization too",
        ),
    ]);
}

#[test]
fn a_header_that_the_signature_has_already_is_refused_too() {
    let signed = create(with(
        json!({"signing": {"scheme": "jwt", "header": "x-sig"}}),
    ));
    let signed = signed.unwrap().endpoint;

    let fault = applied(&signed, json!({"headers": {"X-Sig": "a"}})).unwrap_err();

    assert_eq!(
        fault,
        "headers.X-Sig: must not be set beside signing, which sets it"
    );
    applied(
        &signed,
        json!({"headers": {"X-Sig": "a"}, "signing": "standard"}),
    )
    .unwrap();
}

#[test]
fn a_scheme_that_is_left_out_stays() {
    let jwt = update(json!({"signing": "jwt"})).unwrap().endpoint;

    let after = applied(&jwt, json!({"maxRetries": 1})).unwrap();

    assert_eq!(after.signing, jwt.signing);
}

#[test]
fn a_rotation_overlaps_by_a_day_unless_it_says_otherwise() {
    for (draft, overlap) in [
        (json!({}), Duration::from_secs(86_400)),
        (json!({"overlapMs": null}), Duration::from_secs(86_400)),
        (json!({"overlapMs": 0}), Duration::ZERO),
        (
            json!({"overlapMs": 604_800_000}),
            Duration::from_secs(604_800),
        ),
    ] {
        let rotation = rotation(draft).unwrap();

        assert_eq!((rotation.secret, rotation.overlap), (None, overlap));
    }
}

#[test]
fn faults_of_a_rotation_name_the_field() {
    let overlap = "overlapMs: must be from 0 to 604800000";
    let secret = "secret: must be whsec_ and the base64 of 24 to 64 bytes";
    for (draft, fault) in [
        (json!({"overlapMs": -1}), overlap),
        (json!({"overlapMs": 604_800_001}), overlap),
        (json!({"secret": "hunter2"}), secret),
        (json!({"secret": "whsec_***"}), "secret: must not be masked"),
    ] {
        let error = rotation(draft).unwrap_err();

        assert_eq!(error, fault);
        assert!(!error.contains("hunter2"));
    }
    assert!(
        rotation(json!({"overlap": 1}))
            .unwrap_err()
            .contains("unknown field `overlap`")
    );
}

#[test]
fn a_rotation_does_not_print_its_secret() {
    let draft = json!({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
    let draft: RotationDraft = serde_json::from_value(draft).unwrap();
    let rotation = draft.check(&existing()).unwrap();

    for shown in [format!("{draft:?}"), format!("{rotation:?}")] {
        assert!(!shown.contains("MfKQ"), "{shown}");
    }
}

fn rotation(draft: Value) -> Result<crate::draft::Rotation, String> {
    let draft: RotationDraft = serde_json::from_value(draft).map_err(|error| error.to_string())?;
    draft.check(&existing()).map_err(|fault| fault.to_string())
}

fn applied(endpoint: &Endpoint, draft: Value) -> Result<Endpoint, String> {
    let policy = crate::destination::Policy::default();
    super::read(draft)
        .apply(Some(endpoint), &super::context(&policy))
        .map(|change| change.endpoint)
        .map_err(|fault| fault.to_string())
}
