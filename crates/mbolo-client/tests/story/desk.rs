//! People, their devices and one cell on a desk: real cores, a clock that is moved by hand, a network that can
//! be cut, devices and a cell that can crash between any two inputs.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use mbolo_cell::{Cell, Config, Effect as CellEffect, Event, Keys, SessionId};
use mbolo_client::{Client, Effect, Input, Options, TransportFailure};
use mbolo_client_api::{Body, Call, Chat, Failure, Message, MessageState, Output, Reply, Request, Update};
use mbolo_engine::MemoryEngine;
use mbolo_proto::{RoomId, decode_client_frame};
use rusqlite::Connection;

/// 1 November 2026.
pub const START_MS: u64 = 1_793_491_200_000;

pub struct Desk {
    cell: Option<Cell<MemoryEngine>>,
    config: Config,
    cell_seed: u8,
    pub now: u64,
    people: Vec<Person>,
    owners: BTreeMap<u64, usize>,
    next_session: u64,
    next_call: u64,
    to_cell: Vec<Event>,
    /// Frames from the cell may be changed on their way.
    pub tamper: Option<fn(usize, &Bytes) -> Option<Bytes>>,
    /// The cell's clock minus the true time.
    pub cell_ahead_ms: i64,
}

struct Person {
    client: Option<Client>,
    ahead_ms: i64,
    seed: u64,
    session: Option<u64>,
    online: bool,
    inbox: VecDeque<Input>,
    replies: BTreeMap<u64, Result<Reply, Failure>>,
    updates: Vec<Update>,
    handled: u64,
    /// Crash when this many inputs were handled.
    crash_at: Option<u64>,
    sent: Vec<Bytes>,
    heard: Vec<Bytes>,
}

#[allow(dead_code)] // each test binary uses its own part
impl Desk {
    pub fn new() -> Self {
        let config = Config { pow_bits: 4, cell_name: "desk".into(), ..Config::default() };
        let mut desk = Self {
            cell: None,
            config,
            cell_seed: 1,
            now: START_MS,
            people: Vec::new(),
            owners: BTreeMap::new(),
            next_session: 0,
            next_call: 0,
            to_cell: Vec::new(),
            tamper: None,
            cell_ahead_ms: 0,
        };
        desk.start_cell(MemoryEngine::new());
        desk
    }

    fn start_cell(&mut self, engine: MemoryEngine) {
        let key = |n: u8| SigningKey::from_bytes(&[n; 32]);
        let keys = Keys { cell: key(self.cell_seed), incarnation: key(self.cell_seed + 100) };
        self.cell = Some(Cell::open(engine, keys, self.config.clone(), self.cell_clock()).unwrap());
    }

    /// The cell's process dies and starts again on its store.
    pub fn restart_cell(&mut self) {
        let cell = self.cell.take().unwrap();
        self.start_cell(cell.into_engine());
        self.to_cell.clear();
        for person in 0..self.people.len() {
            self.lose_transport(person);
        }
    }

    /// Somebody else's cell answers at the address.
    pub fn replace_cell(&mut self, seed: u8) {
        self.cell_seed = seed;
        self.start_cell(MemoryEngine::new());
    }

    // ------------------------------------------------------------ people

    /// A new device with an empty profile.
    pub fn device(&mut self) -> usize {
        let seed = self.people.len() as u64 + 1;
        let store = Connection::open_in_memory().unwrap();
        self.people.push(Person {
            client: Some(Client::open(store, options(seed), self.now).unwrap()),
            ahead_ms: 0,
            seed,
            session: None,
            online: true,
            inbox: VecDeque::new(),
            replies: BTreeMap::new(),
            updates: Vec::new(),
            handled: 0,
            crash_at: None,
            sent: Vec::new(),
            heard: Vec::new(),
        });
        self.people.len() - 1
    }

    /// Someone signs up.
    pub fn person(&mut self, handle: &str) -> usize {
        let device = self.device();
        let request = Request::SignUp { handle: handle.into(), name: name_of(handle), invite: None };
        self.ask(device, request).unwrap();
        self.pass(1_000);
        device
    }

    /// What the clock of a device says.
    fn clock(&self, person: usize) -> u64 {
        self.now.saturating_add_signed(self.people[person].ahead_ms)
    }

