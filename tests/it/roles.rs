//! Who may do what: every role and every operation, and every operation on what belongs to somebody else.

use std::collections::BTreeSet;

use bytes::Bytes;
use e2e::{Described, Description, Dev, Organisation};
use http::Method;
use serde_json::{Value, json};
use test_support::{Answer, HttpClient, Receiver, Reply, Signal, eventually, script};

use crate::BOUND;

/// The columns of the table.
const CALLERS: [&str; 5] = ["nobody", "producer", "viewer", "admin", "operator"];

/// An event type of acme's own.
const TYPE: &str = "only-of-acme";

/// What an operation is called with, and what each caller is answered.
struct Row {
    operation: &'static str,
    /// What stands for the parameter of the path.
    id: Id,
    query: &'static str,
    body: Value,
    expected: [u16; 5],
}

/// What stands for the parameter of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Id {
    /// The path has none.
    None,
    /// One that exists.
    Real,
    /// One that does not: who may do it is told that there is no such thing, and nothing is lost.
    Unknown,
    /// Any: whether there is such a thing is told to nobody.
    Any,
}

/// Read by viewers, too.
const READ: [u16; 5] = [401, 403, 200, 200, 200];

fn admins(status: u16) -> [u16; 5] {
    [401, 403, 403, status, status]
}

fn table() -> Vec<Row> {
    let all = [of_events(), of_configs(), of_attempts(), of_the_rest()];
    all.into_iter().flatten().collect()
}

fn of_events() -> Vec<Row> {
    use Id::{Any, None, Real};
    let event = json!({"eventSubCategory": "unheard-of"});
    let custom = json!({"eventName": "unheard-of", "payload": {}, "userId": "u"});
    vec![
        row("postEvents", None, [401, 202, 403, 202, 202]).with(event),
        row("postEventsCustom", None, [401, 200, 403, 200, 200]).with(custom),
        row("eraseEvent", Any, admins(202)),
        row("listErasures", None, admins(200)),
        row("getErasure", Real, admins(200)),
    ]
}

fn of_configs() -> Vec<Row> {
    use Id::{None, Real, Unknown};
    let replay = json!({"from": "2026-01-01T00:00:00Z"});
    vec![
        row("listWebhookConfigs", None, READ),
        row("putWebhookConfigs", None, admins(200)).with(json!([])),
        row("getWebhookConfig", Real, READ),
        row("patchWebhookConfig", Real, admins(200)).with(json!({"description": "x"})),
        row("deleteWebhookConfig", Unknown, admins(404)),
        row("pauseWebhookConfig", Real, admins(200)),
        row("resumeWebhookConfig", Real, admins(200)),
        row("testWebhookConfig", Real, admins(200)),
        row("rotateWebhookConfigSecret", Real, admins(200)),
        row("getWebhookConfigStats", Real, READ),
        row("startWebhookReplay", Unknown, admins(404)).with(replay),
        row("listWebhookReplays", None, admins(200)),
        row("getWebhookReplay", Real, admins(200)),
        row("cancelWebhookReplay", Unknown, admins(404)),
    ]
}

fn of_attempts() -> Vec<Row> {
    use Id::{None, Real, Unknown};
    let of_filter = Row {
        query: "reason=poison",
        ..row("deleteWebhookDeadLetters", None, admins(200))
    };
    vec![
        row("listWebhookLogs", None, admins(200)),
        row("getWebhookLog", Real, admins(200)),
        row("retryWebhookLog", Real, admins(202)),
        row("listWebhookDeliveries", None, admins(200)),
        row("getWebhookDelivery", Real, admins(200)),
        row("listWebhookDeadLetters", None, admins(200)),
        of_filter,
        row("retryWebhookDeadLetters", None, admins(200)).with(json!({"reason": "poison"})),
        row("getWebhookDeadLetter", Real, admins(200)),
        row("deleteWebhookDeadLetter", Unknown, admins(404)),
        row("retryWebhookDeadLetter", Unknown, admins(404)),
    ]
}

