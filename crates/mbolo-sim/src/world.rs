//! The run itself: one cell, some people, the network between them, and the order in which things happen.
//!
//! Everything that happens is an item of the queue; handling one may plan others. Nothing here decides what
//! people do (`workload`), what goes wrong (`faults`) or when all is well (`heal`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use mbolo_cell::{Effect as CellEffect, Event, SessionId};
use mbolo_client::{Effect, Input, TransportFailure};
use mbolo_client_api::{Failure as Refusal, MessageState, Output, Reply, Request, Update};
use mbolo_proto::{RoomId, decode_client_frame, decode_server_frame, wire};

use crate::cell_node::CellNode;
use crate::failure::{Failure, Oracle, Report};
use crate::ledger::{Breach, Ledger};
use crate::network::{Connection, Direction, Quality};
use crate::person::{Asked, Person};
use crate::plan::{Bug, Options, Plan};
use crate::queue::Queue;
use crate::random::Random;
use crate::trace::Trace;
use crate::view::{TextId, short};

/// Something that is due.
pub enum What {
    /// A packet reaches the cell.
    ToCell { connection: usize, packet: Up },
    /// A packet reaches a person's device.
    ToPerson { connection: usize, packet: Down },
    /// A person's engine wanted to be called now.
    PersonTick { person: usize },
    /// A person's device is switched on.
    PersonStart { person: usize },
    /// A person does something.
    Act { person: usize },
    /// A call that was made some time ago is made again: only with [`Bug::CallRepeated`].
    Again { person: usize, request: Request },
    /// Two people begin to talk to each other at the same time.
    Greet { person: usize, other: usize },
    /// A person has a network again.
    Online { person: usize },
    /// A device has room again: it starts anew.
    DeviceRoom { person: usize },
    /// The cell's next batch.
    CellBatch,
    /// The cell's core wanted to be called now.
    CellTick,
    /// The cell's process starts.
    CellStart,
    /// The cell's disk has room again.
    CellRoom,
    /// Something goes wrong.
    Fault,
    /// Somebody compares notes.
    Observe,
}

/// What travels to the cell.
pub enum Up {
    /// The connection.
    Opened,
    /// A frame.
    Frame(Bytes),
    /// The end of the connection.
    Closed,
}

/// What travels to a device.
pub enum Down {
    /// The connection.
    Connected,
    /// A frame.
    Frame(Bytes),
    /// The end of the connection, or that there never was one.
    Closed(TransportFailure),
}

/// A text and what became of it.
#[derive(Debug, Clone)]
pub struct Text {
    /// Where it was written.
    pub room: String,
    /// When, at the earliest.
    pub created_ms: u64,
    /// Whether its author's screen has ever shown it: only then does it exist.
    pub exists: bool,
    /// When its author saw that the cell has it.
    pub sent_ms: Option<u64>,
}

/// Everything.
pub struct World {
    pub(crate) seed: u64,
    pub(crate) options: Options,
    pub(crate) plan: Plan,
    pub(crate) queue: Queue<What>,
    pub(crate) trace: Trace,
    pub(crate) cell: CellNode,
    pub(crate) people: Vec<Person>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) ledger: Ledger,
    pub(crate) texts: BTreeMap<TextId, Text>,
    pub(crate) network: Quality,
    pub(crate) healing: bool,
    pub(crate) actions_left: u64,
    pub(crate) dice: Random,
    pub(crate) report: Report,
    net: Random,
    nonces: Random,
    authenticators: BTreeMap<(RoomId, u64), (Vec<u8>, usize)>,
    captured: Option<Result<Reply, Refusal>>,
    capture: Option<u64>,
    held_back: Option<(usize, Bytes)>,
    stolen: Option<(usize, wire::FeedRef, Bytes, u64)>,
}

