//! Writes attempt records and event bodies into the attempt store.

use std::process::ExitCode;

use anyhow::Context as _;
use attempt_store::{AttemptStore, Options};
use axum::Router;
use config::Source;
use http_api::host::{self, Parts};
use lifecycle::command_line;
use log_writer::{Config, SERVICE};

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
        log_writer::start(&config.settings, &store, &parts).await?;
        Ok(Router::new())
    })
    .await
}