fn of_the_rest() -> Vec<Row> {
    use Id::{None, Real, Unknown};
    let token = json!({"role": "viewer", "name": "n"});
    vec![
        row("listWebhookEventTypes", None, READ),
        row("putWebhookEventTypes", None, admins(200)).with(json!([])),
        row("getWebhookEventType", Real, READ),
        row("deleteWebhookEventType", Unknown, admins(404)),
        row("getSettings", None, READ),
        row("putSettings", None, admins(200)).with(json!({})),
        row("listTokens", None, admins(200)),
        row("createToken", None, admins(201)).with(token),
        row("deleteToken", Unknown, admins(404)),
    ]
}

fn row(operation: &'static str, id: Id, expected: [u16; 5]) -> Row {
    Row {
        operation,
        id,
        query: "",
        body: Value::Null,
        expected,
    }
}

impl Row {
    fn with(self, body: Value) -> Self {
        Self { body, ..self }
    }
}

#[tokio::test]
async fn every_role_is_answered_by_every_operation_as_the_table_says() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(&data).await;
    let description = Description::of(&world.anybody()).await;
    let operations = description.operations();
    let table = table();
    assert_complete(&operations, &table);

    for row in &table {
        let operation = find(&operations, row.operation);
        for (caller, expected) in CALLERS.into_iter().zip(row.expected) {
            let reply = world.call(caller, operation, row).await;

            let status = reply.status.as_u16();
            assert_eq!(status, expected, "{} by {caller}: {reply}", row.operation);
            description.check(operation, &reply);
            assert_names(operation, &reply);
        }
    }
    world.dev.stop(Signal::Terminate).await;
}

#[tokio::test]
async fn what_belongs_to_another_organisation_does_not_exist() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(&data).await;
    let stranger = world.dev.organisation("umbra").await.admin;
    let description = Description::of(&world.anybody()).await;

    let is_asked = |row: &&Row| row.id == Id::Real || row.id == Id::Unknown;
    for row in table().iter().filter(is_asked) {
        let operations = description.operations();
        let operation = find(&operations, row.operation);
        let theirs = world.id_for(operation.path);
        let nobodys = unknown_id(operation.path);

        let theirs = send(&stranger, operation, theirs, row).await;
        let nobodys = send(&stranger, operation, nobodys, row).await;

        let status = theirs.status.as_u16();
        assert_eq!(status, 404, "{}: {theirs}", row.operation);
        assert_eq!(theirs.json(), nobodys.json(), "{}", row.operation);
    }
    for row in table() {
        let operations = description.operations();
        let operation = find(&operations, row.operation);
        let row = Row {
            query: "organisationId=acme",
            ..row
        };
        let named = send(&stranger, operation, unknown_id(operation.path), &row).await;
        named.expect(403);
    }
    world.dev.stop(Signal::Terminate).await;
}

/// An installation with one of everything.
struct World {
    dev: Dev,
    acme: Organisation,
    viewer: HttpClient,
    config: String,
    log: String,
    delivery: String,
    letter: String,
    replay: String,
    erasure: String,
    _receiver: Receiver,
}

impl World {
    async fn start(data: &tempfile::TempDir) -> Self {
        let dev = Dev::start(data.path()).await;
        // What is refused is not retried, so it leaves a dead letter at once.
        let receiver = Receiver::start(script::always(Answer::status(400)));
        let acme = dev.organisation("acme").await;
        let config = acme
            .register(&receiver.url("/hook"), &["a"], json!({}))
            .await;
        let config = id_of(&config);
        acme.send(&json!({"eventSubCategory": "a"})).await;
        let log = id_of(&acme.wait_logs(1, "").await[0]);
        let first = async |path: &str| {
            let path = format!("/api/v2/admin/webhooks/{path}");
            eventually("there is one", BOUND, async || {
                let page = acme.admin.get(&path).await.expect(200);
                match page["edges"].get(0) {
                    Some(first) => Ok(id_of(first)),
                    None => Err(page),
                }
            })
            .await
        };
        let (delivery, letter) = (first("deliveries").await, first("dead-letters").await);
        let wanted = json!({"from": "2026-01-01T00:00:00Z"});
        let path = format!("/api/v2/admin/webhooks/configs/{config}/replay");
        let replay = id_of(&acme.admin.post(&path, &wanted).await.expect(202));
        let path = "/api/v2/admin/events/nothing/erase";
        let erasure = id_of(&acme.admin.post(path, &json!(null)).await.expect(202));
        let types = json!([{"name": TYPE}]);
        let path = "/api/v2/admin/webhooks/event-types";
        acme.admin.put(path, &types).await.expect(200);
        let viewer = json!({"organisationId": "acme", "role": "viewer", "name": "v"});
        let viewer = dev.operator().post("/api/v2/admin/tokens", &viewer).await;
        let viewer = viewer.expect(201)["token"].as_str().unwrap().to_owned();
        let viewer = acme.admin.with_token(viewer);
        Self {
            dev,
            acme,
            viewer,
            config,
            log,
            delivery,
            letter,
            replay,
            erasure,
            _receiver: receiver,
        }
    }

