//! Everywhere that a secret could have got to, outside the answers.

use std::path::Path;

use e2e::{Service, Stack};
use test_support::HttpClient;

use super::needle::Place;

/// The stream whose files hold the endpoints, with their URLs.
pub(super) const ENDPOINTS: &str = "KV_posthorn_endpoints";

/// Returns what the services say to everybody who asks: metrics, readiness, the filter of the log.
pub(super) async fn told(stack: &Stack) -> Vec<Place> {
    let mut told = Vec::new();
    for service in Service::ALL {
        let client = HttpClient::new(stack.url(service));
        for path in ["/metrics", "/ready", "/live", "/log-filter"] {
            let name = format!("{path} of {service:?}");
            told.push(Place::new(name, client.get(path).await.body));
        }
    }
    told
}

/// Returns the output of all services, and of the broker.
pub(super) fn logs(stack: &mut Stack) -> Vec<Place> {
    Service::ALL
        .into_iter()
        .map(|service| {
            let name = format!("the output of {service:?}");
            Place::new(name, stack.service(service).log())
        })
        .collect()
}

/// Returns every file below a folder.
pub(super) fn files(folder: &Path) -> Vec<Place> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                let name = path.display().to_string();
                found.push(if name.contains(ENDPOINTS) {
                    Place::with_urls(name, bytes)
                } else {
                    Place::new(name, bytes)
                });
            }
        }
    }
    found
}
