//! The few requests that are not the session: what a cell tells about itself, a snapshot, a beacon. One connection
//! each, small answers, no redirects.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::address::CellAddress;
use super::trust::{Verifier, connector};

/// An answer with a longer body, in bytes, is none.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A page on a server: `https://pulse.example/v1/beacon`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress {
    server: CellAddress,
    path: String,
}

impl WebAddress {
    /// A path on the server of a cell.
    pub fn on(server: &CellAddress, path: &str) -> Self {
        Self { server: server.clone(), path: path.to_owned() }
    }
}

impl FromStr for WebAddress {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, format!("{text} is no web address"));
        let (scheme, rest) = text.split_once("://").ok_or_else(invalid)?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let server = format!("{scheme}://{host}").parse().map_err(|_| invalid())?;
        Ok(Self { server, path: format!("/{path}") })
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.server, self.path)
    }
}

/// Status and body.
pub type Answer = (u16, Bytes);

/// Gets a document.
pub async fn get(address: &WebAddress, verifier: Arc<Verifier>) -> io::Result<Answer> {
    exchange(address, verifier, "GET", Bytes::new()).await
}

/// Posts JSON.
pub async fn post(address: &WebAddress, verifier: Arc<Verifier>, json: Vec<u8>) -> io::Result<Answer> {
    exchange(address, verifier, "POST", json.into()).await
}

async fn exchange(
    address: &WebAddress,
    verifier: Arc<Verifier>,
    method: &str,
    body: Bytes,
) -> io::Result<Answer> {
    let server = &address.server;
    let request = Request::builder()
        .method(method)
        .uri(&address.path)
        .header("host", server.name())
        .header("content-type", "application/json")
        .header("connection", "close")
        .body(Full::new(body))
        .map_err(io::Error::other)?;
    let tcp = TcpStream::connect((server.host.as_str(), server.port)).await?;
    if !server.tls {
        return over(tcp, request).await;
    }
    let name = ServerName::try_from(server.host.clone()).map_err(io::Error::other)?;
    let stream = connector(verifier).map_err(io::Error::other)?.connect(name, tcp).await?;
    over(stream, request).await
}

async fn over<S>(stream: S, request: Request<Full<Bytes>>) -> io::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // Ends with the connection, which ends with this request.
    let carrier = tokio::spawn(connection);
    let answer = async {
        let answer = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(io::Error::other)?;
        Ok((status, body.to_bytes()))
    };
    let answer = answer.await;
    carrier.abort();
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_address_is_a_server_and_a_path() {
        for (text, shown) in [
            ("https://Pulse.example", "https://pulse.example/"),
            ("http://127.0.0.1:8200/s/latest.json?x=1", "http://127.0.0.1:8200/s/latest.json?x=1"),
        ] {
            assert_eq!(text.parse::<WebAddress>().unwrap().to_string(), shown);
        }
        assert!("pulse.example".parse::<WebAddress>().is_err());
        assert!("ftp://pulse.example/".parse::<WebAddress>().is_err());
    }
}
