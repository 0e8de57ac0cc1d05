//! A broker, a store and the service in one process, and a caller of its routes.

use std::{sync::Arc, time::Duration};

use admin::Settings;
use attempt_store::{AttemptStore, Options};
use axum::{Router, body::Body};
use bytes::Bytes;
use config::Secret;
use domain::destination::Policy;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_api::{host::Parts, problem, rate_limit::Rates};
use http_body_util::BodyExt as _;
use jetstream::{
    Broker,
    bucket::{Followed, Held},
    endpoint_bucket::EndpointBucket,
    presence::{Presence, Replicas},
    sealing::Keyring,
    topology,
};
use lifecycle::{Readiness, Shutdown};
use serde_json::{Value, json};
use telemetry::{Metrics, Tracer};
use tempfile::TempDir;
use test_support::{NatsServer, eventually};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

pub(crate) const CONFIGS: &str = "/api/v2/admin/webhooks/configs";
pub(crate) const LOGS: &str = "/api/v2/admin/webhooks/logs";
pub(crate) const TOKENS: &str = "/api/v2/admin/tokens";
pub(crate) const OPERATOR_TOKEN: &str = "operator-token-of-the-tests";
const SECRETS_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// A running service with what it runs on.
pub(crate) struct Installation {
    pub(crate) server: Arc<NatsServer>,
    pub(crate) broker: Broker,
    pub(crate) store: AttemptStore,
    pub(crate) metrics: Metrics,
    router: Router,
    shutdown: Shutdown,
    _directory: TempDir,
}

/// Somebody who calls the API with a token.
#[derive(Clone)]
pub(crate) struct Caller {
    router: Router,
    token: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A replica of another service that lives and holds nothing new, until it is dropped.
pub(crate) struct Laggard {
    stop: CancellationToken,
    held: watch::Sender<Held>,
}

impl Installation {
    pub(crate) async fn start() -> Self {
        let server = Arc::new(NatsServer::start());
        Self::start_on(server, OPERATOR_TOKEN).await
    }

    /// Starts the service on a broker that may have been used before.
    pub(crate) async fn start_on(server: Arc<NatsServer>, operator_token: &str) -> Self {
        let destinations = Policy {
            allow_http: true,
            networks: vec!["127.0.0.0/8".parse().unwrap()],
            hosts: Vec::new(),
        };
        Self::start_with(server, operator_token, destinations).await
    }

    /// Starts the service with destinations that are open to it.
    pub(crate) async fn start_with(
        server: Arc<NatsServer>,
        operator_token: &str,
        destinations: Policy,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("log.db").display());
        let store = AttemptStore::open(&url, Options::default()).await.unwrap();
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
        let shutdown = Shutdown::new(Duration::from_secs(5));
        let readiness = Readiness::new(shutdown.draining());
        let metrics = Metrics::new("admin").unwrap();
        let parts = Parts {
            broker: broker.clone(),
            shutdown: shutdown.clone(),
            readiness: readiness.clone(),
            metrics: metrics.clone(),
            tracer: Tracer::default(),
        };
        let settings = Settings {
            operator_token: Secret::new(operator_token.to_owned()),
            keyring: Arc::new(Keyring::parse(SECRETS_KEY).unwrap()),
            destinations: Arc::new(destinations),
            resolves_names: true,
            rates: Rates::default(),
            trace_link: Some("https://traces.example/{traceId}".parse().unwrap()),
        };
        let starting = Box::pin(admin::start(&settings, store.clone(), &parts));
        let router = starting.await.unwrap();
        assert!(readiness.until_ready().await, "the service gets ready");
        Self {
            server,
            broker,
            store,
            metrics,
            router: problem::with_fallbacks(router),
            shutdown,
            _directory: directory,
        }
    }

    /// Starts another replica of the service on the same broker.
    pub(crate) async fn replica(&self) -> Self {
        Self::start_on(Arc::clone(&self.server), OPERATOR_TOKEN).await
    }

    /// Stops the service and leaves the broker.
    pub(crate) async fn stop(self) -> Arc<NatsServer> {
        self.shutdown.draining().cancel();
        self.shutdown.run().await.unwrap();
        self.server
    }

    /// Returns the service's routes.
    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    pub(crate) fn stranger(&self) -> Caller {
        Caller {
            router: self.router.clone(),
            token: None,
        }
    }

    pub(crate) fn with_token(&self, token: &str) -> Caller {
        Caller {
            token: Some(token.to_owned()),
            ..self.stranger()
        }
    }

    pub(crate) fn operator(&self) -> Caller {
        self.with_token(OPERATOR_TOKEN)
    }

    /// Returns a caller with a new token.
    pub(crate) async fn caller(&self, organisation: &str, role: &str) -> Caller {
        let wanted = json!({"organisationId": organisation, "role": role, "name": "a test's"});
        let made = self.operator().post(TOKENS, &wanted).await.expect(201);
        self.with_token(made["token"].as_str().unwrap())
    }

    /// Starts a replica that doesn't keep up, and waits until the service knows of it.
    pub(crate) async fn laggard(&self, service: &str) -> Laggard {
        let (held, holds) = watch::channel(Held {
            live: true,
            revision: 0,
        });
        let stop = CancellationToken::new();
        let bucket = EndpointBucket::open(&self.broker)
            .await
            .unwrap()
            .bucket()
            .clone();
        let presence = Presence::new(&self.broker, service, "laggard")
            .await
            .unwrap()
            .endpoints(Followed {
                bucket: bucket.clone(),
                held: holds.clone(),
            })
            .tokens(Followed {
                bucket: bucket.clone(),
                held: holds.clone(),
            })
            .event_types(Followed {
                bucket,
                held: holds,
            });
        self.shutdown.spawn_work(presence.run(stop.clone()));
        let replicas = Replicas::bucket(&self.broker).await.unwrap();
        let key = format!("{service}.laggard");
        eventually("the replica beats", BOUND, async || {
            replicas
                .get(&key)
                .await
                .unwrap()
                .map(|_| ())
                .ok_or("no heartbeat")
        })
        .await;
        Laggard { stop, held }
    }
}

impl Laggard {
    /// Lets the replica hold everything from here on.
    pub(crate) fn catch_up(&self) {
        self.held.send_replace(Held {
            live: true,
            revision: u64::MAX,
        });
    }
}

impl Drop for Laggard {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Caller {
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// Returns the same caller of another replica.
    pub(crate) fn at(&self, replica: &Installation) -> Self {
        Self {
            router: replica.router.clone(),
            token: self.token.clone(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PUT, path, &[], body.to_string()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, &[], body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PATCH, path, &[], body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, &[], Bytes::new()).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = &self.token {
            request = request.header("x-api-token", token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.into())).unwrap();
        let response = self.router.clone().call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        }
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

    pub(crate) fn etag(&self) -> &str {
        self.headers[header::ETAG].to_str().unwrap()
    }
}

/// Returns a config that is right.
pub(crate) fn config(url: &str) -> Value {
    json!({"url": url, "events": ["reward.earned"]})
}
