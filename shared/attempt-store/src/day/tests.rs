use domain::time::Timestamp;

use super::{Day, Days, LAST};

#[test]
fn a_time_lies_on_its_utc_day() {
    assert_eq!(day("2026-11-21").to_string(), "2026-11-21");
    assert_eq!(
        day("2026-11-21").start().to_string(),
        "2026-11-21T00:00:00.000Z"
    );
    assert_eq!(Day::of(Timestamp::from_millis(0)).number(), 0);
    assert_eq!(Day::of(Timestamp::from_millis(i64::MAX)), LAST);
    assert_eq!(LAST.to_string(), "9999-12-31");
    assert_eq!(LAST.next(), None);
}

#[test]
fn days_near_today_get_a_partition_each() {
    for near in ["2026-09-22", "2026-11-20", "2026-11-21", "2026-11-23"] {
        check(near, &[], (near, near));
    }
}

#[test]
fn far_days_get_wider_partitions_the_farther_they_are() {
    check("2026-09-21", &[], ("2026-09-01", "2026-09-21"));
    check("2026-11-24", &[], ("2026-11-24", "2026-11-30"));
    check("2027-02-10", &[], ("2027-02-01", "2027-02-28"));
    check("2030-05-05", &[], ("2030-01-01", "2030-12-31"));
    check("2020-05-05", &[], ("2020-01-01", "2020-12-31"));
    check("1999-05-05", &[], ("1970-01-01", "2016-11-12"));
    check("2099-05-05", &[], ("2036-11-29", "9999-12-31"));
}

#[test]
fn a_partition_keeps_clear_of_its_neighbours() {
    check(
        "2030-05-05",
        &[("2029-01-01", "2030-02-03"), ("2030-08-01", "2030-08-01")],
        ("2030-02-04", "2030-07-31"),
    );
    check(
        "1985-01-01",
        &[("1970-01-01", "1979-12-31")],
        ("1980-01-01", "2016-11-12"),
    );
}

#[test]
fn a_taken_day_needs_no_partition() {
    let taken = [days(("2030-01-01", "2030-12-31"))];

    assert_eq!(Days::around(day("2030-12-31"), today(), &taken), None);
}

#[test]
fn a_flood_of_strange_times_makes_a_bounded_number_of_partitions() {
    let mut taken = Vec::new();
    // Every prime-th day from both ends to the middle and back, in an order that nothing is prepared for.
    for step in 0..200_000_i32 {
        let day = Day::from_number((step * 7_919).rem_euclid(LAST.number()));
        taken.extend(Days::around(day, today(), &taken));
    }
    for number in 0..=LAST.number() / 40 {
        taken.extend(Days::around(Day::from_number(number), today(), &taken));
    }

    assert!(taken.len() < 150, "{}", taken.len());
}

#[test]
fn names_of_tables_lead_back_to_days() {
    for (stretch, name) in [
        (("2026-11-21", "2026-11-21"), "attempts_20261121"),
        (("2027-01-01", "9999-12-31"), "attempts_20270101_99991231"),
    ] {
        assert_eq!(days(stretch).table("attempts"), name);
        assert_eq!(Days::of_table("attempts", name), Some(days(stretch)));
    }
    for other in [
        "attempts",
        "attempts_",
        "attempts_old",
        "attempts_20261321",
        "bodies_20261121",
    ] {
        assert_eq!(Days::of_table("attempts", other), None, "{other}");
    }
}

fn check(wanted: &str, taken: &[(&str, &str)], expected: (&str, &str)) {
    let taken: Vec<Days> = taken.iter().copied().map(days).collect();

    assert_eq!(
        Days::around(day(wanted), today(), &taken),
        Some(days(expected)),
        "{wanted}"
    );
}

fn today() -> Day {
    day("2026-11-21")
}

fn day(text: &str) -> Day {
    Day::of(Timestamp::parse(&format!("{text}T12:34:56Z")).unwrap())
}

fn days((first, last): (&str, &str)) -> Days {
    Days {
        first: day(first),
        last: day(last),
    }
}
