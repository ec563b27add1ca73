//! Crashes at every point, full disks, lies of the cell.

use bytes::Bytes;
use mbolo_client::{Client, Effect, Input, Options};
use mbolo_client_api::{Body, Call, Output, Request};
use mbolo_proto::wire::{self, server_frame};
use mbolo_proto::{EntryId, RoomId, decode_server_frame, encode_frame};
use prost::Message;

use crate::desk::{Desk, START_MS};

/// A story in which everything happens that changes durable state: a 1:1 room, a group, messages both ways.
fn tell_story(crash: Option<(usize, u64)>) -> (Desk, String, String, u64) {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let before = [desk.handled(awa), desk.handled(ben)];
    if let Some((person, inputs)) = crash {
        desk.crash_after(person, inputs);
    }
    let direct = desk.start_chat(awa, "ben");
    desk.say(awa, &direct, "one");
    desk.pass(1_000);
    desk.say(ben, &direct, "two");
    let group = desk.create_group(ben, "Club", &["awa"]);
    desk.say(ben, &group, "three");
    desk.pass(2_000);
    desk.say(awa, &group, "four");
    desk.pass(60_000);
    let inputs = (desk.handled(awa) - before[0]).max(desk.handled(ben) - before[1]);
    (desk, direct, group, inputs)
}

#[test]
fn a_device_may_crash_between_any_two_inputs() {
    let (_, _, _, inputs) = tell_story(None);
    for person in [0, 1] {
        for at in (0..inputs.min(90)).step_by(3) {
            let (mut desk, direct, group, _) = tell_story(Some((person, at)));
            desk.pass(120_000);
            for reader in [0, 1] {
                assert_eq!(
                    desk.texts(reader, &direct),
                    ["one", "two"],
                    "reader {reader}, {person} crashed at {at}"
                );
                assert_eq!(
                    desk.texts(reader, &group),
                    ["three", "four"],
                    "reader {reader}, {person} crashed at {at}"
                );
                let stats = desk.client(reader).stats();
                assert_eq!((stats.outbox, stats.intents, stats.healing, stats.undecryptable), (0, 0, 0, 0));
            }
            desk.assert_agreed(&[0, 1], &direct);
            desk.assert_agreed(&[0, 1], &group);
        }
    }
}

#[test]
fn the_same_seed_and_the_same_inputs_give_the_same_bytes() {
    let (one, ..) = tell_story(Some((1, 20)));
    let (other, ..) = tell_story(Some((1, 20)));
    for person in [0, 1] {
        assert!(!one.sent(person).is_empty());
        assert_eq!(one.sent(person), other.sent(person));
    }
}

/// Turns one vote of every receipt into nonsense.
fn forge_receipts(person: usize, frame: &Bytes) -> Option<Bytes> {
    if person != 1 {
        return None;
    }
    let mut frame = decode_server_frame(frame.clone()).ok()?;
    let Some(server_frame::Body::FeedPush(push)) = &mut frame.body else { return None };
    let mut changed = false;
    for entry in &mut push.entries {
        if entry.kind() == wire::EntryKind::Commit {
            let mut decided = wire::DecidedCommit::decode(entry.payload.clone()).ok()?;
            if let Some(receipt) = &mut decided.receipt {
                receipt.votes[0].signature = vec![7; 64].into();
                changed = true;
            }
            entry.payload = decided.encode_to_vec().into();
        }
    }
    changed.then(|| encode_frame(&frame))
}

#[test]
fn a_commit_without_a_valid_receipt_changes_nothing_and_heals_later() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    desk.person("cleo");
    let room = desk.create_group(awa, "Club", &["ben"]);
    desk.pass(3_000);
    let before = desk.epoch(ben, &room);
    desk.tamper = Some(forge_receipts);
    desk.ask(awa, Request::AddMembers { room: room.clone(), handles: vec!["cleo".into()] }).unwrap();
    desk.settle();
    // Ben is in the old epoch or on his way back in, but has not entered the new one on a forged receipt.
    assert!(desk.epoch(ben, &room).is_none_or(|epoch| Some(epoch) == before));
    assert_eq!(desk.member_names(ben, &room).len(), 2);
    desk.tamper = None;
    desk.pass(60_000);
    desk.say(awa, &room, "now");
    desk.pass(5_000);
    assert_eq!(desk.texts(ben, &room), ["now"]);
    desk.assert_agreed(&[awa, ben], &room);
}

