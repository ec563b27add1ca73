//! The connections: a few threads, each with its own epoll instance and its own connections.
//!
//! A gateway turns bytes into events for the core and effects into bytes. One turn of its loop reads whatever is
//! there, hands all events over at once, takes all effects that came meanwhile, and writes once to each connection
//! that has something to send. An idle connection owns its socket, its TLS keys and a few words; every buffer is
//! the thread's. docs/adr/0005-gateway.md says why this is not a task per connection.

mod connection;
#[cfg(test)]
mod fuzz;
pub(crate) mod http;
mod listener;
mod mail;
mod queue;
mod serve;
mod timers;
mod transport;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mbolo_cell::{Effect, Event, SessionId};
use mbolo_proto::{encode_frame, wire};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::ServerConfig;
use slab::Slab;

use self::connection::{Connection, Due, Phase};
pub(crate) use self::listener::{Listener, bind};
pub(crate) use self::mail::{Mail, Mailbox};
use self::queue::Spare;
use self::timers::Timers;
use self::transport::{PORTION, ReadOutcome, Scratch, Transport, TransportError};
use crate::core_loop::CoreQueue;
use crate::pulse::{Census, Region};
use crate::shared::{Place, Shared, place_of};

/// The gateway that serves a session; see [`Gateway::new_session`].
pub(crate) fn gateway_of(session: SessionId) -> usize {
    (session.0 >> 24) as usize & 0xFF
}

/// One gateway thread.
pub(crate) struct Gateway {
    number: usize,
    poll: Poll,
    listeners: Vec<Listener>,
    /// Of all gateways, this one included: accepted sockets are dealt out to them in turn.
    gateways: Vec<Arc<Mailbox>>,
    next_gateway: usize,
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Shared>,
    core: Arc<CoreQueue>,

    connections: Slab<Connection>,
    sessions_so_far: u32,
    timers: Timers<(usize, SessionId, u64)>,
    begin: Instant,
    now_s: u64,
    /// Connections that may have more to read than one portion.
    unread: Vec<usize>,
    /// Connections that got something to send in this turn.
    unflushed: Vec<usize>,
    events: Vec<Event>,
    event_bytes: usize,
    /// Bytes of incomplete messages of all connections.
    held: usize,
    scratch: Scratch,
    spare: Spare,
    counts: Counts,
    end_at: Option<Instant>,
}

/// Counted in a turn, added to the metrics at its end.
#[derive(Debug, Default)]
struct Counts {
    frames_received: u64,
    frames_sent: u64,
    bytes_received: u64,
    bytes_sent: u64,
    reads: u64,
    writes: u64,
}

impl Gateway {
    /// Gateway `number` of `gateways`, with the listeners it accepts from. `poll` is the one its mailbox wakes.
    pub(crate) fn new(
        number: usize,
        poll: Poll,
        mut listeners: Vec<Listener>,
        gateways: Vec<Arc<Mailbox>>,
        tls: Option<Arc<ServerConfig>>,
        shared: Arc<Shared>,
        core: Arc<CoreQueue>,
    ) -> io::Result<Self> {
        for (index, listener) in listeners.iter_mut().enumerate() {
            poll.registry().register(&mut listener.socket, Token(LISTENERS.0 + index), Interest::READABLE)?;
        }
        Ok(Self {
            number,
            poll,
            listeners,
            gateways,
            next_gateway: 0,
            tls,
            shared,
            core,
            connections: Slab::new(),
            sessions_so_far: 0,
            timers: Timers::new(0),
            begin: Instant::now(),
            now_s: 0,
            unread: Vec::new(),
            unflushed: Vec::new(),
            events: Vec::new(),
            event_bytes: 0,
            held: 0,
            scratch: Scratch::default(),
            spare: Spare::default(),
            counts: Counts::default(),
            end_at: None,
        })
    }

