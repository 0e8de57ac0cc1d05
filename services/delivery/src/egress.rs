//! How requests get out of the installation: through a proxy or not, by which name servers, and under
//! which roots besides the system's.

use std::net::SocketAddr;

use config::{Reader, parse};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// The way out; the default is straight out, as the system is configured.
#[derive(Debug, Clone, Default)]
pub struct Egress {
    /// The HTTP proxy that every request goes through.
    pub proxy: Option<parse::Proxy>,
    /// The name servers that are asked in place of the system's.
    pub dns_servers: Vec<SocketAddr>,
    /// The roots that are trusted besides the system's.
    pub roots: Vec<CertificateDer<'static>>,
}

impl Egress {
    /// Reads the settings; an empty one counts as not set.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let proxy = reader.optional_secret("EGRESS_PROXY", parse::proxy);
        Self {
            proxy: proxy.flatten(),
            dns_servers: reader.or_default("DNS_SERVERS", Vec::new(), parse::dns_servers),
            roots: reader.or_default("EGRESS_CA", Vec::new(), roots),
        }
    }
}

/// Reads a file of certificates in PEM, each of which can be a root.
fn roots(path: &str) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    const MUST: &str = "must name a file with certificates in PEM";
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let found = CertificateDer::pem_file_iter(path).map_err(|_error| MUST)?;
    let roots: Vec<_> = found.collect::<Result<_, _>>().map_err(|_error| MUST)?;
    let mut store = RootCertStore::empty();
    for root in &roots {
        store
            .add(root.clone())
            .map_err(|_error| "must hold certificates that can be roots")?;
    }
    if roots.is_empty() {
        Err(MUST)
    } else {
        Ok(roots)
    }
}

#[cfg(test)]
mod tests {
    use config::{Reader, Source};

    use super::Egress;

    #[test]
    fn what_is_not_set_or_empty_leaves_the_way_as_it_is() {
        for source in [
            Source::from_pairs(&[]),
            Source::from_pairs(&[
                ("POSTHORN_EGRESS_PROXY", ""),
                ("POSTHORN_DNS_SERVERS", ""),
                ("POSTHORN_EGRESS_CA", ""),
            ]),
        ] {
            let mut reader = Reader::new(&source);
            let egress = Egress::read(&mut reader);
            reader.finish(|| Some(())).unwrap();

            assert!(egress.proxy.is_none());
            assert!(egress.dns_servers.is_empty() && egress.roots.is_empty());
        }
    }

    #[test]
    fn every_wrong_value_is_named_and_no_password_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roots.pem");
        std::fs::write(&file, "no certificate").unwrap();
        let source = Source::from_pairs(&[
            ("POSTHORN_EGRESS_PROXY", "socks5://me:s3cret@proxy:1080"),
            ("POSTHORN_DNS_SERVERS", "10.0.0.53,ns.example"),
            ("POSTHORN_EGRESS_CA", file.to_str().unwrap()),
        ]);
        let mut reader = Reader::new(&source);
        let _egress = Egress::read(&mut reader);

        let faults = reader.finish(|| Some(())).unwrap_err().to_string();

        for name in ["EGRESS_PROXY", "DNS_SERVERS", "EGRESS_CA"] {
            assert!(
                faults.contains(&format!("POSTHORN_{name}: must")),
                "{faults}"
            );
        }
        assert!(!faults.contains("s3cret"), "{faults}");
    }
}
