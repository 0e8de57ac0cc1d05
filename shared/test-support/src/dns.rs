//! A name server that answers as a test tells it to, over UDP, and counts what it is asked.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::Mutex;

const HEADER_BYTES: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const NO_SUCH_NAME: u8 = 3;
/// How long the thread sleeps at most before it looks whether it is to end.
const TURN: Duration = Duration::from_millis(50);

/// What is known of a name; `n` is how often its addresses of the wanted kind were asked for before.
type Answers = dyn Fn(&str, usize) -> Option<Vec<IpAddr>> + Send + Sync;

/// A name server on a port of the loopback interface; stopped when dropped.
pub struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
    stop: Arc<Mutex<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for NameServer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("NameServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl NameServer {
    /// Starts a server. Names come in lower case without a trailing dot; `None` is no such name. Answers
    /// hold for no time at all, so that each look-up comes here.
    ///
    /// # Panics
    /// Panics when it cannot listen.
    pub fn start(
        answers: impl Fn(&str, usize) -> Option<Vec<IpAddr>> + Send + Sync + 'static,
    ) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("listen on loopback");
        socket
            .set_read_timeout(Some(TURN))
            .expect("bound the wait for a question");
        let address = socket.local_addr().expect("know the name server's port");
        let (asked, stop) = (Arc::default(), Arc::default());
        let (seen, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("name server".to_owned())
            .spawn(move || serve(&socket, &answers, &seen, &stopped))
            .expect("start the name server's thread");
        Self {
            address,
            asked,
            stop,
            thread: Some(thread),
        }
    }

    /// Returns its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how often the IPv4 addresses of a name were asked for.
    #[must_use]
    pub fn asked(&self, name: &str) -> usize {
        count(&self.asked.lock(), name, TYPE_A)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        *self.stop.lock() = true;
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn count(asked: &[(String, u16)], name: &str, kind: u16) -> usize {
    asked
        .iter()
        .filter(|(known, of_kind)| known == name && *of_kind == kind)
        .count()
}

fn serve(
    socket: &UdpSocket,
    answers: &Answers,
    asked: &Mutex<Vec<(String, u16)>>,
    stop: &Mutex<bool>,
) {
    let mut question = [0; 512];
    while !*stop.lock() {
        let Ok((length, from)) = socket.recv_from(&mut question) else {
            continue;
        };
        let Some((name, kind, end)) = read_question(&question[..length]) else {
            continue;
        };
        let before = {
            let mut asked = asked.lock();
            let before = count(&asked, &name, kind);
            asked.push((name.clone(), kind));
            before
        };
        let found = answers(&name, before);
        // An error means that who asked has gone.
        drop(socket.send_to(&answer(&question[..end], kind, found.as_deref()), from));
    }
}

/// Returns the name, the type and where the first question ends.
fn read_question(message: &[u8]) -> Option<(String, u16, usize)> {
    let mut at = HEADER_BYTES;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        let label = message.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]);
    // Two bytes of class follow the two of the type.
    (message.len() >= at + 4).then(|| (labels.join("."), kind, at + 4))
}

fn answer(question: &[u8], kind: u16, found: Option<&[IpAddr]>) -> Vec<u8> {
    let data: Vec<Vec<u8>> = found
        .unwrap_or_default()
        .iter()
        .filter_map(|address| match (address, kind) {
            (IpAddr::V4(address), TYPE_A) => Some(address.octets().to_vec()),
            (IpAddr::V6(address), TYPE_AAAA) => Some(address.octets().to_vec()),
            _ => None,
        })
        .collect();
    let code = if found.is_none() { NO_SUCH_NAME } else { 0 };
    let count = u8::try_from(data.len()).expect("few addresses");
    let mut message = question.to_vec();
    // A response with recursion: one question, these answers, nothing else.
    message[2..HEADER_BYTES].copy_from_slice(&[0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    for bytes in data {
        // The question's name, the type, class IN, no time to live.
        message.extend_from_slice(&[0xc0, 12]);
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0]);
        message.push(u8::try_from(bytes.len()).expect("an address is short"));
        message.extend_from_slice(&bytes);
    }
    message
}