/// Turns the vote in the answer to an own commit into nonsense.
fn forge_acceptance(person: usize, frame: &Bytes) -> Option<Bytes> {
    let mut frame = decode_server_frame(frame.clone()).ok()?;
    match &mut frame.body {
        Some(server_frame::Body::CommitAccepted(accepted)) if person == 1 => {
            accepted.receipt.as_mut()?.votes[0].signature = vec![7; 64].into();
        }
        _ => return None,
    }
    Some(encode_frame(&frame))
}

#[test]
fn a_forged_answer_to_an_own_commit_stops_neither_the_room_nor_the_others() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let cleo = desk.person("cleo");
    let room = desk.create_group(ben, "Club", &["awa"]);
    let other = desk.start_chat(ben, "awa");
    desk.pass(3_000);
    desk.tamper = Some(forge_acceptance);
    desk.ask(ben, Request::AddMembers { room: room.clone(), handles: vec!["cleo".into()] }).unwrap();
    desk.settle();
    desk.tamper = None;
    desk.pass(120_000);
    desk.say(ben, &room, "in the club");
    desk.say(ben, &other, "and here");
    desk.pass(5_000);
    assert_eq!(desk.texts(awa, &room), ["in the club"]);
    assert_eq!(desk.texts(awa, &other), ["and here"]);
    assert_eq!(desk.texts(cleo, &room), ["in the club"]);
    desk.assert_agreed(&[awa, ben, cleo], &room);
}

/// Destroys application messages on their way to one device.
fn garble_messages(person: usize, frame: &Bytes) -> Option<Bytes> {
    if person != 1 {
        return None;
    }
    let mut frame = decode_server_frame(frame.clone()).ok()?;
    let Some(server_frame::Body::FeedPush(push)) = &mut frame.body else { return None };
    let mut changed = false;
    for entry in &mut push.entries {
        if entry.kind() == wire::EntryKind::Application {
            let mut payload = entry.payload.to_vec();
            let last = payload.len() - 1;
            payload[last] ^= 1;
            entry.payload = payload.into();
            changed = true;
        }
    }
    changed.then(|| encode_frame(&frame))
}

#[test]
fn what_cannot_be_decrypted_is_said_to_be_so_and_does_not_stop_the_rest() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    desk.say(awa, &room, "one");
    desk.pass(3_000);
    desk.tamper = Some(garble_messages);
    desk.say(awa, &room, "two");
    desk.settle();
    desk.tamper = None;
    desk.say(awa, &room, "three");
    desk.pass(120_000);
    // The garbled bytes have another id than what was sent, so nobody can send them again.
    assert_eq!(desk.texts(ben, &room), ["one", "<undecryptable>", "three"]);
}

#[test]
fn a_device_that_lost_its_keys_enters_again_and_gets_what_it_could_not_read() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.create_group(awa, "Club", &["ben"]);
    desk.say(awa, &room, "one");
    desk.pass(3_000);
    desk.go_offline(ben);
    desk.damage(ben, "DELETE FROM mls WHERE label IN ('message_secrets', 'epoch_secrets', 'tree')");
    for text in ["two", "three"] {
        desk.say(awa, &room, text);
    }
    desk.pass(3_000);
    desk.go_online(ben);
    desk.pass(120_000);
    desk.say(awa, &room, "four");
    desk.pass(5_000);
    assert_eq!(desk.texts(ben, &room), ["one", "two", "three", "four"]);
    assert_eq!(desk.texts(awa, &room), ["one", "two", "three", "four"]);
    desk.assert_agreed(&[awa, ben], &room);
    assert_eq!(desk.client(ben).stats().undecryptable, 0);
}

