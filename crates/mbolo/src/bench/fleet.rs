//! Many WebSocket connections from one thread: the generator's side of the wire.
//!
//! The generator shares two cores with the server it measures, so it is as lean as it can be: one epoll loop,
//! no task or buffer per message. It masks its frames with the key 0, which RFC 6455 allows and which costs
//! nothing here; the server unmasks all the same.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mbolo_proto::SESSION_PATH;
use mbolo_proto::wire::{ClientFrame, ServerFrame, client_frame};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use prost::Message;

/// What happened on a connection.
pub enum Happening {
    /// A frame came.
    Frame(ServerFrame),
    /// It is gone.
    Closed,
}

/// Connections by their number.
pub struct Fleet {
    poll: Poll,
    events: Events,
    connections: Vec<Option<Connection>>,
    dirty: Vec<usize>,
    scratch: Vec<u8>,
    tls: Option<Arc<rustls::ClientConfig>>,
    /// Where to connect to.
    pub address: SocketAddr,
}

struct Connection {
    stream: TcpStream,
    tls: Option<Box<rustls::ClientConnection>>,
    upgraded: bool,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    dirty: bool,
}

impl Fleet {
    /// Room for `size` connections, none open yet.
    pub fn new(size: usize, address: SocketAddr, tls: bool) -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(4096),
            connections: (0..size).map(|_| None).collect(),
            dirty: Vec::new(),
            scratch: vec![0; 256 * 1024],
            tls: tls.then(trusting_config).transpose()?.map(Arc::new),
            address,
        })
    }

    /// Opens connection `number` anew; its first frame will be the challenge.
    pub fn open(&mut self, number: usize) -> Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        // As the clients do: what is written goes out at once.
        stream.set_nodelay(true)?;
        self.poll.registry().register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)?;
        let tls = match &self.tls {
            Some(config) => {
                let name = "localhost".try_into().context("localhost is a name")?;
                Some(Box::new(rustls::ClientConnection::new(config.clone(), name)?))
            }
            None => None,
        };
        let request = format!(
            "GET {SESSION_PATH} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            self.address
        );
        self.connections[number] = Some(Connection {
            stream,
            tls,
            upgraded: false,
            incoming: Vec::new(),
            outgoing: request.into_bytes(),
            dirty: false,
        });
        Ok(())
    }

    /// Closes connection `number` without a word.
    pub fn close(&mut self, number: usize) {
        self.connections[number] = None;
    }

    /// Queues a frame; it leaves with the next [`Fleet::turn`].
    pub fn send(&mut self, number: usize, request_id: u64, body: client_frame::Body) {
        let Some(connection) = &mut self.connections[number] else { return };
        let frame = ClientFrame { request_id, body: Some(body) };
        put_header(&mut connection.outgoing, frame.encoded_len());
        frame.encode(&mut connection.outgoing).expect("a Vec grows");
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(number);
        }
    }

    /// Writes what is queued, waits at most `timeout` for something to arrive, and appends what did.
    pub fn turn(&mut self, timeout: Duration, happenings: &mut Vec<(usize, Happening)>) -> Result<()> {
        for number in std::mem::take(&mut self.dirty) {
            if let Some(connection) = &mut self.connections[number] {
                connection.dirty = false;
                if connection.flush().is_err() {
                    self.lose(number, happenings);
                }
            }
        }
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        let ready: Vec<(usize, bool, bool)> = self
            .events
            .iter()
            .map(|event| {
                (event.token().0, event.is_readable() || event.is_read_closed(), event.is_writable())
            })
            .collect();
        for (number, readable, writable) in ready {
            let Some(connection) = &mut self.connections[number] else { continue };
            let mut result = Ok(true);
            if readable {
                result = connection.receive(&mut self.scratch, &mut |frame| {
                    happenings.push((number, Happening::Frame(frame)));
                });
            }
            if writable || connection.tls.as_ref().is_some_and(|tls| tls.wants_write()) {
                result = result.and_then(|open| connection.flush().map(|()| open).map_err(Into::into));
            }
            if !result.unwrap_or(false) {
                self.lose(number, happenings);
            }
        }
        Ok(())
    }

    fn lose(&mut self, number: usize, happenings: &mut Vec<(usize, Happening)>) {
        self.connections[number] = None;
        happenings.push((number, Happening::Closed));
    }
}

