//! A person with a device: the process that runs the client engine, the disk it stands on, and the screen.

use std::collections::BTreeMap;

use mbolo_client::{Client, Input, OpenError, Options, Standing};
use mbolo_client_api::{Call, Request};

use crate::random::Random;
use crate::view::{TextId, View};

/// One person.
pub struct Person {
    /// Number in the run; also the beginning of the handle.
    pub number: usize,
    /// The device's clock minus the true time, in milliseconds.
    pub skew_ms: i64,
    /// Whether the device has a network.
    pub online: bool,
    /// The transport that the engine holds or waits for.
    pub connection: Option<usize>,
    /// The virtual time at which the engine wants its tick.
    pub tick_due: Option<u64>,
    /// Whether the device's disk has next to no room left.
    pub full: bool,
    /// What the screen shows.
    pub view: View,
    /// The account, once there is one.
    pub account: Option<String>,
    /// A crash that is to come: after so many more inputs, and before or after the last one is handled.
    pub crash: Option<Crash>,
    /// Unanswered calls of this process.
    pub calls: BTreeMap<u64, Asked>,
    /// Dice of this person's behaviour.
    pub random: Random,
    /// Number of the next text.
    pub next_text: u32,
    /// How many processes there have been.
    pub run: u32,
    /// How often the engine wanted a tick without letting time pass.
    pub spins: u32,
    store: Option<rusqlite::Connection>,
    client: Option<Client>,
    seeds: Random,
    next_call: u64,
}

/// How a device dies.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    /// Inputs that are handled before.
    pub inputs: u32,
    /// Whether the last input's transaction is durable (its effects never leave) or rolled back.
    pub durable: bool,
}

/// A call that waits for its answer.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What was asked.
    pub request: Request,
    /// When.
    pub at_ms: u64,
}

impl Person {
    /// A person with an empty device.
    pub fn new(seed: u64, number: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            number,
            skew_ms: 0,
            online: true,
            connection: None,
            tick_due: None,
            full: false,
            view: View::default(),
            account: None,
            crash: None,
            calls: BTreeMap::new(),
            random: Random::stream(seed, "person", number as u64),
            next_text: 1,
            run: 0,
            spins: 0,
            store: Some(rusqlite::Connection::open_in_memory()?),
            client: None,
            seeds: Random::stream(seed, "device", number as u64),
            next_call: 1,
        })
    }

    /// The handle.
    pub fn handle(number: usize) -> String {
        format!("person{number}")
    }

    /// Time on the device's clock.
    pub fn clock(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.skew_ms)
    }

    /// Whether the process runs.
    pub fn is_running(&self) -> bool {
        self.client.is_some()
    }

    /// The running engine.
    pub fn client(&mut self) -> Option<&mut Client> {
        self.client.as_mut()
    }

    /// Entries that the engine holds and cannot show yet: their senders were asked to encrypt them anew.
    pub fn undecryptable(&self) -> u64 {
        self.client.as_ref().map_or(0, |client| client.stats().undecryptable)
    }

    /// Starts the process on what the disk holds.
    pub fn start(&mut self, now_ms: u64) -> Result<(), OpenError> {
        let Some(store) = self.store.take() else { return Ok(()) };
        let options = Options {
            // Few, so that they run out and the last resort is used.
            key_packages: 3,
            ..Options::new("cell.example", self.seeds.bytes32())
        };
        self.client = Some(Client::open(store, options, self.clock(now_ms))?);
        self.run += 1;
        Ok(())
    }

    /// The process dies; the disk keeps what was committed.
    pub fn kill(&mut self) {
        if let Some(client) = self.client.take() {
            let store = client.into_store();
            // Whoever fills the disk says so for each process anew.
            let _ = store.pragma_update(None, "max_page_count", i64::from(u32::MAX - 1));
            self.store = Some(store);
        }
        self.full = false;
        self.calls.clear();
        self.tick_due = None;
    }

    /// Where every message stands on the device.
    pub fn places(&self) -> Vec<Standing> {
        self.client.as_ref().and_then(|client| client.places().ok()).unwrap_or_default()
    }

    /// The disk, while the process is down.
    pub fn disk(&mut self) -> Option<&mut rusqlite::Connection> {
        self.store.as_mut()
    }

    /// The input that asks the engine for something.
    pub fn ask(&mut self, now_ms: u64, request: Request) -> Input {
        let id = self.next_call;
        self.next_call += 1;
        self.calls.insert(id, Asked { request: request.clone(), at_ms: now_ms });
        Input::Call(Call { id, request })
    }

    /// The number of a new text.
    pub fn new_text(&mut self) -> TextId {
        let number = self.next_text;
        self.next_text += 1;
        TextId { author: self.number, number }
    }
}
