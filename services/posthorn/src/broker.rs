//! The connection to the broker, with the settings of the services.

use std::time::Duration;

use config::{Common, Faults, Nats, Reader, Source};
use http_api::host;
use jetstream::Broker;

use crate::failure::Failure;

/// How long the broker may take to answer somebody who waits for it.
const PATIENCE: Duration = Duration::from_secs(8);

/// Reads where the broker is. The environment may be that of any service.
///
/// # Errors
/// [`Failure::Config`] with everything that is wrong.
pub(crate) fn settings(source: &Source) -> Result<Nats, Failure> {
    let read = || -> Result<Nats, Faults> {
        let mut reader = Reader::new(source);
        let common = Common::read(&mut reader, ([127, 0, 0, 1], 0).into());
        reader.finish(|| Some(common.nats))
    };
    read().map_err(|faults| Failure::Config(faults.to_string()))
}

/// Connects; `command` is the connection's name on the broker.
///
/// # Errors
/// [`Failure::Unavailable`].
pub(crate) async fn connect(nats: &Nats, command: &str) -> Result<Broker, Failure> {
    let options = host::broker_options(nats);
    let connecting = Broker::connect(&options, command);
    let unreachable = |why: String| {
        Failure::Unavailable(format!(
            "the broker can't be reached: {why}; its address is given by POSTHORN_NATS_URL"
        ))
    };
    match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(Ok(broker)) => Ok(broker),
        Ok(Err(error)) => Err(unreachable(error.to_string())),
        Err(_elapsed) => Err(unreachable(format!("no answer within {PATIENCE:?}"))),
    }
}
