//! Is it me? What a client finds out by itself, in less than five seconds and without a server, when its home does
//! not answer.
//!
//! Nothing here touches a network: a client tries what [`Check`] asks for and notes what came of it in [`Findings`];
//! [`diagnose`] turns them into one [`Verdict`] and [`Diagnosis::sentence`] into one sentence that a person can act on. The same table
//! serves the terminal and the browser, where every byte counts, so there is nothing here but the table and the few
//! documents that it reads and writes: what a cell tells about itself ([`CellInfo`]), what an observatory says
//! ([`Board`]), and what a client may tell it ([`Beacon`]).
//!
//! The rule of the table: a verdict never claims more than what was tried from here shows, and what is stale, unread
//! or silent counts for nothing.

mod board;
mod findings;
mod plan;
mod sentence;
mod tally;
mod told;
mod verdict;

pub use board::{Board, Envelope};
pub use findings::{Findings, Outcome, PlaceWord, ServiceWord, Snapshot};
pub use plan::{Check, PORTAL, Step, WEB_ANCHORS};
pub use sentence::{About, Language};
pub use tally::{Beacon, SLICE_MS, Tally};
pub use told::{CellInfo, INFO_PATH, MAX_INFO_BYTES, Place, Pulse};
pub use verdict::{Diagnosis, Reason, Verdict, diagnose};
