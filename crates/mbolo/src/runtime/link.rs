//! One connection to the cell, from the first TCP packet to its end, as a task with two queues.
//!
//! It never decides to come back; the engine does that. What is queued for sending when the engine lets the
//! link go is still sent before the socket is closed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use mbolo_client::TransportFailure;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::address::CellAddress;
use super::trust::{Verifier, connector};

/// TCP, TLS and WebSocket handshake together may take this long; slow mobile networks need several seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A cell that does not answer our closing is left alone after this.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Frames read ahead of the engine; beyond it TCP makes the cell wait.
const FRAMES_AHEAD: usize = 64;

/// Why there is no way to the cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What the engine needs to know.
    pub failure: TransportFailure,
    /// What happened, for people: a sentence without its full stop.
    pub what: String,
    /// What they can do, if it is not just waiting.
    pub next: Option<String>,
}

/// What a link reports. `Ended` is the last.
#[derive(Debug)]
pub enum LinkEvent {
    /// The WebSocket is open.
    Connected,
    /// A binary message.
    Frame(Bytes),
    /// There is no connection (any more).
    Ended(Trouble),
}

/// A connection, or the attempt to get one.
#[derive(Debug)]
pub struct Link {
    /// Binary messages to send. Dropping it closes the connection when all are sent.
    pub outgoing: mpsc::UnboundedSender<Bytes>,
    /// What happens.
    pub events: mpsc::Receiver<LinkEvent>,
    task: JoinHandle<()>,
}

impl Link {
    /// Starts to connect.
    pub fn open(address: CellAddress, verifier: Arc<Verifier>) -> Self {
        let (outgoing, queue) = mpsc::unbounded_channel();
        let (reports, events) = mpsc::channel(FRAMES_AHEAD);
        let task = tokio::spawn(run(address, verifier, queue, reports));
        Self { outgoing, events, task }
    }

    /// Sends what is queued and closes.
    pub async fn close(self) {
        let Self { outgoing, events, mut task } = self;
        drop((outgoing, events));
        if timeout(CONNECT_TIMEOUT, &mut task).await.is_err() {
            task.abort();
        }
    }
}

async fn run(
    address: CellAddress,
    verifier: Arc<Verifier>,
    queue: mpsc::UnboundedReceiver<Bytes>,
    reports: mpsc::Sender<LinkEvent>,
) {
    let trouble = tokio::select! {
        outcome = timeout(CONNECT_TIMEOUT, establish(&address, verifier)) => match outcome {
            Ok(Ok(Socket::Plain(socket))) => carry(*socket, queue, &reports).await,
            Ok(Ok(Socket::Tls(socket))) => carry(*socket, queue, &reports).await,
            Ok(Err(trouble)) => trouble,
            Err(_) => unreachable_because(&address, "no answer in time"),
        },
        // The engine has given up before there was a connection.
        () = reports.closed() => return,
    };
    let _ = reports.send(LinkEvent::Ended(trouble)).await;
}

enum Socket {
    Plain(Box<WebSocketStream<TcpStream>>),
    Tls(Box<WebSocketStream<tokio_rustls::client::TlsStream<TcpStream>>>),
}

async fn establish(address: &CellAddress, verifier: Arc<Verifier>) -> Result<Socket, Trouble> {
    let tcp = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(|error| unreachable_because(address, &describe(&error)))?;
    tcp.set_nodelay(true).map_err(|error| unreachable_because(address, &describe(&error)))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(mbolo_proto::limits::MAX_FRAME_BYTES))
        .max_frame_size(Some(mbolo_proto::limits::MAX_FRAME_BYTES));
    let url = address.session_url();
    if !address.tls {
        let (socket, _) = client_async_with_config(url, tcp, Some(config))
            .await
            .map_err(|error| handshake_trouble(address, error))?;
        return Ok(Socket::Plain(Box::new(socket)));
    }
    let name = ServerName::try_from(address.host.clone()).map_err(|_| Trouble {
        failure: TransportFailure::NotMbolo,
        what: format!("“{}” is not a name that a certificate can have", address.host),
        next: None,
    })?;
    let connector =
        connector(verifier.clone()).map_err(|error| unreachable_because(address, &error.to_string()))?;
    let stream = connector.connect(name, tcp).await.map_err(|error| {
        if let Some(Err(why)) = verifier.verdict() {
            return Trouble {
                failure: TransportFailure::NotMbolo,
                what: format!("The certificate of {address} is not trusted: {why}"),
                next: Some(
                    "If you know that the cell has a new certificate, give it with --trust-cert FILE. \
                     If not, someone may stand between you and the cell."
                        .into(),
                ),
            };
        }
        tls_trouble(address, &error)
    })?;
    let (socket, _) = client_async_with_config(url, stream, Some(config))
        .await
        .map_err(|error| handshake_trouble(address, error))?;
    Ok(Socket::Tls(Box::new(socket)))
}

