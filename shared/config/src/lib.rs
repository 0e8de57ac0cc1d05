//! Reads configuration from environment variables, all prefixed `POSTHORN_` but for those of OpenTelemetry.
//!
//! This is the only crate that reads the environment. A [`Reader`] collects every fault, so that
//! whoever starts a service learns of all wrong variables at once, the unknown ones included.
//!
//! ```
//! use config::{Common, Reader, Secret, Source, parse};
//!
//! struct Config {
//!     common: Common,
//!     store_url: Secret,
//!     allow_http: bool,
//! }
//!
//! fn read(source: &Source) -> Result<Config, config::Faults> {
//!     let mut reader = Reader::new(source);
//!     let common = Common::read(&mut reader, ([127, 0, 0, 1], 8084).into());
//!     let store_url = reader.required_secret("STORE_URL", parse::secret(1));
//!     let allow_http = reader.or_default("ALLOW_HTTP", false, parse::boolean);
//!     // The closure runs only when nothing was wrong, so every `?` in it finds a value.
//!     reader.finish(|| Some(Config { common, store_url: store_url?, allow_http }))
//! }
//!
//! let source = Source::from_pairs(&[("POSTHORN_STORE_URL", "sqlite:/var/lib/posthorn/log.db")]);
//! let config = read(&source)?;
//! assert_eq!(config.store_url.expose(), "sqlite:/var/lib/posthorn/log.db");
//! assert!(!config.allow_http);
//! assert_eq!(config.common.nats.prefix, "posthorn");
//!
//! let faulty = Source::from_pairs(&[("POSTHORN_ALLOW_HTTP", "maybe"), ("POSTHORN_REPLICA", "3")]);
//! let faults = read(&faulty).err().ok_or("must be refused")?;
//! assert_eq!(
//!     faults.to_string(),
//!     "POSTHORN_STORE_URL: must be set\n\
//!      POSTHORN_ALLOW_HTTP: must be true or false, got \"maybe\"\n\
//!      POSTHORN_REPLICA: is unknown, did you mean POSTHORN_REPLICAS?"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod fault;
pub mod parse;
mod reader;
mod secret;
mod section;
mod source;
mod variable;

pub use fault::Faults;
pub use reader::Reader;
pub use secret::Secret;
pub use section::{
    Common, Log, Nats,
    telemetry::{Otlp, Protocol, Sampler, SpanBatch, Telemetry},
};
pub use source::Source;
