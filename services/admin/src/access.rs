//! Sealing of what a draft brings in the clear besides signing secrets and headers, and the checks of
//! certificates that take cryptography.

use domain::{
    access::{ClientCertificate, Hidden},
    certificate::Certificates,
    draft::Fault,
    endpoint::Endpoint,
};
use jetstream::sealing::{Error, Keyring};
use rustls::{
    InconsistentKeys, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};

use crate::saving::Refusal;

/// Checks the certificates that are new, and seals the secrets that are. One that is what is sealed
/// already stays as it is.
pub(crate) fn seal(
    keyring: &Keyring,
    existing: Option<&Endpoint>,
    endpoint: &mut Endpoint,
) -> Result<(), Refusal> {
    let owner = endpoint.seal_owner();
    if existing.is_none_or(|existing| existing.ca_certificate != endpoint.ca_certificate)
        && let Some(pem) = &endpoint.ca_certificate
    {
        check_roots(pem)?;
    }
    if let Some(own) = &mut endpoint.client_certificate {
        let earlier = existing.and_then(|existing| existing.client_certificate.as_ref());
        if earlier != Some(&*own) {
            check_pair(keyring, &owner, own)?;
        }
        let earlier = earlier.map(|earlier| &earlier.private_key);
        keep_or_seal(keyring, &owner, earlier, &mut own.private_key)?;
    }
    if let Some(oauth2) = &mut endpoint.oauth2 {
        let earlier = existing.and_then(|existing| existing.oauth2.as_ref());
        let earlier = earlier.map(|earlier| &earlier.client_secret);
        keep_or_seal(keyring, &owner, earlier, &mut oauth2.client_secret)?;
    }
    Ok(())
}

fn keep_or_seal(
    keyring: &Keyring,
    owner: &str,
    earlier: Option<&Hidden>,
    hidden: &mut Hidden,
) -> Result<(), Error> {
    if let (Hidden::Value(text), Some(Hidden::Sealed(sealed))) = (&*hidden, earlier)
        && keyring
            .open(owner, sealed)
            .is_ok_and(|known| known.as_str() == text)
    {
        *hidden = Hidden::Sealed(sealed.clone());
    }
    hidden.seal(|text| keyring.seal(owner, text))
}

/// Checks that TLS can use a certificate with its key.
fn check_pair(keyring: &Keyring, owner: &str, own: &ClientCertificate) -> Result<(), Refusal> {
    let key = match &own.private_key {
        Hidden::Value(text) => text.clone(),
        Hidden::Sealed(sealed) => keyring.open(owner, sealed)?.as_str().to_owned(),
    };
    let chain = ders("clientCertificate.certificate", &own.certificate)?;
    let unusable = || {
        fault(
            "clientCertificate.privateKey",
            "must be an RSA, ECDSA or Ed25519 key that TLS can use",
        )
    };
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_error| unusable())?;
    match CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()) {
        Ok(_pair) => Ok(()),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(fault(
            "clientCertificate.privateKey",
            "must be the key of the first certificate",
        )),
        Err(rustls::Error::InvalidCertificate(_)) => Err(fault(
            "clientCertificate.certificate",
            "must begin with a certificate that TLS can use",
        )),
        Err(_error) => Err(unusable()),
    }
}

fn check_roots(pem: &str) -> Result<(), Refusal> {
    let field = "caCertificate";
    let mut roots = RootCertStore::empty();
    for der in ders(field, pem)? {
        roots
            .add(der)
            .map_err(|_error| fault(field, "must hold certificates that can be roots"))?;
    }
    Ok(())
}

fn ders(field: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, Refusal> {
    let certificates = Certificates::parse(pem).map_err(|invalid| fault(field, invalid))?;
    let ders = certificates.ders().iter().cloned();
    Ok(ders.map(CertificateDer::from).collect())
}

fn fault(field: &str, problem: impl ToString) -> Refusal {
    Refusal::Fault(Fault {
        field: field.to_owned(),
        problem: problem.to_string(),
    })
}
