//! What is to be measured, and what is expected of it.
//!
//! A target is an address whose scheme names the measurement:
//!
//! | address | phases |
//! |---|---|
//! | `dns://name` | DNS |
//! | `tcp://host:port` | DNS, TCP |
//! | `tls://host[:port]` | DNS, TCP, TLS |
//! | `http://…`, `https://…` | DNS, TCP, (TLS,) HTTP |
//! | `ws://…`, `wss://…` | DNS, TCP, (TLS,) WebSocket |
//! | `mbolo://host[:port]` | DNS, TCP, TLS (not on a loopback address), WebSocket, session |
//! | `mbolo+ws://…`, `mbolo+wss://…` | the same with or without TLS, as written |

use std::collections::BTreeSet;
use std::net::IpAddr;

use hyper::Uri;
use mbolo_pulse::model::ServiceId;
use serde::Deserialize;

use crate::error::ProbeError;
use crate::whatsapp;

/// Addresses are stored with every result.
const MAX_TARGET_BYTES: usize = 256;

/// Something to measure.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Target {
    /// What people would miss.
    pub service: ServiceId,
    /// The address, as written.
    pub text: String,
    /// How far the measurement goes.
    pub check: Check,
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port; 0 for DNS.
    pub port: u16,
    /// Path and query for HTTP and WebSocket.
    pub path: String,
    /// Which HTTP statuses are good.
    pub status: StatusRule,
    /// What must be in the first megabyte of the answer.
    pub contains: Option<String>,
    /// How the place must begin that HTTP redirects to.
    pub redirects_to: Option<String>,
}

/// How far a measurement goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Check {
    Dns,
    Tcp,
    Tls,
    Http {
        tls: bool,
    },
    WebSocket {
        tls: bool,
        /// Also wait for the answer to a ping.
        ping: bool,
    },
    Session {
        tls: bool,
    },
}

impl Check {
    /// Whether TLS is spoken after the connection stands.
    pub fn tls(self) -> bool {
        match self {
            Self::Dns | Self::Tcp => false,
            Self::Tls => true,
            Self::Http { tls } | Self::WebSocket { tls, .. } | Self::Session { tls } => tls,
        }
    }
}

/// Which HTTP statuses are good.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StatusRule {
    /// 200 to 399.
    #[default]
    Good,
    /// Any: that there is an answer is enough.
    Any,
    /// One of these.
    OneOf(BTreeSet<u16>),
}

impl StatusRule {
    /// Whether this one is.
    pub fn accepts(&self, status: u16) -> bool {
        match self {
            Self::Good => (200..400).contains(&status),
            Self::Any => true,
            Self::OneOf(good) => good.contains(&status),
        }
    }
}

impl Target {
    /// From an address alone, with the usual expectations.
    ///
    /// # Errors
    /// When it is not an address that can be measured.
    pub fn new(service: ServiceId, text: &str) -> Result<Self, ProbeError> {
        let wrong =
            |why: String| ProbeError::Target { target: text.chars().take(MAX_TARGET_BYTES).collect(), why };
        if text.len() > MAX_TARGET_BYTES {
            return Err(wrong(format!("it is longer than {MAX_TARGET_BYTES} bytes")));
        }
        let uri: Uri = text.parse().map_err(|error| wrong(format!("{error}")))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("write it like https://example.org/ or tcp://example.org:443".into()));
        };
        if authority.as_str().contains('@') {
            return Err(wrong("names and passwords do not belong into a target".into()));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("it has no host".into()));
        }
        let loopback =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
        let (check, usual_port) = match scheme {
            "dns" => (Check::Dns, Some(0)),
            "tcp" => (Check::Tcp, None),
            "tls" => (Check::Tls, Some(443)),
            "http" => (Check::Http { tls: false }, Some(80)),
            "https" => (Check::Http { tls: true }, Some(443)),
            "ws" => (Check::WebSocket { tls: false, ping: false }, Some(80)),
            "wss" => (Check::WebSocket { tls: true, ping: false }, Some(443)),
            "mbolo" if loopback => (Check::Session { tls: false }, Some(80)),
            "mbolo" | "mbolo+wss" => (Check::Session { tls: true }, Some(443)),
            "mbolo+ws" => (Check::Session { tls: false }, Some(80)),
            other => {
                return Err(wrong(format!(
                    "“{other}” is none of dns, tcp, tls, http, https, ws, wss, mbolo"
                )));
            }
        };
        let port = authority.port_u16().or(usual_port).ok_or_else(|| wrong("it needs a port".into()))?;
        let path = match (check, uri.path_and_query().map(|path| path.as_str())) {
            (Check::Session { .. }, _) => mbolo_proto::SESSION_PATH.to_owned(),
            (_, None) => "/".to_owned(),
            (_, Some(path)) if path.starts_with('/') => path.to_owned(),
            (_, Some(query)) => format!("/{query}"),
        };
        Ok(Self {
            service,
            text: text.to_owned(),
            check,
            host,
            port,
            path,
            status: StatusRule::Good,
            contains: None,
            redirects_to: None,
        })
    }

    /// One name for all ways to write the same address: without the usual port, a lone slash and capital letters in the
    /// host.
    pub fn canonical(&self) -> String {
        let scheme = self.text.split("://").next().unwrap_or_default().to_ascii_lowercase();
        let host = self.host.to_ascii_lowercase();
        let authority = match self.check {
            Check::Dns => host,
            Check::Tcp if host.contains(':') => format!("[{host}]:{}", self.port),
            Check::Tcp => format!("{host}:{}", self.port),
            _ => self.authority().to_ascii_lowercase(),
        };
        let path = match self.check {
            Check::Http { .. } | Check::WebSocket { .. } if self.path != "/" => self.path.as_str(),
            _ => "",
        };
        format!("{scheme}://{authority}{path}")
    }

    /// What stands in the `Host` header: with the port unless it is the usual one.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.check.tls() { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

