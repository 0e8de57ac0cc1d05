//! What is served on `/metrics`: correct, bounded, and enough for the alerts and the dashboard, as a real
//! Prometheus sees it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use e2e::{Organisation, Service, Stack};
use serde_json::{Value, json};
use test_support::{Answer, HttpClient, Receiver, eventually, free_port, script};

use crate::BOUND;

/// Prometheus, killed when it is dropped.
struct Prometheus {
    process: Child,
    client: HttpClient,
    _directory: tempfile::TempDir,
}

#[tokio::test]
async fn every_query_of_the_dashboard_finds_data_in_a_real_prometheus() {
    let collector = e2e::Collector::start();
    let url = collector.url();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_METRICS_EXPORTER", "none"),
    ];
    let stack = Stack::start_limited(e2e::Store::Sqlite, "info", &variables).await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::failing_first(1, 500));
    let policy =
        json!({"maxRetries": 3, "retryPolicy": {"preset": "nudj", "delay": {"fixed": 200}}});
    acme.register(&receiver.url("/"), &["order.paid"], policy)
        .await;
    acme.configs().await;
    let prometheus = Prometheus::start(&stack);

    let queries = dashboard_queries();
    assert!(queries.len() > 25, "{queries:?}");
    let mut sent = 0;
    // Rates need two looks between which something happened.
    eventually(
        "every query finds data",
        Duration::from_secs(90),
        async || {
            sent += 1;
            let event = json!({"id": format!("evt-{sent}"), "eventSubCategory": "order.paid"});
            acme.send(&event).await;
            let mut empty = Vec::new();
            for query in &queries {
                if prometheus.query(query).await.is_empty() {
                    empty.push(query);
                }
            }
            if empty.is_empty() {
                Ok(())
            } else {
                Err(format!("{empty:#?}"))
            }
        },
    )
    .await;
    prometheus.assert_rules_are_healthy().await;
    stack.stop().await;
}

#[tokio::test]
async fn metrics_are_as_prometheus_wants_them_and_grow_with_nobody() {
    let stack = Stack::start().await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let acme = stack.organisation("acme").await;
    use_everything(&acme, &receiver, 1).await;
    let before = series(&stack).await;

    for n in 0..5 {
        let other = stack.organisation(&format!("other-{n}")).await;
        use_everything(&other, &receiver, 3).await;
    }

    let after = series(&stack).await;
    assert_eq!(before, after);
    for service in Service::ALL {
        let text = metrics(&stack, service).await;
        let mut check = Command::new(tool("promtool"))
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut check.stdin.take().unwrap(), text.as_bytes()).unwrap();
        let checked = check.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned()
            + &String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{service:?}: {said}");
    }
}

#[test]
fn alert_rules_are_valid_and_each_fires_when_it_should_and_only_then() {
    for arguments in [
        ["check", "rules", "deploy/prometheus/posthorn.rules.yaml"],
        [
            "test",
            "rules",
            "deploy/prometheus/posthorn.rules.test.yaml",
        ],
    ] {
        let checked = Command::new(tool("promtool"))
            .args(arguments)
            .current_dir(root())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stdout).into_owned()
            + &String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{said}");
    }
    let rules = fs::read_to_string(root().join("deploy/prometheus/posthorn.rules.yaml")).unwrap();
    let tests =
        fs::read_to_string(root().join("deploy/prometheus/posthorn.rules.test.yaml")).unwrap();
    for alert in rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        for what in ["fires", "is quiet"] {
            assert!(
                tests.contains(&format!("- name: {alert} {what}\n")),
                "{alert} {what}"
            );
        }
    }
}

