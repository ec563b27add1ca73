//! TLS with certificates that are really checked, and what was wrong with one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::ProbeError;
use crate::failure::{Class, Failure};

/// Who may vouch for a certificate.
#[derive(Debug, Clone)]
pub struct Roots(RootCertStore);

impl Roots {
    /// Those of the system.
    ///
    /// # Errors
    /// When it has none: every certificate in the world would look wrong.
    pub fn system() -> Result<Self, ProbeError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() { Err(ProbeError::NoRoots) } else { Ok(Self(store)) }
    }

    /// Those of the system, if any, and those in these PEM files.
    ///
    /// # Errors
    /// When a file cannot be read or has no certificate, or when there is none at all.
    pub fn system_and(files: &[impl AsRef<Path>]) -> Result<Self, ProbeError> {
        if files.is_empty() {
            return Self::system();
        }
        let mut roots = Self::system().unwrap_or_else(|_| Self(RootCertStore::empty()));
        for file in files {
            let path = file.as_ref().display().to_string();
            let pem = std::fs::read(file).map_err(|error| ProbeError::File { path: path.clone(), error })?;
            let given: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
            if roots.0.add_parsable_certificates(given).0 == 0 {
                return Err(ProbeError::NoCertificate(path));
            }
        }
        Ok(roots)
    }

    /// Only these.
    pub fn only(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates);
        Self(store)
    }
}

/// Makes TLS connections.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Result<Arc<ClientConfig>, Failure>,
    http: Result<Arc<ClientConfig>, Failure>,
}

impl Tls {
    pub fn new(roots: &Roots) -> Self {
        let config = |protocols: &[&[u8]]| {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let mut config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| Failure::new(Class::Local, error))?
                .with_root_certificates(roots.0.clone())
                .with_no_client_auth();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Ok(Arc::new(config))
        };
        Self { config: config(&[]), http: config(&[b"http/1.1"]) }
    }

    /// Shakes hands. `http`: says that HTTP/1.1 follows.
    pub async fn connect(
        &self,
        host: &str,
        http: bool,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            Failure::new(Class::CertificateName, format_args!("{host} is not a name for a certificate"))
        })?;
        let config = if http { self.http.clone()? } else { self.config.clone()? };
        TlsConnector::from(config).connect(name, stream).await.map_err(why)
    }
}

fn why(error: io::Error) -> Failure {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return error.into();
    };
    let class = match tls {
        Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Class::CertificateExpired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Class::CertificateName
            }
            CertificateError::UnknownIssuer => Class::CertificateUnknownIssuer,
            _ => Class::CertificateInvalid,
        },
        _ => Class::TlsHandshake,
    };
    Failure::new(class, tls)
}
