//! Which certificate of a cell is believed.
//!
//! In this order: a certificate given with `--trust-cert`; the certificate that this profile has trusted
//! before; a certificate of an authority that the system trusts; and, if the profile has never seen the cell,
//! any certificate, whose fingerprint is kept from then on and shown to the person (trust on first use, as a
//! cell on a LAN has nobody to vouch for it). A cell that once had a public certificate is never trusted on
//! first use. The messages themselves do not depend on any of this: they are encrypted between the members.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsConnector;

use crate::problem::{Exit, Problem};
use crate::profile::Settings;

/// Certificates that the person gave.
#[derive(Debug, Clone, Default)]
pub struct TrustedCertificates(pub Vec<CertificateDer<'static>>);

/// Reads certificates in PEM from a file.
pub fn read_certificates(path: &Path) -> Result<TrustedCertificates, Problem> {
    let unusable = |why: String| {
        Problem::new(Exit::Storage, format!("The certificate file {} cannot be used: {why}.", path.display()))
            .next("Copy the cell's certificate (tls/cert.pem in its data directory) and give its path.")
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(error.to_string()))?;
    if certificates.is_empty() {
        return Err(unusable("there is no certificate in it".into()));
    }
    Ok(TrustedCertificates(certificates))
}

/// What a handshake has shown, to be remembered once the session works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// What the profile knew or was given already.
    Known,
    /// A certificate of a public authority.
    Public,
    /// Trusted on first use: SHA-256 of the certificate.
    FirstUse([u8; 32]),
}

/// Decides about the cell's certificate.
#[derive(Debug)]
pub struct Verifier {
    provider: Arc<CryptoProvider>,
    given: Vec<CertificateDer<'static>>,
    given_roots: Option<Arc<WebPkiServerVerifier>>,
    public_roots: Option<Arc<WebPkiServerVerifier>>,
    pinned: Option<[u8; 32]>,
    public_only: bool,
    verdict: Mutex<Option<Result<Seen, String>>>,
}

impl Verifier {
    /// A verifier with what the profile knows.
    pub fn new(given: TrustedCertificates, settings: &Settings) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = |certificates: &[CertificateDer<'static>]| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates.iter().cloned());
            WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone()).build().ok()
        };
        let given_roots = if given.0.is_empty() { None } else { roots(&given.0) };
        let public_roots =
            if given.0.is_empty() { roots(&rustls_native_certs::load_native_certs().certs) } else { None };
        let pinned = settings.certificate_sha256.as_ref().and_then(|hex| {
            data_encoding::HEXLOWER_PERMISSIVE.decode(hex.replace(':', "").as_bytes()).ok()?.try_into().ok()
        });
        Self {
            given_roots,
            public_roots,
            given: given.0,
            pinned,
            public_only: settings.public_certificate,
            provider,
            verdict: Mutex::new(None),
        }
    }

    /// A verifier that believes public authorities and nobody else.
    pub fn public() -> Self {
        let settings = Settings { public_certificate: true, ..Settings::default() };
        Self::new(TrustedCertificates::default(), &settings)
    }

    /// What was decided in the last handshake: what was seen, or why the certificate is not believed.
    pub fn verdict(&self) -> Option<Result<Seen, String>> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn decide(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<Seen, String> {
        let trusts = |verifier: &Option<Arc<WebPkiServerVerifier>>| {
            verifier
                .as_ref()
                .is_some_and(|v| v.verify_server_cert(certificate, chain, name, &[], now).is_ok())
        };
        let fingerprint: [u8; 32] = Sha256::digest(certificate.as_ref()).into();
        if !self.given.is_empty() {
            return if self.given.iter().any(|given| given == certificate) || trusts(&self.given_roots) {
                Ok(Seen::Known)
            } else {
                Err(format!("it is not the trusted one; it has the fingerprint {}", show(&fingerprint)))
            };
        }
        if self.pinned == Some(fingerprint) {
            return Ok(Seen::Known);
        }
        if trusts(&self.public_roots) {
            return Ok(Seen::Public);
        }
        match self.pinned {
            Some(pinned) => Err(format!(
                "it was {} when this profile trusted it, now it is {}",
                show(&pinned),
                show(&fingerprint)
            )),
            None if self.public_only => {
                Err("no authority vouches for it, though one did when this profile was here before".into())
            }
            None => Ok(Seen::FirstUse(fingerprint)),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.decide(certificate, chain, name, now);
        let refused = verdict.is_err();
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        if refused {
            return Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Makes TLS connections to those whom `verifier` believes.
pub fn connector(verifier: Arc<Verifier>) -> Result<TlsConnector, rustls::Error> {
    let tls = rustls::ClientConfig::builder_with_provider(verifier.provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(tls)))
}

/// A fingerprint as certificate tools show it.
pub fn show(fingerprint: &[u8; 32]) -> String {
    fingerprint.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str) -> CertificateDer<'static> {
        rcgen::generate_simple_self_signed([name.to_owned()]).unwrap().cert.into()
    }

    fn decide(verifier: &Verifier, certificate: &CertificateDer<'_>) -> Result<Seen, String> {
        let name = ServerName::try_from("cell.test").unwrap();
        verifier.decide(certificate, &[], &name, UnixTime::now())
    }

    #[test]
    fn an_unknown_certificate_is_trusted_once_and_a_different_one_never_again() {
        let (first, other) = (certificate("cell.test"), certificate("cell.test"));
        let Ok(Seen::FirstUse(fingerprint)) =
            decide(&Verifier::new(Default::default(), &Settings::default()), &first)
        else {
            panic!("not trusted on first use")
        };
        let settings = Settings { certificate_sha256: Some(show(&fingerprint)), ..Settings::default() };
        let verifier = Verifier::new(TrustedCertificates::default(), &settings);
        assert_eq!(decide(&verifier, &first), Ok(Seen::Known));
        assert!(decide(&verifier, &other).unwrap_err().contains(&show(&fingerprint)));
    }

    #[test]
    fn with_a_given_certificate_no_other_is_believed() {
        let (given, other) = (certificate("cell.test"), certificate("cell.test"));
        let verifier = Verifier::new(TrustedCertificates(vec![given.clone()]), &Settings::default());
        assert_eq!(decide(&verifier, &given), Ok(Seen::Known));
        assert!(decide(&verifier, &other).is_err());
    }

    #[test]
    fn a_cell_that_had_a_public_certificate_is_not_trusted_on_first_use() {
        let settings = Settings { public_certificate: true, ..Settings::default() };
        let verifier = Verifier::new(TrustedCertificates::default(), &settings);
        assert!(decide(&verifier, &certificate("cell.test")).is_err());
    }
}
