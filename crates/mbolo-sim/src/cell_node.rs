//! The cell's process: the core on a simulated disk, and what reaches it between two batches.

use ed25519_dalek::SigningKey;
use mbolo_cell::{Cell, Config, Effect, Event, Keys};
use mbolo_engine::{FaultyEngine, SimDisk};

use crate::random::Random;

/// The machine that the cell runs on.
pub struct CellNode {
    /// Its disk.
    pub disk: SimDisk,
    /// How many processes there have been.
    pub run: u64,
    /// What the next batch will hold.
    pub inbox: Vec<Event>,
    /// Whether a batch is planned.
    pub batch_planned: bool,
    /// The virtual time of the tick that is planned.
    pub tick_due: Option<u64>,
    keys: Keys,
    config: Config,
    cell: Option<Cell<FaultyEngine>>,
}

impl CellNode {
    /// A cell on an empty disk, not started yet.
    pub fn new(random: &mut Random) -> Self {
        let mut key = || SigningKey::from_bytes(&random.bytes32());
        Self {
            disk: SimDisk::new(),
            run: 0,
            inbox: Vec::new(),
            batch_planned: false,
            tick_due: None,
            keys: Keys { cell: key(), incarnation: key() },
            // Work that real devices do in a fraction of a second; here every one of them is one thread.
            config: Config { cell_name: "cell.example".to_owned(), pow_bits: 4, ..Config::default() },
            cell: None,
        }
    }

    /// Whether the process runs.
    pub fn is_running(&self) -> bool {
        self.cell.is_some()
    }

    /// Starts the process on what the disk holds.
    pub fn start(&mut self, now_ms: u64) -> Result<(), String> {
        let engine = self.disk.open().map_err(|error| error.to_string())?;
        let cell = Cell::open(engine, self.keys.clone(), self.config.clone(), now_ms);
        self.cell = Some(cell.map_err(|error| error.to_string())?);
        self.run += 1;
        self.inbox.clear();
        self.batch_planned = false;
        self.tick_due = None;
        Ok(())
    }

    /// The process dies.
    pub fn kill(&mut self) {
        self.cell = None;
        self.inbox.clear();
    }

    /// Runs one batch; says what came out, or that the process has to stop and why.
    pub fn run_batch(&mut self, now_ms: u64) -> Result<Vec<Effect>, String> {
        self.batch_planned = false;
        let Some(cell) = &mut self.cell else { return Ok(Vec::new()) };
        let mut effects = Vec::new();
        cell.handle(now_ms, &mut self.inbox, &mut effects);
        match cell.stats().fatal {
            Some(why) => Err(why),
            None => Ok(effects),
        }
    }

    /// When the core wants a tick.
    pub fn next_tick_ms(&self) -> Option<u64> {
        self.cell.as_ref().map(Cell::next_tick_ms).filter(|due| *due < u64::MAX)
    }
}
