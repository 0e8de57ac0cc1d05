//! Queries, ids and revisions that are none.

use super::{
    CONFIGS,
    admin::{API, ask},
    raw::{Case, Tokens},
};

pub(super) fn cases(tokens: &Tokens) -> Vec<Case> {
    [queries(tokens), ids(tokens), tags(tokens)]
        .into_iter()
        .flatten()
        .collect()
}

fn queries(tokens: &Tokens) -> Vec<Case> {
    let lists = [
        "webhooks/logs",
        "webhooks/deliveries",
        "webhooks/dead-letters",
    ];
    let each = [
        ("limit=-1", "limit: must be a number"),
        ("limit=0", "limit: must be a number"),
        ("limit=1e1", "limit: must be a number"),
        ("limit=%D9%A1", "limit: must be a number"),
        ("limit=18446744073709551617", "limit: must be a number"),
        ("limit=1&limit=2", "query: duplicate field"),
        ("cursor=", "cursor: must be a nextCursor"),
        ("cursor=%00", "cursor: must be a nextCursor"),
        ("cursor=eyJ9", "cursor: must be a nextCursor"),
        (
            "fromDate=9999999-01-01T00:00:00Z",
            "fromDate: must be an RFC 3339 time",
        ),
        ("eventId=%00", "eventId: must be"),
        ("eventId=%27%20or%201=1--", "eventId: must be"),
        ("eventSubCategory=%ff", "eventSubCategory: must be"),
    ];
    let mut cases = Vec::new();
    for list in lists {
        for (query, message) in each {
            let path = format!("{API}/{list}?{query}");
            cases.push(Case::refused(
                &path,
                ask(tokens, "GET", &path).bytes(),
                400,
                message,
            ));
        }
        let path = format!("{API}/{list}?organisationId=other");
        let message = "organisationId: is not the token's organisation";
        cases.push(Case::refused(
            &path,
            ask(tokens, "GET", &path).bytes(),
            403,
            message,
        ));
    }
    for (query, message) in [
        ("skip=18446744073709551616", "skip: must be a number"),
        ("responseStatus=99999", "responseStatus: must be a number"),
        ("attempt=4294967296", "attempt: must be a number"),
        ("sort=id;drop%20table", "sort: must be"),
    ] {
        let path = format!("{API}/webhooks/logs?{query}");
        cases.push(Case::refused(
            &path,
            ask(tokens, "GET", &path).bytes(),
            400,
            message,
        ));
    }
    cases
}

fn ids(tokens: &Tokens) -> Vec<Case> {
    let kinds = [
        "configs",
        "logs",
        "deliveries",
        "dead-letters",
        "replays",
        "event-types",
    ];
    let ids = [
        "%00",
        "%ff",
        "%zz",
        "..",
        "%2e%2e",
        "%2e%2e%2ftokens",
        "a%2fb",
        "-1",
        "0x1",
        "18446744073709551616",
        "%E2%80%AE",
        "*",
        "%3E",
        "other.x",
        "%20",
        "%0d%0aset-cookie:x",
    ];
    let mut cases = Vec::new();
    for kind in kinds {
        for id in ids {
            let path = format!("{API}/webhooks/{kind}/{id}");
            cases.push(Case::refused(
                &path,
                ask(tokens, "GET", &path).bytes(),
                404,
                "there is no such",
            ));
        }
    }
    let long = format!("{CONFIGS}/{}", "x".repeat(60_000));
    cases.push(Case::refused(
        "an id of 60,000 bytes",
        ask(tokens, "DELETE", &long).bytes(),
        404,
        "there is no such",
    ));
    cases
}

fn tags(tokens: &Tokens) -> Vec<Case> {
    let tags = [
        "",
        "x",
        "W/\"1\"",
        "\"1\", \"2\"",
        "\"-1\"",
        "\" 1\"",
        "\"99999999999999999999\"",
    ];
    let case = |tag: &str| {
        let path = format!("{CONFIGS}/ep_1");
        let request = ask(tokens, "DELETE", &path).header(format!("if-match: {tag}"));
        Case::refused(
            &format!("if-match: {tag}"),
            request.bytes(),
            400,
            "If-Match: must be an ETag",
        )
    };
    tags.map(case).into()
}
