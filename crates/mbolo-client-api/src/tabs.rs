//! What the tabs of one browser and the worker with their engine say to each other.
//!
//! All of it goes over one `BroadcastChannel`, as JSON: every tab hears everything, whichever tab started the
//! worker, so a tab does not care whether it is that one. Call ids carry a tab's number in their upper bits.

use serde::{Deserialize, Serialize};

use crate::{Call, Output};

/// Name of the channel.
pub const CHANNEL: &str = "mbolo-tabs";

/// Name of the Web Lock that the tab with the worker holds.
pub const LOCK: &str = "mbolo-engine";

/// Lower bits of a call id that count a tab's calls; the tab's number is above them. JSON numbers are exact to 53 bits.
pub const CALL_COUNT_BITS: u32 = 32;

/// What a tab says. Its own type, and not one with [`FromEngine`], so that neither side carries the code to read
/// what it only writes; each ignores what is not for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "to_engine", rename_all = "snake_case")]
pub enum ToEngine {
    /// A tab is new, or wants to know whether the engine lives. Answered with `Ready` or `Failed`, or not at all.
    Hello,
    /// A tab's request.
    Call {
        /// It.
        call: Call,
    },
}

/// What the engine says, to all tabs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from_engine", rename_all = "snake_case")]
pub enum FromEngine {
    /// The engine is open. Calls that an engine with another number has not answered are lost.
    Ready {
        /// Random, one per start.
        engine: u32,
    },
    /// The engine cannot open its store.
    Failed {
        /// Why.
        problem: StartProblem,
        /// Technical detail for a report.
        detail: String,
    },
    /// A reply or an update.
    Output {
        /// It.
        output: Output,
    },
    /// The profile was deleted: every tab begins anew.
    SignedOut,
}

/// Why an engine cannot start in a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartProblem {
    /// The browser gives no storage: a private window, a setting, or an insecure origin.
    StorageDenied,
    /// The browser's quota or the disk is used up.
    StorageFull,
    /// The stored profile is from a newer version.
    TooNew,
    /// Anything else, a damaged store included.
    Broken,
}