    /// What the clock of the cell says.
    fn cell_clock(&self) -> u64 {
        self.now.saturating_add_signed(self.cell_ahead_ms)
    }

    /// When a device wants its tick.
    fn due(&self, person: usize) -> Option<u64> {
        let due = self.client(person).next_tick_ms()?;
        Some(due.saturating_add_signed(-self.people[person].ahead_ms))
    }

    /// The clock of a device is set, to so much before or after the true time.
    pub fn set_clock(&mut self, person: usize, ahead_ms: i64) {
        self.people[person].ahead_ms = ahead_ms;
    }

    pub fn client(&self, person: usize) -> &Client {
        self.people[person].client.as_ref().unwrap()
    }

    pub fn updates(&mut self, person: usize) -> Vec<Update> {
        std::mem::take(&mut self.people[person].updates)
    }

    /// Everything the device ever sent.
    pub fn sent(&self, person: usize) -> &[Bytes] {
        &self.people[person].sent
    }

    /// Everything the cell ever sent to the device.
    pub fn heard(&self, person: usize) -> &[Bytes] {
        &self.people[person].heard
    }

    /// The device hears something that the cell did not say.
    pub fn hear(&mut self, person: usize, frame: &[u8]) {
        self.give(person, Input::Frame(Bytes::copy_from_slice(frame)));
    }

    pub fn handled(&self, person: usize) -> u64 {
        self.people[person].handled
    }

    /// The process dies before it takes the input after the next `inputs`, and is started again at once.
    pub fn crash_after(&mut self, person: usize, inputs: u64) {
        self.people[person].crash_at = Some(self.people[person].handled + inputs);
    }

    pub fn crash(&mut self, person: usize) {
        let store = self.people[person].client.take().unwrap().into_store();
        self.people[person].seed += 1_000;
        self.people[person].inbox.clear();
        if let Some(session) = self.people[person].session.take() {
            self.to_cell.push(Event::Closed { session: SessionId(session) });
        }
        let options = options(self.people[person].seed);
        self.people[person].client = Some(Client::open(store, options, self.clock(person)).unwrap());
    }

    /// Something happens to the device's database while the program is not running.
    pub fn damage(&mut self, person: usize, sql: &str) {
        let client = self.people[person].client.take().unwrap();
        let store = client.into_store();
        store.execute_batch(sql).unwrap();
        let options = options(self.people[person].seed);
        self.people[person].client = Some(Client::open(store, options, self.clock(person)).unwrap());
        self.crash(person);
    }

    /// The device's disk takes nothing more, or has room again. The database is opened anew, as after a crash.
    pub fn fill_disk(&mut self, person: usize, full: bool) {
        let store = self.people[person].client.take().unwrap().into_store();
        let pages: i64 = store.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let free: i64 = store.query_row("PRAGMA freelist_count", [], |row| row.get(0)).unwrap();
        let limit = if full { pages - free + 2 } else { 1_000_000 };
        store.query_row(&format!("PRAGMA max_page_count = {limit}"), [], |row| row.get::<_, i64>(0)).unwrap();
        self.people[person].seed += 1_000;
        let options = options(self.people[person].seed);
        self.people[person].client = Some(Client::open(store, options, self.clock(person)).unwrap());
        self.people[person].inbox.clear();
        if let Some(session) = self.people[person].session.take() {
            self.to_cell.push(Event::Closed { session: SessionId(session) });
        }
    }

    pub fn go_offline(&mut self, person: usize) {
        self.people[person].online = false;
        self.lose_transport(person);
    }

    pub fn go_online(&mut self, person: usize) {
        self.people[person].online = true;
    }

    fn lose_transport(&mut self, person: usize) {
        if let Some(session) = self.people[person].session.take() {
            self.to_cell.push(Event::Closed { session: SessionId(session) });
            self.people[person].inbox.clear();
            self.people[person].inbox.push_back(Input::Disconnected(TransportFailure::Closed));
        }
    }

    // ------------------------------------------------------------ asking

    /// Asks without waiting for anything.
    pub fn post(&mut self, person: usize, request: Request) -> u64 {
        self.next_call += 1;
        let id = self.next_call;
        self.give(person, Input::Call(Call { id, request }));
        id
    }

