//! One way out by HTTP for channels, targets and peers: bounded in time and size, no redirects, no proxies of the
//! environment, the system's certificates.
//!
//! What matters to an outbox is whether a request may have had an effect: an error says so.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::{Request, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Timeout};

/// HTTP cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// TLS needs certificates.
    #[error("the system's certificates cannot be read: {0}; install ca-certificates")]
    Certificates(String),
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Seconds of `Retry-After`, if it says seconds.
    pub retry_after_s: Option<u32>,
    /// At most what the caller allows.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The request did not leave.
    #[error("{0}")]
    NotSent(String),
    /// It may have arrived.
    #[error("{0}")]
    Uncertain(String),
    /// The name leads to an address that strangers may not send us to.
    #[error("{0} is not a public address; a webhook must be reachable on the internet")]
    PrivateAddress(String),
}

/// Sends requests.
#[derive(Clone)]
pub struct Http {
    agent: Agent,
}

impl Http {
    /// For addresses that the operator configured.
    pub fn trusted(timeout: Duration) -> Result<Self, HttpError> {
        Ok(Self { agent: config(timeout)?.new_agent() })
    }

    /// For addresses that strangers gave: every address is resolved and checked at the moment it is used, so a name that
    /// changes its mind later gains nothing.
    pub fn public_only(timeout: Duration) -> Result<Self, HttpError> {
        let guard = PublicOnly { inner: DefaultResolver::default() };
        Ok(Self { agent: Agent::with_parts(config(timeout)?, DefaultConnector::default(), guard) })
    }

    /// Sends one request and reads at most `max_answer` bytes of the answer; more of it is an error.
    pub fn send(&self, request: Request<Vec<u8>>, max_answer: u64) -> Result<Answer, NoAnswer> {
        let mut response = if request.body().is_empty() && request.method() == "GET" {
            self.agent.run(request.map(|_| ()))
        } else {
            self.agent.run(request)
        }
        .map_err(no_answer)?;
        let status = response.status().as_u16();
        let retry_after_s = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.trim().parse().ok());
        // An error's body only explains: what cannot be read of it is left out.
        let body = response.body_mut().with_config().limit(max_answer).read_to_vec();
        let body = match body {
            Ok(body) => body,
            Err(_) if status >= 300 => Vec::new(),
            Err(error) => return Err(no_answer(error)),
        };
        Ok(Answer { status, retry_after_s, body })
    }
}

impl Answer {
    /// 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The beginning of the body on one line, for a log.
    pub fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let line: String = text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
        if line.trim().is_empty() {
            format!("status {}", self.status)
        } else {
            format!("status {}: {}", self.status, line.trim())
        }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

/// Whether strangers may make us connect to it: not to this host, not into private networks, not to what has no owner.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(a == 0
                || v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_documentation()
                || v4.is_multicast()
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && (b == 18 || b == 19)))
        }
        IpAddr::V6(v6) => {
            let s = v6.segments();
            let embedded = |high: u16, low: u16| {
                let [a, b] = high.to_be_bytes();
                let [c, d] = low.to_be_bytes();
                is_public(IpAddr::from([a, b, c, d]))
            };
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_public(IpAddr::V4(v4));
            }
            match s {
                // NAT64 and 6to4 lead to the IPv4 address inside.
                [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
                [0x2002, high, low, ..] => embedded(high, low),
                // Of global unicast, all but Teredo, ORCHID, benchmarking (2001::/23) and documentation.
                [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
                [0x3fff, second, ..] => second >= 0x1000,
                [first, ..] => first & 0xe000 == 0x2000,
            }
        }
    }
}

/// Resolves as usual and refuses the name if any of its addresses is not public.
#[derive(Debug)]
struct PublicOnly {
    inner: DefaultResolver,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(IpAddr);

impl Resolver for PublicOnly {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = self.inner.resolve(uri, config, timeout)?;
        match addresses.iter().find(|address| !is_public(address.ip())) {
            Some(private) => Err(ureq::Error::Other(Box::new(Refused(private.ip())))),
            None => Ok(addresses),
        }
    }
}

fn config(timeout: Duration) -> Result<Config, HttpError> {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(roots()?)
        .build();
    Ok(Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_global(Some(timeout))
        .timeout_connect(Some(timeout.min(Duration::from_secs(5))))
        // A connection that was left open may be dead: the error would be uncertain where a new one is not.
        .max_idle_connections(0)
        .user_agent(concat!("mbolo-pulse/", env!("CARGO_PKG_VERSION")))
        .build())
}

fn roots() -> Result<RootCerts, HttpError> {
    let loaded = rustls_native_certs::load_native_certs();
    if loaded.certs.is_empty() {
        let why = loaded.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
        return Err(HttpError::Certificates(why));
    }
    let certificates: Vec<_> =
        loaded.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    Ok(RootCerts::new_with_certs(&certificates))
}

fn no_answer(error: ureq::Error) -> NoAnswer {
    let text = error.to_string();
    match error {
        ureq::Error::Other(inner) if inner.is::<Refused>() => NoAnswer::PrivateAddress(inner.to_string()),
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::BadUri(_)
        | ureq::Error::Tls(_)
        | ureq::Error::Rustls(_)
        | ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => NoAnswer::NotSent(text),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => NoAnswer::NotSent(text),
        _ => NoAnswer::Uncertain(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_on_the_internet_are_public() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "192.0.2.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "::7f00:1",
            "fec0::1",
            "64:ff9b:1::1",
        ] {
            assert!(!is_public(private.parse().expect("an address")), "{private}");
        }
        for public in ["1.1.1.1", "41.158.1.1", "2606:4700::1111", "2001:4860::1", "64:ff9b::808:808"] {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
    }

    #[test]
    fn a_stranger_cannot_send_us_to_this_host_by_address_or_by_name() {
        let http = Http::public_only(Duration::from_secs(2)).expect("certificates");
        for url in ["http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/"] {
            let request = Request::post(url).body(b"{}".to_vec()).expect("a request");
            assert!(matches!(http.send(request, 10), Err(NoAnswer::PrivateAddress(_))), "{url}");
        }
    }

    #[test]
    fn a_refused_connection_has_certainly_had_no_effect() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let http = Http::trusted(Duration::from_secs(2)).expect("certificates");
        let request = Request::post(format!("http://127.0.0.1:{port}/")).body(b"{}".to_vec());
        assert!(matches!(http.send(request.expect("a request"), 10), Err(NoAnswer::NotSent(_))));
    }

    #[test]
    fn a_server_that_never_answers_may_have_had_the_request() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let http = Http::trusted(Duration::from_millis(200)).expect("certificates");
        let request = Request::post(format!("http://127.0.0.1:{port}/")).body(b"{}".to_vec());
        assert!(matches!(http.send(request.expect("a request"), 10), Err(NoAnswer::Uncertain(_))));
    }
}
