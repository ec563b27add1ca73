//! What goes wrong says so clearly, says what to do, and has its own exit code.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::people::Person;
use crate::support::Server;

#[test]
fn an_address_where_nobody_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let refused = Person::without_account(&url, "awa").create(&[]).refused(4);
    assert!(refused.contains("does not answer") && refused.contains(&url), "{refused}");
}

#[test]
fn an_address_where_something_else_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello");
        }
    });
    let refused = Person::without_account(&url, "awa").create(&[]).refused(5);
    assert!(refused.contains("not a Mbolo cell"), "{refused}");
}

#[test]
fn an_address_that_is_none() {
    let refused = Person::without_account("127.0.0.1:8100", "awa").create(&[]).refused(2);
    assert!(refused.contains("http://127.0.0.1:8100"), "says how it is written: {refused}");
    Person::without_account("ftp://cell.example", "awa").create(&[]).refused(2);
}

#[test]
fn https_where_the_cell_speaks_http() {
    let server = Server::start();
    let url = server.url.replace("http://", "https://");
    let refused = Person::without_account(&url, "awa").create(&[]).refused(5);
    assert!(refused.contains("TLS"), "{refused}");
}

#[test]
fn a_handle_that_is_taken_wrong_or_only_looks_right() {
    let server = Server::start();
    let _awa = Person::sign_up(&server, "awa");
    let taken = Person::without_account(&server.url, "awa").create(&[]).refused(3);
    assert!(taken.contains("already") && taken.contains("another handle"), "{taken}");
    for wrong in ["aw", "1awa", "awa..b", "awa ndong", "a-w-a"] {
        let refused = Person::without_account(&server.url, wrong).create(&[]).refused(3);
        assert!(refused.contains("cannot be a handle"), "{refused}");
    }
    let homoglyph = Person::without_account(&server.url, "aw\u{430}").create(&[]).refused(3);
    assert!(homoglyph.contains("other alphabets"), "{homoglyph}");
}

#[test]
fn after_a_refusal_the_same_profile_can_try_another_handle() {
    let server = Server::start();
    let _awa = Person::sign_up(&server, "awa");
    let mut other = Person::without_account(&server.url, "awa");
    other.create(&[]).refused(3);
    other.handle = "awa2".into();
    other.create(&[]).ok();
    assert!(other.run(&["account", "show"]).ok().contains("@awa2"));
}

#[test]
fn a_second_account_in_one_profile() {
    let server = Server::start();
    let mut awa = Person::sign_up(&server, "awa");
    awa.handle = "awa2".into();
    let refused = awa.create(&[]).refused(3);
    assert!(refused.contains("--profile"), "{refused}");
}

#[test]
fn a_handle_nobody_has() {
    let server = Server::start();
    let awa = Person::sign_up(&server, "awa");
    let unknown = awa.run(&["send", "@nobody", "hello"]).refused(3);
    assert!(unknown.contains("spelling"), "{unknown}");
    awa.run(&["send", "No such group", "hello"]).refused(3);
    awa.run(&["room", "show", "nothing"]).refused(3);
}

#[test]
fn a_profile_without_an_account() {
    let server = Server::start();
    let nobody = Person::without_account(&server.url, "awa");
    for args in [&["send", "@awa", "hello"][..], &["listen"], &["room", "list"], &["account", "show"]] {
        let refused = nobody.run(args).refused(6);
        assert!(refused.contains("mbolo account create"), "{refused}");
    }
}

#[test]
fn a_profile_that_another_process_uses() {
    let server = Server::start();
    let awa = Person::sign_up(&server, "awa");
    let _listening = awa.listen();
    let refused = awa.run(&["room", "list"]).refused(7);
    assert!(refused.contains("in use"), "{refused}");
}

#[test]
fn chat_without_a_terminal() {
    let server = Server::start();
    let refused = Person::sign_up(&server, "awa").run(&["chat"]).refused(2);
    assert!(refused.contains("mbolo listen --json"), "{refused}");
}

