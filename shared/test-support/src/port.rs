//! Hands out TCP ports that nothing listens on.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
};

// Below the range that operating systems take outgoing connections' ports from: no client socket can
// sit on a port of ours while its server is restarted, and a client cannot connect to itself.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// Returns a port of the loopback interface that is free now and is not handed out again by this process.
///
/// # Panics
/// Panics when all ports of the range are taken.
#[must_use]
pub fn free_port() -> u16 {
    // Processes that run side by side start at places of their own.
    let start = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(COUNT)).unwrap_or(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT)
}
