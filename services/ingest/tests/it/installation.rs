//! A broker and the service in one process, and a caller of its routes.

use std::time::Duration;

use axum::{Router, body::Body};
use bytes::Bytes;
use domain::{
    time::Timestamp,
    token::{Role, Token, key_of},
};
use http::{Request, StatusCode};
use http_api::{host::Parts, problem, rate_limit::Rates};
use http_body_util::BodyExt as _;
use jetstream::{Broker, token_bucket::TokenBucket, topology};
use lifecycle::{Readiness, Shutdown};
use serde_json::{Value, json};
use telemetry::{Metrics, Tracer};
use test_support::{BrokerClient, NatsServer, StoredMessage, eventually};
use tower_service::Service as _;

pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// A running service with its broker.
pub(crate) struct Installation {
    _server: NatsServer,
    pub(crate) broker: Broker,
    client: BrokerClient,
    router: Router,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Installation {
    /// Starts the service with a token of each role, whose text is the role's name.
    pub(crate) async fn start() -> Self {
        let server = NatsServer::start();
        let options = jetstream::Options {
            url: server.url(),
            prefix: "posthorn".to_owned(),
            replicas: 1,
            ..jetstream::Options::default()
        };
        let broker = Broker::connect(&options, "test").await.unwrap();
        topology::ensure(&broker, &topology::Limits::default())
            .await
            .unwrap();
        let client = BrokerClient::connect(&server.url()).await;
        let shutdown = Shutdown::new(Duration::from_secs(5));
        let readiness = Readiness::new(shutdown.draining());
        let parts = Parts {
            broker: broker.clone(),
            shutdown,
            readiness: readiness.clone(),
            metrics: Metrics::new("ingest").unwrap(),
            tracer: Tracer::default(),
        };
        let settings = ingest::Settings {
            rates: Rates::default(),
        };
        let router = problem::with_fallbacks(ingest::start(&settings, &parts).await.unwrap());
        assert!(readiness.until_ready().await, "the service gets ready");
        let installation = Self {
            _server: server,
            broker,
            client,
            router,
        };
        for (role, text, organisation) in [
            (Role::Producer, "producer", Some("acme")),
            (Role::Admin, "admin", Some("acme")),
            (Role::Viewer, "viewer", Some("acme")),
            (Role::Operator, "operator", None),
        ] {
            installation.add_token(role, text, organisation).await;
        }
        installation
    }

    async fn add_token(&self, role: Role, text: &str, organisation: Option<&str>) {
        let token = Token {
            id: text.to_owned(),
            organisation_id: organisation.map(|id| id.parse().unwrap()),
            role,
            name: text.to_owned(),
            created_at: Timestamp::EPOCH,
            expires_at: None,
        };
        let bucket = TokenBucket::open(&self.broker).await.unwrap();
        bucket.put(&key_of(text), &token).await.unwrap();
        eventually("the token is known", BOUND, async || {
            let reply = self.post(text, "/api/v2/events", &[], "").await;
            if reply.status == StatusCode::UNAUTHORIZED {
                return Err(reply.status);
            }
            Ok(())
        })
        .await;
    }

    /// Sends a request with that token.
    pub(crate) async fn post(
        &self,
        token: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let mut request = Request::post(path).header("x-api-token", token);
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let request = request.body(Body::from(body.into())).unwrap();
        let response = self.router.clone().call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// Returns what the stream of events holds.
    pub(crate) async fn stored(&self) -> Vec<StoredMessage> {
        self.client.messages("posthorn_EVENTS").await
    }
}

impl Reply {
    /// Returns the body as JSON after making sure of the status.
    pub(crate) fn expect(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "answer: {text}");
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Makes sure that the answer is the error envelope, and returns its message.
    pub(crate) fn refused(&self, status: u16, code: &str, operation: &str) -> String {
        let body = self.expect(status);
        let expected = json!({
            "message": body["message"], "code": code,
            "data": {"httpStatus": status, "path": operation},
        });
        assert_eq!(body, expected);
        body["message"].as_str().unwrap().to_owned()
    }
}
