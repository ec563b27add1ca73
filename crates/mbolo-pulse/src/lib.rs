//! What is down, for whom, where and since when: the detector of the outage observatory.
//!
//! Minute counts go in, incidents come out. The crate does no input and no output and reads no clock; the same counts
//! give the same incidents, in a replay as in the running observatory. The folders follow the way of the data:
//! counts → baseline → detectors → fusion → localisation → incidents.

mod baseline;
pub mod board;
mod closing;
mod counts;
pub mod detector;
mod detectors;
mod fusion;
mod incidents;
mod localisation;
pub mod model;
pub mod replay;

pub use detector::{Detector, DetectorConfig, Expected, Refused};
pub use model::{
    Asn, Count, Country, Evidence, Incident, IncidentId, IncidentKind, IncidentState, LATELY, Level, MERGE,
    Minute, Problem, Scope, ServiceId, Signal, Transition,
};
pub use replay::{Summary, replay};
