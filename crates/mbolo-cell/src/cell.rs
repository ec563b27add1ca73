//! The loop.

use mbolo_engine::{Engine, EngineError};

use crate::{Config, Effect, Event, Keys, Stats};

/// A cell.
pub struct Cell<E> {
    engine: E,
    stats: Stats,
}

/// Why a cell does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store was made by another incarnation key, or for another cell.
    #[error("the store belongs to another {0}: restore the keys that were made with it")]
    ForeignStore(&'static str),
    /// A record does not decode.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl<E: Engine> Cell<E> {
    /// Opens the cell over its store.
    pub fn open(engine: E, _keys: Keys, _config: Config, _now_ms: u64) -> Result<Self, OpenError> {
        Ok(Self { engine, stats: Stats::default() })
    }

    /// Applies all `events`, commits one batch durably, then appends the effects. Leaves `events` empty.
    pub fn handle(&mut self, _now_ms: u64, events: &mut Vec<Event>, _effects: &mut Vec<Effect>) {
        events.clear();
    }

    /// When [`Event::Tick`] is due at the latest, in Unix milliseconds.
    pub fn next_tick_ms(&self) -> u64 {
        u64::MAX
    }

    /// Counters so far.
    pub fn stats(&self) -> Stats {
        self.stats.clone()
    }

    /// Gives the store back; everything in memory is lost, as in a crash.
    pub fn into_engine(self) -> E {
        self.engine
    }
}
