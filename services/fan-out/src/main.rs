//! Turns events into one delivery job per endpoint that wants them.

use std::process::ExitCode;

use axum::Router;
use config::Source;
use fan_out::{Config, SERVICE};
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
        fan_out::start(&config.settings, &parts).await?;
        Ok(Router::new())
    })
    .await
}
