//! A life of an installation in which every secret is used, and everything goes wrong that can.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::{Organisation, Service, Stack};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use test_support::{
    Answer, Authority, HttpClient, Received, Receiver, Reply, eventually, free_port,
};

use super::needle::{Needle, Place};
use crate::BOUND;

pub(super) const CONFIGS: &str = "/api/v2/admin/webhooks/configs";
const LOGS: &str = "/api/v2/admin/webhooks/logs";
const DEAD_LETTERS: &str = "/api/v2/admin/webhooks/dead-letters";
const TOKENS: &str = "/api/v2/admin/tokens";

/// Not the published example, which the description of the API shows.
const SECRET: &str = "whsec_YSBzZWNyZXQgb2YgdGhlIHRlc3Qgb2Ygc2VjcmV0cyE=";
const BEARER: &str = "Bearer s3cret-of-the-receiver-4711";
/// `agent:pa55word-of-the-receiver`.
const BASIC: &str = "Basic YWdlbnQ6cGE1NXdvcmQtb2YtdGhlLXJlY2VpdmVy";
const API_KEY: &str = "key-of-the-receiver-0815";
const COOKIE: &str = "session=cookie-of-the-receiver";
const TEXT_SECRET: &str = "a-text-that-signs-by-hmac-hex";
const GIVEN_SECRET: &str = "whsec_Z2l2ZW4td2hlbi10aGUtc2VjcmV0LXJvdGF0ZWQ=";
const CLIENT_SECRET: &str = "client-s3cret-for-the-token-server";
const ACCESS_TOKEN: &str = "access-token-that-was-granted";
const IN_A_URL: &str = "token-in-the-query-of-a-url";
/// What is in requests that are refused.
pub(super) const REFUSED: &str = "whsec_cmVmdXNlZC1zZWNyZXQ!";

/// What happened so far.
pub(super) struct Story {
    pub(super) acme: Organisation,
    operator: HttpClient,
    /// Who reads: all roles that may.
    readers: Vec<HttpClient>,
    /// What must not be seen.
    pub(super) needles: Vec<Needle>,
    /// What was answered.
    pub(super) seen: Vec<Place>,
    receiver: Receiver,
    over_tls: Receiver,
    client: test_support::Certified,
    roots: String,
    /// The ids of configs by what they are for.
    pub(super) configs: BTreeMap<&'static str, String>,
}

impl Story {
    /// Begins with an organisation and its receivers.
    pub(super) async fn begin(stack: &Stack) -> Self {
        let acme = stack.organisation("acme").await;
        let viewer = stack.token("acme", "viewer").await;
        let operator = stack.operator();
        let authority = Authority::new("authority of a test");
        let server = authority.server(&["127.0.0.1"]);
        let over_tls = Receiver::start_tls(server.server_config(Some(&authority)), echo);
        let client = authority.client("posthorn");
        let mut needles = vec![
            Needle::new("the given secret", SECRET),
            Needle::new("the text secret", TEXT_SECRET),
            Needle::new("the given rotated secret", GIVEN_SECRET),
            Needle::new("authorization (bearer)", BEARER),
            Needle::new("authorization (basic)", BASIC),
            Needle::new("the api key", API_KEY),
            Needle::new("the cookie", COOKIE),
            Needle::new("the client secret", CLIENT_SECRET),
            Needle::new("the access token", ACCESS_TOKEN),
            Needle::new("the client's private key", &client.key),
            Needle::new("the refused secret", REFUSED),
            Needle::new("the viewer's token", &viewer),
            Needle::in_a_url("the token in a url", IN_A_URL),
        ];
        for (name, of) in [
            ("operator", &operator),
            ("admin", &acme.admin),
            ("producer", &acme.producer),
        ] {
            let token = of.token().unwrap();
            needles.push(Needle::new(format!("the {name}'s token"), token));
        }
        let viewing = acme.admin.with_token(viewer);
        Self {
            readers: vec![acme.admin.clone(), operator.clone(), viewing],
            operator,
            acme,
            needles,
            seen: Vec::new(),
            receiver: Receiver::start(echo),
            over_tls,
            client,
            roots: authority.pem(),
            configs: BTreeMap::new(),
        }
    }

