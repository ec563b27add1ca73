//! Files in, files out: order, lateness and what is wrong in a file.

use crate::world::{FINE, Weather, World};
use mbolo_pulse::{Count, DetectorConfig, Signal, Summary, replay};
use proptest::prelude::*;

/// Ten hours, and then Gabon is cut off for an hour.
fn a_cut_in_gabon(seed: u64) -> Vec<Vec<Count>> {
    let mut world = World::new(seed);
    world.services.truncate(2);
    let mut minutes = Vec::new();
    for minute in 0..700 {
        let cut = (600..660).contains(&minute);
        let weather = |_, _: &str, network: &crate::world::Network| {
            if cut && network.cc == "GA" { Weather { connected: 0.0, ..FINE } } else { FINE }
        };
        minutes.push(world.counts(&weather));
        world.minute = world.minute.plus(1);
    }
    minutes
}

fn lines(rows: &[Count]) -> String {
    rows.iter().map(|row| serde_json::to_string(row).unwrap() + "\n").collect()
}

fn run(file: &str) -> (String, Summary, Vec<(u64, String)>) {
    let mut out = Vec::new();
    let mut bad = Vec::new();
    let summary = replay(file.as_bytes(), &mut out, DetectorConfig::default(), |line, why| {
        bad.push((line, why.to_owned()));
    })
    .unwrap();
    (String::from_utf8(out).unwrap(), summary, bad)
}

#[test]
fn a_replay_tells_the_story_in_rows() {
    let file: String = a_cut_in_gabon(1).iter().map(|rows| lines(rows)).collect();
    let (out, summary, bad) = run(&file);
    assert!(bad.is_empty());
    assert_eq!((summary.skipped, summary.incidents), (0, 1), "{out}");
    let rows: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states: Vec<_> = rows.iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert!(states.ends_with(&["confirmed", "recovering", "resolved"]), "{states:?}");
    let last = rows.last().unwrap();
    assert_eq!(last["scope"], serde_json::json!({"level": "country", "cc": "GA"}));
    assert_eq!(last["kind"], "connectivity");
    assert_eq!(last["services"], serde_json::json!(["mbolo", "whatsapp"]));
    for time in ["at", "started_at", "detected_at", "confirmed_at", "resolved_at"] {
        assert!(last[time].as_str().unwrap().ends_with("00Z"), "{time}: {}", last[time]);
    }
    let evidence = &last["evidence"][0];
    for number in ["observed", "expected", "llr", "window"] {
        assert!(evidence[number].is_number(), "{number}: {evidence}");
    }
}

#[test]
fn wrong_lines_are_told_with_their_number_and_change_nothing() {
    let minutes = a_cut_in_gabon(2);
    let clean: String = minutes.iter().map(|rows| lines(rows)).collect();
    let mut dirty = String::new();
    let mut wrong = 0;
    for (minute, rows) in minutes.iter().enumerate() {
        dirty.push_str(&lines(rows));
        if minute % 50 == 25 {
            let mut future = rows[0].clone();
            future.minute = future.minute.plus(5_000_000);
            let mut ancient = rows[0].clone();
            ancient.minute.0 -= 500_000;
            dirty.push_str("{\"minute\": oops\n\n\u{feff}nonsense\n");
            dirty.push_str(&lines(&[future, ancient]));
            wrong += 4;
        }
    }
    let (expected, _, _) = run(&clean);
    let (out, summary, bad) = run(&dirty);
    assert_eq!(out, expected);
    assert_eq!((summary.skipped, bad.len()), (wrong, wrong as usize));
    let line = dirty.lines().position(|line| line.contains("oops")).unwrap() as u64 + 1;
    assert_eq!(bad[0].0, line);
}

#[test]
fn what_comes_late_never_alerts() {
    let minutes = a_cut_in_gabon(3);
    let mut file = String::new();
    let mut held: Vec<Count> = Vec::new();
    for (minute, rows) in minutes.iter().enumerate() {
        // What Gabon's cells counted while it was cut off arrives hours after the end: nothing, in every row.
        let (late, now): (Vec<Count>, Vec<Count>) = rows.iter().cloned().partition(|row| {
            (600..660).contains(&minute) && row.cc.as_str() == "GA" && row.signal == Signal::Gauge
        });
        held.extend(late);
        file.push_str(&lines(&now));
        if minute == 690 {
            file.push_str(&lines(&held));
        }
    }
    let (out, summary, _) = run(&file);
    assert_eq!(summary.skipped, 0);
    let late = out.lines().filter(|line| line.contains("\"gauge\"")).count();
    assert_eq!(late, 0, "{out}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn the_order_of_a_minutes_rows_does_not_matter(seed in 1..1000_u64) {
        let minutes = a_cut_in_gabon(4);
        let sorted: String = minutes.iter().map(|rows| lines(rows)).collect();
        let mut shuffled = String::new();
        let mut random = seed;
        for rows in &minutes {
            let mut rows = rows.clone();
            for last in (1..rows.len()).rev() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                rows.swap(last, (random >> 33) as usize % (last + 1));
            }
            shuffled.push_str(&lines(&rows));
        }
        prop_assert_eq!(run(&sorted).0, run(&shuffled).0);
    }
}
