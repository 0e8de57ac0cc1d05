//! The panel's pages: who gets which, with which headers, and what another site's page can't do.

mod visitor;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::installation::{BOUND, CONFIGS, Caller, Installation, OPERATOR_TOKEN};

/// The pages of an organisation, by what it takes to see them.
const OF_VIEWERS: [&str; 4] = ["/", "/configs", "/event-types", "/event-types/reward-claim"];
const OF_ADMINS: [&str; 8] = [
    "/logs",
    "/dead-letters",
    "/dead-letters/all/retry",
    "/dead-letters/all/delete",
    "/replays",
    "/tokens",
    "/configs/new",
    "/event-types/reward-claim/delete",
];
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

#[tokio::test]
async fn every_page_is_guarded_and_for_those_who_may_see_it() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let viewer = installation.caller("acme", "viewer").await;
    let id = config(&acme, json!({})).await;
    let own = |path: &str| format!("/configs/{id}{path}");
    let of_viewers = OF_VIEWERS.map(str::to_owned).into_iter().chain([own("")]);
    let of_admins = OF_ADMINS
        .map(str::to_owned)
        .into_iter()
        .chain(["/edit", "/test", "/rotate", "/delete"].map(own));
    let pages: Vec<_> = of_viewers
        .map(|path| (path, StatusCode::OK))
        .chain(of_admins.map(|path| (path, StatusCode::FORBIDDEN)))
        .collect();

    for (path, for_viewers) in &pages {
        let path = format!("/panel/o/acme{path}");
        for (token, expected) in [
            (acme.token(), StatusCode::OK),
            (viewer.token(), *for_viewers),
            (OPERATOR_TOKEN, StatusCode::OK),
        ] {
            let reply = installation.visitor(token).get(&path).await;
            let text = reply.text();
            assert_eq!(reply.status, expected, "{path}: {text}");
            assert_guarded(&reply.headers, &path);
            assert!(
                !text.contains("style=") && !text.contains("<script>"),
                "{path}"
            );
        }
        let stranger = installation.visitor("").get(&path).await;
        assert_eq!(stranger.status, StatusCode::SEE_OTHER, "{path}");
        assert_eq!(stranger.headers[header::LOCATION], "/panel/sign-in");
        let part = installation.visitor("").get_part(&path).await;
        assert_eq!(part.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(part.headers["hx-redirect"], "/panel/sign-in");
    }
    let logs = installation
        .visitor(viewer.token())
        .get("/panel/o/acme/logs")
        .await;
    assert!(logs.text().contains("Ask an admin of your organisation"));
    let overview = installation
        .visitor(viewer.token())
        .get("/panel/o/acme/")
        .await;
    assert!(
        !overview.text().contains("/panel/o/acme/logs"),
        "not linked"
    );
}