impl World {
    /// The world of a seed, before anything has happened.
    pub fn new(seed: u64, options: &Options) -> Result<Self, Breach> {
        let plan = Plan::new(seed, options);
        let mut nonces = Random::stream(seed, "nonces", 0);
        let mut world = Self {
            seed,
            options: options.clone(),
            queue: Queue::new(crate::START_MS),
            trace: Trace::new(options.print),
            cell: CellNode::new(&mut nonces),
            people: Vec::new(),
            connections: Vec::new(),
            ledger: Ledger::default(),
            texts: BTreeMap::new(),
            network: plan.network.clone(),
            healing: false,
            actions_left: plan.actions,
            dice: Random::stream(seed, "faults", 0),
            report: Report { seed, people: plan.people, ..Report::default() },
            net: Random::stream(seed, "network", 0),
            nonces,
            authenticators: BTreeMap::new(),
            captured: None,
            capture: None,
            held_back: None,
            stolen: None,
            plan,
        };
        for number in 0..world.plan.people {
            let mut person = Person::new(seed, number).map_err(|error| (Oracle::Sound, error.to_string()))?;
            if world.plan.skew && person.random.chance(0.5) {
                person.skew_ms = if person.random.chance(0.5) { HOUR_MS } else { -HOUR_MS };
            }
            world.people.push(person);
        }
        Ok(world)
    }

    /// Runs to the end.
    pub fn run(mut self) -> Result<Report, Failure> {
        match self.play() {
            Ok(()) => {
                self.report.trace = self.trace.hash();
                self.report.events = self.trace.lines();
                self.report.lasted_ms = self.now() - crate::START_MS;
                self.report.acknowledged = self.ledger.acknowledged();
                self.report.commits = self.ledger.commits();
                self.report.connections = self.connections.len();
                self.report.texts = self.texts.values().filter(|text| text.exists).count();
                Ok(self.report)
            }
            Err((oracle, what)) => Err(Failure {
                seed: self.seed,
                oracle,
                what,
                after_ms: self.now() - crate::START_MS,
                trace: self.trace.hash(),
            }),
        }
    }

    fn play(&mut self) -> Result<(), Breach> {
        self.queue.after(0, What::CellStart);
        if self.options.bug == Some(Bug::LyingDisk) {
            self.cell.disk.set_lying(true);
        }
        for person in 0..self.people.len() {
            let start = self.dice.around(1_000);
            self.queue.after(start, What::PersonStart { person });
            self.queue.after(start + 1_000, What::Act { person });
        }
        if self.plan.fault_ms > 0 {
            let first = 3_000 + self.dice.around(self.plan.fault_ms);
            self.queue.after(first, What::Fault);
        }
        self.queue.after(OBSERVE_MS, What::Observe);
        let end_ms = crate::START_MS + MAX_MAIN_MS;
        while self.actions_left > 0 && self.now() < end_ms {
            self.step()?;
        }
        self.heal()
    }

    pub(crate) fn now(&self) -> u64 {
        self.queue.now_ms()
    }

    /// Handles the next thing that is due.
    pub(crate) fn step(&mut self) -> Result<(), Breach> {
        let Some(what) = self.queue.pop() else { return Ok(()) };
        match what {
            What::ToCell { connection, packet } => self.reaches_cell(connection, packet),
            What::ToPerson { connection, packet } => self.reaches_person(connection, packet)?,
            What::PersonTick { person } => {
                if self.people[person].tick_due == Some(self.now()) {
                    self.people[person].tick_due = None;
                    self.input(person, Input::Tick)?;
                }
            }
            What::PersonStart { person } => self.start_person(person)?,
            What::Act { person } => self.act(person)?,
            What::Again { person, request } => self.ask(person, request, None)?,
            What::Greet { person, other } => {
                self.ask(person, Request::StartChat { handle: Person::handle(other) }, None)?;
            }
            What::Online { person } => self.people[person].online = true,
            What::DeviceRoom { person } => {
                self.kill_person(person);
                self.start_person(person)?;
            }
            What::CellBatch => self.cell_batch()?,
            What::CellTick => {
                if self.cell.tick_due == Some(self.now()) {
                    self.cell.tick_due = None;
                    self.cell.inbox.push(Event::Tick);
                    self.cell_batch()?;
                }
            }
            What::CellStart => self.start_cell()?,
            What::CellRoom => self.cell.disk.set_full(false),
            What::Fault => self.fault()?,
            What::Observe => {
                self.observe()?;
                self.queue.after(OBSERVE_MS, What::Observe);
            }
        }
        Ok(())
    }

