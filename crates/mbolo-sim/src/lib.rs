//! The simulator: one cell and several people, the real cores and real MLS, on virtual time, network and disks.
//!
//! [`run`] plays one seed: people sign up, talk, form groups and leave them, while connections break, processes
//! die at any write, disks fill up and clocks are wrong; then the faults stop and everything has to come
//! right. Six promises ([`Oracle`]) are checked all the time. A run is a function of its seed: the same seed
//! gives the same trace, byte for byte, so a failure is reproduced by its number.
//!
//! `cargo run -p mbolo-sim -- --seeds 1000` plays many.

mod act;
mod bugs;
mod cell_node;
mod cell_side;
mod device_side;
mod failure;
mod faults;
mod hashing;
mod heal;
mod ledger;
mod network;
mod person;
mod plan;
mod queue;
mod random;
mod trace;
mod view;
mod wire_side;
mod world;

use mbolo_proto::wire;

pub use failure::{Failure, Oracle, Report};
pub use plan::{Bug, Options};

/// Plays one seed to the end.
pub fn run(seed: u64, options: &Options) -> Result<Report, Failure> {
    hashing::with_fixed_keys(|| {
        let world = world::World::new(seed, options);
        let failed = |(oracle, what)| Failure { seed, oracle, what, after_ms: 0, trace: String::new() };
        world.map_err(failed)?.run()
    })
}

/// When every run begins, in Unix milliseconds: a fixed day near the present one, since certificates and
/// KeyPackages carry times.
pub const START_MS: u64 = 1_795_000_000_000;

fn name_of_request(frame: &wire::ClientFrame) -> String {
    beginning(format!("{} {:?}", frame.request_id, frame.body))
}

fn name_of_answer(frame: &wire::ServerFrame) -> String {
    beginning(format!("{} {:?}", frame.request_id, frame.body))
}

fn beginning(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(300) {
        text.truncate(end);
    }
    text
}