#[tokio::test]
async fn a_foreign_organisation_looks_like_none() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let globex = installation.caller("globex", "admin").await;
    let id = config(&globex, json!({})).await;
    let visitor = installation.visitor(acme.token());

    for path in [
        "/panel/o/globex/",
        "/panel/o/nobody/",
        "/panel/o/%2e%2e/",
        "/panel/nothing",
    ] {
        assert_eq!(
            visitor.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let foreign = format!("/panel/o/acme/configs/{id}");
    assert_eq!(visitor.get(&foreign).await.status, StatusCode::NOT_FOUND);
    let deleted = visitor.post(&format!("{foreign}/delete"), "").await;
    assert_eq!(deleted.status, StatusCode::NOT_FOUND);
    let operator = installation.visitor(OPERATOR_TOKEN);
    let picked = operator.get("/panel/").await;
    assert!(
        picked.text().contains("/panel/o/globex/"),
        "{}",
        picked.text()
    );
    let named = operator
        .get("/panel/organisations?organisation=globex")
        .await;
    assert_eq!(named.headers[header::LOCATION], "/panel/o/globex/");
    assert_eq!(
        operator.get("/panel/o/nobody/").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn who_signs_in_gets_a_cookie_that_scripts_can_not_read() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let stranger = installation.visitor("");

    let root = stranger.get("/").await;
    assert_eq!(root.headers[header::LOCATION], "/panel/");
    let form = format!("token={}", acme.token());
    let signed = stranger.post("/panel/sign-in", &form).await;
    assert_eq!(signed.status, StatusCode::SEE_OTHER);
    let value = URL_SAFE_NO_PAD.encode(acme.token());
    assert_eq!(
        signed.headers[header::SET_COOKIE].to_str().unwrap(),
        format!(
            "posthorn_panel={value}; Path=/panel; Max-Age=43200; HttpOnly; SameSite=Strict; Secure"
        )
    );
    let start = installation.visitor(acme.token()).get("/panel/").await;
    assert_eq!(start.headers[header::LOCATION], "/panel/o/acme/");
    let lost = stranger.get("/panel/?signed=in").await;
    assert!(lost.text().contains("did not keep you signed in"));
    for (form, status) in [
        ("token=pht_wrong", StatusCode::UNAUTHORIZED),
        ("token=", StatusCode::BAD_REQUEST),
        ("token=%0A", StatusCode::BAD_REQUEST),
        ("", StatusCode::BAD_REQUEST),
    ] {
        let refused = stranger.post("/panel/sign-in", form).await;
        assert_eq!(refused.status, status, "{form}");
        assert_guarded(&refused.headers, form);
    }
    let out = installation
        .visitor(acme.token())
        .post("/panel/sign-out", "")
        .await;
    assert!(
        out.headers[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .starts_with("posthorn_panel=; ")
    );
}

#[tokio::test]
async fn guessing_tokens_is_slowed_down() {
    let installation = Installation::start().await;
    let stranger = installation.visitor("");

    let mut statuses = Vec::new();
    for _ in 0..1_000 {
        let reply = stranger.post("/panel/sign-in", "token=pht_guess").await;
        statuses.push(reply.status);
    }

    assert_eq!(statuses.first(), Some(&StatusCode::UNAUTHORIZED));
    assert!(statuses.contains(&StatusCode::TOO_MANY_REQUESTS));
}

#[tokio::test]
async fn what_another_site_sends_changes_nothing() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let id = config(&acme, json!({})).await;
    let visitor = installation.visitor(acme.token());
    let path = format!("/panel/o/acme/configs/{id}/pause");

    for site in ["cross-site", "same-site", "none"] {
        let refused = visitor.post_from(site, &path, "").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{site}");
    }
    let signed = visitor
        .post_from("cross-site", "/panel/sign-in", "token=x")
        .await;
    assert_eq!(signed.status, StatusCode::FORBIDDEN);

    let shown = acme.get(&format!("{CONFIGS}/{id}")).await.expect(200);
    assert_eq!(shown["isPaused"], json!(false));
    assert_eq!(visitor.post(&path, "").await.status, StatusCode::SEE_OTHER);
    let shown = acme.get(&format!("{CONFIGS}/{id}")).await.expect(200);
    assert_eq!(shown["isPaused"], json!(true));
}

#[tokio::test]
async fn what_people_write_is_text_on_every_page() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let evil = "\"><script>alert(1)</script>";
    let id = config(
        &acme,
        json!({"description": evil, "headers": {"x-evil": evil}}),
    )
    .await;
    let visitor = installation.visitor(acme.token());
    let query =
        "eventSubCategory=%22%3E%3Cscript%3E&eventId=%22%3E%3Cscript%3E&search=%22%3E%3Cscript%3E";

    for path in [
        "/configs".to_owned(),
        format!("/configs/{id}"),
        format!("/configs/{id}/edit"),
        format!("/configs?{query}"),
        format!("/logs?{query}"),
        format!("/dead-letters?{query}"),
        format!("/event-types?{query}"),
    ] {
        let reply = visitor.get(&format!("/panel/o/acme{path}")).await;
        assert!(
            !reply.text().contains("<script>"),
            "{path}: {}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn a_form_with_a_fault_comes_back_as_it_was_filled_in() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let visitor = installation.visitor(acme.token());
    let post = async |path: &str, form: &str| {
        let reply = visitor.post(&format!("/panel/o/acme{path}"), form).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text());
        reply.text()
    };

    let config = post(
        "/configs",
        "url=ftp%3A%2F%2Fa&event=reward-claim&scheme=jwt&preset=nudj",
    )
    .await;
    for kept in [
        "class=\"fault\" role=\"alert\">url: ",
        "ftp://a",
        "value=\"jwt\" selected",
    ] {
        assert!(config.contains(kept), "{kept}: {config}");
    }
    assert!(
        post("/tokens", "name=&role=admin")
            .await
            .contains("name: must")
    );
    assert!(post("/replays", "").await.contains("Pick the webhook"));
    let event_type = post("/event-types", "name=a&schema=%7B").await;
    assert!(event_type.contains("schema: must be JSON"), "{event_type}");
    let big = format!("url={}", "x".repeat(1024 * 1024));
    let refused = visitor.post("/panel/o/acme/configs", &big).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_config_is_not_changed_that_somebody_else_has_changed() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let id = config(&acme, json!({})).await;
    let path = format!("{CONFIGS}/{id}");
    let revision = acme.get(&path).await.expect(200)["revision"].clone();
    acme.patch(&path, &json!({"description": "theirs"}))
        .await
        .expect(200);

    let form = format!(
        "revision={revision}&url=http%3A%2F%2F127.0.0.1%2F&description=mine&scheme=standard&preset=nudj"
    );
    let address = format!("/panel/o/acme/configs/{id}");
    let reply = installation
        .visitor(acme.token())
        .post(&address, &form)
        .await;

    assert!(reply.text().contains("class=\"fault\""), "{}", reply.text());
    let shown = acme.get(&path).await.expect(200);
    assert_eq!(shown["description"], json!("theirs"));
}

#[tokio::test]
async fn a_stream_of_rows_ends_with_the_drain() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let mut stream = installation
        .visitor(acme.token())
        .open("/panel/o/acme/logs/live")
        .await;
    assert_eq!(stream.status(), StatusCode::OK);
    assert_eq!(stream.headers()[header::CONTENT_TYPE], "text/event-stream");

    let first = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"data: <tr>"), "{first:?}");
    let ended = async { while stream.frame().await.is_some() {} };
    let (_, ended) = tokio::join!(installation.stop(), tokio::time::timeout(BOUND, ended));
    ended.expect("the stream ends");
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_wrong_filters_begin_none() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let other = installation.caller("acme", "admin").await;
    let visitor = installation.visitor(other.token());
    let wrong = visitor
        .get("/panel/o/acme/logs/live?responseStatus=x")
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let mut stream = visitor.open("/panel/o/acme/logs/live").await;
    stream.frame().await.unwrap().unwrap();

    let tokens = acme.get("/api/v2/admin/tokens").await.expect(200);
    let id = tokens.as_array().unwrap().last().unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    acme.delete(&format!("/api/v2/admin/tokens/{id}"))
        .await
        .expect(204);

    let ended = async { while stream.frame().await.is_some() {} };
    tokio::time::timeout(BOUND, ended)
        .await
        .expect("the stream ends");
}

