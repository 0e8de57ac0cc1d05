//! The description of the API is served whole, to anybody, and as a page that loads nothing from elsewhere.

use std::fs;

use e2e::Dev;
use serde_json::Value;
use test_support::{HttpClient, Signal};

const COMMITTED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../services/admin/openapi.json"
);

#[tokio::test]
async fn the_document_and_its_page_are_served_and_load_nothing_from_elsewhere() {
    let data = tempfile::tempdir().unwrap();
    let dev = Dev::start(data.path()).await;
    let anybody = HttpClient::new(dev.description["address"].as_str().unwrap());

    let committed: Value = serde_json::from_str(&fs::read_to_string(COMMITTED).unwrap()).unwrap();
    let document = anybody.get("/api/v2/openapi.json").await;
    let page = anybody.get("/api/v2/docs").await;
    let style = anybody.get("/api/v2/docs/style.css").await;

    assert_eq!(document.expect(200), committed);
    for (reply, media_type) in [
        (&page, "text/html; charset=utf-8"),
        (&style, "text/css; charset=utf-8"),
    ] {
        assert_eq!(reply.status, 200);
        assert_eq!(reply.headers["content-type"], media_type);
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self';"),
            "{policy}"
        );
        let text = String::from_utf8_lossy(&reply.body);
        for foreign in [
            "src=",
            "<script",
            "url(",
            "@import",
            "href=\"http",
            "href=\"//",
        ] {
            assert!(!text.contains(foreign), "{foreign} in {text}");
        }
    }
    dev.stop(Signal::Terminate).await;
}
