//! `mbolo bench`: what a server of this build takes and gives, measured from outside.
//!
//! Each benchmark starts its own server process on a fresh directory with real fsync, plays its clients from
//! this process, and reads the server's CPU time and memory from /proc. Figures of two machines, or of two
//! runs on a busy one, do not compare; ratios within one run do. docs/benchmarks.md holds what was measured.

mod crowd;
mod fleet;
mod idle;
mod load;
mod people;
mod server;
mod storm;

use anyhow::Result;
use clap::Subcommand;
use clap::builder::RangedU64ValueParser;
use serde::Serialize;

/// Arguments of `mbolo bench`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// Print one JSON object instead of a table.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Memory and login CPU of sessions that do nothing.
    Idle {
        /// How many.
        #[arg(long, default_value_t = 10_000, value_parser = at_least::<usize>(1))]
        sessions: usize,
        /// Over TLS.
        #[arg(long)]
        tls: bool,
    },
    /// Pairs of people who write to each other; the most that goes through, or at a given rate.
    Chat {
        /// How many sessions: half as many pairs.
        #[arg(long, default_value_t = 1_000, value_parser = at_least::<usize>(2))]
        sessions: usize,
        /// How long to measure, after 2 seconds of warming up.
        #[arg(long, default_value_t = 10, value_parser = at_least::<u64>(1))]
        seconds: u64,
        /// Messages a second in all (open loop); without it each session keeps 4 messages under way.
        #[arg(long, value_parser = at_least::<u64>(1))]
        rate: Option<u64>,
        /// Over TLS.
        #[arg(long)]
        tls: bool,
    },
    /// One room in which a few write and everybody reads.
    Room {
        /// People in the room.
        #[arg(long, default_value_t = 256, value_parser = at_least::<usize>(2))]
        members: usize,
        /// How many of them write.
        #[arg(long, default_value_t = 4, value_parser = at_least::<usize>(1))]
        senders: usize,
        /// How long to measure, after 2 seconds of warming up.
        #[arg(long, default_value_t = 10, value_parser = at_least::<u64>(1))]
        seconds: u64,
        /// Messages a second in all (open loop); without it each sender keeps 4 messages under way.
        #[arg(long, value_parser = at_least::<u64>(1))]
        rate: Option<u64>,
        /// Over TLS.
        #[arg(long)]
        tls: bool,
    },
    /// The server is killed under load; everybody returns at once. How long until all have all?
    Storm {
        /// How many sessions.
        #[arg(long, default_value_t = 5_000, value_parser = at_least::<usize>(2))]
        sessions: usize,
        /// Rooms of each.
        #[arg(long, default_value_t = 20, value_parser = at_least::<usize>(1))]
        rooms: usize,
        /// People in each room.
        #[arg(long, default_value_t = 50, value_parser = at_least::<usize>(2))]
        members: usize,
        /// Messages a second in all before the kill.
        #[arg(long, default_value_t = 500, value_parser = at_least::<u64>(1))]
        rate: u64,
        /// Over TLS.
        #[arg(long)]
        tls: bool,
    },
}

/// With fewer there is nothing to measure.
fn at_least<T: TryFrom<u64>>(least: u64) -> RangedU64ValueParser<T> {
    RangedU64ValueParser::new().range(least..)
}

/// Runs one benchmark and prints its figures.
pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Idle { sessions, tls } => print(&idle::run(sessions, tls)?, args.json),
        What::Chat { sessions, seconds, rate, tls } => {
            let sessions = sessions.max(2) / 2 * 2;
            let rooms: Vec<Vec<usize>> = (0..sessions / 2).map(|pair| vec![2 * pair, 2 * pair + 1]).collect();
            let senders = (0..sessions).map(|session| (session, session / 2)).collect();
            print(&load::run(&load::Plan { sessions, rooms, senders, seconds, rate, tls })?, args.json)
        }
        What::Room { members, senders, seconds, rate, tls } => {
            let rooms = vec![(0..members).collect()];
            let senders = (0..senders.min(members)).map(|session| (session, 0)).collect();
            print(
                &load::run(&load::Plan { sessions: members, rooms, senders, seconds, rate, tls })?,
                args.json,
            )
        }
        What::Storm { sessions, rooms, members, rate, tls } => {
            print(&storm::run(&storm::Plan { sessions, rooms, members, rate, tls })?, args.json)
        }
    }
}

/// One JSON object, or a line for each figure.
fn print(figures: &impl Serialize, json: bool) -> Result<()> {
    let value = serde_json::to_value(figures)?;
    if json {
        println!("{value}");
    } else if let serde_json::Value::Object(figures) = value {
        for (name, figure) in figures {
            println!("{name:24} {figure}");
        }
    }
    Ok(())
}

/// Two digits after the point are more than these measurements are good for.
fn rounded(figure: f64) -> f64 {
    if figure.abs() < 1.0 { (figure * 10_000.0).round() / 10_000.0 } else { (figure * 100.0).round() / 100.0 }
}
