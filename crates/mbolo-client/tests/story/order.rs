//! Everybody sees the same order, whatever the clocks of the devices and of the cell say.

use mbolo_client_api::{Body, Message, Reply, Request};

use crate::desk::Desk;

const HOUR_MS: i64 = 3_600_000;

#[test]
fn an_answer_stands_below_what_it_answers_on_a_device_whose_clock_is_ahead() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    desk.set_clock(awa, HOUR_MS);
    let room = desk.create_group(awa, "Club", &["ben"]);
    desk.pass(3_000);
    let expected = ["shall we?", "yes", "at five", "good"];
    for (n, text) in expected.into_iter().enumerate() {
        desk.say([ben, awa][n % 2], &room, text);
        desk.pass(2_000);
    }
    assert_eq!(desk.texts(awa, &room), expected);
    assert_eq!(desk.texts(ben, &room), expected);
}

#[test]
fn an_answer_stands_below_what_it_answers_after_the_cells_clock_was_set_back() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    desk.say(awa, &room, "shall we?");
    desk.pass(2_000);
    desk.cell_ahead_ms = -HOUR_MS;
    for (person, text) in [(ben, "yes"), (awa, "at five"), (ben, "good")] {
        desk.say(person, &room, text);
        desk.pass(2_000);
    }
    for person in [awa, ben] {
        assert_eq!(desk.texts(person, &room), ["shall we?", "yes", "at five", "good"]);
    }
}

#[test]
fn what_was_missed_stands_above_what_was_written_meanwhile() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    desk.pass(2_000);
    desk.go_offline(awa);
    let mut expected: Vec<String> = (0..30).map(|n| format!("{n} {}", "x".repeat(15_000))).collect();
    for text in &expected {
        desk.say(ben, &room, text);
        desk.pass(100);
    }
    desk.say(awa, &room, "from the tunnel");
    desk.go_online(awa);
    desk.pass(120_000);
    expected.push("from the tunnel".into());
    assert!(desk.texts(awa, &room) == expected);
    assert!(desk.texts(ben, &room) == expected);
}

#[test]
fn the_newest_edit_holds_after_a_clock_was_set_right() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    let message = desk.say(awa, &room, "at 5").id;
    desk.pass(2_000);
    for (ahead_ms, text) in [(HOUR_MS, "at 6"), (0, "at 7")] {
        desk.set_clock(awa, ahead_ms);
        let (room, message) = (room.clone(), message.clone());
        desk.ask(awa, Request::Edit { room, message, text: text.into() }).unwrap();
        desk.pass(2_000);
    }
    assert_eq!(desk.texts(awa, &room), ["at 7"]);
    assert_eq!(desk.texts(ben, &room), ["at 7"]);
}

#[test]
fn two_devices_of_one_account_agree_on_the_last_word() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    desk.pass(3_000);
    let phrase = match desk.ask(awa, Request::RecoveryPhrase) {
        Ok(Reply::RecoveryPhrase { phrase }) => phrase,
        other => panic!("{other:?}"),
    };
    let tablet = desk.device();
    desk.ask(tablet, Request::Recover { phrase, name: "Awa".into() }).unwrap();
    desk.pass(20_000);
    let message = desk.say(awa, &room, "at 5").id;
    desk.pass(2_000);
    desk.set_clock(awa, HOUR_MS);
    for (device, text, emoji) in [(awa, "at 6", "👍"), (tablet, "at 7", "❤")] {
        let (room, message) = (room.clone(), message.clone());
        let edit = Request::Edit { room: room.clone(), message: message.clone(), text: text.into() };
        desk.ask(device, edit).unwrap();
        desk.ask(device, Request::React { room, message, emoji: emoji.into() }).unwrap();
        desk.pass(2_000);
    }
    for device in [awa, tablet, ben] {
        let shown = desk.messages(device, &room).into_iter().find(|shown| shown.id == message).unwrap();
        assert_eq!(shown.body, Body::Text { text: "at 7".into() }, "device {device}");
        let emojis: Vec<_> = shown.reactions.iter().map(|reaction| reaction.emoji.as_str()).collect();
        assert_eq!(emojis, ["❤"], "device {device}");
    }
}

#[test]
fn what_happened_at_once_is_read_page_by_page_without_a_gap() {
    let mut desk = Desk::new();
    let handles = ["ben", "cleo", "dodo"];
    let awa = desk.person("awa");
    let others = handles.map(|handle| desk.person(handle));
    let room = desk.create_group(awa, "Club", &handles);
    desk.pass(3_000);
    desk.go_offline(awa);
    for person in others {
        desk.post(person, Request::LeaveGroup { room: room.clone() });
    }
    desk.go_online(awa);
    desk.pass(60_000);
    let all = desk.messages(awa, &room);
    let mut read: Vec<Message> = Vec::new();
    loop {
        let before = read.first().map(|message| message.position);
        let page = Request::GetMessages { room: room.clone(), before, limit: 1 };
        match desk.ask(awa, page) {
            Ok(Reply::Messages { messages, .. }) if messages.is_empty() => break,
            Ok(Reply::Messages { messages, .. }) => read.splice(0..0, messages),
            other => panic!("{other:?}"),
        };
    }
    assert_eq!(read, all);
    let mut positions: Vec<u64> = all.iter().map(|message| message.position).collect();
    positions.dedup();
    assert_eq!(positions.len(), all.len());
}