    /// Saves a config for each way in which a delivery can go.
    pub(super) async fn register(&mut self) {
        let mut all = self.known_by_headers();
        all.extend(self.known_by_more());
        for (name, mut config) in all {
            config["events"] = json!(["reward-claim"]);
            if config["maxRetries"].is_null() {
                config["maxRetries"] = json!(0);
            }
            let saved = self.admin(Method::PUT, CONFIGS, &json!([config])).await;
            let id = saved[0]["id"].as_str();
            let id = id.unwrap_or_else(|| panic!("{name}: {saved}")).to_owned();
            self.configs.insert(name, id);
        }
    }

    /// Configs with secrets in their headers and URLs, for all that receivers can do.
    fn known_by_headers(&self) -> Vec<(&'static str, Value)> {
        let headers = json!({
            "Authorization": BEARER, "X-Api-Key": API_KEY, "Cookie": COOKIE, "X-Plain": "plain",
        });
        let echoing = json!({
            "url": self.url("/echo"), "headers": headers, "secret": SECRET,
            "signing": {"scheme": "standard", "asymmetric": true},
        });
        let failing = json!({
            "url": self.url("/failing"), "headers": {"Authorization": BASIC}, "maxRetries": 1,
            "retryPolicy": {"preset": "nudj", "delay": {"fixed": 200}},
        });
        let slow = json!({"url": self.url("/slow"), "headers": headers, "timeoutMs": 1_000});
        let refused = format!("http://127.0.0.1:{}/?token={IN_A_URL}", free_port());
        let blocked = format!("http://127.0.0.9/?token={IN_A_URL}");
        vec![
            ("echo", echoing),
            ("failing", failing),
            ("slow", slow),
            ("refused", json!({"url": refused, "headers": headers})),
            ("blocked", json!({"url": blocked, "headers": headers})),
        ]
    }

    /// Configs with every other kind of secret.
    fn known_by_more(&self) -> Vec<(&'static str, Value)> {
        let hex = json!({"scheme": "hmac-hex", "header": "x-hub-signature"});
        let oauth2 = |path: &str| {
            let url = self.receiver.url(path);
            json!({"tokenUrl": url, "clientId": "acme", "clientSecret": CLIENT_SECRET})
        };
        let certificate =
            json!({"certificate": self.client.certificate, "privateKey": self.client.key});
        let mutual = json!({
            "url": self.over_tls.url("/echo"), "headers": {"Authorization": BEARER},
            "clientCertificate": certificate, "caCertificate": self.roots,
        });
        vec![
            (
                "hmac-hex",
                json!({"url": self.url("/hex"), "signing": hex, "secret": TEXT_SECRET}),
            ),
            ("jwt", json!({"url": self.url("/jwt"), "signing": "jwt"})),
            (
                "oauth2",
                json!({"url": self.url("/granted"), "oauth2": oauth2("/token")}),
            ),
            (
                "no token",
                json!({"url": self.url("/never"), "oauth2": oauth2("/failing/token")}),
            ),
            ("mutual TLS", mutual),
        ]
    }

    fn url(&self, path: &str) -> String {
        self.receiver.url(&format!("{path}?token={IN_A_URL}&a=b"))
    }

    /// Rotates secrets, sends back what is shown, pauses and resumes.
    pub(super) async fn change(&mut self) {
        let path = format!("{CONFIGS}/{}", self.configs["echo"]);
        let rotate = format!("{path}/secret/rotate");
        self.admin(Method::POST, &rotate, &json!({})).await;
        let given = json!({"secret": GIVEN_SECRET, "overlapMs": 60_000});
        self.admin(Method::POST, &rotate, &given).await;
        let shown = self.admin(Method::GET, &path, &Value::Null).await;
        let again = self.admin(Method::PATCH, &path, &shown).await;
        assert_eq!(again["headers"]["Authorization"], "Bearer ***", "{again}");
        for verb in ["pause", "resume"] {
            self.admin(Method::POST, &format!("{path}/{verb}"), &Value::Null)
                .await;
        }
    }

