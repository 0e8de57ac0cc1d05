//! A whole installation: a broker, a store and the five services as processes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;
use test_support::{
    BrokerClient, HttpClient, Launch, Link, NatsCluster, NatsServer, Postgres, ServiceProcess,
    Signal,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    Organisation, Service, accounts,
    next_version::NextVersion,
    service::Settings,
    wiring::{Peer, Wiring},
};

/// The first operator token, which comes from configuration.
const OPERATOR_TOKEN: &str = "operator-token-of-the-end-to-end-tests";
/// 32 bytes in base64.
const SECRETS_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The longest that a service may take to drain; above the slowest receiver of any test.
const DRAIN_BOUND: Duration = Duration::from_secs(30);

// One installation is six processes: more at once would measure the machine's patience.
static PLACES: Semaphore = Semaphore::const_new(2);
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Which attempt store the installation has.
#[derive(Clone, Debug)]
pub enum Store {
    /// A file in the installation's folder.
    Sqlite,
    /// A new database in a cluster.
    Postgres(Arc<Postgres>),
}

/// The broker of an installation.
#[derive(Debug)]
enum Broker {
    /// With the accounts that `deploy/` has for it, all under one password: each service may do what it needs and no more.
    Server(NatsServer, String),
    Cluster(NatsCluster, String),
    /// Somebody else's, whose logins are files.
    External(NatsServer),
}

impl Broker {
    fn server(password: &str) -> Self {
        let accounts = accounts::with_password(password);
        let server = NatsServer::start_guarded(&accounts, "setup", password);
        Self::Server(server, password.to_owned())
    }

    fn server_in(password: &str, folder: &Path) -> Self {
        let accounts = accounts::with_password(password);
        let server = NatsServer::start_guarded_in(folder, &accounts, ("setup", password));
        Self::Server(server, password.to_owned())
    }

    /// Returns the address for the test's own client, which may do everything.
    fn url(&self) -> String {
        match self {
            Self::Server(server, _) => server.url(),
            Self::Cluster(cluster, _) => cluster.url(),
            Self::External(server) => server.url(),
        }
    }

    /// Returns the address for services, in which `{service}` is to be replaced by a name.
    fn services_url(&self) -> String {
        match self {
            Self::Server(server, password) => server.url_as("{service}", password),
            Self::Cluster(cluster, password) => cluster.url_as("{service}", password),
            Self::External(server) => server.url(),
        }
    }

    fn log(&self) -> String {
        match self {
            Self::Server(server, _) | Self::External(server) => server.log(),
            Self::Cluster(cluster, _) => cluster.log(),
        }
    }
}

/// How an installation is to be.
#[derive(Debug)]
struct Plan<'a> {
    /// How many places it takes of those that all installations share.
    places: u32,
    store: Store,
    log_filter: &'a str,
    variables: Vec<(&'static str, String)>,
    is_wired: bool,
}