    /// Serves until it is told to drain and has, or the system fails it.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mailbox = self.gateways[self.number].clone();
        let mut ready = Events::with_capacity(1024);
        let mut letters = Vec::new();
        let mut due = Vec::new();
        loop {
            let timeout =
                if self.unread.is_empty() && mailbox.sleep() { self.patience() } else { Duration::ZERO };
            let polled = self.poll.poll(&mut ready, Some(timeout));
            mailbox.awake(&mut letters);
            if let Err(error) = polled {
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
                continue;
            }
            self.now_s = self.begin.elapsed().as_secs();

            let mut again = std::mem::take(&mut self.unread);
            for key in again.drain(..) {
                self.readable(key);
            }
            if self.unread.is_empty() {
                self.unread = again;
            }
            for event in &ready {
                match event.token() {
                    Mailbox::TOKEN => {}
                    token if token.0 < CONNECTIONS.0 => self.accept(token.0 - LISTENERS.0),
                    token => {
                        let key = token.0 - CONNECTIONS.0;
                        if event.is_writable() {
                            self.writable(key);
                        }
                        if event.is_readable() || event.is_read_closed() || event.is_error() {
                            self.readable(key);
                            // The end of the stream may stand behind data, and is not announced twice.
                            if event.is_read_closed() && self.connections.contains(key) {
                                self.unread.push(key);
                            }
                        }
                    }
                }
            }
            self.hand_over();
            for letter in letters.drain(..) {
                self.open(letter);
            }
            self.timers.advance(self.now_s, &mut due);
            for (key, session, at_s) in due.drain(..) {
                self.look_at(key, session, at_s);
            }
            self.retry_accept();
            let mut unflushed = std::mem::take(&mut self.unflushed);
            for key in unflushed.drain(..) {
                self.flush(key);
            }
            self.unflushed = unflushed;
            self.hand_over();
            self.count();
            if let Some(end_at) = self.end_at
                && (self.connections.is_empty() || Instant::now() >= end_at)
            {
                return Ok(());
            }
        }
    }

    /// Takes a letter out of its envelope and does what it says.
    fn open(&mut self, letter: Mail) {
        match letter {
            Mail::Effects(effects) => {
                for effect in effects {
                    match effect {
                        Effect::Send { session, frame } => self.send(session, frame),
                        Effect::Broadcast { sessions, frame } => {
                            for session in sessions {
                                self.send(session, frame.clone());
                            }
                        }
                        Effect::Close { session } => self.close_session(session),
                    }
                }
            }
            Mail::Socket { socket, place, region, metrics_only } => {
                self.take_on(socket, place, region, metrics_only);
            }
            Mail::Census { answer } => {
                // Who asked may have gone.
                let _ = answer.send(self.census());
            }
            Mail::StopAccepting => {
                for listener in &mut self.listeners {
                    // Closing the descriptor is what counts; a failure to deregister changes nothing.
                    let _ = self.poll.registry().deregister(&mut listener.socket);
                }
                self.listeners.clear();
            }
            Mail::Drain { patience } => self.drain(patience),
        }
    }

    fn accept(&mut self, index: usize) {
        let Some(listener) = self.listeners.get_mut(index) else { return };
        let metrics_only = listener.metrics_only;
        let mut accepted = Vec::new();
        if listener.accept(&mut accepted) {
            self.shared.metrics.accept_errors.fetch_add(1, Relaxed);
        }
        for (socket, address) in accepted {
            let place = place_of(address.ip());
            if !self.shared.admit(place) {
                self.shared.metrics.refused.fetch_add(1, Relaxed);
                continue;
            }
            self.shared.metrics.accepted.fetch_add(1, Relaxed);
            self.next_gateway = (self.next_gateway + 1) % self.gateways.len();
            let region = self.shared.region_of(address.ip());
            if self.next_gateway == self.number {
                self.take_on(socket, place, region, metrics_only);
            } else {
                self.gateways[self.next_gateway].post(Mail::Socket { socket, place, region, metrics_only });
            }
        }
    }

    /// How long nothing has to be done unless something happens.
    fn patience(&self) -> Duration {
        self.listeners.iter().filter_map(Listener::wait).fold(TURN, Duration::min)
    }

    fn retry_accept(&mut self) {
        for index in 0..self.listeners.len() {
            if self.listeners[index].wait().is_some_and(|wait| wait.is_zero()) {
                self.accept(index);
            }
        }
    }

    /// Adds an accepted socket, which was admitted.
    fn take_on(&mut self, socket: TcpStream, place: Place, region: Region, metrics_only: bool) {
        // Without it small frames wait for the other side's acknowledgements.
        let _ = socket.set_nodelay(true);
        let tls = if metrics_only { None } else { self.tls.as_ref() };
        let Ok(transport) = Transport::new(socket, tls) else {
            self.shared.release(place);
            return;
        };
        let session = self.new_session();
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        let connection =
            entry.insert(Connection::new(transport, session, place, region, metrics_only, self.now_s));
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(
            connection.transport.stream(),
            Token(CONNECTIONS.0 + key),
            interest,
        );
        if registered.is_err() {
            self.remove(key);
            return;
        }
        self.look_again(key, self.now_s + self.shared.patience.request_s);
    }

    /// The next session's number: its place in the slab (24 bits), the gateway (8 bits), and a count that makes it unique.
    fn new_session(&mut self) -> SessionId {
        self.sessions_so_far += 1;
        let key = self.connections.vacant_key() as u64;
        SessionId(u64::from(self.sessions_so_far) << 32 | (self.number as u64) << 24 | key)
    }

    fn readable(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        self.counts.reads += 1;
        match connection.transport.read(&mut self.scratch) {
            Ok(outcome) => {
                let plaintext = std::mem::take(&mut self.scratch.plaintext);
                if !plaintext.is_empty() {
                    self.counts.bytes_received += plaintext.len() as u64;
                    self.received(key, &plaintext);
                }
                self.scratch.plaintext = plaintext;
                match outcome {
                    ReadOutcome::Drained => {}
                    ReadOutcome::More => self.unread.push(key),
                    ReadOutcome::End => self.ended(key),
                }
            }
            Err(TransportError::PlainHttp) => {
                let hint = http::Response::text(400, "This port speaks TLS: use https:// or wss://.");
                connection.transport.write_plain(&[&hint.head(false)[..], &hint.body[..]].concat());
                self.remove(key);
            }
            Err(TransportError::Tls(error)) => {
                self.shared.metrics.tls_failures.fetch_add(1, Relaxed);
                tracing::debug!(%error, "TLS failed");
                // The alert says why; it is worth one try.
                let _ = connection.transport.send_unsent();
                self.remove(key);
            }
            Err(_) => self.remove(key),
        }
    }

    fn writable(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key)
            && connection.transport.blocked
        {
            connection.transport.blocked = false;
            connection.active_s = self.now_s;
            self.flush(key);
        }
    }

    /// The other side sends nothing more.
    fn ended(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.phase == Phase::Http && connection.has_unsent() {
            connection.phase = Phase::Ending;
            self.flush_later(key);
        } else {
            self.remove(key);
        }
    }

    fn flush_later(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key)
            && !connection.to_flush
        {
            connection.to_flush = true;
            self.unflushed.push(key);
        }
    }

    /// Sends what waits, as far as the socket takes it.
    fn flush(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.to_flush = false;
        // A TLS handshake, which goes ahead of everything else.
        if connection.transport.send_unsent().is_err() {
            return self.remove(key);
        }
        while !connection.transport.blocked
            && connection.has_unsent()
            && connection.transport.is_established()
        {
            self.scratch.outgoing.clear();
            connection.queue.fill(&mut self.scratch.outgoing, PORTION);
            self.counts.writes += 1;
            match connection.transport.write(&mut self.scratch) {
                Ok(sent) => self.counts.bytes_sent += sent as u64,
                Err(_) => return self.remove(key),
            }
        }
        connection.queue.recycle(&mut self.spare);
        if connection.phase == Phase::Ending && !connection.has_unsent() {
            // Closing at once could throw away what is on its way; so this side only says that it has finished.
            connection.transport.finish(&mut self.scratch);
            connection.phase = Phase::Lingering;
            connection.since_s = self.now_s;
            self.look_again(key, self.now_s + connection::LINGER_S);
        }
    }

    /// Makes sure that the connection is looked at by `at_s`. Of its timers only the earliest counts.
    fn look_again(&mut self, key: usize, at_s: u64) {
        if let Some(connection) = self.connections.get_mut(key)
            && at_s < connection.timer_s
        {
            connection.timer_s = at_s;
            self.timers.schedule((key, connection.session, at_s), at_s);
        }
    }

    /// A timer has come up.
    fn look_at(&mut self, key: usize, session: SessionId, at_s: u64) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.session != session || connection.timer_s != at_s {
            return;
        }
        connection.timer_s = u64::MAX;
        match connection.due(self.now_s, &self.shared.patience) {
            Due::Later(at_s) => self.look_again(key, at_s),
            Due::Ping => {
                connection.unanswered_pings += 1;
                connection.queue.push_raw(Bytes::from_static(websocket::PING_FRAME));
                self.flush_later(key);
                self.look_again(key, self.now_s + self.shared.patience.ping_s);
            }
            Due::Refuse => {
                self.shared.metrics.timeouts.fetch_add(1, Relaxed);
                self.end_session(key, websocket::CLOSE_POLICY);
            }
            Due::Drop => {
                if connection.phase != Phase::Lingering {
                    self.shared.metrics.timeouts.fetch_add(1, Relaxed);
                }
                self.remove(key);
            }
        }
    }

    /// Forgets a connection and closes its socket.
    fn remove(&mut self, key: usize) {
        let Some(mut connection) = self.connections.try_remove(key) else { return };
        // Dropping the socket deregisters it too; this only keeps the order clean.
        let _ = self.poll.registry().deregister(connection.transport.stream());
        if connection.phase.core_knows() {
            self.events.push(Event::Closed { session: connection.session });
        }
        self.held -= connection.counted;
        self.shared.release(connection.place);
    }

    /// Counts the logged-in connections by region, and those among them that were heard of in the last minute.
    fn census(&self) -> Census {
        let mut census = Census::default();
        for (_, connection) in &self.connections {
            if connection.phase == (Phase::Session { authenticated: true }) {
                census.count(connection.region, self.now_s - connection.active_s <= ALIVE_S);
            }
        }
        census
    }

    fn hand_over(&mut self) {
        self.core.push(&mut self.events, self.event_bytes);
        self.event_bytes = 0;
    }

    fn drain(&mut self, patience: Duration) {
        self.end_at = Some(Instant::now() + patience);
        let farewell = encode_frame(&wire::ServerFrame {
            request_id: 0,
            body: Some(wire::server_frame::Body::GoingAway(wire::GoingAway {
                code: wire::ErrorCode::Busy.into(),
                message: "the cell is shutting down".to_owned(),
                retry_after_ms: RETRY_AFTER_MS,
            })),
        });
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            let connection = &mut self.connections[key];
            match connection.phase {
                Phase::Session { .. } | Phase::Refused => {
                    connection.queue.push_message(farewell.clone());
                    self.end_session(key, websocket::CLOSE_GOING_AWAY);
                }
                Phase::Http if connection.has_unsent() => {
                    connection.phase = Phase::Ending;
                    self.flush_later(key);
                }
                Phase::Http => self.remove(key),
                Phase::Ending | Phase::Lingering => {}
            }
        }
    }

    fn count(&mut self) {
        let counts = std::mem::take(&mut self.counts);
        let metrics = &self.shared.metrics;
        for (total, count) in [
            (&metrics.frames_received, counts.frames_received),
            (&metrics.frames_sent, counts.frames_sent),
            (&metrics.bytes_received, counts.bytes_received),
            (&metrics.bytes_sent, counts.bytes_sent),
            (&metrics.reads, counts.reads),
            (&metrics.writes, counts.writes),
        ] {
            if count > 0 {
                total.fetch_add(count, Relaxed);
            }
        }
    }
}

/// The address a listener got, for port 0.
pub(crate) fn local_address(listener: &Listener) -> io::Result<SocketAddr> {
    listener.socket.local_addr()
}

const LISTENERS: Token = Token(1);
const CONNECTIONS: Token = Token(8);

/// Timers are to the second, so a gateway that has nothing to do looks at them that often.
const TURN: Duration = Duration::from_secs(1);

/// A device that is there answers a ping within this long, with the pause before the ping.
const ALIVE_S: u64 = 60;

/// When devices may come back after an orderly stop: a restart takes about that long.
const RETRY_AFTER_MS: u32 = 1_000;
