//! A target for each text that callers bring along, and for the URL of the store.

use std::str::FromStr as _;

use fuzzing::Target;
use proptest::prelude::*;
use sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

use crate::{ArchivePosition, Cursor, record::RECORD_ID_MAX_BYTES};

fn target(name: &str) -> Target {
    let words = &[
        "7fffffffffffffff",
        "8000000000000000",
        ".",
        "-",
        "%2f",
        "?mode=",
        "&",
        "=",
    ];
    Target::new(env!("CARGO_MANIFEST_DIR"), name, words)
}

#[test]
fn a_cursor_names_the_place_that_it_prints() {
    target("cursor").check_text(|text| {
        if let Ok(cursor) = Cursor::parse(text) {
            prop_assert!(text.len() <= 64 + RECORD_ID_MAX_BYTES || text.starts_with('0'));
            prop_assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
        }
        Ok(())
    });
}

#[test]
fn a_position_in_the_archive_is_the_one_that_it_prints() {
    target("archive-position").check_text(|text| {
        if let Ok(position) = ArchivePosition::parse(text) {
            prop_assert_eq!(ArchivePosition::parse(&position.to_string()), Ok(position));
        }
        Ok(())
    });
}

#[test]
fn a_url_of_a_store_is_taken_or_refused() {
    target("store-url").check_text(|text| {
        let _postgres = PgConnectOptions::from_str(text);
        let _sqlite = SqliteConnectOptions::from_str(text);
        Ok(())
    });
}
