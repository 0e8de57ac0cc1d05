//! TLS towards receivers: whom we trust, and whom we show ourselves as.

use std::sync::Arc;

use anyhow::Context as _;
use domain::certificate::Certificates;
use rustls::{
    ClientConfig, RootCertStore,
    client::{Resumption, WebPkiServerVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// How many sessions are remembered for an endpoint with a configuration of its own.
const OWN_SESSIONS: usize = 8;

/// What an endpoint has of its own, in PEM.
#[derive(Clone, Copy)]
pub(crate) struct Own<'a> {
    /// The chain and its key that are shown to a receiver which asks.
    pub(crate) identity: Option<(&'a str, &'a str)>,
    /// The roots that are trusted in place of the installation's.
    pub(crate) roots: Option<&'a str>,
}

/// Makes configurations of TLS.
#[derive(Debug)]
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    /// Trusts the installation's roots; the same for all, since they take much memory.
    verifier: Arc<WebPkiServerVerifier>,
}

impl Tls {
    /// Trusts the system's roots, or those that are built in where the system has none, and the
    /// operator's.
    ///
    /// # Errors
    /// When the operator's roots can't be used.
    pub(crate) fn new(operators: &[CertificateDer<'static>]) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        let (_added, _ignored) = roots.add_parsable_certificates(native.certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for root in operators {
            roots
                .add(root.clone())
                .context("trust POSTHORN_EGRESS_CA")?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = verifier(roots, &provider)?;
        Ok(Self { provider, verifier })
    }

    /// Returns what all endpoints share that have nothing of their own.
    ///
    /// # Errors
    /// When the cryptography lacks a version of TLS.
    pub(crate) fn shared(&self) -> anyhow::Result<ClientConfig> {
        self.own(Own {
            identity: None,
            roots: None,
        })
    }

    /// Returns the configuration of an endpoint.
    ///
    /// # Errors
    /// When the certificate, its key or the roots can't be used.
    pub(crate) fn own(&self, own: Own<'_>) -> anyhow::Result<ClientConfig> {
        let verifier = match own.roots {
            Some(pem) => verifier(roots_in(pem)?, &self.provider)?,
            None => Arc::clone(&self.verifier),
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_webpki_verifier(verifier);
        let mut config = match own.identity {
            Some((chain, key)) => {
                // What is said of a damaged key may repeat parts of it.
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_error| {
                    anyhow::anyhow!("the client certificate's key can't be read")
                })?;
                builder
                    .with_client_auth_cert(ders(chain)?, key)
                    .context("use the client certificate")?
            }
            None => builder.with_no_client_auth(),
        };
        if own.identity.is_some() || own.roots.is_some() {
            config.resumption = Resumption::in_memory_sessions(OWN_SESSIONS);
        }
        Ok(config)
    }
}

fn verifier(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> anyhow::Result<Arc<WebPkiServerVerifier>> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .context("trust the roots")
}

fn roots_in(pem: &str) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for der in ders(pem)? {
        roots.add(der).context("trust the endpoint's roots")?;
    }
    Ok(roots)
}

fn ders(pem: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certificates = Certificates::parse(pem)?;
    let ders = certificates.ders().iter().cloned();
    Ok(ders.map(CertificateDer::from).collect())
}
