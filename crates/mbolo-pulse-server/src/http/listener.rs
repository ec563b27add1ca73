//! The listening socket with bounds: connections in all and per address, and a limit on how long one may be silent.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use crate::edge::Network;
use crate::shared::lock;

/// A connection that says nothing for this long is closed; between two requests of one client as well.
const SILENCE: Duration = Duration::from_secs(60);

/// Connections of one address that is not a proxy of ours.
const PER_ADDRESS: u32 = 256;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Limited>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Limited>) -> Self {
        Self(*stream.remote_addr())
    }
}

type PerAddress = Arc<Mutex<HashMap<IpAddr, u32>>>;

/// A TCP listener with bounds.
pub struct Limited {
    listener: TcpListener,
    free: Arc<Semaphore>,
    per_address: PerAddress,
    trusted: Vec<Network>,
}

impl Limited {
    /// At most `connections` at once.
    pub fn new(listener: TcpListener, connections: u32, trusted: Vec<Network>) -> Self {
        let free = Arc::new(Semaphore::new(connections as usize));
        Self { listener, free, per_address: PerAddress::default(), trusted }
    }

    fn place_for(&self, address: IpAddr) -> Option<Place> {
        if address.is_loopback() || self.trusted.iter().any(|network| network.contains(address)) {
            return Some(Place { address: None, per_address: self.per_address.clone() });
        }
        let mut per_address = lock(&self.per_address);
        let held = per_address.entry(address).or_default();
        if *held >= PER_ADDRESS {
            return None;
        }
        *held += 1;
        Some(Place { address: Some(address), per_address: self.per_address.clone() })
    }
}

impl Listener for Limited {
    type Io = Bounded;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Bounded, SocketAddr) {
        loop {
            let permit = self.free.clone().acquire_owned().await.expect("the semaphore is never closed");
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let Some(place) = self.place_for(address.ip()) else { continue };
                    // It only costs a little delay where it cannot be set.
                    let _ = stream.set_nodelay(true);
                    return (Bounded::new(stream, permit, place), address);
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One address' share; given back when dropped.
struct Place {
    address: Option<IpAddr>,
    per_address: PerAddress,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut per_address = lock(&self.per_address);
        if let Some(held) = per_address.get_mut(&address) {
            *held -= 1;
            if *held == 0 {
                per_address.remove(&address);
            }
        }
    }
}

/// A connection that is closed when it is silent.
pub struct Bounded {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

impl Bounded {
    fn new(stream: TcpStream, permit: OwnedSemaphorePermit, place: Place) -> Self {
        Self { stream, silence: Box::pin(tokio::time::sleep(SILENCE)), _permit: permit, _place: place }
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(done) => {
                self.silence.as_mut().reset(Instant::now() + SILENCE);
                Poll::Ready(done)
            }
            Poll::Pending => match self.silence.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