    /// A promise is broken, if it is one of those that are checked.
    pub(crate) fn check(&self, result: Result<(), Breach>) -> Result<(), Breach> {
        match result {
            Err((oracle, _)) if !self.options.oracles.contains(&oracle) => Ok(()),
            result => result,
        }
    }

    // ------------------------------------------------------------ the cell

    pub(crate) fn start_cell(&mut self) -> Result<(), Breach> {
        if self.cell.is_running() {
            return Ok(());
        }
        let now = self.now();
        self.trace.line(now, format_args!("cell starts"));
        self.cell.start(now).map_err(|why| (Oracle::Durable, format!("the cell does not start: {why}")))?;
        self.ledger.look_into_rooms(now, &self.cell.disk);
        let kept = self.ledger.check_store(&self.cell.disk);
        self.check(kept)?;
        self.plan_cell_tick();
        Ok(())
    }

    /// The cell's process dies. Its connections end, some at once and some without a word.
    pub(crate) fn kill_cell(&mut self, down_ms: u64) {
        if !self.cell.is_running() {
            return;
        }
        let now = self.now();
        self.trace.line(now, format_args!("cell dies"));
        self.cell.kill();
        self.report.cell_crashes += 1;
        let run = self.cell.run;
        for index in 0..self.connections.len() {
            let connection = &mut self.connections[index];
            if connection.cell_run == run && connection.cell_open {
                connection.cell_open = false;
                connection.down.lose_from(now + self.net.below(20));
                let silent = !self.healing && self.net.chance(0.2);
                let hears = if silent { self.net.between(5_000, 60_000) } else { self.net.between(1, 200) };
                let packet = Down::Closed(TransportFailure::Closed);
                self.queue.after(hears, What::ToPerson { connection: index, packet });
            }
        }
        self.queue.after(down_ms, What::CellStart);
    }

    fn reaches_cell(&mut self, index: usize, packet: Up) {
        let now = self.now();
        let connection = &mut self.connections[index];
        let session = connection.session;
        if let Up::Opened = packet {
            if !self.cell.is_running() {
                let packet = Down::Closed(TransportFailure::Unreachable);
                self.queue.after(10, What::ToPerson { connection: index, packet });
                return;
            }
            connection.cell_run = self.cell.run;
            connection.cell_open = true;
            let nonce = self.nonces.bytes32();
            self.cell.inbox.push(Event::Opened { session, nonce });
            if let Some(at) = connection.down.send(now, &self.network, &mut self.net) {
                self.queue.at(at, What::ToPerson { connection: index, packet: Down::Connected });
            }
            return self.plan_batch();
        }
        if !connection.cell_open || connection.cell_run != self.cell.run || !self.cell.is_running() {
            return;
        }
        match packet {
            Up::Opened => {}
            Up::Frame(_) if connection.up.is_lost(now) => return,
            Up::Frame(bytes) => {
                self.trace.bytes(now, format_args!("s{} to cell", session.0), &bytes);
                match decode_client_frame(bytes) {
                    Ok(frame) => {
                        self.ledger.asked(session, &frame);
                        if self.options.print {
                            self.trace.line(now, format_args!("  {}", crate::name_of_request(&frame)));
                        }
                        self.cell.inbox.push(Event::Frame { session, frame });
                    }
                    Err(error) => self.cell.inbox.push(Event::Malformed { session, error }),
                }
            }
            Up::Closed => {
                connection.cell_open = false;
                self.trace.line(now, format_args!("s{} closed at cell", session.0));
                self.cell.inbox.push(Event::Closed { session });
            }
        }
        self.plan_batch();
    }

    fn plan_batch(&mut self) {
        if !self.cell.batch_planned {
            self.cell.batch_planned = true;
            let wait = self.net.below(4);
            self.queue.after(wait, What::CellBatch);
        }
    }

