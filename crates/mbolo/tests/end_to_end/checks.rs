//! "Is it me?" as somebody asks it whose cell is on this machine, so that no stranger is needed for the answer.

use serde_json::Value;

use crate::people::Person;
use crate::support::Server;

#[test]
fn a_cell_that_answers_and_one_that_does_not_any_more() {
    let mut server = Server::start();
    let awa = Person::sign_up(&server, "awa");
    let answers = awa.run(&["check"]).ok();
    assert!(answers.contains("answers"), "{answers}");
    assert!(answers.contains("not tried") && !answers.contains("not known"), "{answers}");
    server.kill();
    let ended = awa.run(&["check", "--json"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&report["v"], &report["verdict"]), (&1.into(), &"service".into()), "{report}");
    assert_eq!(report["findings"]["front"], "failed");
    assert!(report["took_ms"].as_u64().unwrap() < 5_000, "{report}");
    assert!(report["sentence"].as_str().unwrap().contains("is not running"), "{report}");
}

#[test]
fn without_a_profile_the_cell_is_named_and_nothing_is_made() {
    let server = Server::start();
    let nobody = Person::without_account(&server.url, "nobody");
    nobody.run(&["check"]).refused(2);
    nobody.run(&["check", "--cell", &server.url]).ok();
    nobody.run(&["account", "show"]).refused(6);
}

#[test]
fn beacons_are_switched_off_for_good() {
    let server = Server::start();
    let awa = Person::sign_up(&server, "awa");
    assert!(awa.run(&["check", "--beacons", "off"]).ok().contains("off"));
    awa.sync();
    assert!(awa.settings().contains("beacons_off = true"), "{}", awa.settings());
    awa.run(&["check", "--beacons", "on"]).ok();
    assert!(!awa.settings().contains("beacons_off"), "{}", awa.settings());
}
