//! The way out through an HTTP proxy: `CONNECT` to the address that was checked, whatever the scheme.
//!
//! The proxy itself is the operator's and may be anywhere; what it is asked for is an address, never a
//! name, so that it can't be led elsewhere by a look-up of its own.

use std::{fmt, io, net::SocketAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use config::parse;
use domain::outcome::ErrorKind;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use zeroize::Zeroizing;

/// How long it may take to get through the proxy.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes of an answer to `CONNECT`.
const HEAD_MAX_BYTES: usize = 8 * 1024;
/// How many addresses of a name are tried.
const ADDRESSES_MAX: usize = 4;

/// Why the proxy did not let us through. It names neither the proxy nor its credentials.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no connection to it, or none any more.
    #[error("proxy can't be reached: {0}")]
    Unreachable(io::Error),
    /// It wants credentials, or others.
    #[error("proxy does not take our credentials (HTTP 407)")]
    Credentials,
    /// It does not connect us.
    #[error("proxy does not connect (HTTP {0})")]
    Refused(u16),
    /// It takes too long.
    #[error("proxy made no connection within {} ms", PATIENCE.as_millis())]
    Late,
    /// It does not speak HTTP.
    #[error("proxy does not answer in HTTP")]
    NoHttp,
}

impl Error {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable(_) | Self::Credentials | Self::Refused(_) => ErrorKind::Connect,
            Self::Late => ErrorKind::Timeout,
            Self::NoHttp => ErrorKind::Protocol,
        }
    }
}

/// The proxy that every request goes through.
pub(crate) struct Proxy {
    host: String,
    port: u16,
    /// The header with our credentials, line end included; empty without.
    authorization: Zeroizing<String>,
}

impl Proxy {
    pub(crate) fn new(settings: &parse::Proxy) -> Self {
        let authorization = match &settings.credentials {
            Some(pair) => format!(
                "proxy-authorization: Basic {}\r\n",
                STANDARD.encode(pair.expose())
            ),
            None => String::new(),
        };
        Self {
            host: settings.host.clone(),
            port: settings.port,
            authorization: Zeroizing::new(authorization),
        }
    }

    /// Connects to the first of these addresses that the proxy connects to.
    ///
    /// # Errors
    /// [`Error`], of the first address if no other one answers.
    pub(crate) async fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
        let trying = async {
            let mut first = None;
            for address in addresses.iter().take(ADDRESSES_MAX) {
                match self.tunnel(*address).await {
                    Err(error @ Error::Refused(_)) => first = first.or(Some(error)),
                    settled => return settled,
                }
            }
            Err(first.unwrap_or(Error::Refused(502)))
        };
        timeout(PATIENCE, trying).await.unwrap_or(Err(Error::Late))
    }

    async fn tunnel(&self, address: SocketAddr) -> Result<TcpStream, Error> {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(Error::Unreachable)?;
        stream.set_nodelay(true).map_err(Error::Unreachable)?;
        let authorization = self.authorization.as_str();
        let request = Zeroizing::new(format!(
            "CONNECT {address} HTTP/1.1\r\nhost: {address}\r\n{authorization}\r\n"
        ));
        stream
            .write_all(request.as_bytes())
            .await
            .map_err(Error::Unreachable)?;
        match read_status(&mut stream).await? {
            200..300 => Ok(stream),
            407 => Err(Error::Credentials),
            status => Err(Error::Refused(status)),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Reads the head of an answer to its end and not a byte further: what follows is the receiver's.
async fn read_status(stream: &mut (impl AsyncRead + Unpin)) -> Result<u16, Error> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_MAX_BYTES {
            return Err(Error::NoHttp);
        }
        // Byte by byte, once per connection: nothing can be given back to the stream.
        let byte = stream.read_u8().await.map_err(Error::Unreachable)?;
        head.push(byte);
        if head.len() == 5 && head != b"HTTP/" {
            return Err(Error::NoHttp);
        }
    }
    let text = std::str::from_utf8(&head).map_err(|_error| Error::NoHttp)?;
    let status = text.split(' ').nth(1).unwrap_or_default();
    let status = status.get(..3).unwrap_or_default().parse();
    status.map_err(|_error| Error::NoHttp)
}

#[cfg(test)]
mod fuzz;
