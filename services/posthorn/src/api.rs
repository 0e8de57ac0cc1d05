//! The Admin API and ingest, asked as a client asks them.

use std::time::Duration;

use bytes::Bytes;
use config::{Secret, Source};
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::Full;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

mod problem;

use crate::{
    failure::Failure,
    remote::{Access, Remote},
    transport::{Answer, Transport},
};

/// How long an answer may take.
const BOUND: Duration = Duration::from_secs(60);
/// How often a request is repeated that was refused because there were too many.
const WAITS_MAX: u32 = 5;
/// Under which the Admin API is.
const ADMIN: [&str; 3] = ["api", "v2", "admin"];
const USER_AGENT: &str = concat!("posthorn-cli/", env!("CARGO_PKG_VERSION"));

/// A client of the API; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    transport: Transport,
    base: Url,
    token: Secret,
    organisation: Option<String>,
}

/// What is asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Call {
    method: Method,
    path: Vec<String>,
    query: Vec<(String, String)>,
    body: Option<(Bytes, &'static str)>,
    revision: Option<u64>,
}

impl Call {
    /// Asks the Admin API; `path` is what follows `/api/v2/admin`, segment by segment.
    pub(crate) fn admin(method: Method, path: &[&str]) -> Self {
        Self {
            method,
            path: ADMIN
                .iter()
                .chain(path)
                .map(|&part| part.to_owned())
                .collect(),
            ..Self::default()
        }
    }

    /// Sends events to ingest.
    pub(crate) fn events(body: Bytes, content_type: &'static str) -> Self {
        Self {
            method: Method::POST,
            path: ["api", "v2", "events"].map(str::to_owned).to_vec(),
            body: Some((body, content_type)),
            ..Self::default()
        }
    }

    /// Adds a parameter.
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a parameter that may be missing.
    pub(crate) fn with_some(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Sends a document.
    pub(crate) fn json(mut self, document: &Value) -> Self {
        self.body = Some((document.to_string().into(), "application/json"));
        self
    }

    /// Is refused unless the revision is still this one.
    pub(crate) fn if_revision(mut self, revision: Option<u64>) -> Self {
        self.revision = revision;
        self
    }
}

impl Api {
    /// Makes a client of what the options and variables say.
    ///
    /// # Errors
    /// [`Failure::Config`] or [`Failure::Usage`].
    pub(crate) fn new(remote: &Remote) -> Result<Self, Failure> {
        let Access {
            url,
            token,
            organisation,
        } = remote.access(&Source::environment())?;
        Ok(Self {
            transport: Transport::new().map_err(|error| Failure::of(&error))?,
            base: url,
            token,
            organisation,
        })
    }

    /// Makes a client of a server that a test runs.
    #[cfg(test)]
    pub(crate) fn for_tests(base: &str) -> Self {
        Self {
            transport: Transport::new().unwrap(),
            base: base.parse().unwrap(),
            token: Secret::new("t".to_owned()),
            organisation: None,
        }
    }

    /// Returns the transport, for requests to others.
    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Asks, and returns the answer if it is a good one. Who asks too often is told to wait, and does so a few times.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] when no answer comes or the API asks us to come back later;
    /// [`Failure::Failed`] with the API's own words when it refuses.
    pub(crate) async fn ask(&self, call: &Call) -> Result<Answer, Failure> {
        let mut waits = 0;
        loop {
            let answer = self.ask_once(call).await?;
            if answer.status.is_success() {
                return Ok(answer);
            }
            match problem::wait(&answer) {
                Some(wait) if waits < WAITS_MAX => tokio::time::sleep(wait).await,
                Some(_) | None => return Err(problem::failure(&answer, &self.base)),
            }
            waits += 1;
        }
    }

    async fn ask_once(&self, call: &Call) -> Result<Answer, Failure> {
        let request = self.request(call)?;
        self.transport.send(request, BOUND).await.map_err(|error| {
            Failure::Unavailable(format!(
                "{} does not answer: {}; is Posthorn there? Its address is given by --url or POSTHORN_URL",
                self.base, error.0
            ))
        })
    }

