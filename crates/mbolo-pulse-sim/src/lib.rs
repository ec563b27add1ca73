//! PulseSim: a seeded world of countries and networks that the detector is measured on.
//!
//! [`run`] lets people in 180 countries live through some weeks: they sleep and wake by their own clocks, grow in number
//! or leave, are cut off every night, and now and then something fails. What an observatory would count of that goes,
//! minute by minute, into the detector; what the detector says is held against what was done. A run is a function of its
//! [`Options`]: a miss is reproduced by its seed and minute.
//!
//! The noise does not come from the detector's own model, or not only: see [`NoiseFamily`]. What is assumed of people
//! and machines is in [`assumptions`], number by number with a reason.

pub mod assumptions;
mod counts;
mod fault;
mod judge;
mod noise;
mod options;
mod places;
mod random;
mod report;
mod rhythm;
mod run;
mod schedule;
mod services;
mod world;

pub use counts::{TruthRow, WriteFailed, write_counts};
pub use fault::Class;
pub use judge::{Case, Finding};
pub use noise::NoiseFamily;
pub use options::{Options, OptionsWrong};
pub use report::{ClassResult, FalseAlarms, Figures, Gate, Report, Table};
pub use run::run;
