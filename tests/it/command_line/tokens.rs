//! `posthorn tokens`.

use super::Desk;

#[tokio::test]
async fn a_token_is_made_listed_and_revoked() {
    let desk = Desk::start().await;
    let operator = desk.dev.operator();
    let posthorn = desk.admin.env("POSTHORN_TOKEN", operator.token().unwrap());

    let create = [
        "tokens",
        "create",
        "--organisation",
        "beta",
        "--role",
        "admin",
        "--name",
        "ops",
    ];
    let made = posthorn.run(&create).await;
    desk.admin.write("beta.token", made.succeeded());
    let as_beta = desk.admin.env("POSTHORN_TOKEN", "unused");
    let list = ["tokens", "list", "--json", "--token-file", "beta.token"];
    let listed = as_beta.run(&list).await.documents();
    let id = listed[0]["id"].as_str().unwrap();
    let short = [
        "tokens",
        "create",
        "--role",
        "producer",
        "--name",
        "x",
        "--expires",
        "1h",
        "--json",
    ];
    let short = desk.admin.run(&short).await.documents();
    let table = desk.admin.run(&["tokens", "list"]).await;
    let revoke = ["tokens", "revoke", id, "--organisation", "beta"];
    posthorn.run(&revoke).await.succeeded();
    let gone = as_beta.run(&list).await;

    assert_eq!(made.output.lines().count(), 1, "{made:?}");
    assert!(made.output.starts_with("pht_"), "{made:?}");
    assert!(!made.errors.contains("pht_"), "{made:?}");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["organisationId"], "beta");
    assert!(short[0]["expiresAt"].is_string(), "{short:?}");
    assert!(table.succeeded().contains("producer"), "{table:?}");
    assert!(gone.failed(1).contains("UNAUTHORIZED"), "{gone:?}");
}