/// How a target of a result or of an observatory's configuration is named: [`Target::canonical`], or
/// [`whatsapp::ENDPOINTS`] for all of those together.
///
/// # Errors
/// When it is neither.
pub fn canonical(text: &str) -> Result<String, ProbeError> {
    if text == whatsapp::ENDPOINTS {
        return Ok(text.to_owned());
    }
    let service = ServiceId::new("unnamed");
    let target = service.map(|service| Target::new(service, text)).transpose()?.filter(|_| text.is_ascii());
    let wrong = || ProbeError::Target { target: text.to_owned(), why: "it is not written in ASCII".into() };
    target.map(|target| target.canonical()).ok_or_else(wrong)
}

/// The targets that words on a command line mean: names of recipes (`whatsapp`) and addresses.
///
/// # Errors
/// When a word is neither.
pub fn targets_of(words: &[String]) -> Result<Vec<Target>, ProbeError> {
    let mut targets = Vec::new();
    for word in words {
        if word == whatsapp::NAME {
            targets.extend(whatsapp::targets());
            continue;
        }
        let named =
            word.parse::<Uri>().ok().and_then(|uri| ServiceId::new(&uri.host()?.to_ascii_lowercase()));
        let service = named
            .or_else(|| ServiceId::new("unnamed"))
            .ok_or_else(|| ProbeError::Target { target: word.clone(), why: "it has no host".into() })?;
        targets.push(Target::new(service, word)?);
    }
    Ok(targets)
}

/// As it stands in the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    service: ServiceId,
    url: String,
    #[serde(default)]
    status: Vec<u16>,
    #[serde(default)]
    any_status: bool,
    contains: Option<String>,
    redirects_to: Option<String>,
    #[serde(default)]
    ping: bool,
}

impl TryFrom<Written> for Target {
    type Error = ProbeError;

    fn try_from(written: Written) -> Result<Self, ProbeError> {
        let mut target = Self::new(written.service, &written.url)?;
        let wrong = |why: &str| ProbeError::Target { target: written.url.clone(), why: why.into() };
        let http = matches!(target.check, Check::Http { .. });
        let expects = !written.status.is_empty()
            || written.any_status
            || written.contains.is_some()
            || written.redirects_to.is_some();
        if expects && !http {
            return Err(wrong("status, any_status, contains and redirects_to are for http and https"));
        }
        target.status = match (written.any_status, written.status.is_empty()) {
            (true, false) => return Err(wrong("either status or any_status")),
            (true, true) => StatusRule::Any,
            (false, true) => StatusRule::Good,
            (false, false) => StatusRule::OneOf(written.status.into_iter().collect()),
        };
        match &mut target.check {
            Check::WebSocket { ping, .. } => *ping = written.ping,
            _ if written.ping => return Err(wrong("ping is for ws and wss")),
            _ => {}
        }
        target.contains = written.contains;
        target.redirects_to = written.redirects_to;
        Ok(target)
    }
}
