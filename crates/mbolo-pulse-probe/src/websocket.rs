//! WebSocket and what cells say first on it.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use mbolo_proto::limits::MAX_PLAIN_FRAME_BYTES;
use mbolo_proto::wire::server_frame::Body;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header::USER_AGENT};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::failure::{Class, Failure};
use crate::http::{AGENT_NAME, Connection};
use crate::target::Target;

const PING: &[u8] = b"mbolo-pulse";

/// An open WebSocket.
pub(crate) type Socket = WebSocketStream<Box<dyn Connection>>;

/// Opens a WebSocket. The HTTP status goes into `status` if it was not the one of a WebSocket.
pub(crate) async fn open(
    stream: Box<dyn Connection>,
    target: &Target,
    status: &mut Option<u16>,
) -> Result<Socket, Failure> {
    let scheme = if target.check.tls() { "wss" } else { "ws" };
    let mut request = format!("{scheme}://{}{}", target.authority(), target.path)
        .into_client_request()
        .map_err(|error| Failure::new(Class::Other, error))?;
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT_NAME));
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_PLAIN_FRAME_BYTES))
        .max_frame_size(Some(MAX_PLAIN_FRAME_BYTES));
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => {
            *status = Some(response.status().as_u16());
            Err(Failure::new(Class::HttpStatus, format_args!("status {}", response.status())))
        }
        Err(error) => Err(why(error)),
    }
}

/// Waits for the answer to a ping; what comes in between is not looked at.
pub(crate) async fn ping(socket: &mut Socket) -> Result<(), Failure> {
    socket.send(Message::Ping(Bytes::from_static(PING))).await.map_err(why)?;
    loop {
        match next(socket).await? {
            Message::Pong(payload) if payload == PING => return Ok(()),
            _ => {}
        }
    }
}

/// Waits for a cell's first frame, which must be its challenge (`docs/protocol.md`, section 3).
pub(crate) async fn challenge(socket: &mut Socket) -> Result<(), Failure> {
    let not_a_cell = |what: &str| Failure::new(Class::Protocol, format_args!("this is not a cell: {what}"));
    loop {
        match next(socket).await? {
            Message::Binary(bytes) => {
                let frame = mbolo_proto::decode_server_frame(bytes)
                    .map_err(|error| not_a_cell(&error.to_string()))?;
                return match frame.body {
                    Some(Body::Challenge(challenge)) if challenge.nonce.len() == 32 => Ok(()),
                    Some(Body::GoingAway(_) | Body::Error(_)) => {
                        Err(Failure::new(Class::TurnedAway, "the cell takes nobody in for now"))
                    }
                    _ => Err(not_a_cell("its first frame is not a challenge")),
                };
            }
            Message::Text(_) => return Err(not_a_cell("it sent text")),
            _ => {}
        }
    }
}

async fn next(socket: &mut Socket) -> Result<Message, Failure> {
    match socket.next().await {
        Some(Ok(Message::Close(_))) | None => Err(Failure::new(Class::Closed, "the other side closed")),
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => Err(why(error)),
    }
}

fn why(error: Error) -> Failure {
    match error {
        Error::Io(error) => error.into(),
        Error::ConnectionClosed | Error::AlreadyClosed => {
            Failure::new(Class::Closed, "the other side closed")
        }
        other => Failure::new(Class::Protocol, other),
    }
}
