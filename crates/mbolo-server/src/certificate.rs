//! The certificate that connections are protected with: the operator's, or one made for a LAN.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXUPPER;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::NoServerSessionStorage;
use rustls::{CipherSuite, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use crate::config::{Config, Tls};
use crate::error::ServeError;
use crate::keys::{DataDirectory, private_directory, write_private};

/// What a server needs for TLS.
pub(crate) struct Certificate {
    pub(crate) config: Arc<ServerConfig>,
    /// SHA-256 of the certificate, as browsers show it; only for a generated one.
    pub(crate) fingerprint: Option<String>,
}

/// The certificate that `config` asks for, if any.
pub(crate) fn certificate(config: &Config, data: &DataDirectory) -> Result<Option<Certificate>, ServeError> {
    let (chain, key, generated) = match config.tls {
        Tls::Off => return Ok(None),
        Tls::Files => {
            let (Some(chain), Some(key)) = (&config.tls_cert, &config.tls_key) else {
                return Err(ServeError::Certificate("name its files with tls_cert and tls_key".to_owned()));
            };
            (chain.clone(), key.clone(), false)
        }
        Tls::Generated => {
            let directory = data.certificate();
            let (chain, key) = (directory.join("cert.pem"), directory.join("key.pem"));
            if !chain.exists() || !key.exists() {
                generate(config, &directory, &chain, &key)?;
            }
            (chain, key, true)
        }
    };
    let named = |path: &Path, what: &str, error: &dyn std::fmt::Display| {
        ServeError::Certificate(format!(
            "{} is not {what} ({error}); check tls_cert and tls_key",
            path.display()
        ))
    };
    let certificates = CertificateDer::pem_file_iter(&chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| named(&chain, "a readable PEM certificate", &error))?;
    let Some(own) = certificates.first() else {
        return Err(named(&chain, "a readable PEM certificate", &"there is none in it"));
    };
    let fingerprint = generated.then(|| {
        let digest = Sha256::digest(own);
        digest.iter().map(|byte| HEXUPPER.encode(&[*byte])).collect::<Vec<_>>().join(":")
    });
    let private = PrivateKeyDer::from_pem_file(&key)
        .map_err(|error| named(&key, "a readable PEM private key", &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, private))
        .map_err(|error| {
            ServeError::Certificate(format!(
                "{} and {} do not fit together ({error}); check tls_cert and tls_key",
                chain.display(),
                key.display()
            ))
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Resumption without memory for it: the state is in the ticket, and one ticket is enough for the next connection.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ring::Ticketer::new().map_err(|error| ServeError::Certificate(error.to_string()))?;
    config.send_tls13_tickets = 1;
    Ok(Some(Certificate { config: Arc::new(config), fingerprint }))
}

/// The default algorithms, without the suite that hashes with SHA-384: processors accelerate SHA-256, and the key exchange
/// has 128 bits of strength, so that larger keys only cost login time and memory.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.cipher_suites.retain(|suite| suite.suite() != CipherSuite::TLS13_AES_256_GCM_SHA384);
    provider
}

/// Makes a certificate for this machine's names and the cell's.
fn generate(config: &Config, directory: &Path, chain: &Path, key: &Path) -> Result<(), ServeError> {
    let failed = |error: rcgen::Error| ServeError::Certificate(format!("none can be made: {error}"));
    let unusable = |error: io::Error| ServeError::DataUnusable { path: directory.to_owned(), error };
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Mbolo cell");
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !config.listen.ip().is_unspecified() {
        names.push(config.listen.ip().to_string());
    }
    names.push(host_of(&config.public_name()).to_owned());
    names.sort();
    names.dedup();
    for name in names {
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.try_into().map_err(failed)?),
        });
    }
    let pair = KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&pair).map_err(failed)?;
    private_directory(directory).map_err(unusable)?;
    write_private(key, pair.serialize_pem().as_bytes()).map_err(unusable)?;
    write_private(chain, certificate.pem().as_bytes()).map_err(unusable)
}

/// The host of `host`, `host:port`, `[v6]:port` or a bare IPv6 address.
fn host_of(name: &str) -> &str {
    if let Some(rest) = name.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match name.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => host,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_in_every_form_of_a_name() {
        for (name, host) in [
            ("cell.example", "cell.example"),
            ("cell.example:8443", "cell.example"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("192.0.2.1:80", "192.0.2.1"),
        ] {
            assert_eq!(host_of(name), host);
        }
    }

    #[test]
    fn a_generated_certificate_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(dir.path()).unwrap();
        let config =
            Config { tls: Tls::Generated, name: Some("cell.example".to_owned()), ..Config::default() };
        let first = certificate(&config, &data).unwrap().unwrap().fingerprint.unwrap();
        let again = certificate(&config, &data).unwrap().unwrap().fingerprint.unwrap();
        assert_eq!(first, again);
        assert_eq!(first.len(), 32 * 3 - 1);
    }

    #[test]
    fn a_bad_certificate_names_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(dir.path()).unwrap();
        let path = dir.path().join("broken.pem");
        std::fs::write(&path, "-----BEGIN NOTHING-----").unwrap();
        let config = Config {
            tls: Tls::Files,
            tls_cert: Some(path.clone()),
            tls_key: Some(path),
            ..Config::default()
        };
        let error = certificate(&config, &data).err().unwrap();
        assert!(error.to_string().contains("broken.pem"), "{error}");
        assert!(matches!(error, ServeError::Certificate(_)), "{error}");
    }
}
