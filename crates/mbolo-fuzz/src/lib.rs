//! Fuzzing that runs in `cargo test`: golden vectors, bent and broken by a seeded generator.
//!
//! A fuzz test hands [`run`] a corpus and a closure that must neither panic nor break its own assertions,
//! whatever bytes it gets. The same seed makes the same cases, so a failure is repeated by its printed seed.
//! How long it goes on is set from outside: a fixed number of cases in everyday tests, a time in
//! `cargo xtask fuzz`. This crate is for tests only and knows nothing of the code under test.

mod fields;
mod mutate;
mod vectors;

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use mutate::{mutate_bytes, mutate_fields};
pub use vectors::{Vector, parse_vectors, print_vectors};

/// The generator that all cases come from.
pub type Generator = ChaCha8Rng;

/// Seconds that each target runs instead of its fixed number of cases.
pub const SECONDS_VARIABLE: &str = "MBOLO_FUZZ_SECONDS";

/// The seed in place of the fixed one.
pub const SEED_VARIABLE: &str = "MBOLO_FUZZ_SEED";

/// A change of one input, which may take parts from the whole corpus: [`mutate_fields`] or [`mutate_bytes`].
pub type Mutation = fn(&mut Generator, &[u8], &[Vec<u8>]) -> Vec<u8>;

/// Gives `target` every input of `corpus` as it is, then mutations of them: `cases` many, or as many as fit
/// into the time that [`SECONDS_VARIABLE`] names.
///
/// # Panics
/// If `target` does, after printing the seed and the input; and if the corpus is empty.
pub fn run(name: &str, corpus: &[Vec<u8>], mutation: Mutation, cases: u64, mut target: impl FnMut(&[u8])) {
    assert!(!corpus.is_empty(), "{name}: a fuzz target needs a corpus");
    let seed = number_from_environment(SEED_VARIABLE).unwrap_or(1);
    let deadline = number_from_environment(SECONDS_VARIABLE)
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    for input in corpus {
        try_one(name, seed, input, &mut target);
    }
    let mut generator = Generator::seed_from_u64(seed);
    let mut done = 0u64;
    let goes_on = |done: u64| match deadline {
        // The clock is read once in 256 cases: it costs more than most of them.
        Some(deadline) => !done.is_multiple_of(256) || Instant::now() < deadline,
        None => done < cases,
    };
    while goes_on(done) {
        let mut input = mutate::pick(&mut generator, corpus).clone();
        for _ in 0..mutate::rounds(&mut generator) {
            input = mutation(&mut generator, &input, corpus);
        }
        try_one(name, seed, &input, &mut target);
        done += 1;
    }
    println!("{name}: {done} cases from seed {seed}");
}

fn try_one(name: &str, seed: u64, input: &[u8], target: &mut impl FnMut(&[u8])) {
    let report = ReportOnPanic { name, seed, input };
    target(report.input);
}

/// Prints the input that a target panicked on, while the panic passes by.
struct ReportOnPanic<'a> {
    name: &'a str,
    seed: u64,
    input: &'a [u8],
}

impl Drop for ReportOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let hex = data_encoding::HEXLOWER.encode(self.input);
            eprintln!("{}: failed on {hex}\n{SEED_VARIABLE}={} repeats it", self.name, self.seed);
        }
    }
}

/// # Panics
/// If the variable is set to something else than a number: a mistyped seed must not pass for a run.
fn number_from_environment(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable} must be a number, not {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_cases() {
        let corpus = vec![vec![0x08, 0x07, 0x12, 0x02, b'h', b'i']];
        let cases_of_a_run = || {
            let mut seen = Vec::new();
            run("same seed", &corpus, mutate_fields, 200, |input| seen.push(input.to_vec()));
            seen
        };
        assert_eq!(cases_of_a_run(), cases_of_a_run());
    }

    #[test]
    #[should_panic(expected = "a planted bug")]
    fn a_bug_behind_one_changed_field_is_found() {
        // The bug shows only for a second field that is longer than its neighbour says.
        let corpus = vec![vec![0x08, 0x02, 0x12, 0x02, b'h', b'i']];
        run("planted", &corpus, mutate_fields, 100_000, |input| {
            if input.len() > 4 && input[0] == 0x08 && input[2] == 0x12 && input[3] > input[1] {
                panic!("a planted bug");
            }
        });
    }
}
