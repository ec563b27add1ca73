//! Bytes on and off a socket, plain or through TLS, with buffers that belong to the gateway.
//!
//! rustls' unbuffered interface keeps nothing between calls but keys: what arrived incompletely, and what the socket
//! did not take, is kept here, and only while there is any. So an idle connection has no buffer at all.

use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};

/// One read or write takes at most this much: four TLS records.
pub(crate) const PORTION: usize = 64 * 1024;

/// A connection's way to its socket.
pub(crate) struct Transport {
    stream: TcpStream,
    tls: Option<Box<Tls>>,
    /// Ready for the socket, which did not take it yet.
    unsent: Vec<u8>,
    /// The socket is full; it will report when it is not.
    pub(crate) blocked: bool,
}

struct Tls {
    connection: UnbufferedServerConnection,
    /// The beginning of a record.
    incomplete: Vec<u8>,
    /// The handshake is over.
    established: bool,
}

/// Buffers of one gateway thread, used by whichever connection has its turn.
#[derive(Debug)]
pub(crate) struct Scratch {
    incoming: Box<[u8]>,
    /// What the last [`Transport::read`] understood.
    pub(crate) plaintext: Vec<u8>,
    /// What the next [`Transport::write`] sends.
    pub(crate) outgoing: Vec<u8>,
    encrypted: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            // An incomplete record stands in front of what is read.
            incoming: vec![0; 2 * PORTION].into_boxed_slice(),
            plaintext: Vec::with_capacity(2 * PORTION),
            outgoing: Vec::with_capacity(2 * PORTION),
            encrypted: vec![0; 2 * PORTION],
        }
    }
}

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOutcome {
    /// The socket has nothing more now.
    Drained,
    /// There may be more.
    More,
    /// The other side will send nothing more.
    End,
}

/// Why a transport is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The other side does not speak TLS as it should.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The other side speaks plain HTTP to a TLS port.
    #[error("plain HTTP on a TLS port")]
    PlainHttp,
    /// No more may be encrypted on this connection.
    #[error("the connection's keys are used up")]
    Exhausted,
}

