//! The oracles bite: for each one a bug is planted that it guards against, and it is seen.
//!
//! The bugs are in the simulator's own disk, network and runtime, which break what they promise to the cores.
//! Only the oracle in question is switched on, so that no other one can find the bug first.

use mbolo_sim::{Bug, Failure, Options, Oracle, run};

/// Plays seeds with the bug until the oracle sees it, and checks that the same seed shows the same again.
fn caught(oracle: Oracle, bug: Bug, seeds: u64) -> Failure {
    let planted = Options { oracles: vec![oracle], bug: Some(bug), ..Options::default() };
    for seed in 0..seeds {
        match run(seed, &planted) {
            Ok(_) => {}
            Err(failure) => {
                assert_eq!(failure.oracle, oracle);
                let same = run(seed, &planted).expect_err("the same seed fails again");
                assert_eq!(same, failure, "and in the same way");
                assert!(failure.to_string().contains(&format!("cargo xtask sim --seed {seed}")));
                return failure;
            }
        }
    }
    panic!("{oracle:?} does not see {bug:?} in {seeds} seeds");
}

#[test]
fn durable_sees_a_disk_that_lies_about_its_syncs() {
    let failure = caught(Oracle::Durable, Bug::LyingDisk, 40);
    assert!(failure.what.contains("not in the store"), "{failure}");
}

#[test]
fn delivered_sees_an_entry_that_never_arrives() {
    caught(Oracle::Delivered, Bug::LostEntry, 20);
}

#[test]
fn delivered_sees_a_text_that_is_sent_twice() {
    let failure = caught(Oracle::Delivered, Bug::CallRepeated, 20);
    assert!(failure.what.contains("shown twice"), "{failure}");
}

#[test]
fn ordered_sees_a_frame_that_overtakes_another() {
    caught(Oracle::Ordered, Bug::Overtaking, 40);
}

#[test]
fn ordered_sees_messages_that_stand_in_each_others_place() {
    let failure = caught(Oracle::Ordered, Bug::SwappedRows, 20);
    assert!(failure.what.contains("stands before") || failure.what.contains("stands after"), "{failure}");
}

#[test]
fn agreed_sees_an_epoch_that_was_given_out_twice() {
    let failure = caught(Oracle::Agreed, Bug::ForgottenCommit, 40);
    assert!(failure.what.contains("disagree about epoch"), "{failure}");
}

#[test]
fn monotone_sees_ticks_that_go_back() {
    let failure = caught(Oracle::Monotone, Bug::LateUpdate, 20);
    assert!(failure.what.contains("go back"), "{failure}");
}

#[test]
fn monotone_sees_ticks_that_are_not_true() {
    let failure = caught(Oracle::Monotone, Bug::InventedMarks, 20);
    assert!(failure.what.contains("does not have it"), "{failure}");
}