#[tokio::test]
async fn assets_are_kept_by_browsers_and_pages_are_not() {
    let installation = Installation::start().await;
    let stranger = installation.visitor("");

    for name in [
        "htmx.min.js",
        "hx-sse.min.js",
        "panel.js",
        "panel.css",
        "icon.svg",
    ] {
        let path = format!("/panel/assets/{name}");
        let reply = stranger.get(&path).await;
        assert_eq!(reply.status, StatusCode::OK, "{name}");
        let tag = reply.headers[header::ETAG].clone();
        assert!(
            reply.headers[header::CACHE_CONTROL]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        let known = stranger.get_known(&path, &tag).await;
        assert_eq!(known.status, StatusCode::NOT_MODIFIED, "{name}");
    }
    assert_eq!(
        stranger.get("/panel/assets/x.js").await.status,
        StatusCode::NOT_FOUND
    );
}

fn assert_guarded(headers: &HeaderMap, path: &str) {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());

    assert_eq!(text("content-security-policy"), Some(POLICY), "{path}");
    assert_eq!(text("x-content-type-options"), Some("nosniff"), "{path}");
    assert_eq!(text("cache-control"), Some("no-store"), "{path}");
    assert_eq!(text("referrer-policy"), Some("same-origin"), "{path}");
}

/// Makes a config and returns its id.
async fn config(caller: &Caller, more: Value) -> String {
    let mut config = json!({"url": "http://127.0.0.1/hook", "events": ["*"]});
    let fields = config.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    let saved = caller.put(CONFIGS, &json!([config])).await.expect(200);
    saved[0]["id"].as_str().unwrap().to_owned()
}
