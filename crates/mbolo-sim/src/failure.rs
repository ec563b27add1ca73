//! What a run can find.

use std::fmt;

/// The promises that are checked all the time (architecture, section 6), and two of the simulator's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oracle {
    /// An entry acknowledged to a sender is never lost.
    Durable,
    /// Once faults stop, every participant's device shows every message exactly once.
    Delivered,
    /// Entries of one sender are seen in the order sent.
    Ordered,
    /// Members in the same epoch of a room hold the same MLS epoch authenticator.
    Agreed,
    /// Ticks never go back, and never promise what is not so.
    Monotone,
    /// Honest parts of the system never find each other in breach of the protocol, answer every call once, and
    /// do not fail inside.
    Sound,
}

impl Oracle {
    /// All of them.
    pub const ALL: [Oracle; 6] =
        [Self::Durable, Self::Delivered, Self::Ordered, Self::Agreed, Self::Monotone, Self::Sound];
}

/// A promise was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed that shows it.
    pub seed: u64,
    /// Which promise.
    pub oracle: Oracle,
    /// What was seen.
    pub what: String,
    /// Virtual time since the beginning, in milliseconds.
    pub after_ms: u64,
    /// Hash of the trace up to here.
    pub trace: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} breaks {:?} after {} ms: {}", self.seed, self.oracle, self.after_ms, self.what)?;
        write!(f, "reproduce with: cargo xtask sim --seed {}", self.seed)
    }
}

impl std::error::Error for Failure {}

/// What a run that kept all promises did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Hash of the whole trace.
    pub trace: String,
    /// Things that happened.
    pub events: u64,
    /// Virtual time, in milliseconds.
    pub lasted_ms: u64,
    /// People.
    pub people: usize,
    /// Rooms at the end.
    pub rooms: usize,
    /// Texts written.
    pub texts: usize,
    /// Of those, texts that had to arrive everywhere, counted per device that had to show them.
    pub deliveries: usize,
    /// Entries that the cell acknowledged.
    pub acknowledged: usize,
    /// Commits that the cell acknowledged.
    pub commits: usize,
    /// Crashes of the cell.
    pub cell_crashes: u32,
    /// Crashes of devices.
    pub crashes: u32,
    /// Connections made.
    pub connections: usize,
    /// Times the heal phase needed, in milliseconds.
    pub healed_in_ms: u64,
}