#[test]
fn what_is_encrypted_anew_for_one_turns_nothing_back_for_the_others() {
    let mut desk = Desk::new();
    let (awa, ben, cleo) = (desk.person("awa"), desk.person("ben"), desk.person("cleo"));
    let room = desk.create_group(awa, "Club", &["ben", "cleo"]);
    let message = desk.say(awa, &room, "at 5").id;
    desk.pass(3_000);
    desk.go_offline(cleo);
    desk.damage(cleo, "DELETE FROM mls WHERE label IN ('message_secrets', 'epoch_secrets', 'tree')");
    for text in ["at 6", "at 7"] {
        let edit = Request::Edit { room: room.clone(), message: message.clone(), text: text.into() };
        desk.ask(awa, edit).unwrap();
    }
    for emoji in ["👍", ""] {
        let react = Request::React { room: room.clone(), message: message.clone(), emoji: emoji.into() };
        desk.ask(ben, react).unwrap();
    }
    desk.pass(3_000);
    desk.go_online(cleo);
    desk.pass(120_000);
    for person in [awa, ben, cleo] {
        let shown = desk.messages(person, &room).into_iter().find(|shown| shown.id == message).unwrap();
        assert_eq!(shown.body, Body::Text { text: "at 7".into() });
        assert!(shown.edited && shown.reactions.is_empty(), "{shown:?}");
    }
}

#[test]
fn nobody_is_sent_anew_what_was_said_before_they_came() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let dora = desk.person("dora");
    let room = desk.create_group(awa, "Club", &["ben"]);
    desk.pass(3_000);
    desk.say(awa, &room, "before dora");
    desk.pass(3_000);
    let entry = desk.sent(awa).iter().rev().find_map(|frame| {
        match mbolo_proto::decode_client_frame(frame.clone()).ok()?.body? {
            wire::client_frame::Body::Publish(publish) => Some(EntryId::of_payload(&publish.payload)),
            _ => None,
        }
    });
    desk.ask(awa, Request::AddMembers { room: room.clone(), handles: vec!["dora".into()] }).unwrap();
    desk.pass(3_000);
    // As if she had got the ciphertext from the cell.
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let id: RoomId = room.parse().unwrap();
    desk.damage(
        dora,
        &format!(
            "INSERT INTO broken VALUES (x'{}', x'{}', x'{}', 1, 1, 1, 0, 0)",
            hex(&entry.unwrap().0),
            hex(&id.0),
            hex(&[7; 32]),
        ),
    );
    desk.pass(120_000);
    desk.say(awa, &room, "with dora");
    desk.pass(5_000);
    assert_eq!(desk.texts(dora, &room), ["<undecryptable>", "with dora"]);
    assert_eq!(desk.texts(ben, &room), ["before dora", "with dora"]);
}

#[test]
fn a_full_disk_is_reported_and_nothing_is_lost() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    desk.say(awa, &room, "one");
    desk.pass(3_000);
    desk.fill_disk(awa, true);
    let big =
        Request::SendText { room: room.clone(), text: "x".repeat(16_000), reply_to: None, client_id: None };
    assert_eq!(desk.ask(awa, big).unwrap_err().code, "storage_full");
    desk.say(ben, &room, &"y".repeat(16_000));
    desk.pass(30_000);
    assert_eq!(desk.texts(awa, &room), ["one"]);
    desk.fill_disk(awa, false);
    desk.pass(120_000);
    desk.say(awa, &room, "two");
    desk.pass(5_000);
    assert_eq!(desk.texts(awa, &room), ["one".to_owned(), "y".repeat(16_000), "two".to_owned()]);
    assert_eq!(desk.texts(ben, &room), ["one".to_owned(), "y".repeat(16_000), "two".to_owned()]);
}

#[test]
fn garbage_from_the_wire_is_survived() {
    let store = rusqlite::Connection::open_in_memory().unwrap();
    let mut client = Client::open(store, Options::new("desk", [3; 32]), START_MS).unwrap();
    let request = Request::SignUp { handle: "awa".into(), name: "Awa".into(), invite: None };
    let effects = client.handle(START_MS, Input::Call(Call { id: 1, request }));
    assert!(matches!(effects[0], Effect::Connect));
    client.handle(START_MS, Input::Connected);
    let effects = client.handle(START_MS, Input::Frame(Bytes::from_static(b"\xFF\xFF<html>")));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Disconnect)));
    let effects = client.handle(START_MS, Input::Disconnected(mbolo_client::TransportFailure::NotMbolo));
    assert!(effects.iter().any(|effect| {
        matches!(effect, Effect::Output(Output::Reply { id: 1, result: Err(failure) }) if failure.code == "offline")
    }));
}

