//! `posthorn dev`: all five services in one process, on one address, with a broker of their own.
//!
//! State lives in the data directory and survives restarts: the broker's streams, the attempt store,
//! the key that seals secrets and the operator token.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use attempt_store::AttemptStore;
use clap::Args;
use http_api::host::{self, Parts};

mod broker;
mod config;
mod state;

use self::{broker::OwnBroker, config::DevConfig, state::DataDir};

/// The name of the process in logs and metrics.
const SERVICE: &str = "dev";

/// The arguments of `posthorn dev`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  posthorn dev
  posthorn dev --listen 0.0.0.0:8700 --data-dir /var/lib/posthorn

The operator token is printed, and stands in the file operator-token of the data directory.")]
pub(crate) struct Arguments {
    /// Where the panel, the Admin API, ingest, /ready and /metrics are served
    #[arg(long, default_value = "127.0.0.1:8700", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where state is kept
    #[arg(long, default_value = ".posthorn", value_name = "DIR")]
    data_dir: PathBuf,
}

/// Runs `posthorn dev` until it is told to stop.
pub(crate) fn main(arguments: Arguments) -> ExitCode {
    match DevConfig::read(&::config::Source::environment(), arguments.listen) {
        Ok(config) => lifecycle::block_on(serve(config, arguments)),
        Err(faults) => lifecycle::refuse(&faults),
    }
}

async fn serve(mut config: DevConfig, arguments: Arguments) -> anyhow::Result<()> {
    let data = DataDir::open(&arguments.data_dir).context("open the data directory")?;
    let own_broker = if config.common.nats.url_given {
        None
    } else {
        let broker = OwnBroker::start(&data, config.nats_server.as_deref()).await?;
        broker.url().clone_into(&mut config.common.nats.url);
        Some(broker)
    };
    let store_url = config.store_url(&data);
    let operator_token = data.operator_token(config.operator_token.as_ref())?;
    let keyring = data.keyring(config.keyring.take())?;
    let listener = tokio::net::TcpListener::bind(config.common.listen)
        .await
        .with_context(|| format!("listen on {}", config.common.listen))?;
    let ready = state::Ready {
        address: format!(
            "http://{}",
            listener.local_addr().context("read the address")?
        ),
        nats_url: config.common.nats.url.clone(),
        operator_token: operator_token.expose().to_owned(),
        pid: std::process::id(),
    };
    let served = host::run_on(listener, SERVICE, &config.common, async |parts: Parts| {
        let store = AttemptStore::open(&store_url, attempt_store::Options::default())
            .await
            .context("open the attempt store")?;
        fan_out::start(&config.fan_out, &parts).await?;
        let delivery = delivery::Settings {
            limits: config.delivery,
            keyring: Arc::clone(&keyring),
            destinations: Arc::clone(&config.destinations),
            egress: config.egress.clone(),
        };
        // On the heap: all five together would make one very large future.
        Box::pin(delivery::start(&delivery, &parts)).await?;
        log_writer::start(&config.log_writer, &store, &parts).await?;
        let admin = admin::Settings {
            operator_token: operator_token.clone(),
            keyring: Arc::clone(&keyring),
            destinations: Arc::clone(&config.destinations),
            resolves_names: config.egress.dns_servers.is_empty(),
            rates: config.api_rates,
            trace_link: config.trace_link.clone(),
        };
        let admin = Box::pin(admin::start(&admin, store, &parts)).await?;
        let ingest = ingest::start(&config.ingest, &parts).await?;
        let announced = announce(parts.readiness.clone(), data.clone(), ready);
        parts.shutdown.spawn_work(announced);
        Ok(admin.merge(ingest))
    })
    .await;
    data.forget_ready();
    if let Some(broker) = own_broker {
        broker.stop().await;
    }
    served
}

/// Says where everything is, as soon as it can be used.
async fn announce(readiness: lifecycle::Readiness, data: DataDir, ready: state::Ready) {
    if !readiness.until_ready().await {
        return;
    }
    if let Err(error) = data.write_ready(&ready) {
        tracing::warn!(error = %error, "dev.json was not written");
    }
    #[expect(clippy::print_stdout, reason = "this is what the command is asked for")]
    {
        println!("address         {}", ready.address);
        println!("panel           {}/panel/", ready.address);
        println!("nats            {}", ready.nats_url);
        println!("operator token  {}", ready.operator_token);
    }
}