    fn cell_batch(&mut self) -> Result<(), Breach> {
        if !self.cell.is_running() {
            return Ok(());
        }
        let now = self.now();
        let effects = match self.cell.run_batch(now) {
            Ok(effects) => effects,
            Err(why) => {
                self.trace.line(now, format_args!("cell stops: {why}"));
                if !why.contains("halfway") {
                    return self.check(Err((Oracle::Sound, format!("the cell gives up: {why}"))));
                }
                let down = self.dice.between(500, 20_000);
                self.kill_cell(down);
                return Ok(());
            }
        };
        let sync_ms = self.net.between(1, 5);
        for effect in effects {
            match effect {
                CellEffect::Send { session, frame } => self.cell_sends(session, frame, sync_ms)?,
                CellEffect::Broadcast { sessions, frame } => {
                    for session in sessions {
                        self.cell_sends(session, frame.clone(), sync_ms)?;
                    }
                }
                CellEffect::Close { session } => self.cell_closes(session),
            }
        }
        self.plan_cell_tick();
        Ok(())
    }

    fn cell_sends(&mut self, session: SessionId, frame: Bytes, sync_ms: u64) -> Result<(), Breach> {
        let now = self.now();
        let index = session.0 as usize;
        self.trace.bytes(now, format_args!("cell to s{}", session.0), &frame);
        let decoded = decode_server_frame(frame.clone())
            .map_err(|error| (Oracle::Sound, format!("the cell sends what does not decode: {error}")))?;
        if self.options.print {
            self.trace.line(now, format_args!("  {}", crate::name_of_answer(&decoded)));
        }
        let said = self.ledger.said(now, session, &decoded, &self.cell.disk);
        self.check(said)?;
        let frame = match self.tamper(index, decoded) {
            Some(Some(changed)) => changed,
            Some(None) => return Ok(()),
            None => frame,
        };
        let connection = &mut self.connections[index];
        if let Some(at) = connection.down.send(now + sync_ms, &self.network, &mut self.net) {
            self.queue.at(at, What::ToPerson { connection: index, packet: Down::Frame(frame) });
        }
        if !self.healing && self.net.chance(self.network.resets) {
            self.reset(index);
        }
        Ok(())
    }

    fn cell_closes(&mut self, session: SessionId) {
        let now = self.now();
        let index = session.0 as usize;
        self.trace.line(now, format_args!("cell closes s{}", session.0));
        let connection = &mut self.connections[index];
        connection.cell_open = false;
        let at = connection.down.send(now + 5, &self.network, &mut self.net).unwrap_or(now + 5_000);
        let packet = Down::Closed(TransportFailure::Closed);
        self.queue.at(at, What::ToPerson { connection: index, packet });
    }

    fn plan_cell_tick(&mut self) {
        let Some(due) = self.cell.next_tick_ms() else { return };
        let due = due.max(self.now() + 1);
        if self.cell.tick_due.is_none_or(|planned| due < planned || planned < self.now()) {
            self.cell.tick_due = Some(due);
            self.queue.at(due, What::CellTick);
        }
    }

    // ------------------------------------------------------------ the network

    fn connect(&mut self, person: usize) -> Result<(), Breach> {
        let now = self.now();
        if self.people[person].connection.is_some() {
            let what = format!("p{person} asks for a second transport");
            return self.check(Err((Oracle::Sound, what)));
        }
        let index = self.connections.len();
        self.connections.push(Connection {
            person,
            session: SessionId(index as u64),
            cell_run: 0,
            person_open: true,
            cell_open: false,
            up: Direction::default(),
            down: Direction::default(),
        });
        self.people[person].connection = Some(index);
        let reachable = self.people[person].online;
        if reachable {
            if let Some(at) = self.connections[index].up.send(now, &self.network, &mut self.net) {
                self.queue.at(at, What::ToCell { connection: index, packet: Up::Opened });
            }
        } else {
            let packet = Down::Closed(TransportFailure::Unreachable);
            self.queue.after(200, What::ToPerson { connection: index, packet });
        }
        Ok(())
    }

    fn send_up(&mut self, index: usize, frame: Bytes) {
        let now = self.now();
        if self.options.bug == Some(Bug::Overtaking) && is_publish(&frame) {
            match self.held_back.take() {
                None => {
                    self.held_back = Some((index, frame));
                    return;
                }
                Some((held, first)) => {
                    self.send_up_now(index, frame, now);
                    self.send_up_now(held, first, now);
                    return;
                }
            }
        }
        self.send_up_now(index, frame, now);
    }

