//! Why a phase failed, in few classes that mean the same everywhere.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// What kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The name does not exist.
    NameNotFound,
    /// The name exists and has no address.
    NoAddress,
    /// The resolver failed or would not answer.
    ResolverFailed,
    /// Nobody listens on the port.
    Refused,
    /// The connection was torn down.
    Reset,
    /// The other side closed before it had answered.
    Closed,
    /// There is no way there.
    Unreachable,
    /// The phase took longer than it may.
    Timeout,
    /// The certificate is for another name.
    CertificateName,
    /// The certificate has expired or is not valid yet.
    CertificateExpired,
    /// Nobody who is trusted has signed the certificate.
    CertificateUnknownIssuer,
    /// Something else is wrong with the certificate.
    CertificateInvalid,
    /// The TLS handshake failed for another reason than the certificate.
    TlsHandshake,
    /// HTTP answered with a status that was not expected.
    HttpStatus,
    /// The text that should be in the answer is not there.
    HttpBody,
    /// The answer redirects to another place than it should.
    HttpRedirect,
    /// What came is not what the protocol says.
    Protocol,
    /// A cell that turns newcomers away for now.
    TurnedAway,
    /// This machine's own fault (no file handles, no ports): says nothing about the target.
    Local,
    /// Anything else.
    Other,
}

impl Class {
    /// As OONI's data format names it (df-007-errors).
    pub fn ooni(self) -> &'static str {
        match self {
            Self::NameNotFound => "dns_nxdomain_error",
            Self::NoAddress => "dns_no_answer",
            Self::ResolverFailed => "dns_server_misbehaving",
            Self::Refused => "connection_refused",
            Self::Reset => "connection_reset",
            Self::Closed => "eof_error",
            Self::Unreachable => "host_unreachable",
            Self::Timeout => "generic_timeout_error",
            Self::CertificateName => "ssl_invalid_hostname",
            Self::CertificateUnknownIssuer => "ssl_unknown_authority",
            Self::CertificateExpired | Self::CertificateInvalid => "ssl_invalid_certificate",
            Self::TlsHandshake => "ssl_failed_handshake",
            Self::HttpStatus => "http_request_failed",
            Self::HttpBody => "http_unexpected_body",
            Self::HttpRedirect => "http_unexpected_redirect_url",
            Self::Protocol | Self::TurnedAway | Self::Local | Self::Other => "unknown_failure",
        }
    }
}

/// Why it failed, with words for the operator of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What kind.
    pub class: Class,
    /// What was seen. Of limited length.
    pub message: String,
}

impl Failure {
    pub(crate) fn new(class: Class, message: impl fmt::Display) -> Self {
        // Some of it was written by the other side.
        let message = message.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
        Self { class, message }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        const OUT_OF_HANDLES: [i32; 2] = [23, 24]; // ENFILE, EMFILE
        let class = match error.kind() {
            io::ErrorKind::ConnectionRefused => Class::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Class::Reset
            }
            io::ErrorKind::UnexpectedEof => Class::Closed,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Class::Unreachable,
            io::ErrorKind::TimedOut => Class::Timeout,
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory => Class::Local,
            _ if error.raw_os_error().is_some_and(|code| OUT_OF_HANDLES.contains(&code)) => Class::Local,
            _ => Class::Other,
        };
        Self::new(class, error)
    }
}