impl Plan<'_> {
    fn new(store: Store) -> Self {
        Self {
            places: 1,
            store,
            log_filter: "info",
            variables: Vec::new(),
            is_wired: false,
        }
    }

    fn with(mut self, variables: &[(&'static str, &str)]) -> Self {
        let owned = variables
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        self.variables.extend(owned);
        self
    }
}

/// A running installation; everything is killed when it is dropped.
#[derive(Debug)]
pub struct Stack {
    // In the order of their drops: services before what they use.
    services: BTreeMap<Service, ServiceProcess>,
    replicas: Vec<(Service, ServiceProcess)>,
    next_version: Option<NextVersion>,
    settings: Settings,
    variables: Vec<(&'static str, String)>,
    wiring: Option<Wiring>,
    broker: Broker,
    store: Store,
    directory: TempDir,
    client: HttpClient,
    expects_refusals: bool,
    _place: SemaphorePermit<'static>,
}

impl Stack {
    /// The password of all the broker's users, unless a test gives its own.
    pub const BROKER_PASSWORD: &str = "password-of-the-end-to-end-tests";

    /// Starts an installation with SQLite and waits until all services are ready.
    ///
    /// # Panics
    /// Panics when a service does not get ready.
    pub async fn start() -> Self {
        Self::start_with(Store::Sqlite, "info").await
    }

    /// Starts an installation with SQLite while no other is running: for tests that measure.
    ///
    /// # Panics
    /// Panics when a service does not get ready.
    pub async fn start_alone() -> Self {
        let broker = async || Broker::server(Self::BROKER_PASSWORD);
        let plan = Plan {
            places: 2,
            ..Plan::new(Store::Sqlite)
        };
        Self::start_on(broker, plan).await
    }

    /// Starts an installation and waits until all services are ready.
    ///
    /// # Panics
    /// Panics when a service does not get ready.
    pub async fn start_with(store: Store, log_filter: &str) -> Self {
        Self::start_limited(store, log_filter, &[]).await
    }

    /// Starts an installation with further variables for all services, and waits until they are ready.
    ///
    /// # Panics
    /// Panics when a service does not get ready.
    pub async fn start_limited(
        store: Store,
        log_filter: &str,
        variables: &[(&'static str, &str)],
    ) -> Self {
        let broker = async || Broker::server(Self::BROKER_PASSWORD);
        let plan = Plan {
            log_filter,
            ..Plan::new(store).with(variables)
        };
        Self::start_on(broker, plan).await
    }

    /// As [`Stack::start_limited`], with a password of the broker's that is the test's own.
    ///
    /// # Panics
    /// Panics when a service does not get ready.
    pub async fn start_guarded(
        password: &str,
        log_filter: &str,
        variables: &[(&'static str, &str)],
    ) -> Self {
        let broker = async || Broker::server(password);
        let plan = Plan {
            log_filter,
            ..Plan::new(Store::Sqlite).with(variables)
        };
        Self::start_on(broker, plan).await
    }

    /// Starts an installation with SQLite on three brokers that keep three copies of everything, by the example of `deploy/`, and waits until all
    /// services are ready.
    ///
    /// # Panics
    /// Panics when a broker does not start or a service does not get ready.
    pub async fn start_clustered() -> Self {
        let broker = async || {
            let password = Self::BROKER_PASSWORD;
            let cluster = accounts::cluster_with_password(password).await;
            Broker::Cluster(cluster, password.to_owned())
        };
        let variables = [("POSTHORN_REPLICAS", "3")];
        Self::start_on(broker, Plan::new(Store::Sqlite).with(&variables)).await
    }

    /// Starts an installation with SQLite on a broker that runs already, with variables for all services that say how it is
    /// reached, and waits until all services are ready.
    ///
    /// # Panics
    /// Panics when a service does not get ready.
    pub async fn start_external(broker: NatsServer, variables: &[(&'static str, &str)]) -> Self {
        let broker = async || Broker::External(broker);
        Self::start_on(broker, Plan::new(Store::Sqlite).with(variables)).await
    }

    /// As [`Stack::start_limited`], with a link between each service and what it talks to, to be cut or slowed down.
    ///
    /// # Panics
    /// Panics when a service does not get ready.
    pub async fn start_wired(store: Store, variables: &[(&'static str, &str)]) -> Self {
        let broker = async || Broker::server(Self::BROKER_PASSWORD);
        let plan = Plan {
            is_wired: true,
            ..Plan::new(store).with(variables)
        };
        Self::start_on(broker, plan).await
    }

    /// As [`Stack::start_limited`], with a broker of which the streams' files are in this folder.
    ///
    /// # Panics
    /// Panics when a service does not get ready.
    pub async fn start_storing_in(folder: &Path) -> Self {
        let broker = async || Broker::server_in(Self::BROKER_PASSWORD, folder);
        Self::start_on(broker, Plan::new(Store::Sqlite)).await
    }

    async fn start_on(broker: impl AsyncFnOnce() -> Broker, plan: Plan<'_>) -> Self {
        let place = PLACES
            .acquire_many(plan.places)
            .await
            .expect("the semaphore is never closed");
        let directory = tempfile::tempdir().expect("make a folder for the installation");
        let broker = broker().await;
        let settings = Settings {
            nats_url: broker.services_url(),
            store_url: store_url(&plan.store, directory.path()),
            operator_token: OPERATOR_TOKEN.to_owned(),
            secrets_key: SECRETS_KEY.to_owned(),
            log_filter: plan.log_filter.to_owned(),
        };
        let variables = plan.variables;
        accounts::make_topology(directory.path(), &broker.url(), &variables).await;
        let wiring = plan.is_wired.then(|| Wiring::of(&settings));
        let services = Service::ALL.map(|service| {
            let launch = launch(service, &settings, &variables, directory.path());
            let launch = match &wiring {
                Some(wiring) => wiring.lead(service, launch, &settings),
                None => launch,
            };
            (service, launch.spawn())
        });
        let services = BTreeMap::from(services);
        let client = HttpClient::new("");
        let mut stack = Self {
            services,
            replicas: Vec::new(),
            next_version: None,
            settings,
            variables,
            wiring,
            broker,
            store: plan.store,
            directory,
            client,
            expects_refusals: false,
            _place: place,
        };
        stack.wait_ready().await;
        stack
    }

    /// Waits until every service is ready, after a restart of the broker for example.
    ///
    /// # Panics
    /// Panics when one does not get ready.
    pub async fn wait_ready(&mut self) {
        for service in self.services.values_mut() {
            service.wait_ready().await;
        }
    }

    /// Returns the process of a service, to signal, kill or restart it.
    pub fn service(&mut self, service: Service) -> &mut ServiceProcess {
        self.services
            .get_mut(&service)
            .expect("all five are there from the start")
    }

    /// Starts one more process of a service and waits until it is ready.
    ///
    /// # Panics
    /// Panics when it does not get ready.
    pub async fn add_replica(&mut self, service: Service) -> Replica {
        let settings = self.settings.clone();
        self.add(service, &settings).await
    }

    /// As [`Stack::add_replica`], with a process that is the next version of its service: it writes messages of schema 2, and
    /// reads those of 1 and 2.
    ///
    /// # Panics
    /// Panics when it does not get ready, or the broker is a cluster.
    pub async fn add_next_version(&mut self, service: Service) -> Replica {
        let broker = self.broker_ref().port();
        let next = self
            .next_version
            .get_or_insert_with(|| NextVersion::start(broker));
        let (direct, through) = (format!(":{broker}"), format!(":{}", next.port()));
        let settings = Settings {
            nats_url: self.settings.nats_url.replace(&direct, &through),
            ..self.settings.clone()
        };
        self.add(service, &settings).await
    }

    async fn add(&mut self, service: Service, settings: &Settings) -> Replica {
        let directory = self.directory.path();
        let mut process = launch(service, settings, &self.variables, directory).spawn();
        process.wait_ready().await;
        self.replicas.push((service, process));
        Replica(self.replicas.len() - 1)
    }

    /// Makes a replica the process of its service, and drains the one that was.
    ///
    /// # Panics
    /// Panics when that does not exit with 0 in time.
    pub async fn replace_by(&mut self, Replica(index): Replica) {
        let (service, process) = &mut self.replicas[index];
        let current = self.services.get_mut(service);
        std::mem::swap(current.expect("all five are there from the start"), process);
        stop(*service, process).await;
    }

    /// Drains the process of a service, which may be started again.
    ///
    /// # Panics
    /// Panics when it does not exit with 0 in time.
    pub async fn drain(&mut self, service: Service) {
        stop(service, self.service(service)).await;
    }

    /// Drains a replica.
    ///
    /// # Panics
    /// Panics when it does not exit with 0 in time.
    pub async fn drain_replica(&mut self, Replica(index): Replica) {
        let (service, process) = &mut self.replicas[index];
        stop(*service, process).await;
    }

    /// Returns the process of a replica, to signal or kill it.
    pub fn replica(&mut self, Replica(index): Replica) -> &mut ServiceProcess {
        let (_, process) = self
            .replicas
            .get_mut(index)
            .expect("replicas stay in the list when they end");
        process
    }

    /// Returns the way between a service and what it talks to.
    ///
    /// # Panics
    /// Panics when the stack was not started with links, or the service does not talk to this peer.
    #[must_use]
    pub fn link(&self, service: Service, peer: Peer) -> &Link {
        let wiring = self.wiring.as_ref().expect("the stack has links");
        wiring.link(service, peer)
    }

    /// Returns the base address of a service.
    #[must_use]
    pub fn url(&self, service: Service) -> String {
        self.services[&service].url()
    }

    /// Returns the broker, to kill, pause or restart it.
    ///
    /// # Panics
    /// Panics when it is a cluster.
    pub fn broker(&mut self) -> &mut NatsServer {
        match &mut self.broker {
            Broker::Server(server, _) | Broker::External(server) => server,
            Broker::Cluster(..) => panic!("the broker is a cluster"),
        }
    }

    /// Returns the broker without the right to stop it.
    ///
    /// # Panics
    /// Panics when it is a cluster.
    #[must_use]
    pub fn broker_ref(&self) -> &NatsServer {
        match &self.broker {
            Broker::Server(server, _) | Broker::External(server) => server,
            Broker::Cluster(..) => panic!("the broker is a cluster"),
        }
    }

    /// Returns the cluster of brokers, to kill and restart its servers.
    ///
    /// # Panics
    /// Panics when the broker is a single server.
    pub fn cluster(&mut self) -> &mut NatsCluster {
        match &mut self.broker {
            Broker::Cluster(cluster, _) => cluster,
            Broker::Server(..) | Broker::External(_) => panic!("the broker is a single server"),
        }
    }

    /// Returns the attempt store's kind.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the attempt store's URL, as a service that has no link to it gets it.
    #[must_use]
    pub fn store_url(&self) -> &str {
        &self.settings.store_url
    }

    /// Connects a client of the test's own to the broker, unless that asks for more than a password.
    pub async fn broker_client(&self) -> BrokerClient {
        BrokerClient::connect(&self.broker.url()).await
    }

    /// Returns the broker's address for one of its users.
    ///
    /// # Panics
    /// Panics when the broker is a cluster.
    #[must_use]
    pub fn broker_url_as(&self, user: &str) -> String {
        self.broker_ref().url_as(user, Self::BROKER_PASSWORD)
    }

    /// Ends an installation in which the test asked the broker for what it refuses.
    pub fn expect_refusals(mut self) {
        self.expects_refusals = true;
    }

    /// Returns the operator token.
    #[must_use]
    pub fn operator_token(&self) -> &str {
        &self.settings.operator_token
    }

    /// Returns a client of the Admin API with the operator token.
    #[must_use]
    pub fn operator(&self) -> HttpClient {
        self.client
            .with_base(self.url(Service::Admin))
            .with_token(OPERATOR_TOKEN)
    }

    /// Makes an organisation by giving it an admin's and a producer's token.
    ///
    /// # Panics
    /// Panics when the Admin API refuses.
    pub async fn organisation(&self, id: &str) -> Organisation {
        let admin = self.token(id, "admin").await;
        let producer = self.token(id, "producer").await;
        Organisation::new(
            id,
            self.client
                .with_base(self.url(Service::Admin))
                .with_token(admin),
            self.client
                .with_base(self.url(Service::Ingest))
                .with_token(producer),
        )
    }

    /// Makes a token.
    ///
    /// # Panics
    /// Panics when the Admin API refuses.
    pub async fn token(&self, organisation: &str, role: &str) -> String {
        let body = json!({"organisationId": organisation, "role": role, "name": format!("{role} of a test")});
        let reply = self
            .operator()
            .post("/api/v2/admin/tokens", &body)
            .await
            .expect(201);
        reply["token"]
            .as_str()
            .expect("a token is shown once")
            .to_owned()
    }

    /// Returns the folder with the services' logs and, with SQLite, the store's file.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Drains all services, upstream first, and the replicas that still run.
    ///
    /// # Panics
    /// Panics when one does not exit with 0 in time.
    pub async fn stop(mut self) {
        for (service, process) in &mut self.services {
            stop(*service, process).await;
        }
        for (service, process) in &mut self.replicas {
            if process.exited().is_none() {
                stop(*service, process).await;
            }
        }
    }
}

impl Drop for Stack {
    /// Fails a test in which a service asked the broker for more than it may.
    fn drop(&mut self) {
        if self.expects_refusals {
            return;
        }
        let log = self.broker.log();
        let refused = log.lines().find(|line| line.contains(" Violation - "));
        if let (Some(line), false) = (refused, std::thread::panicking()) {
            panic!("the broker refused something: {line}");
        }
    }
}

/// A further process of a service, in the stack that it was added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replica(usize);

async fn stop(service: Service, process: &mut ServiceProcess) {
    process.signal(Signal::Terminate);
    let status = process.wait_exit(DRAIN_BOUND).await;
    assert!(
        status.success(),
        "{service:?} exits with {status}: {}",
        process.log()
    );
}

fn launch(
    service: Service,
    settings: &Settings,
    variables: &[(&'static str, String)],
    directory: &Path,
) -> Launch {
    let launch = Launch::new(service.binary(), directory).listening();
    let own = service.variables(settings).into_iter();
    own.chain(variables.iter().cloned())
        .fold(launch, |launch, (name, value)| launch.env(name, value))
}

/// Returns the file of a SQLite store in the installation's folder.
fn sqlite_file(directory: &Path) -> PathBuf {
    directory.join("attempts.db")
}

fn store_url(store: &Store, directory: &Path) -> String {
    match store {
        Store::Sqlite => format!("sqlite:{}", sqlite_file(directory).display()),
        Store::Postgres(cluster) => {
            let number = DATABASES.fetch_add(1, Ordering::Relaxed);
            cluster.create_database(&format!("stack_{number}"))
        }
    }
}