impl Prometheus {
    fn start(stack: &Stack) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let targets: Vec<String> = Service::ALL
            .iter()
            .map(|service| stack.url(*service).replace("http://", ""))
            .collect();
        let rules = root().join("deploy/prometheus/posthorn.rules.yaml");
        let config = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{"job_name": "posthorn", "static_configs": [{"targets": targets}]}],
        });
        let file = directory.path().join("prometheus.yml");
        fs::write(&file, config.to_string()).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let log = fs::File::create(directory.path().join("prometheus.log")).unwrap();
        let process = Command::new(tool("prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            process,
            client: HttpClient::new(format!("http://{address}")),
            _directory: directory,
        }
    }

    /// Returns what a query finds; nothing while Prometheus is not there yet.
    async fn query(&self, query: &str) -> Vec<Value> {
        let Some(answer) = self
            .get(&format!("/api/v1/query?query={}", encoded(query)))
            .await
        else {
            return Vec::new();
        };
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let found = answer["data"]["result"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        found
            .into_iter()
            .filter(|one| one["value"][1] != "NaN")
            .collect()
    }

    async fn assert_rules_are_healthy(&self) {
        let answer = self.get("/api/v1/rules").await.unwrap();
        let rules = answer["data"]["groups"][0]["rules"].as_array().unwrap();
        assert!(rules.len() > 10, "{answer}");
        for rule in rules {
            assert_eq!(rule["health"], "ok", "{rule}");
        }
        let answer = self.get("/api/v1/targets").await.unwrap();
        let targets = answer["data"]["activeTargets"].as_array().unwrap();
        assert_eq!(targets.len(), Service::ALL.len());
        for target in targets {
            assert_eq!(target["health"], "up", "{target}");
        }
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let method = http::Method::GET;
        let sent = self.client.send(method, path, Default::default());
        let reply = sent.await.ok()?;
        // Before it is ready it says so, and not in JSON.
        (reply.status != http::StatusCode::SERVICE_UNAVAILABLE).then(|| reply.json())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _status = self.process.wait();
    }
}

/// Returns the queries of all panels, as Grafana would send them.
fn dashboard_queries() -> Vec<String> {
    let text = fs::read_to_string(root().join("deploy/grafana/posthorn.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets
        .map(|target| {
            target["expr"]
                .as_str()
                .unwrap()
                .replace("$__rate_interval", "1m")
        })
        .collect()
}

/// Registers endpoints, sends an event to them and asks the Admin API, so that everything has been counted that is
/// counted.
async fn use_everything(organisation: &Organisation, receiver: &Receiver, endpoints: usize) {
    for n in 0..endpoints {
        let url = receiver.url(&format!("/{}/{n}", organisation.id));
        (organisation.register(&url, &["order.paid"], json!({}))).await;
    }
    let id = format!("evt-{}", organisation.id);
    let event = json!({"id": id, "eventSubCategory": "order.paid"});
    organisation.send(&event).await;
    organisation.wait_logs(endpoints, "").await;
    organisation.configs().await;
}

/// Returns how many series each service shows.
async fn series(stack: &Stack) -> Vec<(Service, usize)> {
    let mut counts = Vec::new();
    for service in Service::ALL {
        // The lag of consumers is looked at every few seconds.
        let text = eventually("everything is shown", BOUND, async || {
            let text = metrics(stack, service).await;
            let reads = !matches!(service, Service::Ingest | Service::Admin);
            if reads && !text.contains("posthorn_consumer_pending{") {
                Err(text)
            } else {
                Ok(text)
            }
        })
        .await;
        let lines = text.lines().filter(|line| line.starts_with("posthorn_"));
        counts.push((service, lines.count()));
    }
    counts
}

async fn metrics(stack: &Stack, service: Service) -> String {
    let reply = HttpClient::new(stack.url(service)).get("/metrics").await;
    String::from_utf8(reply.body.to_vec()).unwrap()
}

fn tool(name: &str) -> PathBuf {
    let Ok(folder) = std::env::var("POSTHORN_PROMETHEUS_BIN") else {
        panic!(
            "POSTHORN_PROMETHEUS_BIN names the folder of {name}: tools/ensure-prometheus prints it"
        );
    };
    Path::new(&folder).join(name)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