    /// Asks and lets up to 30 s pass until there is a reply.
    pub fn ask(&mut self, person: usize, request: Request) -> Result<Reply, Failure> {
        let id = self.post(person, request.clone());
        self.settle();
        for _ in 0..300 {
            if let Some(reply) = self.people[person].replies.remove(&id) {
                return reply;
            }
            self.pass(100);
        }
        panic!("no reply to {request:?}");
    }

    pub fn start_chat(&mut self, person: usize, handle: &str) -> String {
        self.chat_of(person, Request::StartChat { handle: handle.into() })
    }

    pub fn create_group(&mut self, person: usize, name: &str, handles: &[&str]) -> String {
        let handles = handles.iter().map(|handle| (*handle).to_owned()).collect();
        self.chat_of(person, Request::CreateGroup { name: name.into(), handles })
    }

    fn chat_of(&mut self, person: usize, request: Request) -> String {
        match self.ask(person, request) {
            Ok(Reply::Chat { chat }) => chat.room,
            other => panic!("{other:?}"),
        }
    }

    pub fn say(&mut self, person: usize, room: &str, text: &str) -> Message {
        let request =
            Request::SendText { room: room.into(), text: text.into(), reply_to: None, client_id: None };
        match self.ask(person, request) {
            Ok(Reply::Sent { message }) => message,
            other => panic!("{other:?}"),
        }
    }

    pub fn chat(&mut self, person: usize, room: &str) -> Chat {
        match self.ask(person, Request::GetChat { room: room.into() }) {
            Ok(Reply::Chat { chat }) => chat,
            other => panic!("{other:?}"),
        }
    }

    pub fn chats(&mut self, person: usize) -> Vec<Chat> {
        match self.ask(person, Request::ListChats) {
            Ok(Reply::Chats { chats }) => chats,
            other => panic!("{other:?}"),
        }
    }

    pub fn messages(&mut self, person: usize, room: &str) -> Vec<Message> {
        match self.ask(person, Request::GetMessages { room: room.into(), before: None, limit: 200 }) {
            Ok(Reply::Messages { messages, .. }) => messages,
            other => panic!("{other:?}"),
        }
    }

    /// The texts of a conversation, in their order.
    pub fn texts(&mut self, person: usize, room: &str) -> Vec<String> {
        self.messages(person, room)
            .into_iter()
            .filter_map(|message| match message.body {
                Body::Text { text } => Some(text),
                Body::Unreadable { reason } => Some(format!("<{reason}>")),
                _ => None,
            })
            .collect()
    }

    pub fn account(&mut self, person: usize) -> String {
        match self.ask(person, Request::GetAccount) {
            Ok(Reply::Account { account }) => account.id,
            other => panic!("{other:?}"),
        }
    }

    pub fn states(&mut self, person: usize, room: &str) -> Vec<MessageState> {
        self.messages(person, room).into_iter().filter_map(|message| message.state).collect()
    }