impl Connection {
    /// Writes what the socket takes now.
    fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            if !self.outgoing.is_empty() {
                tls.writer().write_all(&self.outgoing)?;
                self.outgoing.clear();
            }
            while tls.wants_write() {
                match tls.write_tls(&mut self.stream) {
                    Ok(_) => {}
                    Err(error) if not_now(&error) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            return Ok(());
        }
        let mut written = 0;
        while written < self.outgoing.len() {
            match self.stream.write(&self.outgoing[written..]) {
                Ok(n) => written += n,
                Err(error) if not_now(&error) => break,
                Err(error) => return Err(error),
            }
        }
        self.outgoing.drain(..written);
        Ok(())
    }

    /// Reads what is there; false when the other end has closed.
    fn receive(&mut self, scratch: &mut [u8], on_frame: &mut impl FnMut(ServerFrame)) -> Result<bool> {
        loop {
            let n = match self.read_some(scratch) {
                Ok(0) => return Ok(false),
                Ok(n) => n,
                Err(error) if not_now(&error) => return Ok(true),
                Err(error) => return Err(error.into()),
            };
            if self.incoming.is_empty() {
                let used = self.take_frames(&scratch[..n], on_frame)?;
                self.incoming.extend_from_slice(&scratch[used..n]);
            } else {
                let mut incoming = std::mem::take(&mut self.incoming);
                incoming.extend_from_slice(&scratch[..n]);
                let used = self.take_frames(&incoming, on_frame)?;
                incoming.drain(..used);
                self.incoming = incoming;
            }
            if self.tls.is_none() && n < scratch.len() {
                return Ok(true);
            }
        }
    }

    fn read_some(&mut self, scratch: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.stream.read(scratch) };
        loop {
            match tls.reader().read(scratch) {
                Err(error) if not_now(&error) => {}
                result => return result,
            }
            if tls.read_tls(&mut self.stream)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }

    /// Takes whole frames off the front of `bytes`; says how many bytes they had.
    fn take_frames(&mut self, bytes: &[u8], on_frame: &mut impl FnMut(ServerFrame)) -> Result<usize> {
        let mut used = 0;
        if !self.upgraded {
            let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(0) };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                bail!("no upgrade: {}", String::from_utf8_lossy(&bytes[..end]));
            }
            self.upgraded = true;
            used = end + 4;
        }
        while let Some((opcode, header, length)) = read_header(&bytes[used..]) {
            let Some(payload) = bytes.get(used + header..used + header + length) else { break };
            match opcode {
                BINARY => on_frame(ServerFrame::decode(payload)?),
                PING => {
                    self.outgoing.extend_from_slice(&[0x80 | PONG, 0x80 | length as u8, 0, 0, 0, 0]);
                    self.outgoing.extend_from_slice(payload);
                }
                CLOSE => bail!("closed by the server"),
                _ => {}
            }
            used += header + length;
        }
        Ok(used)
    }
}

const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Header of a masked binary frame with the mask 0.
fn put_header(out: &mut Vec<u8>, length: usize) {
    out.push(0x80 | BINARY);
    match length {
        0..126 => out.push(0x80 | length as u8),
        126..65536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
}

/// Opcode, header length and payload length of the unmasked frame that begins here, if its header is whole.
fn read_header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let opcode = bytes.first()? & 0x0F;
    Some(match bytes.get(1)? & 0x7F {
        126 => (opcode, 4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (opcode, 10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        short => (opcode, 2, usize::from(short)),
    })
}

fn not_now(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected | io::ErrorKind::Interrupted
    )
}

/// A TLS configuration that takes any certificate: the server is our own child on loopback.
fn trusting_config() -> Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(AnyCertificate(provider.clone()));
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

#[derive(Debug)]
struct AnyCertificate(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_headers_of_every_length_read_back() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let mut bytes = Vec::new();
            put_header(&mut bytes, length);
            // The server's frames have no mask: same header, without the mask bit and the 4 bytes of the key.
            bytes[1] &= 0x7F;
            bytes.truncate(bytes.len() - 4);
            assert_eq!(read_header(&bytes), Some((BINARY, bytes.len(), length)));
            assert_eq!(read_header(&bytes[..1]), None);
        }
    }
}
