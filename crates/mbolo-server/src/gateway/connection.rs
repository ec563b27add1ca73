//! One connection: what is kept of it, and when it is due.

use mbolo_cell::SessionId;

use super::queue::SendQueue;
use super::transport::Transport;
use super::websocket::Assembler;
use crate::shared::Place;

/// A connection that says nothing before it has become a session is closed after this.
pub(crate) const HTTP_IDLE_S: u64 = 10;
/// A session that says nothing and is not logged in is closed after this.
pub(crate) const LOGIN_IDLE_S: u64 = 20;
/// A session that is not logged in by then is closed whatever it says. Leaves time for a sign-up's proof of work.
pub(crate) const LOGIN_S: u64 = 60;
/// A session that says nothing is asked whether it is there.
pub(crate) const PING_EVERY_S: u64 = 50;
/// Pings without any sign of life after which a session is dead.
const MAX_UNANSWERED: u8 = 2;
/// How long the other side gets to read the last bytes and close.
pub(crate) const LINGER_S: u64 = 3;

/// A connection. There are many of them: it owns no buffer while it is idle.
pub(crate) struct Connection {
    pub(crate) transport: Transport,
    pub(crate) session: SessionId,
    pub(crate) place: Place,
    pub(crate) phase: Phase,
    pub(crate) metrics_only: bool,
    pub(crate) to_flush: bool,
    pub(crate) unanswered_pings: u8,
    /// When it got into its phase, in seconds of the gateway's clock.
    pub(crate) since_s: u64,
    /// When something was last heard from it, or it last took what had waited.
    pub(crate) active_s: u64,
    /// The timer that counts, in the same seconds; `u64::MAX` if there is none.
    pub(crate) timer_s: u64,
    /// The beginning of a request or frame.
    pub(crate) incomplete: Vec<u8>,
    pub(crate) assembler: Assembler,
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
        metrics_only: bool,
        now_s: u64,
    ) -> Self {
        Self {
            transport,
            session,
            place,
            phase: Phase::Http,
            metrics_only,
            to_flush: false,
            unanswered_pings: 0,
            since_s: now_s,
            active_s: now_s,
            timer_s: u64::MAX,
            incomplete: Vec::new(),
            assembler: Assembler::default(),
            queue: SendQueue::default(),
        }
    }

    /// Whether anything waits for the socket.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.queue.is_empty() || self.transport.unsent() > 0
    }

    /// What to do about it at `now_s`.
    pub(crate) fn due(&self, now_s: u64) -> Due {
        let after = |at_s: u64, what: Due| if now_s >= at_s { what } else { Due::Later(at_s) };
        match self.phase {
            Phase::Http => after(self.active_s + HTTP_IDLE_S, Due::Drop),
            Phase::Session { authenticated: false } => {
                after((self.active_s + LOGIN_IDLE_S).min(self.since_s + LOGIN_S), Due::Refuse)
            }
            Phase::Session { authenticated: true } if self.unanswered_pings >= MAX_UNANSWERED => Due::Drop,
            Phase::Session { authenticated: true } => after(self.active_s + PING_EVERY_S, Due::Ping),
            Phase::Refused => after(self.since_s + LINGER_S, Due::Drop),
            Phase::Ending => after(self.active_s + HTTP_IDLE_S, Due::Drop),
            Phase::Lingering => after(self.since_s + LINGER_S, Due::Drop),
        }
    }
}