    fn send_up_now(&mut self, index: usize, frame: Bytes, now: u64) {
        if let Some(at) = self.connections[index].up.send(now, &self.network, &mut self.net) {
            self.queue.at(at, What::ToCell { connection: index, packet: Up::Frame(frame) });
        }
        if !self.healing && self.net.chance(self.network.resets) {
            self.reset(index);
        }
    }

    /// Both ends lose the connection; what is on its way may or may not arrive.
    pub(crate) fn reset(&mut self, index: usize) {
        let now = self.now();
        let connection = &mut self.connections[index];
        self.trace.line(now, format_args!("s{} reset", connection.session.0));
        connection.up.lose_from(now + self.net.below(100));
        connection.down.lose_from(now + self.net.below(100));
        let (up, down) = (self.net.between(100, 2_000), self.net.between(100, 2_000));
        self.queue.after(up, What::ToCell { connection: index, packet: Up::Closed });
        let packet = Down::Closed(TransportFailure::Closed);
        self.queue.after(down, What::ToPerson { connection: index, packet });
    }

    /// One direction dies in silence; both ends hear of it late, if the engines do not notice before.
    pub(crate) fn half_open(&mut self, index: usize) {
        let now = self.now();
        let connection = &mut self.connections[index];
        self.trace.line(now, format_args!("s{} half open", connection.session.0));
        if self.net.chance(0.6) {
            connection.up.lose_from(now);
        }
        if self.net.chance(0.6) {
            connection.down.lose_from(now);
        }
        let (up, down) = (self.net.between(10_000, 300_000), self.net.between(10_000, 300_000));
        self.queue.after(up, What::ToCell { connection: index, packet: Up::Closed });
        let packet = Down::Closed(TransportFailure::Closed);
        self.queue.after(down, What::ToPerson { connection: index, packet });
    }

    fn reaches_person(&mut self, index: usize, packet: Down) -> Result<(), Breach> {
        let now = self.now();
        let connection = &mut self.connections[index];
        let person = connection.person;
        if !connection.person_open || self.people[person].connection != Some(index) {
            return Ok(());
        }
        match packet {
            Down::Connected | Down::Frame(_) if connection.down.is_lost(now) => Ok(()),
            Down::Connected => {
                self.trace.line(now, format_args!("s{} connected, p{person}", connection.session.0));
                self.input(person, Input::Connected)
            }
            Down::Frame(bytes) => {
                self.trace.bytes(now, format_args!("s{} to p{person}", connection.session.0), &bytes);
                self.input(person, Input::Frame(bytes))
            }
            Down::Closed(failure) => {
                self.trace
                    .line(now, format_args!("s{} closed at p{person}: {failure:?}", connection.session.0));
                connection.person_open = false;
                self.people[person].connection = None;
                let delay = self.net.between(1, 1_000);
                self.queue.after(delay, What::ToCell { connection: index, packet: Up::Closed });
                self.input(person, Input::Disconnected(failure))
            }
        }
    }

    // ------------------------------------------------------------ people

    pub(crate) fn start_person(&mut self, person: usize) -> Result<(), Breach> {
        let now = self.now();
        if self.people[person].is_running() {
            return Ok(());
        }
        self.trace.line(now, format_args!("p{person} starts"));
        self.people[person]
            .start(now)
            .map_err(|error| (Oracle::Durable, format!("p{person} does not start: {error}")))?;
        self.plan_person_tick(person)?;
        let account = self.ask_now(person, Request::GetAccount)?;
        match account {
            Some(Ok(Reply::Account { account })) => {
                self.people[person].account = Some(account.id);
                self.look_anew(person)
            }
            Some(_) if self.people[person].account.is_some() => {
                self.check(Err((Oracle::Durable, format!("p{person} has lost the account"))))
            }
            Some(_) => self.sign_up(person),
            None => Ok(()),
        }
    }

    pub(crate) fn sign_up(&mut self, person: usize) -> Result<(), Breach> {
        let request = Request::SignUp {
            handle: Person::handle(person),
            name: format!("Person {person}"),
            invite: None,
        };
        self.ask(person, request, None)
    }

