//! `cargo xtask test`: all that must hold, in the order in which a mistake shows soonest; and the longer fuzz run.
//!
//! One profile (dev) serves the tests, the simulator and the started cell, so nothing is compiled twice;
//! only the browser's WASM has a profile of its own, because that is what is shipped.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::run::{cargo, target, workspace};
use crate::{bundle, documents, prerequisites, up};

/// Simulator seeds in every test run, with the unoptimised build; `cargo xtask sim` runs more.
const SIMULATOR_SEEDS: &str = "20";

const FUZZ_SECONDS: &str = "60";

/// A name and what it does.
type Step = (&'static str, fn() -> Result<()>);

/// Everything, with a time for each step.
pub fn test() -> Result<()> {
    let steps: &[Step] = &[
        ("prerequisites", prerequisites::for_the_tests),
        ("documents", documents::check),
        ("format", || cargo(&["fmt", "--all", "--check"]).run()),
        ("licences", licences),
        ("web client", bundle::build),
        ("lints", || cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]).run()),
        ("build", || cargo(&["test", "--workspace", "--no-run"]).run()),
        ("tests", || {
            cargo(&["test", "--workspace", "--no-fail-fast"]).env("MBOLO_REQUIRE_BROWSER", "1").run()
        }),
        ("simulator", || cargo(&["run", "--package", "mbolo-sim", "--", "--seeds", SIMULATOR_SEEDS]).run()),
        ("the cell starts", || {
            cargo(&["build", "--package", "mbolo"]).run()?;
            up::check(&target().join("debug/mbolo"), true)
        }),
    ];
    let begin = Instant::now();
    let mut times = Vec::new();
    for (name, step) in steps {
        eprintln!("\n=== {name}");
        let begin_of_step = Instant::now();
        let result = step();
        times.push((*name, begin_of_step.elapsed()));
        if let Err(error) = result {
            print_times(&times);
            return Err(error.context(format!("test: `{name}` failed after {}", minutes(begin.elapsed()))));
        }
    }
    print_times(&times);
    println!("xtask test: all {} steps passed in {}", steps.len(), minutes(begin.elapsed()));
    Ok(())
}

/// Runs every crate's `tests/fuzz.rs` for a while instead of for its fixed number of cases.
pub fn fuzz(arguments: &[&str]) -> Result<()> {
    let (mut seconds, mut seed) = (FUZZ_SECONDS, None);
    for option in arguments.chunks(2) {
        match option {
            ["--seconds", value] => seconds = value,
            ["--seed", value] => seed = Some(*value),
            _ => bail!("`fuzz` takes --seconds N and --seed S"),
        }
    }
    // Without a seed each run looks elsewhere; the one it took is printed.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let seed = seed.map_or_else(|| now.as_secs().to_string(), str::to_owned);
    for package in packages_with_fuzz_targets()? {
        cargo(&["test", "--package", &package, "--test", "fuzz", "--", "--nocapture"])
            .env("MBOLO_FUZZ_SECONDS", seconds)
            .env("MBOLO_FUZZ_SEED", &seed)
            .run()?;
    }
    Ok(())
}

fn packages_with_fuzz_targets() -> Result<Vec<String>> {
    let crates = std::fs::read_dir(workspace().join("crates")).context("reading crates")?;
    let mut packages = Vec::new();
    for entry in crates {
        let entry = entry?;
        if entry.path().join("tests/fuzz.rs").is_file() {
            packages.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    packages.sort();
    Ok(packages)
}

/// Takes long to install, so it is used where it is already there. What it says about advisories needs a
/// network and changes by the day: that is for people, not for this.
fn licences() -> Result<()> {
    if !cargo(&["deny", "--version"]).succeeds() {
        eprintln!("skipped: `cargo deny` is not installed (cargo install cargo-deny)");
        return Ok(());
    }
    cargo(&["deny", "--workspace", "check", "licenses", "bans", "sources"]).run()
}

fn print_times(times: &[(&str, Duration)]) {
    println!();
    for (name, time) in times {
        println!("{name:<16} {:>9}", minutes(*time));
    }
}

fn minutes(time: Duration) -> String {
    format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60)
}
