//! `posthorn configs`.

use serde_json::{Value, json};

use super::Desk;

const FILE: &str = "\
configs:
  - url: http://127.0.0.1:9/a
    events: [reward.*]
    headers: {Authorization: Bearer s3cret-of-the-receiver, X-Tenant: '7'}
    rateLimit: 5
  - url: http://127.0.0.1:9/b
    events: ['*']
    retryPolicy: {preset: standard-webhooks}
";

#[tokio::test]
async fn a_file_is_applied_and_then_nothing_is_different() {
    let desk = Desk::start().await;
    let posthorn = &desk.admin;
    posthorn.write("webhooks.yaml", FILE);
    let dry = ["configs", "apply", "-f", "webhooks.yaml", "--dry-run"];

    let before = posthorn.run(&dry).await;
    let unasked = posthorn
        .run(&["configs", "apply", "-f", "webhooks.yaml"])
        .await;
    let untouched = desk.acme.configs().await.len();
    let apply = ["configs", "apply", "-f", "webhooks.yaml", "--yes", "--json"];
    let applied = posthorn.run(&apply).await;
    let after = posthorn.run(&dry).await;

    before.failed(1);
    assert!(
        before.output.contains("+ http://127.0.0.1:9/a"),
        "{before:?}"
    );
    assert!(before.output.contains("Bearer ***"), "{before:?}");
    assert!(unasked.failed(2).contains("--yes"), "{unasked:?}");
    assert_eq!(untouched, 0);
    let made = applied.documents();
    assert_eq!(made.len(), 2);
    assert!(
        made[0]["secret"].as_str().unwrap().starts_with("whsec_"),
        "{made:?}"
    );
    after.succeeded();
    for said in [&before, &unasked, &applied, &after] {
        let text = format!("{}{}", said.output, said.errors);
        assert!(!text.contains("s3cret"), "{text}");
    }
    assert_eq!(desk.acme.configs().await.len(), 2);
}

#[tokio::test]
async fn changes_are_shown_and_made_and_only_pruning_deletes() {
    let desk = Desk::start().await;
    let posthorn = &desk.admin;
    posthorn.write("webhooks.yaml", FILE);
    let apply = ["configs", "apply", "--yes", "-f"];
    let with = |more: &'static [&'static str]| [&apply[..], more].concat();
    posthorn.run(&with(&["webhooks.yaml"])).await.succeeded();
    let one = json!([{"url": "http://127.0.0.1:9/a", "events": ["reward.*", "order.paid"], "rateLimit": 5}]);
    posthorn.write("one.json", &one.to_string());

    let changed = posthorn.run(&with(&["one.json"])).await;
    let kept = desk.acme.configs().await;
    let pruned = posthorn.run(&with(&["one.json", "--prune"])).await;
    let left = desk.acme.configs().await;
    let wrong = json!([{"url": "ftp://example.com", "events": []}]).to_string();
    let refused = posthorn.run_with_input(&with(&["-"]), &wrong).await;

    changed.succeeded();
    let shown = r#"events: ["reward.*"] → ["reward.*","order.paid"]"#;
    assert!(changed.errors.contains(shown), "{changed:?}");
    assert!(!changed.errors.contains("rateLimit"), "{changed:?}");
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0]["events"], json!(["reward.*", "order.paid"]));
    assert!(pruned.succeeded().starts_with("deleted"), "{pruned:?}");
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["headers"]["X-Tenant"], "7");
    assert!(refused.failed(1).contains("[0].url: must"), "{refused:?}");
}

#[tokio::test]
async fn what_is_exported_can_be_applied_again_and_holds_no_secret() {
    let desk = Desk::start().await;
    let posthorn = &desk.admin;
    posthorn.write("webhooks.yaml", FILE);
    let apply = ["configs", "apply", "--yes", "-f", "webhooks.yaml"];
    posthorn.run(&apply).await.succeeded();
    let id = desk.acme.configs().await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();

    for file in ["out.yaml", "out.json"] {
        let format: &[&str] = if file == "out.json" { &["--json"] } else { &[] };
        let export = [&["configs", "export"][..], format].concat();
        let exported = posthorn.run(&export).await;
        posthorn.write(file, exported.succeeded());
        assert!(!exported.output.contains("s3cret"), "{exported:?}");
        assert!(!exported.output.contains("whsec_"), "{exported:?}");
        let dry = ["configs", "apply", "-f", file, "--prune", "--dry-run"];
        posthorn.run(&dry).await.succeeded();
    }
    let shown = posthorn.run(&["configs", "get", &id]).await;
    let listed = posthorn
        .run(&["configs", "get", "--search", "9/b", "--json"])
        .await
        .documents();
    let unknown = posthorn.run(&["configs", "get", "ep_unknown"]).await;

    assert!(
        shown.succeeded().contains("url: http://127.0.0.1:9/a"),
        "{shown:?}"
    );
    assert_eq!(listed.len(), 1);
    assert_eq!(
        listed[0]["retryPolicy"],
        json!({"preset": "standard-webhooks"})
    );
    assert!(unknown.failed(1).contains("NOT_FOUND"), "{unknown:?}");
    let json: Value = serde_json::from_str(
        posthorn
            .run(&["configs", "export", "--json", "--without-ids"])
            .await
            .succeeded(),
    )
    .unwrap();
    assert!(json["configs"][0].get("id").is_none(), "{json}");
}
