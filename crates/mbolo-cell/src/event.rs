//! What goes into the core and what comes out.

use bytes::Bytes;
use mbolo_proto::{DecodeError, wire};

/// One connection. The gateway never uses a number twice while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// Something that happened outside the core.
#[derive(Debug, Clone)]
pub enum Event {
    /// A connection was made.
    Opened {
        /// The connection.
        session: SessionId,
        /// Fresh randomness: what the device has to sign.
        nonce: [u8; 32],
    },
    /// A frame arrived that decodes.
    Frame {
        /// The connection.
        session: SessionId,
        /// The frame.
        frame: wire::ClientFrame,
    },
    /// Something arrived that does not decode.
    Malformed {
        /// The connection.
        session: SessionId,
        /// Why not.
        error: DecodeError,
    },
    /// The connection is gone.
    Closed {
        /// The connection.
        session: SessionId,
    },
    /// Time has passed; see [`Cell::next_tick_ms`](crate::Cell::next_tick_ms).
    Tick,
}

/// Something to do outside the core, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a frame.
    Send {
        /// To whom.
        session: SessionId,
        /// An encoded `ServerFrame`.
        frame: Bytes,
    },
    /// Send the same frame to several connections.
    Broadcast {
        /// To whom, ascending.
        sessions: Vec<SessionId>,
        /// An encoded `ServerFrame`.
        frame: Bytes,
    },
    /// Send what is queued, then close the connection. No [`Event::Closed`] needs to follow; one that does is
    /// ignored.
    Close {
        /// Which.
        session: SessionId,
    },
}