    /// Asks, and reads the answer.
    ///
    /// # Errors
    /// As [`Api::ask`], and [`Failure::Failed`] when the answer has another form.
    pub(crate) async fn read<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        let answer = self.ask(call).await?;
        serde_json::from_slice(&answer.body).map_err(|error| {
            Failure::Failed(format!(
                "the answer of {} can't be read: {error}",
                self.base
            ))
        })
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, Failure> {
        let url = self.url(call)?;
        let (body, content_type) = match &call.body {
            Some((body, content_type)) => (body.clone(), Some(*content_type)),
            None => (Bytes::new(), None),
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = (url.as_str().parse())
            .map_err(|error| Failure::Usage(format!("the address is too long: {error}")))?;
        *request.headers_mut() = self.headers(content_type, call.revision)?;
        Ok(request)
    }

    fn headers(
        &self,
        content_type: Option<&'static str>,
        revision: Option<u64>,
    ) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        let mut token = HeaderValue::from_str(self.token.expose()).map_err(|_invalid| {
            Failure::Config("the token holds characters that no token has".to_owned())
        })?;
        token.set_sensitive(true);
        headers.insert("x-api-token", token);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some(Ok(tag)) = revision.map(|it| HeaderValue::from_str(&format!("\"{it}\""))) {
            headers.insert(header::IF_MATCH, tag);
        }
        Ok(headers)
    }

    fn url(&self, call: &Call) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::Usage("--url: must be an address of a server".to_owned()))?
            .pop_if_empty()
            .extend(&call.path);
        let organisation = self.organisation.as_deref();
        let organisation = organisation.map(|id| ("organisationId".to_owned(), id.to_owned()));
        let query: Vec<(String, String)> = call.query.iter().cloned().chain(organisation).collect();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use axum::{Router, routing::get};
    use http::StatusCode;
    use tokio::{net::TcpListener, task::JoinSet};

    use super::{Api, Call, WAITS_MAX};
    use crate::failure::Failure;

    /// Refuses so many requests because there are too many, and answers those after them.
    async fn busy(refusals: u32, tasks: &mut JoinSet<()>) -> Api {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicU32::new(0));
        let answer = async move || match asked.fetch_add(1, Ordering::Relaxed) {
            earlier if earlier < refusals => {
                (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")], "")
            }
            _ => (StatusCode::OK, [("x-total-count", "0")], "[]"),
        };
        let router = Router::new().route("/api/v2/admin/tokens", get(answer));
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Api::for_tests(&base)
    }

    #[tokio::test]
    async fn who_asks_too_often_waits_a_few_times() {
        let mut tasks = JoinSet::new();
        let call = Call::admin(Method::GET, &["tokens"]);

        let patient = busy(WAITS_MAX, &mut tasks).await.ask(&call).await;
        let refused = busy(WAITS_MAX + 1, &mut tasks).await.ask(&call).await;

        assert_eq!(patient.unwrap().body, "[]");
        assert!(
            matches!(refused, Err(Failure::Unavailable(_))),
            "{refused:?}"
        );
    }

    #[test]
    fn what_is_asked_is_escaped_and_keeps_the_path_in_front() {
        let api = Api {
            organisation: Some("acme".to_owned()),
            ..Api::for_tests("https://hooks.example/in/")
        };
        let call = Call::admin(Method::GET, &["webhooks", "logs", "a/../b?c"])
            .with("since", "2026-03-14T10:00:00+01:00")
            .with_some("limit", None::<u32>);

        assert_eq!(
            api.url(&call).unwrap().as_str(),
            "https://hooks.example/in/api/v2/admin/webhooks/logs/a%2F..%2Fb%3Fc?\
             since=2026-03-14T10%3A00%3A00%2B01%3A00&organisationId=acme"
        );
    }
}
