//! Test equipment: real servers, real service processes and scripted receivers. A dev-dependency only.
//!
//! Everything here that cannot do its work panics and says what to do about it, because a test has no
//! better way to fail. Whatever is started is stopped when its value is dropped.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test equipment: a panic with a message is how a test fails"
)]

mod daemon;
mod disk;
mod dns;
mod eventually;
mod http;
mod link;
mod nats;
mod pki;
mod port;
mod postgres;
mod process;
mod proxy;
mod receiver;

pub use daemon::Signal;
pub use disk::SmallDisk;
pub use dns::NameServer;
pub use eventually::{eventually, eventually_blocking};
pub use http::{HttpClient, Reply, SendError};
pub use link::{Condition, Link};
pub use nats::{BrokerClient, NatsCluster, NatsServer, StoredMessage};
pub use pki::{Authority, Certified};
pub use port::free_port;
pub use postgres::{Locked, Postgres};
pub use process::{Launch, ServiceProcess, binary_path};
pub use proxy::{HttpProxy, ProxyConduct};
pub use receiver::{Answer, Received, Receiver, script};
