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

use crate::edge::{Network, machine};
use crate::shared::lock;

/// A connection that says nothing for this long is closed; between two requests of one client as well.
const SILENCE: Duration = Duration::from_secs(60);

/// From a request's first byte to its answer's: what is longer on its way is sent slowly on purpose. Handlers have a limit of
/// their own, which is half of it.
const REQUEST: Duration = Duration::from_secs(60);

/// Connections of one machine (an address, or a /64 of IPv6) that is not a proxy of ours.
const PER_ADDRESS: u32 = 256;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Limited>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Limited>) -> Self {
        Self(*stream.remote_addr())
    }
}

type PerAddress = Arc<Mutex<HashMap<u128, u32>>>;

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
        let address = machine(address);
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
    address: Option<u128>,
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

/// A connection that is closed when it is silent, or when a request does not come to its end.
pub struct Bounded {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    /// When the request that is being received or worked on must be answered.
    answered_by: Option<Instant>,
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

impl Bounded {
    fn new(stream: TcpStream, permit: OwnedSemaphorePermit, place: Place) -> Self {
        let silence = Box::pin(tokio::time::sleep(SILENCE));
        Self { stream, silence, answered_by: None, _permit: permit, _place: place }
    }

    /// Something was received: the next silence begins, the request's end stays where it is.
    fn heard(&mut self, now: Instant) {
        let answered_by = *self.answered_by.get_or_insert(now + REQUEST);
        self.silence.as_mut().reset((now + SILENCE).min(answered_by));
    }

    fn is_overdue(&self, now: Instant) -> bool {
        self.answered_by.is_some_and(|by| by <= now)
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
                let now = Instant::now();
                if self.is_overdue(now) {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                self.heard(now);
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
        self.answered_by = None;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.answered_by = None;
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn limited() -> Limited {
        Limited::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), 1_000, Vec::new())
    }

    #[tokio::test]
    async fn a_machine_with_a_64_of_addresses_has_one_share_of_the_connections() {
        let limited = limited().await;
        let held: Vec<Place> = (0..PER_ADDRESS)
            .filter_map(|n| limited.place_for(format!("2001:db8:1:1::{n:x}").parse().unwrap()))
            .collect();
        assert_eq!(held.len(), PER_ADDRESS as usize);
        assert!(limited.place_for("2001:db8:1:1:ffff::1".parse().unwrap()).is_none());
        assert!(limited.place_for("2001:db8:1:2::1".parse().unwrap()).is_some());
        drop(held);
        assert!(limited.place_for("2001:db8:1:1:ffff::1".parse().unwrap()).is_some());
    }

    #[tokio::test]
    async fn a_request_that_comes_in_drops_is_overdue_however_often_a_drop_comes() {
        let mut limited = limited().await;
        let address = limited.local_addr().unwrap();
        let client = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = limited.accept().await;
        let begun = Instant::now();
        for seconds in [0, 20, 40, 59] {
            connection.heard(begun + Duration::from_secs(seconds));
        }
        assert!(!connection.is_overdue(begun + Duration::from_secs(59)));
        assert!(connection.is_overdue(begun + Duration::from_secs(60)));
        assert_eq!(connection.silence.deadline(), begun + REQUEST);
        // An answer ends it; what comes next is another request.
        tokio::io::AsyncWriteExt::write_all(&mut connection, b"x").await.unwrap();
        assert!(!connection.is_overdue(begun + Duration::from_secs(61)));
        drop(client);
    }
}
