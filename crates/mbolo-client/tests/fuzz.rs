//! A cell that says anything at all.
//!
//! Whatever it says, the client neither panics nor loses what it has: every call is answered, and the messages
//! that were there are still there.
#![allow(clippy::unwrap_used, dead_code)]

#[path = "story/desk.rs"]
mod desk;

use mbolo_client_api::{Connection, Reply, Request};
use mbolo_fuzz::{mutate_bytes, mutate_fields, run};

use desk::Desk;

/// Two people in a 1:1 room and a group, and every frame that the cell sent to the first.
fn world() -> (Desk, usize, String, Vec<Vec<u8>>) {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    desk.say(awa, &room, "one");
    desk.pass(1_000);
    desk.say(ben, &room, "two");
    desk.ask(ben, Request::MarkRead { room: room.clone(), up_to: None }).unwrap();
    desk.ask(ben, Request::SetTyping { room: room.clone(), active: true }).unwrap();
    let group = desk.create_group(ben, "Club", &["awa"]);
    desk.say(ben, &group, "three");
    desk.pass(5_000);
    let corpus = desk.heard(awa).iter().map(|frame| frame.to_vec()).collect();
    (desk, awa, room, corpus)
}

fn hold_out(name: &str, mutation: mbolo_fuzz::Mutation) {
    let (mut desk, awa, room, corpus) = world();
    let mut cases = 0u32;
    run(name, &corpus, mutation, 1_000, |frame| {
        desk.hear(awa, frame);
        desk.settle();
        // A cell that talks nonsense is hung up on; the next nonsense needs a new connection.
        for _ in 0..5 {
            match desk.ask(awa, Request::GetConnection) {
                Ok(Reply::Connection { connection: Connection::Online | Connection::CatchingUp }) => break,
                Ok(Reply::Connection { connection: Connection::Refused { .. } }) => desk.crash(awa),
                Ok(_) => desk.pass(30_000),
                Err(failure) => panic!("{failure:?}"),
            }
        }
        cases += 1;
        if cases.is_multiple_of(50) {
            desk.pass(10_000);
            let texts = desk.texts(awa, &room);
            assert!(texts.contains(&"one".to_owned()) && texts.contains(&"two".to_owned()), "{texts:?}");
        }
    });
}

#[test]
fn frames_with_changed_fields_are_survived() {
    hold_out("client, fields", mutate_fields);
}

#[test]
fn frames_with_changed_bytes_are_survived() {
    hold_out("client, bytes", mutate_bytes);
}
