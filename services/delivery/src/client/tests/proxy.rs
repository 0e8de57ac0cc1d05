//! Requests through a proxy: it is asked for checked addresses, and each way it can fail has a name.

use config::{Secret, parse};
use domain::outcome::ErrorKind;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use test_support::{
    Answer, Authority, HttpProxy, NameServer, ProxyConduct, Receiver, free_port, script,
};

use super::{Egress, client, get, ips, settings};

const CREDENTIALS: &str = "me:s3cret-of-the-proxy";
/// The same in a header: `Basic` and its base64.
const AUTHORIZATION: &str = "Basic bWU6czNjcmV0LW9mLXRoZS1wcm94eQ==";

#[tokio::test]
async fn http_and_https_go_through_a_proxy_to_the_address_that_was_checked() {
    let authority = Authority::new("a test's authority");
    let server = authority.server(&["hooks.example"]);
    let plain = Receiver::start(script::always(Answer::ok()));
    let secure = Receiver::start_tls(server.server_config(None), script::always(Answer::ok()));
    let names = names();
    let proxy = HttpProxy::start(ProxyConduct::ConnectFor(AUTHORIZATION.to_owned()));
    let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
    let egress = Egress {
        roots: vec![root],
        ..through(&proxy.address().to_string(), &names)
    };
    let client = client(&settings(&["127.0.0.1/32"], egress));

    for receiver in [&plain, &secure] {
        let url = receiver.url_of("hooks.example", "/hook");
        let host = url.split('/').nth(2).unwrap().to_owned();

        let reply = get(&client, &url).await;

        assert_eq!(reply.status, Some(200), "{:?}", reply.failure);
        assert_eq!(receiver.requests()[0].header("host"), host);
        let port = host.rsplit(':').next().unwrap();
        let asked = proxy.heads().pop().unwrap();
        assert!(
            asked.starts_with(&format!("CONNECT 127.0.0.1:{port} ")),
            "{asked}"
        );
    }
    assert_eq!(names.asked("hooks.example"), 2);
}

#[tokio::test]
async fn what_may_not_be_called_does_not_get_to_the_proxy() {
    let names = names();
    let proxy = HttpProxy::start(ProxyConduct::Connect);
    let egress = through(&proxy.address().to_string(), &names);
    let client = client(&settings(&["127.0.0.1/32"], egress));

    for host in ["closed.example", "127.0.0.9", "[::1]", "169.254.169.254"] {
        let failure = get(&client, &format!("http://{host}/"))
            .await
            .failure
            .unwrap();

        assert_eq!(failure.kind, ErrorKind::BlockedAddress, "{host}");
    }
    assert_eq!(proxy.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn each_way_a_proxy_fails_has_a_kind_and_a_message_without_credentials() {
    let names = names();
    let dead = format!("127.0.0.1:{}", free_port());
    let starting = |conduct| {
        let proxy = HttpProxy::start(conduct);
        (proxy.address().to_string(), Some(proxy))
    };
    let wrong = ProxyConduct::ConnectFor("Basic b3RoZXI=".to_owned());
    for ((address, _proxy), kind, message) in [
        ((dead, None), ErrorKind::Connect, "proxy can't be reached"),
        (
            starting(wrong),
            ErrorKind::Connect,
            "does not take our credentials (HTTP 407)",
        ),
        (
            starting(ProxyConduct::Answer(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")),
            ErrorKind::Connect,
            "proxy does not connect (HTTP 502)",
        ),
        (
            starting(ProxyConduct::Answer(b"SSH-2.0-OpenSSH_9.9\r\n")),
            ErrorKind::Protocol,
            "proxy does not answer in HTTP",
        ),
        (
            starting(ProxyConduct::Answer(b"HTTP/1.1 2")),
            ErrorKind::Connect,
            "proxy can't be reached",
        ),
        (
            starting(ProxyConduct::Hang),
            ErrorKind::Timeout,
            "proxy made no connection within 5000 ms",
        ),
    ] {
        let client = client(&settings(&["127.0.0.1/32"], through(&address, &names)));

        let failure = get(&client, "https://hooks.example/")
            .await
            .failure
            .unwrap();

        assert_eq!(failure.kind, kind, "{}", failure.message);
        assert!(failure.message.contains(message), "{}", failure.message);
        for secret in ["s3cret", "bWU6", &address] {
            assert!(!failure.message.contains(secret), "{}", failure.message);
        }
    }
}

fn names() -> NameServer {
    NameServer::start(|name, _| match name {
        "hooks.example" => Some(ips(&["127.0.0.1"])),
        _ => Some(ips(&["127.0.0.9"])),
    })
}

fn through(address: &str, names: &NameServer) -> Egress {
    let url = Secret::new(format!("http://{CREDENTIALS}@{address}"));
    Egress {
        proxy: parse::proxy(&url).unwrap(),
        dns_servers: vec![names.address()],
        roots: Vec::new(),
    }
}
