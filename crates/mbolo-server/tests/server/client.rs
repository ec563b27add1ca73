//! The least that talks to a server: a socket, and the bytes on it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use mbolo_proto::wire::{self, client_frame, server_frame};
use mbolo_proto::{AccountId, CellId, DeviceKey, PROTOCOL_VERSION, signing};
use prost::Message;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

/// A socket or a TLS connection.
pub trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// One connection, before or after it became a WebSocket.
pub struct Client {
    wire: Box<dyn Wire + Send>,
    /// Read, but not looked at yet.
    buffer: Vec<u8>,
}

/// A WebSocket frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    Binary(Vec<u8>),
    Ping,
    Pong(Vec<u8>),
    Close(u16),
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self { wire: Box::new(socket(address)), buffer: Vec::new() }
    }

    pub fn connect_tls(address: SocketAddr) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        Self { wire: Box::new(rustls::StreamOwned::new(connection, socket(address))), buffer: Vec::new() }
    }

    /// A session that has been opened, with its challenge.
    pub fn session(address: SocketAddr) -> (Self, wire::Challenge) {
        Self::connect(address).open_session()
    }

    pub fn open_session(mut self) -> (Self, wire::Challenge) {
        let head = self.request(UPGRADE);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let Some(server_frame::Body::Challenge(challenge)) = self.next().body else { panic!("no challenge") };
        (self, challenge)
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.wire.write_all(bytes).unwrap();
        self.wire.flush().unwrap();
    }

    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.write_all(bytes)
    }

    /// Sends a request and returns the head of the response.
    pub fn request(&mut self, request: &str) -> String {
        self.write(request.as_bytes());
        self.head()
    }

    pub fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.buffer.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.read_more(), "closed before the end of the head: {:?}", self.buffer);
        }
    }

    /// Exactly so many bytes.
    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.read_more(), "closed early");
        }
        self.buffer.drain(..length).collect()
    }

    /// Everything until the other side closes.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.read_more() {}
        std::mem::take(&mut self.buffer)
    }

    /// Sends a WebSocket frame whose first byte is `first`.
    pub fn frame(&mut self, first: u8, payload: &[u8]) {
        self.write(&masked(first, payload));
    }

    pub fn send(&mut self, request_id: u64, body: client_frame::Body) {
        let frame = wire::ClientFrame { request_id, body: Some(body) };
        self.frame(0x82, &frame.encode_to_vec());
    }

    /// The next WebSocket frame, or `None` at the end of the connection.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, used)) = parse(&self.buffer) {
                self.buffer.drain(..used);
                return Some(frame);
            }
            if !self.read_more() {
                return None;
            }
        }
    }

    /// The next message of the cell.
    pub fn next(&mut self) -> wire::ServerFrame {
        match self.next_frame() {
            Some(Frame::Binary(bytes)) => mbolo_proto::decode_server_frame(bytes.into()).unwrap(),
            other => panic!("no message but {other:?}"),
        }
    }

    /// Messages until the connection ends, and the status code it ended with.
    pub fn until_close(&mut self) -> (Vec<wire::ServerFrame>, Option<u16>) {
        let mut messages = Vec::new();
        loop {
            match self.next_frame() {
                Some(Frame::Binary(bytes)) => {
                    messages.push(mbolo_proto::decode_server_frame(bytes.into()).unwrap());
                }
                Some(Frame::Close(code)) => return (messages, Some(code)),
                Some(_) => {}
                None => return (messages, None),
            }
        }
    }

    fn read_more(&mut self) -> bool {
        let mut portion = [0; 64 * 1024];
        match self.wire.read(&mut portion) {
            Ok(0) => false,
            Ok(size) => {
                self.buffer.extend_from_slice(&portion[..size]);
                true
            }
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) =>
            {
                false
            }
            Err(error) => panic!("the server was expected to say something or to close: {error}"),
        }
    }
}

/// A device with its account.
pub struct Device {
    root: SigningKey,
    device: SigningKey,
    pub handle: String,
}

impl Device {
    pub fn new(number: u8) -> Self {
        Self {
            root: SigningKey::from_bytes(&[number; 32]),
            device: SigningKey::from_bytes(&[number + 100; 32]),
            handle: format!("person{number}"),
        }
    }

    pub fn account(&self) -> AccountId {
        AccountId::of_root_key(self.root.verifying_key().as_bytes())
    }

    pub fn register(&self, challenge: &wire::Challenge) -> client_frame::Body {
        let (cell, nonce) = parts(challenge);
        let key = DeviceKey(self.device.verifying_key().to_bytes());
        let bytes = signing::register_bytes(cell, &nonce, self.account(), &self.handle);
        client_frame::Body::Register(wire::Register {
            version: PROTOCOL_VERSION,
            certificate: Some(signing::certify_device(&self.root, key, 1)),
            handle: self.handle.clone(),
            pow: 0,
            invite: String::new(),
            signature: signing::sign(&self.device, &bytes),
        })
    }

    pub fn authenticate(&self, challenge: &wire::Challenge) -> client_frame::Body {
        let (cell, nonce) = parts(challenge);
        let bytes = signing::session_bytes(cell, &nonce, self.account());
        client_frame::Body::Authenticate(wire::Authenticate {
            version: PROTOCOL_VERSION,
            account_id: self.account().to_bytes(),
            device_key: Bytes::copy_from_slice(self.device.verifying_key().as_bytes()),
            signature: signing::sign(&self.device, &bytes),
            receive_window: 1024 * 1024,
        })
    }

    /// Registers and logs in on a new connection.
    pub fn sign_up(&self, client: Client) -> Client {
        let (mut client, challenge) = client.open_session();
        client.send(1, self.register(&challenge));
        let answer = client.next();
        assert!(!matches!(answer.body, Some(server_frame::Body::Error(_))), "{answer:?}");
        self.log_in_with(&mut client, &challenge);
        client
    }

    pub fn log_in(&self, client: Client) -> Client {
        let (mut client, challenge) = client.open_session();
        self.log_in_with(&mut client, &challenge);
        client
    }

    fn log_in_with(&self, client: &mut Client, challenge: &wire::Challenge) {
        client.send(2, self.authenticate(challenge));
        let answer = client.next();
        assert!(matches!(answer.body, Some(server_frame::Body::SessionReady(_))), "{answer:?}");
    }
}

pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => {
            frame.push(0xFE);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0xFF);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn parse(buffer: &[u8]) -> Option<(Frame, usize)> {
    let (first, second) = (*buffer.first()?, *buffer.get(1)?);
    let (length, header) = match second {
        126 => (usize::from(u16::from_be_bytes(*buffer.get(2..)?.first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*buffer.get(2..)?.first_chunk()?) as usize, 10),
        short => (usize::from(short), 2),
    };
    let payload = buffer.get(header..header + length)?.to_vec();
    let frame = match first {
        0x82 => Frame::Binary(payload),
        0x88 => Frame::Close(u16::from_be_bytes(*payload.first_chunk().unwrap())),
        0x89 => Frame::Ping,
        0x8A => Frame::Pong(payload),
        other => panic!("a frame that no server sends: {other:#x}"),
    };
    Some((frame, header + length))
}

fn parts(challenge: &wire::Challenge) -> (CellId, [u8; 32]) {
    (challenge.cell_id.as_ref().try_into().unwrap(), challenge.nonce.as_ref().try_into().unwrap())
}

fn socket(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    // So that a test whose server says nothing fails and does not hang.
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    socket
}

/// The tests do not ask who the server is.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

pub const UPGRADE: &str = "GET /v1/session HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                           Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
