//! A cell on a desk: a simulated disk, a clock that is moved by hand, and what every connection received.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ed25519_dalek::SigningKey;
use mbolo_cell::{Cell, Config, Effect, Event, Keys, SessionId, Stats};
use mbolo_engine::{FaultyEngine, SimDisk};
use mbolo_proto::wire::{self, ClientFrame, client_frame, server_frame};
use mbolo_proto::{CellId, Origin, decode_client_frame, decode_server_frame, encode_frame};

pub type Request = client_frame::Body;
pub type Answer = server_frame::Body;

/// One cell and its connections.
pub struct Desk {
    pub cell: Option<Cell<FaultyEngine>>,
    pub disk: SimDisk,
    pub now_ms: u64,
    pub config: Config,
    /// Frames that were sent and not read yet, by connection.
    pub received: BTreeMap<u64, VecDeque<wire::ServerFrame>>,
    pub closed: BTreeSet<u64>,
    /// Every effect ever emitted, for comparing runs.
    pub trace: Vec<Effect>,
    events: Vec<Event>,
    next_session: u64,
    next_request: u64,
}

/// A connection that has been sent its challenge.
pub struct Connection {
    pub session: u64,
    pub challenge: wire::Challenge,
}

impl Desk {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { pow_bits: 0, invite_key: [9; 32], ..Config::default() };
        change(&mut config);
        let mut desk = Self {
            cell: None,
            disk: SimDisk::new(),
            now_ms: START_MS,
            config,
            received: BTreeMap::new(),
            closed: BTreeSet::new(),
            trace: Vec::new(),
            events: Vec::new(),
            next_session: 1,
            next_request: 1,
        };
        desk.start();
        desk
    }

    fn start(&mut self) {
        let keys = Keys { cell: cell_key(), incarnation: incarnation_key() };
        let engine = self.disk.open().unwrap();
        self.cell = Some(Cell::open(engine, keys, self.config.clone(), self.now_ms).unwrap());
    }

    /// The power goes and comes back: everything in memory and every connection is gone.
    pub fn restart(&mut self) {
        self.cell = None;
        self.received.clear();
        self.start();
    }

    pub fn stats(&self) -> Stats {
        self.cell.as_ref().unwrap().stats()
    }

    // ------------------------------------------------------------ events

    /// Queues an event for the next batch.
    pub fn queue(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Queues a request for the next batch; gives its id.
    pub fn post(&mut self, session: u64, body: Request) -> u64 {
        let request_id = self.next_request;
        self.next_request += 1;
        self.post_as(session, request_id, body);
        request_id
    }

    /// Queues a frame that wants no answer.
    pub fn tell(&mut self, session: u64, body: Request) {
        self.post_as(session, 0, body);
    }

    fn post_as(&mut self, session: u64, request_id: u64, body: Request) {
        // Over the wire and back, so that nothing is tested that could not travel.
        let bytes = encode_frame(&ClientFrame { request_id, body: Some(body) });
        let event = match decode_client_frame(bytes) {
            Ok(frame) => Event::Frame { session: SessionId(session), frame },
            Err(error) => Event::Malformed { session: SessionId(session), error },
        };
        self.queue(event);
    }

    /// Applies what is queued, as one batch.
    pub fn run(&mut self) {
        let mut effects = Vec::new();
        let mut events = std::mem::take(&mut self.events);
        self.cell.as_mut().unwrap().handle(self.now_ms, &mut events, &mut effects);
        assert!(events.is_empty());
        self.deliver(effects);
    }

    /// Applies what is queued, then lets the cell do all the work that is due.
    pub fn settle(&mut self) {
        self.run();
        for _ in 0..10_000 {
            if self.cell.as_ref().unwrap().next_tick_ms() > self.now_ms {
                return;
            }
            self.queue(Event::Tick);
            self.run();
        }
        panic!("the cell never comes to rest");
    }

    /// Lets time pass, stopping wherever the cell wants a tick.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while let due = self.cell.as_ref().unwrap().next_tick_ms()
            && due <= end
        {
            self.now_ms = self.now_ms.max(due);
            self.queue(Event::Tick);
            self.settle();
        }
        self.now_ms = end;
    }

    fn deliver(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match &effect {
                Effect::Send { session, frame } => self.receive(*session, frame),
                Effect::Broadcast { sessions, frame } => {
                    sessions.iter().for_each(|session| self.receive(*session, frame));
                }
                Effect::Close { session } => {
                    self.closed.insert(session.0);
                }
            }
            self.trace.push(effect);
        }
    }

    fn receive(&mut self, session: SessionId, frame: &bytes::Bytes) {
        assert!(!self.closed.contains(&session.0), "nothing is sent after the end");
        let frame = decode_server_frame(frame.clone()).unwrap();
        self.received.entry(session.0).or_default().push_back(frame);
    }

    // ------------------------------------------------------------ conversations

    pub fn connect(&mut self) -> Connection {
        let session = self.next_session;
        self.next_session += 1;
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&(session * 7_919).to_be_bytes());
        nonce[0] = session as u8;
        self.queue(Event::Opened { session: SessionId(session), nonce });
        self.run();
        match self.next(session) {
            Some(Answer::Challenge(challenge)) => Connection { session, challenge },
            other => panic!("no challenge but {other:?}"),
        }
    }

    pub fn disconnect(&mut self, session: u64) {
        self.queue(Event::Closed { session: SessionId(session) });
        self.run();
    }

    /// A request and its answer; pushes that come meanwhile stay unread.
    pub fn call(&mut self, session: u64, body: Request) -> Answer {
        let request = self.post(session, body);
        self.settle();
        self.answer_to(session, request)
            .unwrap_or_else(|| panic!("no answer; {:?}", self.received.get(&session)))
    }

    /// The answer to a request, if it has come.
    pub fn answer_to(&mut self, session: u64, request: u64) -> Option<Answer> {
        let queue = self.received.get_mut(&session)?;
        let at = queue.iter().position(|frame| frame.request_id == request)?;
        queue.remove(at)?.body
    }

    /// A request that is refused; gives the code.
    pub fn refusal(&mut self, session: u64, body: Request) -> wire::Error {
        match self.call(session, body) {
            Answer::Error(error) => error,
            other => panic!("not refused but {other:?}"),
        }
    }

    /// The next unread frame of a connection.
    pub fn next(&mut self, session: u64) -> Option<Answer> {
        self.received.get_mut(&session)?.pop_front()?.body
    }

    /// All unread pushes of a connection.
    pub fn pushes(&mut self, session: u64) -> Vec<Answer> {
        self.received.entry(session).or_default().drain(..).filter_map(|frame| frame.body).collect()
    }

    /// What a connection was pushed of feeds: origin, seq and payload, in order of arrival.
    pub fn entries(&mut self, session: u64) -> Vec<(Origin, u64, Vec<u8>)> {
        let mut entries = Vec::new();
        for push in self.pushes(session) {
            if let Answer::FeedPush(push) = push {
                let origin = Origin::try_from(push.origin.as_ref()).unwrap();
                for (place, entry) in push.entries.into_iter().enumerate() {
                    entries.push((origin, push.first_seq + place as u64, entry.payload.to_vec()));
                }
            }
        }
        entries
    }

    /// The payloads that a connection was pushed, in order of arrival.
    pub fn payloads(&mut self, session: u64) -> Vec<Vec<u8>> {
        self.entries(session).into_iter().map(|(_, _, payload)| payload).collect()
    }
}

/// Late in 2026, like everything here.
pub const START_MS: u64 = 1_795_000_000_000;

fn cell_key() -> SigningKey {
    SigningKey::from_bytes(&[101; 32])
}

fn incarnation_key() -> SigningKey {
    SigningKey::from_bytes(&[102; 32])
}

pub fn cell_id() -> CellId {
    CellId(cell_key().verifying_key().to_bytes())
}

pub fn origin() -> Origin {
    Origin(incarnation_key().verifying_key().to_bytes())
}

pub fn code(error: &wire::Error) -> wire::ErrorCode {
    error.code()
}
