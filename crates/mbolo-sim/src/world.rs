//! The run itself: one cell, some people, the network between them, and the order in which things happen.
//!
//! Everything that happens is an item of the queue; handling one may plan others. Nothing here decides what
//! people do (`act`), what goes wrong (`faults`) or when all is well (`heal`).

use std::collections::BTreeMap;

use bytes::Bytes;
use mbolo_cell::Event;
use mbolo_client::{Input, TransportFailure};
use mbolo_client_api::{Failure as Refusal, Reply, Request, Update};
use mbolo_proto::{RoomId, wire};

use crate::cell_node::CellNode;
use crate::failure::{Failure, Oracle, Report};
use crate::ledger::{Breach, Ledger};
use crate::network::{Connection, Quality};
use crate::person::Person;
use crate::plan::{Bug, Options, Plan};
use crate::queue::Queue;
use crate::random::Random;
use crate::trace::Trace;
use crate::view::{TextId, check_places};

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
    /// A call that was made some time ago is made again, by a page that did not hear the answer, or by
    /// [`Bug::CallRepeated`].
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
    /// The cell dies and its disk forgets: only with [`Bug::ForgottenCommit`].
    CellForgets,
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
    /// Which text a message shows to its author, by room and message.
    pub(crate) shown_as: BTreeMap<(String, String), TextId>,
    pub(crate) network: Quality,
    pub(crate) healing: bool,
    pub(crate) actions_left: u64,
    pub(crate) dice: Random,
    pub(crate) report: Report,
    pub(crate) net: Random,
    pub(crate) nonces: Random,
    authenticators: BTreeMap<(RoomId, u64), (Vec<u8>, usize)>,
    pub(crate) captured: Option<Result<Reply, Refusal>>,
    pub(crate) capture: Option<u64>,
    pub(crate) held_back: Option<(usize, Bytes)>,
    pub(crate) late: Option<(usize, Update)>,
    pub(crate) stolen: Option<(usize, wire::FeedRef, Bytes, u64)>,
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
            shown_as: BTreeMap::new(),
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
            late: None,
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
            What::Again { person, request } => self.ask_again(person, request)?,
            What::Greet { person, other } => {
                self.ask(person, Request::StartChat { handle: Person::handle(other) })?;
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
            What::CellForgets => self.forget_commit()?,
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

    /// Members of a room in the same epoch must agree on its secrets, now and with all that was seen before.
    pub(crate) fn observe(&mut self) -> Result<(), Breach> {
        for person in 0..self.people.len() {
            let in_order = check_places(&self.people[person].places());
            self.check(in_order.map_err(|(oracle, what)| (oracle, format!("p{person}: {what}"))))?;
            let Some(client) = self.people[person].client() else { continue };
            for (room, epoch, authenticator) in client.epoch_authenticators() {
                // Whoever makes a room is alone in its epoch 0; two who make the same 1:1 room are so in two groups,
                // until the cell takes one of them.
                if epoch == 0 {
                    continue;
                }
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
}

/// An hour wrong is what a device with the wrong time zone is.
const HOUR_MS: i64 = 3_600_000;

/// Virtual time between two comparisons of everybody's epochs.
const OBSERVE_MS: u64 = 20_000;

/// The heal phase begins by then, whatever is left to do.
const MAX_MAIN_MS: u64 = 20 * 24 * 3_600_000;
