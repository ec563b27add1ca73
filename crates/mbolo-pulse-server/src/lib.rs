//! The collector: reports, beacons, probe results and gauges in, the page and the API out.
//!
//! ```text
//! requests ─► edge (address → place) ─► gates (work, caps, signatures) ─► store (one writer, group commit)
//!                                                                             │ committed counts
//!        page, API, feeds ◄── published board ◄── live loop (minute → detector → incidents → board)
//!                                                     └─► announcements, snapshots
//! ```
//!
//! What is acknowledged is durable; addresses never get past the edge; the page is served from memory and does not wait
//! for the store. [`serve`] runs an observatory, [`demo`] plays two past days through the same page.

mod admission;
mod board_maker;
mod clock;
pub mod config;
mod demo;
mod device;
mod edge;
mod http;
mod live;
mod metrics;
mod official;
mod published;
mod recent;
mod repeats;
mod rounds;
mod serve;
mod shared;
mod slices;
mod store;
mod targets;
mod voices;
mod work;

pub use config::{Config, ConfigError, Overrides};
pub use demo::{DemoError, DemoOptions, demo};
pub use serve::{Observatory, ServeError, serve};
pub use work::solve;
