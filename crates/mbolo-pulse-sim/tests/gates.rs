//! The promises of the specification, on a sample of the world. The whole world is played by `mbolo pulse sim`.

#![allow(clippy::unwrap_used)]

use mbolo_pulse_sim::{Class, Options, run};

#[test]
fn the_gates_hold_at_200_thousand_and_2_million_users() {
    let report = run(Options::quick()).unwrap();
    let broken: Vec<_> = report.gates().into_iter().filter(|gate| !gate.holds).collect();
    assert!(broken.is_empty(), "{report}");
    for table in &report.tables {
        let nights = table.class(Class::Curfew).unwrap();
        assert_eq!((nights.events, nights.found), (2, 2), "{report}");
    }
}