    /// Reads everything again, as a user interface does after a start.
    pub(crate) fn look_anew(&mut self, person: usize) -> Result<(), Breach> {
        let Some(Ok(Reply::Chats { chats })) = self.ask_now(person, Request::ListChats)? else {
            return Ok(());
        };
        let mut messages = Vec::new();
        for chat in &chats {
            let mut before = None;
            loop {
                let request = Request::GetMessages { room: chat.room.clone(), before, limit: 200 };
                let Some(Ok(Reply::Messages { messages: page, more })) = self.ask_now(person, request)?
                else {
                    return Ok(());
                };
                before = page.first().map(|message| message.position);
                messages.push((chat.room.clone(), page));
                if !more || before.is_none() {
                    break;
                }
            }
        }
        for (room, list) in &messages {
            for message in list {
                self.saw(person, room, message)?;
            }
        }
        let reloaded = self.people[person].view.reload(chats, messages);
        self.check(reloaded)
    }

    /// The process of a device dies, and with it its end of the connection.
    pub(crate) fn kill_person(&mut self, person: usize) {
        let now = self.now();
        self.trace.line(now, format_args!("p{person} dies"));
        self.people[person].kill();
        self.people[person].crash = None;
        self.report.crashes += 1;
        if let Some(index) = self.people[person].connection.take() {
            self.connections[index].person_open = false;
            let silent = !self.healing && self.net.chance(0.3);
            let hears = if silent { self.net.between(10_000, 120_000) } else { self.net.between(1, 500) };
            self.queue.after(hears, What::ToCell { connection: index, packet: Up::Closed });
        }
        if self.options.bug == Some(Bug::ForgetfulDevice) {
            self.forget(person);
        }
    }

    /// Makes a call, as a person does who does not wait for the answer.
    pub(crate) fn ask(
        &mut self,
        person: usize,
        request: Request,
        text: Option<TextId>,
    ) -> Result<(), Breach> {
        if !self.people[person].is_running() {
            return Ok(());
        }
        let now = self.now();
        self.trace.line(now, format_args!("p{person} asks {request:?}"));
        let input = self.people[person].ask(now, request, text);
        self.input(person, input)
    }

    /// Makes a call that the engine answers at once.
    pub(crate) fn ask_now(
        &mut self,
        person: usize,
        request: Request,
    ) -> Result<Option<Result<Reply, Refusal>>, Breach> {
        let now = self.now();
        let crash = self.people[person].crash.take();
        let input = self.people[person].ask(now, request.clone(), None);
        self.captured = None;
        if let Input::Call(call) = &input {
            self.capture = Some(call.id);
        }
        self.input(person, input)?;
        self.capture = None;
        self.people[person].crash = crash;
        let answer = self.captured.take();
        if answer.is_none() && self.people[person].is_running() {
            let what = format!("p{person} gets no answer to {request:?}");
            self.check(Err((Oracle::Sound, what)))?;
        }
        Ok(answer)
    }

    /// Gives the engine of a person something, and does what it says.
    pub(crate) fn input(&mut self, person: usize, input: Input) -> Result<(), Breach> {
        let now = self.now();
        let dies = match &mut self.people[person].crash {
            Some(crash) if crash.inputs == 0 => Some(crash.durable),
            Some(crash) => {
                crash.inputs -= 1;
                None
            }
            None => None,
        };
        let was_tick = matches!(input, Input::Tick);
        let clock = self.people[person].clock(now);
        let Some(client) = self.people[person].client() else { return Ok(()) };
        let effects = match dies {
            None => client.handle(clock, input),
            Some(durable) => {
                if durable {
                    client.handle(clock, input);
                }
                self.kill_person(person);
                let back = self.dice.around(5_000);
                self.queue.after(back, What::PersonStart { person });
                return Ok(());
            }
        };
        for effect in effects {
            match effect {
                Effect::Connect => self.connect(person)?,
                Effect::Send(frame) => match self.people[person].connection {
                    Some(index) => self.send_up(index, frame),
                    None => {
                        let what = format!("p{person} sends without a transport");
                        self.check(Err((Oracle::Sound, what)))?;
                    }
                },
                Effect::Disconnect => {
                    if let Some(index) = self.people[person].connection {
                        self.trace.line(now, format_args!("p{person} disconnects"));
                        self.connections[index].down.lose_from(now);
                        let packet = Down::Closed(TransportFailure::Closed);
                        self.queue.after(0, What::ToPerson { connection: index, packet });
                    }
                }
                Effect::Output(output) => self.output(person, output)?,
            }
        }
        if !was_tick {
            self.people[person].spins = 0;
        }
        self.plan_person_tick(person)
    }