    /// Sends an event to all of them and waits until every attempt is in the log.
    pub(super) async fn deliver(&mut self) {
        let event = json!({"id": "evt-1", "eventSubCategory": "reward-claim", "payload": {}});
        self.acme.send(&event).await;
        let attempts = self.configs.len() + 1;
        let records = self.acme.wait_logs(attempts, "").await;
        let of = |name: &str| {
            let id = &self.configs[name];
            let of = records
                .iter()
                .filter(|record| record["webhookConfigId"] == id.as_str());
            of.map(|record| record["errorKind"].as_str().unwrap_or("none"))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("failing"), ["status", "status"]);
        for (name, kind) in [
            ("echo", "none"),
            ("slow", "timeout"),
            ("blocked", "blocked-address"),
            ("oauth2", "none"),
            ("no token", "status"),
            ("mutual TLS", "none"),
        ] {
            assert_eq!(of(name), [kind], "{name}: {records:?}");
        }
        let echoed = records
            .iter()
            .filter(|record| record["responseBody"].is_string());
        let scrubbed =
            echoed.filter(|record| record["responseBody"].as_str().unwrap().contains("***"));
        assert!(scrubbed.count() >= 4, "{records:?}");
    }

    /// Does by hand what can be done by hand: test sends, retries, a replay.
    pub(super) async fn repeat(&mut self) {
        for id in self.configs.clone().into_values() {
            self.admin(Method::POST, &format!("{CONFIGS}/{id}/test"), &json!({}))
                .await;
        }
        let failed = self.acme.logs("success=false&eventId=evt-1").await;
        let before = self.acme.logs("").await.len();
        let id = failed[0]["id"].as_str().unwrap();
        self.admin(Method::POST, &format!("{LOGS}/{id}/retry"), &json!({}))
            .await;
        let letters = eventually("there are dead letters", BOUND, async || {
            let letters = self.acme.admin.get(DEAD_LETTERS).await.expect(200);
            let edges = letters["edges"].as_array().cloned().unwrap_or_default();
            if edges.len() > 2 {
                Ok(edges)
            } else {
                Err(edges.len())
            }
        })
        .await;
        let ids: Vec<_> = letters
            .iter()
            .take(2)
            .map(|letter| letter["id"].clone())
            .collect();
        self.admin(
            Method::POST,
            &format!("{DEAD_LETTERS}/retry"),
            &json!({"ids": ids}),
        )
        .await;
        let replay =
            json!({"mode": "all", "from": "2020-01-01T00:00:00Z", "to": "2020-06-01T00:00:00Z"});
        let path = format!("{CONFIGS}/{}/replay", self.configs["echo"]);
        self.admin(Method::POST, &path, &replay).await;
        self.acme.wait_logs(before + 1 + ids.len(), "").await;
    }

    /// Asks for what is refused, with a secret in it.
    pub(super) async fn err(&mut self) {
        let mut asked = refused_elsewhere(&format!("{CONFIGS}/{}", self.configs["echo"]));
        let bodies = refused_configs(&self.client.certificate)
            .into_iter()
            .map(|more| {
                let mut config = json!({"url": "https://a.example/refused", "events": ["*"]});
                let fields = more.as_object().unwrap().clone();
                config.as_object_mut().unwrap().extend(fields);
                json!([config]).to_string()
            });
        asked.extend(
            bodies
                .chain(no_json())
                .map(|body| (Method::PUT, CONFIGS.to_owned(), body)),
        );
        let (admin, producer) = (self.acme.admin.clone(), self.acme.producer.clone());
        for (method, path, body) in asked {
            let reply = self.ask(&admin, method.clone(), &path, body.clone()).await;
            assert!(
                reply.status.is_client_error(),
                "{method} {path} {body}: {reply}"
            );
        }
        let events = "/api/v2/events";
        let event = format!("{{\"eventSubCategory\":\"{REFUSED}\"}}");
        for (client, method, path) in [
            (admin.with_token(REFUSED), Method::PUT, CONFIGS),
            (producer.with_token(REFUSED), Method::POST, events),
            (producer, Method::POST, events),
        ] {
            let reply = self.ask(&client, method, path, event.clone()).await;
            assert!(reply.status.is_client_error(), "{path}: {reply}");
        }
    }

