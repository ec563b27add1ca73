//! What a seed makes of a run: how many people, how much they do, and what goes wrong how often.
//!
//! Each seed switches some kinds of faults on and others off, and some seeds have none: a fault hides another
//! more often than it shows it.

use crate::network::Quality;
use crate::random::Random;

/// A planted bug, to prove that an oracle sees it. All of them are outside the two cores: a disk, a network or
/// a runtime that breaks what it promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The cell's disk reports syncs that did not happen.
    LyingDisk,
    /// One entry never reaches one device, however often it is pushed.
    LostEntry,
    /// The runtime hands a call to the engine twice.
    CallRepeated,
    /// The network lets a frame to the cell overtake the one before.
    Overtaking,
    /// The cell's disk forgets a commit, and what came after it, in a crash.
    ForgottenCommit,
    /// An update reaches the screen after the one that followed it.
    LateUpdate,
    /// A device's disk gives two messages back in each other's place.
    SwappedRows,
    /// The cell's frames claim marks that no device gave.
    InventedMarks,
}

/// How long a run is and what is checked.
#[derive(Debug, Clone)]
pub struct Options {
    /// People, at most.
    pub people: usize,
    /// Things that each person does, about.
    pub actions: u64,
    /// Whether anything goes wrong.
    pub faults: bool,
    /// The promises that are checked.
    pub oracles: Vec<crate::Oracle>,
    /// A bug to plant.
    pub bug: Option<Bug>,
    /// Print what happens.
    pub print: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            people: 5,
            actions: 25,
            faults: true,
            oracles: crate::Oracle::ALL.to_vec(),
            bug: None,
            print: false,
        }
    }
}

/// What this seed does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many people there are.
    pub people: usize,
    /// Actions of all together.
    pub actions: u64,
    /// Time between two actions of a person, usually.
    pub pause_ms: u64,
    /// The network before the heal phase.
    pub network: Quality,
    /// Time between two faults, usually; 0 for none.
    pub fault_ms: u64,
    /// What goes wrong, if something does.
    pub faults: Vec<Fault>,
    /// Whether people go offline for long.
    pub absences: bool,
    /// Whether some devices have a wrong clock.
    pub skew: bool,
}

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The cell's process is killed.
    CellKill,
    /// The cell's next commits: one of them is torn, lost or never heard of.
    CellCommit,
    /// The cell's disk is full for a while.
    CellFull,
    /// Somebody tries to start a second cell.
    SecondCell,
    /// A device's process is killed at one of its next inputs.
    DeviceKill,
    /// A device's storage is full for a while.
    DeviceFull,
    /// A connection is reset.
    Reset,
    /// A connection dies in one direction, or without the other end hearing of it.
    HalfOpen,
    /// A device has no network for a while.
    NoNetwork,
}

impl Fault {
    const ALL: [Fault; 9] = [
        Self::CellKill,
        Self::CellCommit,
        Self::CellFull,
        Self::SecondCell,
        Self::DeviceKill,
        Self::DeviceFull,
        Self::Reset,
        Self::HalfOpen,
        Self::NoNetwork,
    ];
}

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64, options: &Options) -> Self {
        let mut random = Random::stream(seed, "plan", 0);
        let people = random.between(2, options.people.max(2) as u64) as usize;
        let pause_ms = [400, 2_000, 15_000][random.below(3) as usize];
        let calm = !options.faults || random.chance(0.05);
        let bad_network = !calm && random.chance(0.7);
        let network = Quality {
            delay_ms: [2, 30, 300][random.below(3) as usize],
            stalls: if bad_network { 0.03 } else { 0.0 },
            stall_ms: [500, 5_000, 40_000][random.below(3) as usize],
            resets: if bad_network && random.chance(0.5) { 0.01 } else { 0.0 },
        };
        let share = [0.2, 0.5, 1.0][random.below(3) as usize];
        let faults: Vec<Fault> = Fault::ALL.into_iter().filter(|_| random.chance(share)).collect();
        let fault_ms = pause_ms * random.between(1, 8);
        Self {
            people,
            actions: options.actions * people as u64,
            pause_ms,
            network,
            fault_ms: if calm || faults.is_empty() { 0 } else { fault_ms },
            faults,
            absences: !calm && random.chance(0.4),
            skew: !calm && random.chance(0.3),
        }
    }
}
