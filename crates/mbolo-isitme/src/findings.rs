//! What was tried, and what came of it.

use serde::Serialize;

/// What came of one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing is known: not tried, not possible here, or without a clear result.
    #[default]
    NotTried,
    /// It worked.
    Ok,
    /// It did not.
    Failed,
}

/// Everything that a verdict rests on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Findings {
    /// The home is on this very machine, so no network lies between.
    pub home_is_here: bool,
    /// The device has a way out at all.
    pub link: Outcome,
    /// Names are looked up, and what is asked for is what answers. `Failed` only if a name is not found or something
    /// else answers (a page to sign in); silence is `NotTried`.
    pub portal: Outcome,
    /// Three well-known places in three networks that have nothing to do with us or with each other.
    pub anchors: [Outcome; 3],
    /// The home answers.
    pub front: Outcome,
    /// Another home answers; `Failed` if none of those that are known does.
    pub alternates: Outcome,
    /// The newest word of the observatory.
    pub snapshot: Snapshot,
}

/// The newest signed snapshot, from whichever place had one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Snapshot {
    /// None is known, or none could be read.
    #[default]
    Unread,
    /// It is too old to be believed, whatever it says.
    Stale,
    /// It holds now.
    Fresh {
        /// On the service.
        service: ServiceWord,
        /// On the place where this device is.
        place: PlaceWord,
    },
}

/// What the observatory says of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceWord {
    /// Nothing, or nothing certain.
    Unknown,
    /// It works elsewhere.
    Up,
    /// A fault is confirmed by measurement.
    Down,
}

/// What the observatory says of the place where this device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceWord {
    /// Nothing.
    Unknown,
    /// The provider's network lost its connection.
    NetworkCut,
    /// The country did.
    CountryCut,
    /// The service is not reached from here, others are.
    Blocked,
}

impl Findings {
    /// How many anchors worked, and how many did not.
    pub(crate) fn anchors_reached(&self) -> (usize, usize) {
        let count = |wanted| self.anchors.iter().filter(|one| **one == wanted).count();
        (count(Outcome::Ok), count(Outcome::Failed))
    }

    /// The observatory's word, if it holds now.
    pub(crate) fn word(&self) -> (ServiceWord, PlaceWord) {
        match self.snapshot {
            Snapshot::Fresh { service, place } => (service, place),
            Snapshot::Unread | Snapshot::Stale => (ServiceWord::Unknown, PlaceWord::Unknown),
        }
    }
}