    /// Asks for everything that can be read, as the description of the API lists it.
    pub(super) async fn read_everything(&mut self) {
        let description = self.operator.get("/api/v2/openapi.json").await;
        let description = description.expect(200);
        let mut paths: Vec<String> = vec!["/api/v2/openapi.json".to_owned()];
        for (path, operations) in description["paths"].as_object().unwrap() {
            if operations["get"].is_object() {
                paths.extend(self.filled(path).await);
            }
        }
        assert!(paths.len() > 20, "{paths:?}");
        for path in paths {
            let path = format!("{path}?organisationId=acme");
            let mut is_there = false;
            for reader in self.readers.clone() {
                let reply = self.ask_until_served(&reader, Method::GET, &path, "").await;
                is_there |= reply.status.is_success();
            }
            assert!(is_there, "nobody may read {path}");
        }
    }

    /// Returns a path with each of the ids that there are for it.
    async fn filled(&mut self, path: &str) -> Vec<String> {
        let Some((list, behind)) = path.split_once("/{") else {
            return vec![path.to_owned()];
        };
        let (_, behind) = behind.split_once('}').unwrap();
        let admin = self.acme.admin.clone();
        let listed = self.ask_until_served(&admin, Method::GET, list, "").await;
        let listed = listed.expect(200);
        let items = if listed.is_array() {
            &listed
        } else {
            &listed["edges"]
        };
        let items = items.as_array().cloned().unwrap_or_default();
        let ids = items.iter().filter_map(|item| {
            let id = item.get("id").or_else(|| item.get("name"))?;
            Some(id.as_str().map_or_else(|| id.to_string(), str::to_owned))
        });
        ids.take(30)
            .map(|id| format!("{list}/{id}{behind}"))
            .collect()
    }

    /// Asks as the organisation's admin for something that succeeds; returns the answer.
    async fn admin(&mut self, method: Method, path: &str, body: &Value) -> Value {
        let client = self.acme.admin.clone();
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let reply = self
            .ask_until_served(&client, method.clone(), path, &body)
            .await;
        assert!(reply.status.is_success(), "{method} {path}: {reply}");
        let answer = reply.json();
        for told in [&answer["secret"], &answer[0]["secret"]] {
            if let Some(secret) = told.as_str() {
                self.needles.push(Needle::new(
                    format!("the secret told by {method} {path}"),
                    secret,
                ));
            }
        }
        answer
    }

    /// Asks, and keeps every answer, until the service is ready for it.
    async fn ask_until_served(
        &mut self,
        client: &HttpClient,
        method: Method,
        path: &str,
        body: &str,
    ) -> Reply {
        eventually("the service answers", BOUND, async || {
            let reply = self.ask(client, method.clone(), path, body.to_owned());
            let reply = reply.await;
            if reply.status == StatusCode::SERVICE_UNAVAILABLE {
                return Err(reply.to_string());
            }
            Ok(reply)
        })
        .await
    }

    /// Asks, and keeps the answer without the secret that it tells of once.
    async fn ask(
        &mut self,
        client: &HttpClient,
        method: Method,
        path: &str,
        body: String,
    ) -> Reply {
        let name = format!("the answer to {method} {path} {body}");
        let reply = client.send(method, path, body.into()).await.unwrap();
        let mut text = format!(
            "{:?} {}",
            reply.headers,
            String::from_utf8_lossy(&reply.body)
        );
        if let Ok(answer) = serde_json::from_slice::<Value>(&reply.body)
            && reply.status.is_success()
        {
            let told = answer["secret"]
                .as_str()
                .or_else(|| answer[0]["secret"].as_str());
            text = told.map_or_else(|| text.clone(), |secret| text.replace(secret, "told"));
        }
        self.seen
            .push(if path.starts_with(CONFIGS) && !path.ends_with("/test") {
                Place::with_urls(name, text)
            } else {
                Place::new(name, text)
            });
        reply
    }
}

