//! Whom we trust, and whom we show ourselves as.

use std::sync::Arc;

use domain::{certificate::Certificates, outcome::ErrorKind};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use test_support::{Answer, Authority, Certified, Receiver, script};

use super::{Client, Egress, client, get, settings};
use crate::{
    dial::Dial,
    pools::Pools,
    tls::{Own, Tls},
};

const LOOPBACK: &[&str] = &["127.0.0.1/32"];

#[tokio::test]
async fn an_operators_root_is_trusted_and_no_other_and_only_for_the_right_name() {
    let ours = Authority::new("ours");
    let receivers = [
        (&ours, "127.0.0.1"),
        (&ours, "hooks.example"),
        (&Authority::new("theirs"), "127.0.0.1"),
    ]
    .map(|(authority, name)| receiver(&authority.server(&[name]), None));
    let trusting = client(&settings(LOOPBACK, roots(&ours)));
    let plain = client(&settings(LOOPBACK, Egress::default()));

    let [good, misnamed, foreign] = &receivers;
    assert_eq!(get(&trusting, &good.url("/")).await.status, Some(200));
    for (client, receiver) in [(&trusting, misnamed), (&trusting, foreign), (&plain, good)] {
        let failure = get(client, &receiver.url("/")).await.failure.unwrap();

        assert_eq!(failure.kind, ErrorKind::Tls, "{}", failure.message);
        assert!(
            failure.message.contains("certificate"),
            "{}",
            failure.message
        );
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_on_connections_of_its_endpoint_alone() {
    let authority = Authority::new("ours");
    let receiver = receiver(&authority.server(&["127.0.0.1"]), Some(&authority));
    let settings = settings(LOOPBACK, roots(&authority));
    let tls = Tls::new(&settings.egress.roots).unwrap();
    let pools = Pools::new(Dial::new(&settings).unwrap());
    let identities = ["one", "two"].map(|name| authority.client(name));
    let shown = |certified: &Certified| {
        let chain = Certificates::parse(&certified.certificate).unwrap();
        Some(chain.ders()[0].clone())
    };

    let clients = [("ep_1", &identities[0]), ("ep_2", &identities[1])].map(|(id, certified)| {
        let config = tls.own(Own {
            identity: Some((&certified.certificate, &certified.key)),
            roots: None,
        });
        let config = Arc::new(config.unwrap());
        pools.client(&id.parse().unwrap(), &config).unwrap()
    });
    for client in [&clients[0], &clients[1], &clients[0]] {
        assert_eq!(get(client, &receiver.url("/")).await.status, Some(200));
    }

    let came: Vec<_> = receiver
        .requests()
        .into_iter()
        .map(|request| request.client_certificate)
        .collect();
    let [one, two] = identities.each_ref().map(shown);
    assert_eq!(came, [one.clone(), two, one]);
    let failure = get(&client(&settings), &receiver.url("/"))
        .await
        .failure
        .unwrap();
    assert_eq!(failure.kind, ErrorKind::Tls, "{}", failure.message);
}

#[tokio::test]
async fn an_endpoints_roots_take_the_place_of_the_installations() {
    let (operators, endpoints) = (Authority::new("operator's"), Authority::new("endpoint's"));
    let by_operator = receiver(&operators.server(&["127.0.0.1"]), None);
    let by_endpoint = receiver(&endpoints.server(&["127.0.0.1"]), None);
    let settings = settings(LOOPBACK, roots(&operators));
    let tls = Tls::new(&settings.egress.roots).unwrap();
    let config = tls.own(Own {
        identity: None,
        roots: Some(&endpoints.pem()),
    });
    let dial = Dial::new(&settings).unwrap();
    let own = Client::new(&dial, config.unwrap(), 1).unwrap();

    assert_eq!(get(&own, &by_endpoint.url("/")).await.status, Some(200));
    let failure = get(&own, &by_operator.url("/")).await.failure.unwrap();

    assert_eq!(failure.kind, ErrorKind::Tls);
}

#[test]
fn a_key_that_is_another_certificates_is_refused_without_being_shown() {
    let authority = Authority::new("ours");
    let (one, two) = (authority.client("one"), authority.client("two"));
    let tls = Tls::new(&[]).unwrap();
    for key in [two.key.as_str(), "-----BEGIN PRIVATE KEY-----\ns3cret"] {
        let own = Own {
            identity: Some((&one.certificate, key)),
            roots: None,
        };

        let error = format!("{:#}", tls.own(own).unwrap_err());

        assert!(!error.contains("s3cret"), "{error}");
    }
}

fn receiver(server: &Certified, clients: Option<&Authority>) -> Receiver {
    Receiver::start_tls(server.server_config(clients), script::always(Answer::ok()))
}

fn roots(authority: &Authority) -> Egress {
    Egress {
        roots: vec![CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()],
        ..Egress::default()
    }
}
