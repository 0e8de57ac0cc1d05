//! `posthorn`, the command line, against `posthorn dev`.

mod configs;
mod events;
mod listening;
mod operating;
mod replaying;
mod tokens;
mod verifying;

use e2e::{CommandLine, Dev, Organisation};
use tempfile::TempDir;

/// Everything in one process, an organisation in it, and somebody at a terminal.
struct Desk {
    // Dropped first: it keeps its state in the folder.
    dev: Dev,
    acme: Organisation,
    /// With an admin's token of the organisation.
    admin: CommandLine,
    folder: TempDir,
}

impl Desk {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let dev = Dev::start(&data).await;
        let acme = dev.organisation("acme").await;
        let admin = CommandLine::new(folder.path())
            .env("POSTHORN_URL", address(&dev))
            .env("POSTHORN_TOKEN", acme.admin.token().unwrap());
        Self {
            dev,
            acme,
            admin,
            folder,
        }
    }
}

fn address(dev: &Dev) -> &str {
    dev.description["address"].as_str().unwrap()
}
