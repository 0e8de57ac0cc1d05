//! What a reader accepts, and how it words faults.

use std::io::Write as _;

use super::Reader;
use crate::{Faults, Source, parse};

#[test]
fn a_missing_required_variable_is_a_fault() {
    let source = Source::from_pairs(&[]);
    let mut reader = Reader::new(&source);

    let number = reader.required("DELIVERY_PLACES", parse::integer(1..=9_u32));

    assert_eq!(
        reader.finish(|| number),
        Err(Faults::new(vec![
            "POSTHORN_DELIVERY_PLACES: must be set".to_owned()
        ]))
    );
}

#[test]
fn a_near_name_is_suggested_for_an_unknown_one() {
    let source = Source::from_pairs(&[("POSTHORN_STORE_ULR", "x"), ("POSTHORN_BANANA", "x")]);
    let reader = Reader::new(&source);

    let faults = reader.finish(|| Some(())).unwrap_err();

    assert_eq!(
        faults.to_string(),
        "POSTHORN_BANANA: is unknown\n\
         POSTHORN_STORE_ULR: is unknown, did you mean POSTHORN_STORE_URL?"
    );
}

#[test]
fn a_name_that_only_the_service_knows_is_suggested_too() {
    let source = Source::from_pairs(&[("POSTHORN_SPECIALTIES", "x")]);
    let mut reader = Reader::new(&source);
    assert_eq!(reader.optional("SPECIALITIES", parse::text(1..=9)), None);

    let faults = reader.finish(|| Some(())).unwrap_err();

    assert!(
        faults
            .to_string()
            .ends_with("did you mean POSTHORN_SPECIALITIES?")
    );
}

#[test]
fn variables_of_other_services_and_of_other_programs_are_no_fault() {
    let source = Source::from_pairs(&[("POSTHORN_SECRETS_KEY", "x"), ("PATH", "/bin")]);

    assert_eq!(Reader::new(&source).finish(|| Some(1)), Ok(1));
}

#[test]
fn links_that_kubernetes_makes_for_a_service_are_no_fault() {
    let source = Source::from_pairs(&[
        ("POSTHORN_INGEST_SERVICE_HOST", "10.0.0.1"),
        ("POSTHORN_INGEST_SERVICE_PORT_HTTP", "80"),
        ("POSTHORN_INGEST_PORT", "tcp://10.0.0.1:80"),
        ("POSTHORN_INGEST_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("POSTHORN_PORT", "80"),
    ]);

    let faults = Reader::new(&source).finish(|| Some(())).unwrap_err();

    assert_eq!(faults.lines(), ["POSTHORN_PORT: is unknown"]);
}

#[test]
fn a_secret_comes_from_its_file_without_the_last_line_break() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b" s3cret \r\n").unwrap();
    let path = file.path().to_str().unwrap();
    let source = Source::from_pairs(&[("POSTHORN_OPERATOR_TOKEN_FILE", path)]);
    let mut reader = Reader::new(&source);

    let secret = reader
        .required_secret("OPERATOR_TOKEN", parse::secret(1))
        .unwrap();

    assert_eq!(secret.expose(), " s3cret ");
    assert_eq!(format!("{secret:?}"), "***");
    assert_eq!(reader.finish(|| Some(1)), Ok(1));
}

#[test]
fn a_wrong_secret_is_never_shown() {
    let source = Source::from_pairs(&[("POSTHORN_OPERATOR_TOKEN", "hunter2")]);
    let mut reader = Reader::new(&source);

    let secret = reader.optional_secret("OPERATOR_TOKEN", parse::secret(16));

    assert!(secret.is_none());
    assert_eq!(
        reader.finish(|| Some(())).unwrap_err().lines(),
        ["POSTHORN_OPERATOR_TOKEN: must be at least 16 bytes"]
    );
}

#[test]
fn a_secret_given_twice_or_in_no_file_is_a_fault() {
    let source = Source::from_pairs(&[
        ("POSTHORN_OPERATOR_TOKEN", "hunter2"),
        ("POSTHORN_OPERATOR_TOKEN_FILE", "/nowhere"),
        ("POSTHORN_SECRETS_KEY_FILE", "/nowhere"),
        ("POSTHORN_STORE_URL", ""),
    ]);
    let mut reader = Reader::new(&source);

    let token = reader.required_secret("OPERATOR_TOKEN", parse::secret(1));
    let key = reader.required_secret("SECRETS_KEY", parse::secret(1));
    let store = reader.required_secret("STORE_URL", parse::secret(1));

    assert!(token.is_none() && key.is_none() && store.is_none());
    let faults = reader.finish(|| Some(())).unwrap_err();
    let [both, missing, empty] = faults.lines() else {
        panic!("{faults}");
    };
    assert_eq!(
        both,
        "POSTHORN_OPERATOR_TOKEN_FILE: must not be set beside POSTHORN_OPERATOR_TOKEN"
    );
    assert!(
        missing.starts_with("POSTHORN_SECRETS_KEY_FILE: can't be read: "),
        "{missing}"
    );
    assert_eq!(empty, "POSTHORN_STORE_URL: must not be empty");
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf_8_is_one_fault() {
    let source: Source = [("POSTHORN_LOG".to_owned(), None)].into_iter().collect();
    let mut reader = Reader::new(&source);

    assert_eq!(reader.required("LOG", parse::text(1..=9)), None);

    let faults = reader.finish(|| Some(())).unwrap_err();
    assert_eq!(faults.lines(), ["POSTHORN_LOG: must be UTF-8"]);
}

#[test]
fn a_default_of_the_program_yields_to_what_is_set() {
    let mut source = Source::from_pairs(&[("POSTHORN_ALLOW_HTTP", "false")]);
    source.set_default("ALLOW_HTTP", "true".to_owned());
    source.set_default("REPLICAS", "1".to_owned());
    let mut reader = Reader::new(&source);

    assert!(!reader.or_default("ALLOW_HTTP", true, parse::boolean));
    assert_eq!(reader.or_default("REPLICAS", 9, parse::integer(1..=9)), 1);
}
