use proptest::prelude::*;

use super::Expression;

#[test]
fn qstashs_own_examples_are_understood() {
    check("1000 * (1 + retried)", [1_000.0, 2_000.0, 3_000.0]);
    check("pow(2, retried) * 1000", [1_000.0, 2_000.0, 4_000.0]);
    check("max(1000, pow(2, retried) * 100)", [1_000.0; 3]);
    check("5000", [5_000.0; 3]);
}

#[test]
fn operators_have_their_usual_precedence() {
    for (source, value) in [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("20 - 5 - 5", 10.0),
        ("100 / 10 / 2", 5.0),
        ("10 - -4", 14.0),
        ("-3 * -3", 9.0),
        ("- - 3", 3.0),
        ("2 * -(1 - 4)", 6.0),
        ("\t7\n", 7.0),
        ("1.5e3 + .5 + 2E-1 + 1e+1 + 3.", 1_513.7),
        ("3e0", 3.0),
    ] {
        check(source, [value; 3]);
    }
}

#[test]
fn functions_do_what_they_are_called() {
    for (source, value) in [
        ("sqrt(16)", 4.0),
        ("abs(-16)", 16.0),
        ("exp(0)", 1.0),
        ("floor(1.9)", 1.0),
        ("ceil(1.1)", 2.0),
        ("round(2.5)", 3.0),
        ("pow(2, 10)", 1_024.0),
        ("min(5)", 5.0),
        ("min(5, 3, 4)", 3.0),
        ("max(1, max(2, 3), 1,1,1,1,1,1,1,1,1,1,1,1,1,1)", 3.0),
    ] {
        check(source, [value; 3]);
    }
}

#[test]
fn a_result_is_clamped_to_a_day_and_what_is_no_number_is_told() {
    check("-5", [0.0; 3]);
    check("1 / 0", [86_400_000.0; 3]);
    check("-1 / 0", [0.0; 3]);
    check("exp(1e9)", [86_400_000.0; 3]);
    for none in [
        "0 / 0",
        "sqrt(-1)",
        "1/0 - 1/0",
        "max(1, 0/0)",
        "min(0/0, 1)",
        "0 * exp(1e9)",
    ] {
        assert_eq!(parse(none).millis(0), None, "{none}");
    }
    assert_eq!(
        parse("1 / retried").millis(u32::MAX),
        Some(1.0 / f64::from(u32::MAX))
    );
}

#[test]
fn a_fault_says_what_and_where() {
    for (source, fault) in [
        ("", "at 1: unexpected end"),
        ("  ", "at 3: unexpected end"),
        ("1 + foo", "at 5: unknown name \"foo\""),
        ("Retried", "at 1: unknown name \"Retried\""),
        ("foo(1)", "at 1: unknown name \"foo\""),
        ("1 +", "at 4: unexpected end"),
        ("* 2", "at 1: unexpected '*'"),
        ("+2", "at 1: unexpected '+'"),
        ("2 retried", "at 3: unexpected 'r'"),
        ("2e", "at 2: unexpected 'e'"),
        ("1..2", "at 3: unexpected '.'"),
        (".", "at 1: unexpected '.'"),
        ("(1", "at 3: unexpected end"),
        ("1)", "at 2: unexpected ')'"),
        ("()", "at 2: unexpected ')'"),
        ("2 ** 3", "at 4: unexpected '*'"),
        ("2 ^ 3", "at 3: unexpected '^'"),
        ("2 × 3", "at 3: unexpected '×'"),
        ("sqrt 4", "at 6: unexpected '4'"),
        ("retried(1)", "at 8: unexpected '('"),
        ("1e999", "at 1: number is too large"),
        ("0 + pow(2)", "at 5: pow takes 2 arguments"),
        ("pow(1, 2, 3)", "at 1: pow takes 2 arguments"),
        ("sqrt()", "at 1: sqrt takes 1 argument"),
        ("abs(1, 2)", "at 1: abs takes 1 argument"),
        ("max()", "at 1: max takes 1 to 16 arguments"),
        ("min(1,)", "at 7: unexpected ')'"),
    ] {
        let error = Expression::parse(source).unwrap_err().to_string();

        assert_eq!(error, format!("must be an expression; {fault}"), "{source}");
    }
    let seventeen = format!("min({}1)", "1,".repeat(16));
    let error = Expression::parse(&seventeen).unwrap_err().to_string();
    assert!(error.ends_with("min takes 1 to 16 arguments"), "{error}");
}

#[test]
fn text_and_nesting_are_bounded() {
    let nested = |depth| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    let called = |depth| format!("{}1{}", "abs(".repeat(depth), ")".repeat(depth));

    assert!(Expression::parse(&nested(32)).is_ok());
    assert!(Expression::parse(&called(32)).is_ok());
    for deep in [nested(33), called(33), "(".repeat(256), "abs(".repeat(64)] {
        let error = Expression::parse(&deep).unwrap_err().to_string();
        assert!(error.ends_with("nested too deeply"), "{error}");
    }
    for flat in [
        "-".repeat(255) + "1",
        "1-".repeat(127) + "1",
        "1".repeat(256),
    ] {
        assert!(Expression::parse(&flat).is_ok(), "{flat}");
    }
    let long = " ".repeat(256) + "1";
    let error = Expression::parse(&long).unwrap_err().to_string();
    assert_eq!(error, "must be at most 256 bytes");
}

#[test]
fn json_is_the_text_as_it_was_written() {
    let json = "\" pow(2,retried)*1000 \"";

    let expression: Expression = serde_json::from_str(json).unwrap();

    assert_eq!(serde_json::to_string(&expression).unwrap(), json);
    assert_eq!(String::from(expression), " pow(2,retried)*1000 ");
    assert!(serde_json::from_str::<Expression>("5000").is_err());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,300}") {
        drop(Expression::parse(&text));
    }

    #[test]
    fn what_looks_like_an_expression_is_read_or_refused_and_stays_in_bounds(
        parts in proptest::collection::vec(part(), 0..60), retried in any::<u32>(),
    ) {
        let text = parts.concat();
        if let Ok(expression) = Expression::parse(&text) {
            if let Some(millis) = expression.millis(retried) {
                prop_assert!((0.0..=86_400_000.0).contains(&millis), "{millis}");
            }
            prop_assert_eq!(String::from(expression.clone()), text);
            let json = serde_json::to_string(&expression).unwrap();
            prop_assert_eq!(serde_json::from_str::<Expression>(&json).unwrap(), expression);
        }
    }

    #[test]
    fn sums_and_products_come_to_what_they_come_to_elsewhere(
        a in 0..1_000_u32, b in 0..1_000_u32, c in 1..1_000_u32, retried in 0..100_u32,
    ) {
        let expression = parse(&format!("{a} + {b} * retried / {c}"));
        let expected = f64::from(a) + f64::from(b) * f64::from(retried) / f64::from(c);

        prop_assert_eq!(expression.millis(retried), Some(expected));
    }
}

fn part() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "(", ")", ",", "+", "-", "*", "/", " ", "1", "2.5", "1e9", "0", ".", "e", "retried",
        "pow(", "sqrt(", "abs(", "exp(", "min(", "max(", "x", "é",
    ])
}

fn parse(source: &str) -> Expression {
    Expression::parse(source).unwrap()
}

/// Checks what an expression comes to for 0, 1 and 2 retries made.
fn check(source: &str, expected: [f64; 3]) {
    let expression = parse(source);
    for (retried, expected) in (0..).zip(expected) {
        assert_eq!(expression.millis(retried), Some(expected), "{source}");
    }
}
