//! Plays many seeds on all processors, or one of them in detail.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use mbolo_sim::{Failure, Options, Report};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The simulator: the real cell and the real clients on virtual time, network and disks.
#[derive(Parser)]
#[command(name = "mbolo-sim")]
struct Arguments {
    /// How many seeds to play, counted from --from.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed of many.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Play this one seed instead, twice, and compare the traces.
    #[arg(long)]
    seed: Option<u64>,
    /// Print what happens in it.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Go on after a failure and print them all.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => play_one(seed, arguments.trace),
        None => play_many(arguments.from, arguments.seeds, arguments.keep_going),
    }
}

fn play_one(seed: u64, print: bool) -> anyhow::Result<()> {
    let first = mbolo_sim::run(seed, &Options { print, ..Options::default() });
    let second = mbolo_sim::run(seed, &Options::default());
    anyhow::ensure!(first == second, "seed {seed} is not the same twice:\n{first:?}\n{second:?}");
    let report = first?;
    println!("{report:#?}");
    println!("the same trace twice: {}", report.trace);
    Ok(())
}

fn play_many(from: u64, seeds: u64, keep_going: bool) -> anyhow::Result<()> {
    let started = Instant::now();
    let (next, stop) = (AtomicU64::new(from), AtomicBool::new(false));
    let found: Mutex<(Vec<Failure>, Totals)> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        break;
                    }
                    let result = mbolo_sim::run(seed, &Options::default());
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    match result {
                        Ok(report) => found.1.add(&report),
                        Err(failure) => {
                            eprintln!("{failure}\n");
                            found.0.push(failure);
                            stop.store(!keep_going, Ordering::Relaxed);
                        }
                    }
                    let played = found.1.seeds + found.0.len() as u64;
                    if played.is_multiple_of(1_000) {
                        eprintln!("{played} of {seeds} seeds in {:.0} s", started.elapsed().as_secs_f64());
                    }
                }
            });
        }
    });
    let (mut failures, totals) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = started.elapsed().as_secs_f64();
    println!("{} seeds kept all promises, {} did not, in {seconds:.1} s", totals.seeds, failures.len());
    println!("{totals}");
    failures.sort_by_key(|failure| failure.seed);
    if let Some(first) = failures.into_iter().next() {
        return Err(first.into());
    }
    Ok(())
}

#[derive(Default)]
struct Totals {
    seeds: u64,
    hours: f64,
    texts: usize,
    deliveries: usize,
    acknowledged: usize,
    commits: usize,
    crashes: u32,
    cell_crashes: u32,
    connections: usize,
}

impl Totals {
    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.hours += report.lasted_ms as f64 / 3_600_000.0;
        self.texts += report.texts;
        self.deliveries += report.deliveries;
        self.acknowledged += report.acknowledged;
        self.commits += report.commits;
        self.crashes += report.crashes;
        self.cell_crashes += report.cell_crashes;
        self.connections += report.connections;
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.0} virtual hours, {} texts, {} deliveries checked, {} acknowledged entries, {} commits, \
             {} crashes of devices and {} of the cell, {} connections",
            self.hours,
            self.texts,
            self.deliveries,
            self.acknowledged,
            self.commits,
            self.crashes,
            self.cell_crashes,
            self.connections
        )
    }
}
