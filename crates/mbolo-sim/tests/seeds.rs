//! A bounded number of seeds in every test run, the seeds that once found something, and the proof that a run
//! is a function of its seed.

use mbolo_sim::{Options, run};

#[test]
fn some_seeds_keep_all_promises() {
    for seed in 0..60 {
        let report = run(seed, &Options::default()).unwrap_or_else(|failure| panic!("{failure}"));
        assert!(report.events > 0);
    }
}

#[test]
fn a_run_without_faults_keeps_all_promises() {
    let calm = Options { faults: false, ..Options::default() };
    let mut deliveries = 0;
    for seed in 0..10 {
        let report = run(seed, &calm).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(report.cell_crashes, 0);
        deliveries += report.deliveries;
    }
    assert!(deliveries > 500, "the calm seeds deliver something: {deliveries}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 2, 3] {
        let (one, other) = (run(seed, &Options::default()), run(seed, &Options::default()));
        assert_eq!(one, other);
        assert_ne!(one.unwrap().trace, run(seed + 100, &Options::default()).unwrap().trace);
    }
}
