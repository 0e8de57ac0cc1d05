//! Takes events over HTTP and stores them on the broker.

use std::process::ExitCode;

use config::Source;
use http_api::host::{self, Parts};
use ingest::{Config, SERVICE};
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
        ingest::start(&config.settings, &parts).await
    })
    .await
}
