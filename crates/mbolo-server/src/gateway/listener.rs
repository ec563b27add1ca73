//! Sockets that accept.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

/// How long to leave a listener alone that cannot accept, for instance because no descriptor is free.
const PAUSE: Duration = Duration::from_millis(200);

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    /// Serves /metrics and /healthz and nothing else, without TLS.
    pub(crate) metrics_only: bool,
    /// More may wait, but it is not its turn before that.
    again_at: Option<Instant>,
    /// The last attempt failed, and it was said.
    failing: bool,
}

/// Listens on `address`.
pub(crate) fn bind(address: SocketAddr, metrics_only: bool) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // So that a restart does not wait for connections of the last run to time out.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(Listener {
        socket: TcpListener::from_std(socket.into()),
        metrics_only,
        again_at: None,
        failing: false,
    })
}

impl Listener {
    /// Accepts what waits, a bounded number at once. Returns whether something went wrong; then it is tried again after
    /// a pause.
    pub(crate) fn accept(&mut self, accepted: &mut Vec<(TcpStream, SocketAddr)>) -> bool {
        // Another one knocks during the pause after a failure: it waits with the others.
        if self.wait().is_some_and(|wait| !wait.is_zero()) {
            return false;
        }
        self.again_at = None;
        while accepted.len() < AT_ONCE {
            match self.socket.accept() {
                Ok(connection) => {
                    self.failing = false;
                    accepted.push(connection);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // The one who knocked has left again.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => {
                    self.again_at = Some(Instant::now() + PAUSE);
                    if !std::mem::replace(&mut self.failing, true) {
                        tracing::warn!(%error, "cannot accept connections; trying on");
                    }
                    return true;
                }
            }
        }
        self.again_at = Some(Instant::now());
        false
    }

    /// In how long it should be tried again without having been reported as ready; `None` if it need not be.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.again_at.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

/// Connections that the system completes for us: a burst of people who return at once.
const BACKLOG: i32 = 4096;

/// Accepted in one turn, so that those who are served already do not wait for all the new ones.
const AT_ONCE: usize = 256;
