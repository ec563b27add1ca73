//! The server is killed, is away, comes back: nothing lost, nothing twice, nothing out of order.

use crate::people::{Person, is_online};
use crate::support::Server;

fn pairs(name: &str, texts: &[&str]) -> Vec<(String, String)> {
    texts.iter().map(|text| (name.to_owned(), (*text).to_owned())).collect()
}

#[test]
fn what_was_written_without_a_server_is_sent_later_and_once() {
    let mut server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    awa.send("@bibi", "one");
    server.kill();
    awa.run(&["send", "@bibi", "two", "--wait", "queued"]).ok();
    let waiting = awa.run(&["send", "@bibi", "three", "--timeout", "1"]).refused(4);
    assert!(waiting.contains("do not send it again"), "{waiting}");
    server.restart();
    awa.sync();
    awa.sync();
    bibi.sync();
    assert_eq!(bibi.history("@awa"), pairs("awa", &["one", "two", "three"]));
}

#[test]
fn a_server_killed_in_mid_conversation_loses_and_doubles_nothing() {
    let mut server = Server::start();
    let people = ["awa", "bibi", "chantal"].map(|handle| Person::sign_up(&server, handle));
    let [awa, bibi, chantal] = &people;
    awa.run(&["room", "create", "Family", "bibi", "chantal"]).ok();
    let mut chantal_hears = chantal.listen();
    let mut said = Vec::new();
    for round in 0..3 {
        let text = |what: &str| format!("{what} {round}");
        bibi.send("Family", &text("before"));
        // In flight when the power goes.
        let flying = bibi.start(&["send", "Family", &text("during"), "--timeout", "90", "--json"]);
        server.kill();
        awa.run(&["send", "Family", &text("without"), "--wait", "queued"]).ok();
        server.restart();
        assert_eq!(flying.end(), Some(0));
        bibi.send("Family", &text("after"));
        awa.sync();
        chantal_hears.wait_for_text(&text("after"));
        said.extend(["before", "during", "after"].map(text));
    }
    awa.send("Family", "the end");
    chantal_hears.wait_for_text("the end");
    let heard = chantal_hears.texts();
    drop(chantal_hears);

    let by = |name: &str, texts: &[(String, String)]| -> Vec<String> {
        texts.iter().filter(|(who, _)| who == name).map(|(_, text)| text.clone()).collect()
    };
    let awas = ["without 0", "without 1", "without 2", "the end"];
    assert_eq!(by("bibi", &heard), said, "as it came in");
    assert_eq!(by("awa", &heard), awas, "as it came in");
    let chantal_has = chantal.history("Family");
    assert_eq!(by("bibi", &chantal_has), said);
    assert_eq!(by("awa", &chantal_has), awas);
    for person in [awa, bibi] {
        person.sync();
        assert_eq!(person.history("Family"), chantal_has, "{} sees what Chantal sees", person.handle);
    }
}

#[test]
fn a_listener_finds_back_by_itself() {
    let mut server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    awa.send("@bibi", "one");
    let mut bibi_hears = bibi.listen();
    server.kill();
    bibi_hears.wait_for("offline", |line| line["connection"]["state"] == "offline");
    server.restart();
    bibi_hears.wait_for("online again", is_online);
    awa.send("@bibi", "two");
    bibi_hears.wait_for_text("two");
    assert_eq!(bibi_hears.texts(), pairs("awa", &["one", "two"]));
}

#[test]
fn a_server_that_is_told_to_stop_does_so_in_order() {
    let mut server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    awa.send("@bibi", "one");
    assert!(server.terminate().success());
    server.restart();
    bibi.sync();
    assert_eq!(bibi.history("@awa"), pairs("awa", &["one"]));
}

#[test]
fn a_cell_that_answers_and_takes_nothing_is_not_said_to_be_silent() {
    let mut server = Server::start_with(&["--publish-rate", "1", "--publish-burst", "1"]);
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    awa.send("@bibi", "hello");
    server.kill();
    for n in 0..12 {
        awa.run(&["send", "@bibi", &format!("{n}"), "--wait", "queued"]).ok();
    }
    server.restart();
    let refused = awa.run(&["send", "@bibi", "and this", "--timeout", "4"]).refused(8);
    assert!(refused.contains("answers, but has not taken the message"), "{refused}");
    bibi.sync();
}