/// Fields of configs that are refused.
fn refused_configs(certificate: &str) -> Vec<Value> {
    let user_info = format!("https://user:{REFUSED}@a.example/");
    let oauth2 = json!({"tokenUrl": user_info, "clientId": "c", "clientSecret": REFUSED});
    let key = |certificate: &str| json!({"clientCertificate": {"certificate": certificate, "privateKey": REFUSED}});
    vec![
        json!({"secret": REFUSED}),
        json!({"secret": {"value": REFUSED}}),
        json!({"secret": [REFUSED]}),
        json!({"headers": REFUSED}),
        json!({"headers": {"Authorization": format!("{REFUSED}\n")}}),
        json!({"headers": {"Authorization": [REFUSED]}}),
        json!({"headers": {"host": REFUSED}}),
        json!({"url": user_info}),
        json!({"url": format!("{REFUSED}://a.example/")}),
        json!({"signing": REFUSED}),
        json!({"signing": {"scheme": REFUSED}}),
        json!({"signing": {"scheme": "hmac-hex", "header": format!("{REFUSED} x")}}),
        json!({"retryPolicy": REFUSED}),
        json!({"isEnabled": REFUSED}),
        json!({"id": REFUSED}),
        json!({"organisationId": REFUSED}),
        json!({"events": [REFUSED]}),
        json!({"oauth2": REFUSED}),
        json!({"oauth2": oauth2}),
        json!({"oauth2": {"clientId": REFUSED, "clientSecret": {"a": REFUSED}}}),
        key(REFUSED),
        key(certificate),
        json!({"caCertificate": REFUSED}),
    ]
}

/// Bodies that are no JSON, or not the right one.
fn no_json() -> [String; 4] {
    [
        format!("[{{\"url\":\"https://a.example/\",\"secret\":\"{REFUSED}\""),
        format!("[{{\"secret\":\"{REFUSED}\" \"url\":1}}]"),
        format!("[{{\"secret\":{REFUSED}}}]"),
        format!("\"{REFUSED}\""),
    ]
}

/// Other requests that are refused.
fn refused_elsewhere(config: &str) -> Vec<(Method, String, String)> {
    let rotate = format!("{config}/secret/rotate");
    let with = |method, path: &str, body: Value| (method, path.to_owned(), body.to_string());
    let without = |method, path: String| (method, path, String::new());
    vec![
        with(Method::PATCH, config, json!({"secret": REFUSED})),
        with(Method::POST, &rotate, json!({"secret": REFUSED})),
        with(Method::POST, &rotate, json!({"overlapMs": REFUSED})),
        with(Method::POST, TOKENS, json!({"role": REFUSED, "name": "n"})),
        with(
            Method::POST,
            TOKENS,
            json!({"role": "admin", "name": {"a": REFUSED}}),
        ),
        without(Method::DELETE, format!("{TOKENS}/{REFUSED}")),
        without(Method::GET, format!("{LOGS}?limit={REFUSED}")),
        without(Method::GET, format!("{LOGS}?cursor={REFUSED}")),
        without(Method::GET, format!("{CONFIGS}?token={REFUSED}")),
        without(Method::GET, format!("{CONFIGS}/{REFUSED}")),
        without(Method::GET, format!("/nowhere?token={REFUSED}")),
    ]
}

/// Lets delivery reach the receivers and not the address that is meant to be blocked.
pub(super) async fn block(stack: &mut Stack) {
    let delivery = stack.service(Service::Delivery);
    delivery.set_env("POSTHORN_EGRESS_ALLOW", "127.0.0.1/32");
    delivery.restart();
    stack.wait_ready().await;
}

/// A careless receiver sends back what it got, and what it made of it.
fn echo(request: &Received) -> Answer {
    if request.path.starts_with("/token") {
        let granted =
            json!({"access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 600});
        return Answer::Reply {
            status: 200,
            headers: Vec::new(),
            body: granted.to_string().into(),
        };
    }
    let authorization = request.header("authorization").to_owned();
    let basic = authorization.strip_prefix("Basic ").unwrap_or_default();
    let pair = STANDARD.decode(basic).unwrap_or_default();
    let cookie = request.header("cookie").split('=').next_back();
    let body = format!(
        "you sent {:?} to {}; you are {}, in session {cookie:?}",
        request.headers,
        request.path,
        String::from_utf8_lossy(&pair),
    );
    let status = if request.path.starts_with("/failing") {
        500
    } else {
        200
    };
    let answer = Answer::Reply {
        status,
        headers: vec![("x-echo", authorization)],
        body: body.into(),
    };
    if request.path.starts_with("/slow") {
        return answer.after(Duration::from_secs(3));
    }
    answer
}