#[test]
fn a_change_that_does_not_happen_has_the_exit_code_of_a_refusal() {
    let mut server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    let chantal = Person::sign_up(&server, "chantal");
    awa.run(&["room", "create", "Work", "bibi", "chantal"]).ok();
    let last = awa.run(&["room", "demote", "Work", "@awa"]).refused(3);
    assert!(last.contains("at least one admin"), "{last}");
    awa.run(&["room", "promote", "Work", "@bibi"]).ok();
    bibi.sync();
    chantal.sync();
    // Bibi asks without a cell, and is no admin any more when it is there again.
    server.kill();
    let kept = bibi.run(&["room", "remove", "Work", "@chantal", "--timeout", "1"]).refused(4);
    assert!(kept.contains("The change is kept"), "{kept}");
    chantal.run(&["room", "remove", "Work", "@bibi"]).refused(3);
    server.restart();
    awa.run(&["room", "demote", "Work", "@bibi"]).ok();
    let heard = bibi.run(&["listen", "--until-idle", "--json", "--timeout", "60"]).ok();
    let failed = heard.lines().find(|line| line.contains("change_failed")).expect(&heard);
    assert!(failed.contains("\"not_admin\"") && failed.contains("\"remove\""), "{failed}");
    chantal.sync();
    assert!(chantal.run(&["room", "show", "Work"]).ok().contains("3 people"));
}

#[test]
fn a_chat_of_two_is_no_group() {
    let server = Server::start();
    let (awa, _bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    let _chantal = Person::sign_up(&server, "chantal");
    awa.send("@bibi", "hello");
    for change in [&["room", "add", "@bibi", "chantal"][..], &["room", "rename", "@bibi", "Us"]] {
        let refused = awa.run(change).refused(3);
        assert!(refused.contains("chat of two") && refused.contains("make a group"), "{refused}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    use std::process::Stdio;
    let mut child = crate::support::mbolo()
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.is_empty(), "{said}");
}

#[test]
fn who_may_not_is_told_where_to_see_who_may() {
    let server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    awa.run(&["room", "create", "Work", "bibi"]).ok();
    let refused = bibi.run(&["room", "rename", "Work", "Mine"]).refused(3);
    assert!(
        refused.contains("Only an admin") && refused.contains("`mbolo room show \"Work\" --profile "),
        "{refused}"
    );
}

#[test]
fn a_replay_over_what_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("counts.ndjson");
    std::fs::write(&file, "{}\n").unwrap();
    let mut command = crate::support::mbolo();
    command.args(["pulse", "replay", "--counts"]).arg(&file).arg("--out").arg(&file);
    let refused = crate::people::run(command, "").refused(2);
    assert!(refused.contains("another file"), "{refused}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{}\n");
}

#[test]
fn benchmarks_of_nothing() {
    let nothing = [
        &["chat", "--sessions", "0"][..],
        &["chat", "--seconds", "0"],
        &["room", "--members", "1"],
        &["idle", "--sessions", "0"],
        &["storm", "--rooms", "0"],
    ];
    for args in nothing {
        let mut command = crate::support::mbolo();
        command.arg("bench").args(args);
        let refused = crate::people::run(command, "").refused(2);
        assert!(refused.contains(args[1]), "{refused}");
    }
}

#[test]
fn a_profile_that_is_no_database_is_damaged_and_stays_as_it_is() {
    let server = Server::start();
    let awa = Person::sign_up(&server, "awa");
    let database = awa.file("mbolo.sqlite");
    let garbage = "not a database at all\n".repeat(500);
    std::fs::write(&database, &garbage).unwrap();
    let refused = awa.run(&["room", "list"]).refused(9);
    assert!(refused.contains("The profile is damaged") && refused.contains("recovery phrase"), "{refused}");
    assert!(!refused.contains("Make room"), "{refused}");
    assert_eq!(std::fs::read_to_string(&database).unwrap(), garbage);
}
