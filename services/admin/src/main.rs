//! Serves the Admin API: webhook configs, tokens and the log of attempts.

use std::process::ExitCode;

use admin::{Config, SERVICE};
use anyhow::Context as _;
use attempt_store::{AttemptStore, Options};
use config::Source;
use http_api::host::{self, Parts};
use lifecycle::command_line;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(code) = command_line::answer(SERVICE) {
        return code;
    }
    match Config::read(&Source::environment()) {
        Ok(config) => lifecycle::block_on(serve(config)),
        Err(faults) => lifecycle::refuse(&faults),
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    host::run(SERVICE, &config.common, async |parts: Parts| {
        let store = AttemptStore::open(config.store_url.expose(), Options::default())
            .await
            .context("open the attempt store")?;
        Box::pin(admin::start(&config.settings, store, &parts)).await
    })
    .await
}
