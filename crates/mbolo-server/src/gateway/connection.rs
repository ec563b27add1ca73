//! One connection: what is kept of it, and when it is due.

use mbolo_cell::SessionId;

use super::queue::SendQueue;
use super::transport::Transport;
use super::websocket::Assembler;
use crate::pulse::Region;
use crate::shared::{Patience, Place};

/// Pings without any sign of life after which a session is dead.
const MAX_UNANSWERED: u8 = 2;
/// How long the other side gets to read the last bytes and close.
pub(crate) const LINGER_S: u64 = 3;

/// A connection. There are many of them: it owns no buffer while it is idle.
pub(crate) struct Connection {
    pub(crate) transport: Transport,
    pub(crate) session: SessionId,
    pub(crate) place: Place,
    /// Where it comes from, as coarse as it is ever known.
    pub(crate) region: Region,
    pub(crate) phase: Phase,
    pub(crate) metrics_only: bool,
    pub(crate) to_flush: bool,
    pub(crate) unanswered_pings: u8,
    /// When it got into its phase, in seconds of the gateway's clock.
    pub(crate) since_s: u64,
    /// When it last sent a request or anything in a session, or took what had waited for it.
    pub(crate) active_s: u64,
    /// The timer that counts, in the same seconds; `u64::MAX` if there is none.
    pub(crate) timer_s: u64,
    /// The beginning of a request or frame.
    pub(crate) incomplete: Vec<u8>,
    pub(crate) assembler: Assembler,
    /// What the gateway's total has of [`Connection::held`].
    pub(crate) counted: usize,
    pub(crate) queue: SendQueue,
}

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Requests and responses.
    Http,
    /// A session that the core knows.
    Session {
        /// Its device has logged in.
        authenticated: bool,
    },
    /// A session that broke a rule: nothing it sends counts any more, the core says why and closes it.
    Refused,
    /// What waits is sent, then this side closes.
    Ending,
    /// This side has closed and waits for the other.
    Lingering,
}

impl Phase {
    /// Whether the core counts on hearing of its end.
    pub(crate) fn core_knows(self) -> bool {
        matches!(self, Self::Session { .. } | Self::Refused)
    }
}

/// What to do about a connection now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing before this second.
    Later(u64),
    /// Ask whether it is there.
    Ping,
    /// Close it with a word.
    Refuse,
    /// Close it without.
    Drop,
}

impl Connection {
    pub(crate) fn new(
        transport: Transport,
        session: SessionId,
        place: Place,
        region: Region,
        metrics_only: bool,
        now_s: u64,
    ) -> Self {
        Self {
            transport,
            session,
            place,
            region,
            phase: Phase::Http,
            metrics_only,
            to_flush: false,
            unanswered_pings: 0,
            since_s: now_s,
            active_s: now_s,
            timer_s: u64::MAX,
            incomplete: Vec::new(),
            assembler: Assembler::default(),
            counted: 0,
            queue: SendQueue::default(),
        }
    }

    /// Whether anything waits for the socket.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.queue.is_empty() || self.transport.unsent() > 0
    }

    /// Bytes of a message that is not complete yet.
    pub(crate) fn held(&self) -> usize {
        self.incomplete.len() + self.assembler.held()
    }

    /// What to do about it at `now_s`.
    pub(crate) fn due(&self, now_s: u64, patience: &Patience) -> Due {
        let after = |at_s: u64, what: Due| if now_s >= at_s { what } else { Due::Later(at_s) };
        match self.phase {
            Phase::Http => after(self.active_s + patience.request_s, Due::Drop),
            Phase::Session { authenticated: false } => after(
                (self.active_s + patience.login_idle_s).min(self.since_s + patience.login_s),
                Due::Refuse,
            ),
            Phase::Session { authenticated: true } if self.unanswered_pings >= MAX_UNANSWERED => Due::Drop,
            Phase::Session { authenticated: true } => after(self.active_s + patience.ping_s, Due::Ping),
            Phase::Refused => after(self.since_s + LINGER_S, Due::Drop),
            Phase::Ending => after(self.active_s + patience.request_s, Due::Drop),
            Phase::Lingering => after(self.since_s + LINGER_S, Due::Drop),
        }
    }
}
