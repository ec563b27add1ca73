//! The address of a cell as people write it: `http://127.0.0.1:8100`, `https://cell.example`.

use std::fmt;
use std::str::FromStr;

use tokio_tungstenite::tungstenite::http::Uri;

/// Where a cell is, and whether the way there is TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellAddress {
    /// `https`.
    pub tls: bool,
    /// Name or IP address; IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Why a text is not the address of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Not a URL with a host.
    #[error("it is not an address like https://cell.example or http://127.0.0.1:8100")]
    Shape,
    /// A scheme other than http and https.
    #[error("a cell's address begins with https:// or http://")]
    Scheme,
    /// It has a path or a query.
    #[error("a cell's address ends after the host and the port")]
    Path,
}

impl CellAddress {
    /// For people: the host, with the port if it is not the usual one.
    pub fn name(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.usual_port() { host } else { format!("{host}:{}", self.port) }
    }

    /// The URL of a session's WebSocket.
    pub fn session_url(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.name(), mbolo_proto::SESSION_PATH)
    }

    fn usual_port(&self) -> u16 {
        if self.tls { 443 } else { 80 }
    }
}

impl FromStr for CellAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or(InvalidAddress::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(InvalidAddress::Scheme),
        };
        let uri: Uri = format!("http://{rest}").parse().map_err(|_| InvalidAddress::Shape)?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || rest.contains('#') {
            return Err(InvalidAddress::Path);
        }
        let authority = uri.authority().ok_or(InvalidAddress::Shape)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() || authority.as_str().contains('@') {
            return Err(InvalidAddress::Shape);
        }
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(port) if port > 0 => port,
            None if !has_port => {
                if tls {
                    443
                } else {
                    80
                }
            }
            _ => return Err(InvalidAddress::Shape),
        };
        Ok(Self { tls, host, port })
    }
}

impl fmt::Display for CellAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, shown, session) in [
            ("http://127.0.0.1:8100", "http://127.0.0.1:8100", "ws://127.0.0.1:8100/v1/session"),
            ("https://Cell.Example/", "https://cell.example", "wss://cell.example/v1/session"),
            (" http://[::1]:8100 ", "http://[::1]:8100", "ws://[::1]:8100/v1/session"),
            ("https://cell.example:443", "https://cell.example", "wss://cell.example/v1/session"),
        ] {
            let address: CellAddress = text.parse().unwrap();
            assert_eq!(
                (address.to_string().as_str(), address.session_url().as_str()),
                (shown, session),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (text, why) in [
            ("cell.example", InvalidAddress::Scheme),
            ("ftp://cell.example", InvalidAddress::Scheme),
            ("http://cell.example/chat", InvalidAddress::Path),
            ("http://", InvalidAddress::Shape),
            ("http://cell.example:99999", InvalidAddress::Shape),
            ("http://cell.example:", InvalidAddress::Shape),
            ("http://a b", InvalidAddress::Shape),
            ("http://me@cell.example", InvalidAddress::Shape),
        ] {
            assert_eq!(text.parse::<CellAddress>(), Err(why), "{text}");
        }
    }
}