/// Carries messages both ways until one side ends.
async fn carry<S>(
    socket: WebSocketStream<S>,
    mut queue: mpsc::UnboundedReceiver<Bytes>,
    reports: &mpsc::Sender<LinkEvent>,
) -> Trouble
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let closed = |what: String| Trouble { failure: TransportFailure::Closed, what, next: None };
    let _ = reports.send(LinkEvent::Connected).await;
    let (mut sink, mut stream) = socket.split();

    let write = async {
        while let Some(frame) = queue.recv().await {
            sink.feed(Message::Binary(frame)).await?;
            while let Ok(frame) = queue.try_recv() {
                sink.feed(Message::Binary(frame)).await?;
            }
            sink.flush().await?;
        }
        sink.close().await
    };
    let read = async {
        loop {
            match stream.next().await {
                Some(Ok(Message::Binary(frame))) => {
                    // Nobody listens any more while the rest is being sent.
                    let _ = reports.send(LinkEvent::Frame(frame)).await;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => {
                    return closed("The cell has closed the connection".into());
                }
                Some(Ok(_)) => {
                    return Trouble {
                        failure: TransportFailure::NotMbolo,
                        what: "What answers sends something that a Mbolo cell does not send".into(),
                        next: None,
                    };
                }
                Some(Err(error)) => return closed(format!("The connection broke: {error}")),
            }
        }
    };
    tokio::pin!(read);
    tokio::select! {
        trouble = &mut read => trouble,
        written = write => match written {
            Ok(()) => timeout(CLOSE_TIMEOUT, read).await.unwrap_or_else(|_| closed("Closed".into())),
            Err(error) => closed(format!("The connection broke: {error}")),
        },
    }
}

fn handshake_trouble(address: &CellAddress, error: tungstenite::Error) -> Trouble {
    match error {
        tungstenite::Error::Io(error) => unreachable_because(address, &describe(&error)),
        // A proxy before the cell says that the cell is not there; the cell itself says so when it is full.
        tungstenite::Error::Http(response) if matches!(response.status().as_u16(), 429 | 502..=504) => {
            unreachable_because(address, &format!("it answers “{}”", response.status()))
        }
        tungstenite::Error::Http(response) => Trouble {
            failure: TransportFailure::NotMbolo,
            what: format!("What answers at {address} is not a Mbolo cell (HTTP {})", response.status()),
            next: Some("Check the address with the person who runs the cell.".into()),
        },
        _ => Trouble {
            failure: TransportFailure::NotMbolo,
            what: format!("What answers at {address} is not a Mbolo cell"),
            next: Some(match address.tls {
                true => "Check the address with the person who runs the cell.".into(),
                false => "Check the address; if the cell uses TLS, it begins with https://".into(),
            }),
        },
    }
}

fn tls_trouble(address: &CellAddress, error: &io::Error) -> Trouble {
    let speaks_no_tls = error.get_ref().is_some_and(|inner| {
        matches!(inner.downcast_ref::<rustls::Error>(), Some(rustls::Error::InvalidMessage(_)))
    });
    if speaks_no_tls {
        return Trouble {
            failure: TransportFailure::NotMbolo,
            what: format!("What answers at {address} does not speak TLS"),
            next: Some("If it is a cell on this machine, its address begins with http://.".into()),
        };
    }
    if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        return Trouble {
            failure: TransportFailure::NotMbolo,
            what: format!("No secure connection to {address}: {error}"),
            next: None,
        };
    }
    unreachable_because(address, &describe(error))
}

fn unreachable_because(address: &CellAddress, why: &str) -> Trouble {
    Trouble {
        failure: TransportFailure::Unreachable,
        what: format!("The cell at {address} does not answer: {why}"),
        next: Some("Check the address and the network; if it is your cell, see whether it runs.".into()),
    }
}

fn describe(error: &io::Error) -> String {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".into(),
        ErrorKind::TimedOut => "no answer in time".into(),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => "no network leads there".into(),
        ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::ConnectionAborted => {
            "it closed the connection at once".into()
        }
        _ => error.to_string(),
    }
}
