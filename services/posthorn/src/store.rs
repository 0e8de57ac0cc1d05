//! The attempt store, with the setting of the services.

use attempt_store::{OpenError, Options};
use config::{Common, Faults, Reader, Secret, Source, parse};

use crate::failure::Failure;

/// Reads where the store is, if that is said. The environment may be that of any service.
///
/// # Errors
/// [`Failure::Config`] with everything that is wrong.
pub(crate) fn url(source: &Source) -> Result<Option<Secret>, Failure> {
    let read = || -> Result<Option<Secret>, Faults> {
        let mut reader = Reader::new(source);
        // The rest of the environment is checked as the services do it.
        let _common = Common::read(&mut reader, ([127, 0, 0, 1], 0).into());
        let url = reader.optional_secret("STORE_URL", parse::secret(1));
        reader.finish(|| Some(url))
    };
    read().map_err(|faults| Failure::Config(faults.to_string()))
}

/// Returns how a store is opened by somebody who waits for it.
pub(crate) fn options() -> Options {
    Options {
        max_connections: 1,
        ..Options::default()
    }
}

/// Returns what is said when a store can't be opened.
pub(crate) fn unopened(error: &OpenError) -> Failure {
    let message = told(error);
    if error.is_transient() {
        Failure::Unavailable(message)
    } else if matches!(error, OpenError::Url) {
        Failure::Config(format!("POSTHORN_STORE_URL: {message}"))
    } else {
        Failure::Failed(message)
    }
}

/// Returns an error with its causes, none of which repeats the URL.
pub(crate) fn told(error: &OpenError) -> String {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        message = format!("{message}: {source}");
        cause = source.source();
    }
    message
}