    fn plan_person_tick(&mut self, person: usize) -> Result<(), Breach> {
        let now = self.now();
        let someone = &mut self.people[person];
        let skew = someone.skew_ms;
        let Some(due) = someone.client().and_then(|client| client.next_tick_ms()) else {
            someone.tick_due = None;
            return Ok(());
        };
        let due = due.saturating_add_signed(-skew);
        if due <= now {
            someone.spins += 1;
            if someone.spins > MAX_SPINS {
                let what = format!("p{person} wants a tick again and again without letting time pass");
                return self.check(Err((Oracle::Sound, what)));
            }
        }
        let due = due.max(now);
        if someone.tick_due != Some(due) {
            someone.tick_due = Some(due);
            self.queue.at(due, What::PersonTick { person });
        }
        Ok(())
    }

    fn output(&mut self, person: usize, output: Output) -> Result<(), Breach> {
        let now = self.now();
        match output {
            Output::Update { update } => {
                self.trace.line(now, format_args!("p{person} sees {update:?}"));
                if let Update::Message { room, message } = &update {
                    self.saw(person, room, message)?;
                }
                if let Update::Account { account } = &update {
                    self.people[person].account = Some(account.id.clone());
                }
                let shown = self.people[person].view.update(&update);
                self.check(shown)?;
                if let Update::Message { room, message } = &update {
                    self.ticks_are_true(person, room, message)?;
                }
                Ok(())
            }
            Output::Reply { id, result } => {
                self.trace.line(now, format_args!("p{person} is answered {id} {result:?}"));
                let Some(asked) = self.people[person].calls.remove(&id) else {
                    let what = format!("p{person} is answered call {id}, which is not open");
                    return self.check(Err((Oracle::Sound, what)));
                };
                self.answered(person, &asked, &result)?;
                if self.capture == Some(id) {
                    self.captured = Some(result);
                }
                Ok(())
            }
        }
    }