impl Transport {
    /// Over `stream`, through TLS if there is a configuration for it.
    pub(crate) fn new(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> Result<Self, TransportError> {
        let tls = match tls {
            None => None,
            Some(config) => Some(Box::new(Tls {
                connection: UnbufferedServerConnection::new(config.clone())?,
                incomplete: Vec::new(),
                established: false,
            })),
        };
        Ok(Self { stream, tls, unsent: Vec::new(), blocked: false })
    }

    /// The socket, to register it.
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Bytes that the socket did not take yet.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Reads one portion into `scratch.plaintext`, which is emptied first.
    pub(crate) fn read(&mut self, scratch: &mut Scratch) -> Result<ReadOutcome, TransportError> {
        scratch.plaintext.clear();
        let kept = match &mut self.tls {
            Some(tls) => {
                let kept = tls.incomplete.len();
                scratch.incoming[..kept].copy_from_slice(&tls.incomplete);
                kept
            }
            None => 0,
        };
        let room = &mut scratch.incoming[kept..kept + PORTION];
        let outcome = loop {
            match self.stream.read(room) {
                Ok(0) => break (0, ReadOutcome::End),
                // The readiness of a stream is used up by a read that returns less than asked for.
                Ok(read) if read < PORTION => break (read, ReadOutcome::Drained),
                Ok(read) => break (read, ReadOutcome::More),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break (0, ReadOutcome::Drained),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        };
        let (read, outcome) = outcome;
        if read == 0 {
            return Ok(outcome);
        }
        match &mut self.tls {
            None => scratch.plaintext.extend_from_slice(&scratch.incoming[..read]),
            Some(tls) => {
                let closed = tls.take(kept + read, scratch, &mut self.unsent)?;
                self.send_unsent()?;
                if closed {
                    return Ok(ReadOutcome::End);
                }
            }
        }
        Ok(outcome)
    }

    /// Sends `scratch.outgoing` and empties it. Call it only when [`Transport::blocked`] is false: it then sends all,
    /// or keeps the rest and becomes blocked.
    pub(crate) fn write(&mut self, scratch: &mut Scratch) -> Result<usize, TransportError> {
        let mut sent = self.send_unsent()?;
        if let Some(tls) = &mut self.tls {
            let size = tls.encrypt(scratch)?;
            sent += send(&mut self.stream, &scratch.encrypted[..size], &mut self.unsent, &mut self.blocked)?;
        } else {
            sent += send(&mut self.stream, &scratch.outgoing, &mut self.unsent, &mut self.blocked)?;
        }
        scratch.outgoing.clear();
        Ok(sent)
    }

    /// Tries again to send what the socket did not take.
    pub(crate) fn send_unsent(&mut self) -> Result<usize, TransportError> {
        if self.blocked || self.unsent.is_empty() {
            return Ok(0);
        }
        let unsent = std::mem::take(&mut self.unsent);
        Ok(send(&mut self.stream, &unsent, &mut self.unsent, &mut self.blocked)?)
    }

    /// Tries to send bytes around TLS, to one who does not speak it.
    pub(crate) fn write_plain(&mut self, bytes: &[u8]) {
        let _ = self.stream.write(bytes);
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// Whether application data can be sent.
    pub(crate) fn is_established(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls.established)
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&mut self, scratch: &mut Scratch) {
        if let Some(tls) = &mut self.tls
            && tls.established
            && self.unsent.is_empty()
            && let Ok(ConnectionState::WriteTraffic(mut traffic)) = tls.next_state()
            && let Ok(size) = traffic.queue_close_notify(&mut scratch.encrypted)
        {
            // The connection is ending: a close_notify that does not fit is not worth waiting for.
            let _ = self.stream.write(&scratch.encrypted[..size]);
        }
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }
}

impl Tls {
    /// Takes the first `size` bytes of `scratch.incoming`. Returns whether the other side closed.
    fn take(
        &mut self,
        size: usize,
        scratch: &mut Scratch,
        unsent: &mut Vec<u8>,
    ) -> Result<bool, TransportError> {
        if !self.established && self.incomplete.is_empty() && scratch.incoming[0].is_ascii_uppercase() {
            return Err(TransportError::PlainHttp);
        }
        let mut start = 0;
        let mut closed = false;
        loop {
            let incoming = &mut scratch.incoming[start..size];
            let UnbufferedStatus { mut discard, state } = self.connection.process_tls_records(incoming);
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        scratch.plaintext.extend_from_slice(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(|out| data.encode(out), unsent)?,
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::WriteTraffic(_)) => {
                    self.established = true;
                    start += discard;
                    break;
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    closed = true;
                    start += discard;
                    break;
                }
                Ok(_) => {
                    start += discard;
                    break;
                }
                Err(error) => {
                    self.collect_alert(unsent);
                    return Err(error.into());
                }
            }
            start += discard;
        }
        self.incomplete.clear();
        if start == size {
            self.incomplete.shrink_to_fit();
        } else {
            self.incomplete.extend_from_slice(&scratch.incoming[start..size]);
            if self.incomplete.len() > PORTION {
                // A record has at most 16 KiB and a handshake message 64 KiB; rustls refuses larger ones itself.
                return Err(rustls::Error::General("an oversized TLS message".to_owned()).into());
            }
        }
        Ok(closed)
    }

    /// After an error rustls still has an alert to send that tells the other side why.
    fn collect_alert(&mut self, unsent: &mut Vec<u8>) {
        // What is to be sent comes before what was received, so the broken input need not be shown again.
        while self.connection.wants_write() {
            match self.connection.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    let _ = encode(|out| data.encode(out), unsent);
                }
                _ => return,
            }
        }
    }

    /// What rustls wants next, without anything new from the other side. It has to be shown again what is incomplete,
    /// because it remembers positions in it.
    fn next_state(&mut self) -> Result<ConnectionState<'_, '_, ServerConnectionData>, rustls::Error> {
        self.connection.process_tls_records(&mut self.incomplete).state
    }

    /// Encrypts `scratch.outgoing` into the front of `scratch.encrypted` and returns the size.
    fn encrypt(&mut self, scratch: &mut Scratch) -> Result<usize, TransportError> {
        let mut size = 0;
        loop {
            match self.next_state()? {
                ConnectionState::EncodeTlsData(mut data) => {
                    let mut handshake = Vec::new();
                    encode(|out| data.encode(out), &mut handshake)?;
                    ensure(&mut scratch.encrypted, size + handshake.len());
                    scratch.encrypted[size..size + handshake.len()].copy_from_slice(&handshake);
                    size += handshake.len();
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::WriteTraffic(mut traffic) => {
                    return match traffic.encrypt(&scratch.outgoing, &mut scratch.encrypted[size..]) {
                        Ok(written) => Ok(size + written),
                        Err(EncryptError::InsufficientSize(needed)) => {
                            ensure(&mut scratch.encrypted, size + needed.required_size);
                            match traffic.encrypt(&scratch.outgoing, &mut scratch.encrypted[size..]) {
                                Ok(written) => Ok(size + written),
                                Err(_) => Err(TransportError::Exhausted),
                            }
                        }
                        Err(EncryptError::EncryptExhausted) => Err(TransportError::Exhausted),
                    };
                }
                _ => return Err(TransportError::Exhausted),
            }
        }
    }
}

/// Appends what `encode_into` writes, however large it is.
fn encode(
    mut encode_into: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
    out: &mut Vec<u8>,
) -> Result<(), TransportError> {
    let start = out.len();
    out.resize(start + 2048, 0);
    let written = match encode_into(&mut out[start..]) {
        Ok(written) => written,
        Err(EncodeError::InsufficientSize(needed)) => {
            out.resize(start + needed.required_size, 0);
            encode_into(&mut out[start..]).unwrap_or(0)
        }
        Err(EncodeError::AlreadyEncoded) => 0,
    };
    out.truncate(start + written);
    Ok(())
}

fn ensure(buffer: &mut Vec<u8>, size: usize) {
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
}

/// Writes until the socket is full, and keeps the rest.
fn send(
    stream: &mut TcpStream,
    mut bytes: &[u8],
    unsent: &mut Vec<u8>,
    blocked: &mut bool,
) -> io::Result<usize> {
    let mut sent = 0;
    while !bytes.is_empty() && !*blocked {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                sent += written;
                bytes = &bytes[written..];
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => *blocked = true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    unsent.extend_from_slice(bytes);
    Ok(sent)
}