#[test]
fn key_packages_that_the_cell_could_not_keep_are_brought_again_in_the_same_session() {
    let mut desk = Desk::new();
    desk.tamper = Some(refuse_key_packages);
    let awa = desk.person("awa");
    desk.pass(60_000);
    let refused = uploads(&desk, awa);
    desk.tamper = None;
    desk.pass(60_000);
    assert!(refused > 2, "it tries again while the disk is full: {refused}");
    let taken = uploads(&desk, awa);
    assert!(taken > refused, "and once more when there is room");
    desk.pass(60_000);
    assert_eq!(uploads(&desk, awa), taken, "and then no more");
}

fn uploads(desk: &Desk, person: usize) -> usize {
    let uploads =
        desk.sent(person).iter().filter_map(|frame| mbolo_proto::decode_client_frame(frame.clone()).ok());
    uploads.filter(|frame| matches!(frame.body, Some(wire::client_frame::Body::UploadKeyPackages(_)))).count()
}

fn refuse_key_packages(_: usize, frame: &Bytes) -> Option<Bytes> {
    let mut frame = decode_server_frame(frame.clone()).ok()?;
    let Some(server_frame::Body::KeyPackageCount(_)) = frame.body else { return None };
    let code = wire::ErrorCode::StorageFull.into();
    frame.body = Some(server_frame::Body::Error(wire::Error { code, ..wire::Error::default() }));
    Some(encode_frame(&frame))
}

#[test]
fn a_device_that_is_slow_at_the_proof_of_work_still_signs_up() {
    let store = rusqlite::Connection::open_in_memory().unwrap();
    let mut client = Client::open(store, Options::new("desk", [3; 32]), START_MS).unwrap();
    let request = Request::SignUp { handle: "awa".into(), name: "Awa".into(), invite: None };
    client.handle(START_MS, Input::Call(Call { id: 1, request }));
    client.handle(START_MS, Input::Connected);
    let challenge = wire::Challenge {
        cell_id: vec![1; 32].into(),
        nonce: vec![2; 32].into(),
        versions: vec![mbolo_proto::PROTOCOL_VERSION],
        ..wire::Challenge::default()
    };
    let frame = wire::ServerFrame { request_id: 0, body: Some(server_frame::Body::Challenge(challenge)) };
    let effects = client.handle(START_MS, Input::Frame(encode_frame(&frame)));
    assert!(matches!(effects[..], [Effect::Send(_)]), "{effects:?}");
    // The work itself took twenty seconds.
    let done = START_MS + 20_000;
    assert!(client.next_tick_ms().unwrap() <= done);
    assert!(client.handle(done, Input::Tick).is_empty(), "the cell has had no time to answer");
    let due = client.next_tick_ms().unwrap();
    assert!(due > done + 10_000);
    let effects = client.handle(due, Input::Tick);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Disconnect)));
}

#[test]
fn a_clock_that_was_ahead_for_a_while_holds_nothing_up_when_it_is_right_again() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    desk.say(awa, &room, "one");
    desk.pass(5_000);
    desk.set_clock(awa, 7_200_000);
    // While it runs: the next try is in two hours, as soon as anything makes it look at its clock.
    desk.go_offline(awa);
    desk.pass(5_000);
    desk.set_clock(awa, 0);
    desk.go_online(awa);
    desk.chat(awa, &room);
    desk.pass(90_000);
    desk.say(ben, &room, "two");
    desk.pass(5_000);
    assert_eq!(desk.texts(awa, &room), ["one", "two"]);
    // And in its store: the room is to be entered anew, in two hours.
    let ahead = desk.now + 7_200_000;
    desk.damage(awa, &format!("UPDATE rooms SET healing = 1, heal_at = {ahead}"));
    desk.pass(90_000);
    assert_eq!(desk.client(awa).stats().healing, 0);
    desk.say(awa, &room, "three");
    desk.pass(5_000);
    assert_eq!(desk.texts(ben, &room), ["one", "two", "three"]);
}