    pub fn member_names(&mut self, person: usize, room: &str) -> Vec<String> {
        match self.ask(person, Request::ListMembers { room: room.into() }) {
            Ok(Reply::Members { members }) => members.into_iter().map(|member| member.name).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Epoch and authenticator of a room on a device.
    pub fn epoch(&self, person: usize, room: &str) -> Option<(u64, Vec<u8>)> {
        let room: RoomId = room.parse().unwrap();
        let all = self.client(person).epoch_authenticators();
        all.into_iter().find(|(id, ..)| *id == room).map(|(_, epoch, authenticator)| (epoch, authenticator))
    }

    /// All these devices are in the same epoch of the room and agree about it.
    pub fn assert_agreed(&self, people: &[usize], room: &str) {
        let first = self.epoch(people[0], room).expect("the first is in the room");
        for person in people {
            assert_eq!(self.epoch(*person, room).as_ref(), Some(&first), "device {person}");
        }
    }

    // ------------------------------------------------------------ running

    /// Lets time pass, with everything that is due on the way.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        self.settle();
        for _ in 0..1_000_000 {
            let cell = self.cell.as_ref().unwrap().next_tick_ms().saturating_add_signed(-self.cell_ahead_ms);
            let clients = (0..self.people.len()).filter_map(|p| self.due(p)).min();
            let due = clients.map_or(cell, |at| at.min(cell));
            if due > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(due);
            if cell <= self.now {
                self.to_cell.push(Event::Tick);
            }
            for person in 0..self.people.len() {
                if self.due(person).is_some_and(|at| at <= self.now) {
                    self.give(person, Input::Tick);
                }
            }
            self.settle();
        }
        panic!("time does not pass");
    }

    /// Carries frames until nobody has anything to say.
    pub fn settle(&mut self) {
        for _ in 0..1_000_000 {
            let mut quiet = true;
            for person in 0..self.people.len() {
                while let Some(input) = self.people[person].inbox.pop_front() {
                    quiet = false;
                    self.give(person, input);
                }
            }
            if !self.to_cell.is_empty() {
                quiet = false;
                let mut events = std::mem::take(&mut self.to_cell);
                let mut effects = Vec::new();
                let now = self.cell_clock();
                self.cell.as_mut().unwrap().handle(now, &mut events, &mut effects);
                self.cell_does(effects);
            }
            if quiet {
                return;
            }
        }
        panic!("never at rest");
    }

    fn cell_does(&mut self, effects: Vec<CellEffect>) {
        for effect in effects {
            match effect {
                CellEffect::Send { session, frame } => self.carry_to_client(session, &frame),
                CellEffect::Broadcast { sessions, frame } => {
                    sessions.into_iter().for_each(|session| self.carry_to_client(session, &frame));
                }
                CellEffect::Close { session } => {
                    let Some(person) = self.owners.get(&session.0).copied() else { continue };
                    if self.people[person].session == Some(session.0) {
                        self.people[person].session = None;
                        self.people[person].inbox.push_back(Input::Disconnected(TransportFailure::Closed));
                    }
                }
            }
        }
    }

    fn carry_to_client(&mut self, session: SessionId, frame: &Bytes) {
        let Some(person) = self.owners.get(&session.0).copied() else { return };
        if self.people[person].session == Some(session.0) {
            self.people[person].heard.push(frame.clone());
            let changed = self.tamper.and_then(|tamper| tamper(person, frame));
            self.people[person].inbox.push_back(Input::Frame(changed.unwrap_or_else(|| frame.clone())));
        }
    }

    fn give(&mut self, person: usize, input: Input) {
        if self.people[person].crash_at.is_some_and(|at| self.people[person].handled >= at) {
            self.people[person].crash_at = None;
            self.crash(person);
            if !matches!(input, Input::Call(_)) {
                return;
            }
        }
        self.people[person].handled += 1;
        let now = self.clock(person);
        let effects = self.people[person].client.as_mut().unwrap().handle(now, input);
        for effect in effects {
            match effect {
                Effect::Connect if self.people[person].online => {
                    self.next_session += 1;
                    let session = self.next_session;
                    self.owners.insert(session, person);
                    self.people[person].session = Some(session);
                    self.people[person].inbox.push_back(Input::Connected);
                    let mut nonce = [7; 32];
                    nonce[..8].copy_from_slice(&session.to_be_bytes());
                    self.to_cell.push(Event::Opened { session: SessionId(session), nonce });
                }
                Effect::Connect => {
                    self.people[person].inbox.push_back(Input::Disconnected(TransportFailure::Unreachable));
                }
                Effect::Send(frame) => {
                    self.people[person].sent.push(frame.clone());
                    if let Some(session) = self.people[person].session {
                        let session = SessionId(session);
                        self.to_cell.push(match decode_client_frame(frame) {
                            Ok(frame) => Event::Frame { session, frame },
                            Err(error) => Event::Malformed { session, error },
                        });
                    }
                }
                Effect::Disconnect => {
                    if let Some(session) = self.people[person].session.take() {
                        self.to_cell.push(Event::Closed { session: SessionId(session) });
                    }
                    self.people[person].inbox.clear();
                    self.people[person].inbox.push_back(Input::Disconnected(TransportFailure::Closed));
                }
                Effect::Output(Output::Reply { id, result }) => {
                    self.people[person].replies.insert(id, result);
                }
                Effect::Output(Output::Update { update }) => self.people[person].updates.push(update),
            }
        }
    }
}

/// "awa" is called Awa.
pub fn name_of(handle: &str) -> String {
    let mut chars = handle.chars();
    chars.next().map(|first| first.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

fn options(seed: u64) -> Options {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    Options { key_packages: 4, ..Options::new("desk", bytes) }
}