    fn answered(
        &mut self,
        person: usize,
        asked: &Asked,
        result: &Result<Reply, Refusal>,
    ) -> Result<(), Breach> {
        match result {
            Err(refusal) if refusal.code == "internal" => {
                let what = format!("p{person} asks {:?} and is told: {}", asked.request, refusal.message);
                self.check(Err((Oracle::Sound, what)))
            }
            Err(_) => Ok(()),
            Ok(Reply::Account { account }) => {
                self.people[person].account = Some(account.id.clone());
                Ok(())
            }
            Ok(Reply::Chat { chat }) => {
                self.people[person].view.chats.insert(chat.room.clone(), chat.clone());
                Ok(())
            }
            Ok(Reply::Sent { message }) => {
                if let Request::SendText { room, .. } = &asked.request {
                    let room = room.clone();
                    self.saw(person, &room, message)?;
                    let shown = self.people[person].view.message(&room, message);
                    self.check(shown)?;
                    if self.options.bug == Some(Bug::CallRepeated) && self.dice.chance(0.1) {
                        let request = asked.request.clone();
                        self.queue.after(500, What::Again { person, request });
                    }
                }
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Notes what an author's screen says about the author's own text.
    fn saw(&mut self, person: usize, room: &str, message: &mbolo_client_api::Message) -> Result<(), Breach> {
        let mbolo_client_api::Body::Text { text } = &message.body else { return Ok(()) };
        let Some(id) = TextId::of_words(text) else { return Ok(()) };
        if id.author != person {
            let known = self.texts.get(&id).is_some_and(|text| text.room == room);
            let what =
                format!("p{person} is shown a text in {} that nobody wrote there: {text}", short(room));
            return if known { Ok(()) } else { self.check(Err((Oracle::Sound, what))) };
        }
        let now = self.now();
        if let Some(text) = self.texts.get_mut(&id) {
            text.exists = true;
            if text.sent_ms.is_none() && message.state.is_some_and(|state| state >= MessageState::Sent) {
                text.sent_ms = Some(now);
            }
        }
        Ok(())
    }

    // ------------------------------------------------------------ comparing notes

    /// Members of a room in the same epoch must agree on its secrets, now and with all that was seen before.
    pub(crate) fn observe(&mut self) -> Result<(), Breach> {
        for person in 0..self.people.len() {
            let Some(client) = self.people[person].client() else { continue };
            for (room, epoch, authenticator) in client.epoch_authenticators() {
                let (known, whose) = self
                    .authenticators
                    .entry((room, epoch))
                    .or_insert_with(|| (authenticator.clone(), person));
                if *known != authenticator {
                    let what = format!("p{whose} and p{person} disagree about epoch {epoch} of {room:?}");
                    return self.check(Err((Oracle::Agreed, what)));
                }
            }
        }
        Ok(())
    }

    // ------------------------------------------------------------ planted bugs

    /// What a planted bug makes of a frame: `None` leaves it, `Some(None)` swallows it.
    fn tamper(&mut self, index: usize, frame: wire::ServerFrame) -> Option<Option<Bytes>> {
        use mbolo_proto::wire::server_frame::Body;
        let person = self.connections[index].person;
        match (self.options.bug?, frame.body?) {
            (Bug::LostEntry, Body::FeedPush(push)) => {
                let feed = push.feed.clone()?;
                let is_text = push.entries.iter().any(|entry| entry.kind() == wire::EntryKind::Application);
                if self.stolen.is_none() && is_text && self.dice.chance(0.2) {
                    self.stolen = Some((person, feed.clone(), push.origin.clone(), push.first_seq));
                }
                let (victim, of, origin, seq) = self.stolen.as_ref()?;
                let end = push.first_seq + push.entries.len() as u64;
                let hit = *victim == person && *of == feed && *origin == push.origin;
                (hit && end > *seq).then_some(None)
            }
            (Bug::InventedMarks, Body::Marks(mut marks)) => {
                for mark in &mut marks.marks {
                    for position in mark.delivered.iter_mut().flat_map(|vector| &mut vector.positions) {
                        position.seq += 1_000;
                    }
                }
                for position in marks.everyone.iter_mut().flat_map(|vector| &mut vector.positions) {
                    position.seq += 1_000;
                }
                let frame =
                    wire::ServerFrame { request_id: frame.request_id, body: Some(Body::Marks(marks)) };
                Some(Some(mbolo_proto::encode_frame(&frame)))
            }
            _ => None,
        }
    }

    /// The disk of a dead device goes back to what it was some time ago.
    fn forget(&mut self, person: usize) {
        let someone = &mut self.people[person];
        let earlier = someone.snapshot.take();
        let copied = someone.disk().and_then(|disk| copy(disk).ok());
        someone.snapshot = copied;
        if let Some(earlier) = earlier {
            someone.replace_disk(earlier);
        }
    }
}

fn copy(disk: &rusqlite::Connection) -> rusqlite::Result<rusqlite::Connection> {
    // A database in shared memory lives as long as a connection to it; its name is used once in this process.
    static COPIES: AtomicU64 = AtomicU64::new(0);
    let name = format!("file:copy{}?mode=memory&cache=shared", COPIES.fetch_add(1, Ordering::Relaxed));
    let copy = rusqlite::Connection::open(&name)?;
    disk.execute("VACUUM INTO ?1", [&name])?;
    Ok(copy)
}

fn is_publish(frame: &Bytes) -> bool {
    let body = decode_client_frame(frame.clone()).ok().and_then(|frame| frame.body);
    matches!(body, Some(wire::client_frame::Body::Publish(_)))
}

/// An hour wrong is what a device with the wrong time zone is.
const HOUR_MS: i64 = 3_600_000;

/// Virtual time between two comparisons of everybody's epochs.
const OBSERVE_MS: u64 = 20_000;

/// The heal phase begins by then, whatever is left to do.
const MAX_MAIN_MS: u64 = 20 * 24 * 3_600_000;

/// Ticks in a row without time passing, after which a process would be burning its processor.
const MAX_SPINS: u32 = 100;
