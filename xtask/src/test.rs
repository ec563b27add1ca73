//! `cargo xtask test`: all that must hold, in the order in which a mistake shows soonest; and the longer fuzz run.
//!
//! One profile (dev) and one compilation serve the lints, the tests, the simulator and the started cell, see
//! [`checked`]; only the browser's WASM has a profile of its own, because that is what is shipped.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::run::{Run, cargo, target, workspace};
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
        ("web client", || bundle::build(bundle::Bundler::AsTheTests)),
        ("lints and build", || checked(&["build", "--workspace", "--all-targets"]).run()),
        ("tests", tests),
        ("simulator", || {
            Run::new(&built("mbolo-sim").display().to_string()).args(&["--seeds", SIMULATOR_SEEDS]).run()
        }),
        ("both start", || up::check(&built("mbolo"), true)),
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

/// Cargo, with the workspace's own crates compiled by Clippy's driver: rustc with more lints, here all fatal.
///
/// `cargo clippy` calls the same driver, but to check and not to build: every dependency would be gone through once
/// more. For the same reason every call names the whole workspace: a selection of packages is a selection of features.
fn checked(arguments: &[&str]) -> Run {
    cargo(arguments)
        .env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver")
        // How `cargo clippy` hands on what follows its `--`.
        .env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__")
}

/// All tests; those in a browser look at every page through axe as well where it can be had.
fn tests() -> Result<()> {
    let run = checked(&["test", "--workspace", "--no-fail-fast"]).env("MBOLO_REQUIRE_BROWSER", "1");
    match prerequisites::accessibility_checker() {
        Some(script) => run.env("MBOLO_AXE", script).run(),
        None => run.run(),
    }
}

/// A program of the workspace, as the step `lints and build` has left it.
fn built(program: &str) -> PathBuf {
    target().join("debug").join(program)
}

/// Runs every crate's fuzz targets for a while each, instead of for their fixed number of cases.
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
    for (package, targets) in fuzz_targets()? {
        cargo(&["test", "--package", &package])
            .args(targets)
            .args(&["--nocapture"])
            .env("MBOLO_FUZZ_SECONDS", seconds)
            .env("MBOLO_FUZZ_SEED", &seed)
            .run()?;
    }
    Ok(())
}

/// The packages that fuzz, and the arguments that select their targets: a file `tests/fuzz.rs`, or where private parts are
/// tried a module `fuzz` among the unit tests.
fn fuzz_targets() -> Result<Vec<(String, &'static [&'static str])>> {
    let mut found: Vec<(String, &[&str])> = Vec::new();
    for entry in std::fs::read_dir(workspace().join("crates")).context("reading crates")? {
        let dir = entry?.path();
        let manifest = std::fs::read_to_string(dir.join("Cargo.toml"))?;
        if !manifest.contains("mbolo-fuzz.workspace") {
            continue;
        }
        let in_a_file = dir.join("tests/fuzz.rs").is_file();
        let package = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.push((package, if in_a_file { &["--test", "fuzz", "--"] } else { &["--lib", "--", "fuzz::"] }));
    }
    found.sort();
    Ok(found)
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