    fn anybody(&self) -> HttpClient {
        HttpClient::new(self.dev.description["address"].as_str().unwrap())
    }

    /// Returns what of acme's stands for the parameter of a path.
    fn id_for(&self, path: &str) -> &str {
        let ids = [
            ("/configs/", self.config.as_str()),
            ("/logs/", &self.log),
            ("/deliveries/", &self.delivery),
            ("/dead-letters/", &self.letter),
            ("/replays/", &self.replay),
            ("/erasures/", &self.erasure),
            ("/event-types/", TYPE),
            ("/tokens/", "operator"),
        ];
        let found = ids.into_iter().find(|(part, _)| path.contains(part));
        found.map_or("", |(_, id)| id)
    }

    async fn call(&self, caller: &str, operation: &Described<'_>, row: &Row) -> Reply {
        let client = match caller {
            "nobody" => self.anybody(),
            "producer" => self.acme.producer.clone(),
            "viewer" => self.viewer.clone(),
            "admin" => self.acme.admin.clone(),
            _ => self.dev.operator(),
        };
        let id = match row.id {
            Id::Real => self.id_for(operation.path),
            Id::Unknown | Id::Any | Id::None => unknown_id(operation.path),
        };
        if caller != "operator" {
            return send(&client, operation, id, row).await;
        }
        let query = format!("organisationId=acme&{}", row.query);
        let path = path_of(operation, id, query.trim_end_matches('&'));
        request(&client, operation.method.clone(), &path, &row.body).await
    }
}

/// Makes sure that no operation is left out, and that every one with an id is asked for somebody else's.
fn assert_complete(operations: &[Described<'_>], table: &[Row]) {
    let described: BTreeSet<&str> = operations.iter().map(|one| one.id).collect();
    let listed: BTreeSet<&str> = table.iter().map(|row| row.operation).collect();
    assert_eq!(described, listed, "the table and the description differ");
    for row in table {
        let has_id = find(operations, row.operation).path.contains('{');
        assert_eq!(has_id, row.id != Id::None, "{}", row.operation);
    }
}

fn find<'a, 'b>(operations: &'a [Described<'b>], id: &str) -> &'a Described<'b> {
    operations.iter().find(|one| one.id == id).unwrap()
}

/// An id that looks like one and is nobody's.
fn unknown_id(path: &str) -> &'static str {
    if path.contains("/dead-letters/") {
        "4000000000"
    } else if path.contains("/deliveries/") {
        "nothing:ep_nothing"
    } else {
        "nothing"
    }
}

async fn send(client: &HttpClient, operation: &Described<'_>, id: &str, row: &Row) -> Reply {
    let path = path_of(operation, id, row.query);
    request(client, operation.method.clone(), &path, &row.body).await
}

fn path_of(operation: &Described<'_>, id: &str, query: &str) -> String {
    let path = match operation.path.split_once('{') {
        Some((before, rest)) => {
            let (_, after) = rest.split_once('}').unwrap();
            format!("{before}{id}{after}")
        }
        None => operation.path.to_owned(),
    };
    format!("{path}?{query}")
}

async fn request(client: &HttpClient, method: Method, path: &str, body: &Value) -> Reply {
    let body = if body.is_null() {
        Bytes::new()
    } else {
        body.to_string().into()
    };
    client.send(method, path, body).await.unwrap()
}

/// Makes sure that a failure names the operation.
fn assert_names(operation: &Described<'_>, reply: &Reply) {
    if reply.status.is_success() {
        return;
    }
    let body = reply.json();
    assert_eq!(body["data"]["path"], operation.id, "{reply}");
    assert_eq!(body["data"]["httpStatus"], reply.status.as_u16(), "{reply}");
}

fn id_of(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}
