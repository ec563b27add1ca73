//! Two people talk.

use mbolo_client_api::{Body, ChatKind, Connection, MessageState, Reply, Request, Update};

use crate::desk::Desk;

#[test]
fn two_people_talk_and_see_how_far_their_messages_have_come() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "@ben");
    desk.say(awa, &room, "Mbolo, Ben");
    desk.pass(3_000);
    assert_eq!(desk.texts(ben, &room), ["Mbolo, Ben"]);
    assert_eq!(desk.states(awa, &room), [MessageState::Delivered]);
    let chat = desk.chat(ben, &room);
    assert_eq!((chat.kind, chat.name.as_str(), chat.unread), (ChatKind::Direct, "Awa", 1));
    desk.ask(ben, Request::MarkRead { room: room.clone(), up_to: None }).unwrap();
    desk.say(ben, &room, "Mbolo, Awa");
    desk.pass(3_000);
    assert_eq!(desk.chat(ben, &room).unread, 0);
    assert_eq!(desk.states(awa, &room), [MessageState::Read]);
    assert_eq!(desk.texts(awa, &room), ["Mbolo, Ben", "Mbolo, Awa"]);
    assert_eq!(desk.chat(awa, &room).name, "Ben");
    desk.assert_agreed(&[awa, ben], &room);
    match desk.ask(awa, Request::GetConnection) {
        Ok(Reply::Connection { connection }) => assert_eq!(connection, Connection::Online),
        other => panic!("{other:?}"),
    }
}

#[test]
fn replies_reactions_edits_and_deletions_arrive() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    let first = desk.say(awa, &room, "Shall we meet at 5?");
    desk.pass(2_000);
    let request = Request::SendText {
        room: room.clone(),
        text: "Yes".into(),
        reply_to: Some(first.id.clone()),
        client_id: None,
    };
    desk.ask(ben, request).unwrap();
    desk.ask(ben, Request::React { room: room.clone(), message: first.id.clone(), emoji: "👍".into() })
        .unwrap();
    desk.ask(awa, Request::Edit { room: room.clone(), message: first.id.clone(), text: "At 6?".into() })
        .unwrap();
    let slip = desk.say(awa, &room, "wrong window");
    desk.ask(awa, Request::Delete { room: room.clone(), message: slip.id.clone() }).unwrap();
    desk.pass(2_000);
    for person in [awa, ben] {
        let messages = desk.messages(person, &room);
        assert_eq!(messages[0].body, Body::Text { text: "At 6?".into() });
        assert!(messages[0].edited);
        assert_eq!(messages[0].reactions.len(), 1);
        assert_eq!(messages[0].reactions[0].name, "Ben");
        let reply = messages.iter().find(|message| message.reply_to.is_some()).unwrap();
        assert_eq!(reply.reply_to.as_ref().map(|quote| quote.text.as_str()), Some("At 6?"));
        assert!(messages.iter().any(|message| message.id == slip.id && message.body == Body::Deleted));
    }
    let foreign = Request::Edit { room: room.clone(), message: first.id, text: "At 9".into() };
    assert_eq!(desk.ask(ben, foreign).unwrap_err().code, "unknown_message");
}

#[test]
fn what_was_typed_offline_goes_out_later_once_and_in_order() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    desk.pass(2_000);
    desk.go_offline(awa);
    let expected: Vec<String> = (0..40).map(|n| format!("offline {n}")).collect();
    for text in &expected {
        desk.say(awa, &room, text);
    }
    desk.pass(3_600_000);
    assert_eq!(desk.texts(ben, &room), Vec::<String>::new());
    assert!(desk.states(awa, &room).iter().all(|state| *state == MessageState::Waiting));
    desk.crash(awa);
    desk.go_online(awa);
    desk.pass(120_000);
    assert_eq!(desk.texts(ben, &room), expected);
    assert_eq!(desk.texts(awa, &room), expected);
    assert!(desk.states(awa, &room).iter().all(|state| *state == MessageState::Delivered));
}

#[test]
fn what_was_deleted_before_it_was_sent_was_never_written() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    desk.say(awa, &room, "one");
    desk.pass(2_000);
    desk.go_offline(awa);
    desk.pass(1_000);
    let slip = desk.say(awa, &room, "wrong window");
    desk.say(awa, &room, "two");
    desk.ask(awa, Request::Delete { room: room.clone(), message: slip.id }).unwrap();
    assert_eq!(desk.texts(awa, &room), ["one", "two"]);
    desk.go_online(awa);
    desk.pass(60_000);
    assert_eq!(desk.texts(ben, &room), ["one", "two"]);
    assert_eq!(desk.messages(ben, &room).len(), 2);
}

#[test]
fn a_device_that_was_offline_gets_what_it_missed() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    desk.pass(2_000);
    desk.go_offline(ben);
    for n in 0..30 {
        desk.say(awa, &room, &format!("{n}"));
    }
    desk.pass(10_000);
    assert!(desk.states(awa, &room).iter().all(|state| *state == MessageState::Sent));
    desk.go_online(ben);
    desk.pass(90_000);
    assert_eq!(desk.texts(ben, &room).len(), 30);
    assert!(desk.states(awa, &room).iter().all(|state| *state == MessageState::Delivered));
}

#[test]
fn a_restarted_cell_loses_nothing_and_nothing_comes_twice() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    let mut expected = Vec::new();
    for n in 0..10 {
        expected.push(format!("{n}"));
        desk.say(awa, &room, &expected[n]);
        if n % 3 == 1 {
            desk.restart_cell();
        }
    }
    desk.pass(120_000);
    assert_eq!(desk.texts(ben, &room), expected);
    assert_eq!(desk.texts(awa, &room), expected);
}

#[test]
fn two_people_who_write_to_each_other_at_once_meet_in_one_room() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let one = desk.post(awa, Request::StartChat { handle: "ben".into() });
    let other = desk.post(ben, Request::StartChat { handle: "awa".into() });
    assert_ne!(one, other);
    desk.pass(100);
    let room = desk.start_chat(awa, "ben");
    assert_eq!(desk.start_chat(ben, "awa"), room);
    desk.say(awa, &room, "from Awa");
    desk.say(ben, &room, "from Ben");
    desk.pass(60_000);
    for person in [awa, ben] {
        let mut texts = desk.texts(person, &room);
        texts.sort();
        assert_eq!(texts, ["from Awa", "from Ben"]);
    }
    desk.assert_agreed(&[awa, ben], &room);
}

#[test]
fn typing_is_shown_and_ends_by_itself() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    desk.pass(2_000);
    desk.updates(awa);
    desk.ask(ben, Request::SetTyping { room: room.clone(), active: true }).unwrap();
    desk.pass(1_000);
    let typing = |updates: Vec<Update>| -> Vec<bool> {
        let signs = updates.into_iter().filter_map(|update| match update {
            Update::Typing { active, name, .. } => Some((active, name)),
            _ => None,
        });
        signs.inspect(|(_, name)| assert_eq!(name, "Ben")).map(|(active, _)| active).collect()
    };
    assert_eq!(typing(desk.updates(awa)), [true]);
    desk.pass(7_000);
    assert_eq!(typing(desk.updates(awa)), [false]);
}

#[test]
fn what_cannot_be_sent_is_refused_with_a_reason() {
    let mut desk = Desk::new();
    let awa = desk.person("awa");
    let code = |result: Result<Reply, mbolo_client_api::Failure>| result.unwrap_err().code;
    assert_eq!(code(desk.ask(awa, Request::StartChat { handle: "nobody".into() })), "handle_unknown");
    assert_eq!(code(desk.ask(awa, Request::StartChat { handle: "awa".into() })), "yourself");
    assert_eq!(code(desk.ask(awa, Request::StartChat { handle: "А".into() })), "handle_invalid");
    let group = desk.create_group(awa, "Alone", &[]);
    let text =
        |text: String| Request::SendText { room: group.clone(), text, reply_to: None, client_id: None };
    assert_eq!(code(desk.ask(awa, text(" \n".into()))), "empty");
    assert_eq!(code(desk.ask(awa, text("x".repeat(16_385)))), "too_long");
    assert!(desk.ask(awa, text("x".repeat(16_384))).is_ok());
    let elsewhere =
        Request::SendText { room: "abc".into(), text: "x".into(), reply_to: None, client_id: None };
    assert_eq!(code(desk.ask(awa, elsewhere)), "unknown_room");
}

#[test]
fn a_text_that_is_asked_for_twice_under_one_name_is_sent_once() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    let send = |room: &str, name: &str| Request::SendText {
        room: room.to_owned(),
        text: "Mbolo".into(),
        reply_to: None,
        client_id: Some(name.into()),
    };
    let sent = |reply| match reply {
        Ok(Reply::Sent { message }) => message.id,
        other => panic!("{other:?}"),
    };
    let first = sent(desk.ask(awa, send(&room, "one")));
    desk.crash(awa);
    assert_eq!(sent(desk.ask(awa, send(&room, "one"))), first);
    desk.pass(60_000);
    assert_eq!(sent(desk.ask(awa, send(&room, "one"))), first);
    assert_ne!(sent(desk.ask(awa, send(&room, "two"))), first);
    let group = desk.create_group(awa, "Club", &["ben"]);
    assert_ne!(sent(desk.ask(awa, send(&group, "one"))), first, "a name counts in its room");
    desk.pass(5_000);
    assert_eq!(desk.texts(ben, &room), ["Mbolo", "Mbolo"]);
    assert_eq!(desk.ask(awa, send(&room, &"x".repeat(65))).unwrap_err().code, "too_long");
}

#[test]
fn what_came_after_the_last_message_seen_stays_unread() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.start_chat(awa, "ben");
    for text in ["one", "two", "three"] {
        desk.say(awa, &room, text);
        desk.pass(1_000);
    }
    desk.pass(2_000);
    let seen = desk.messages(ben, &room)[1].position;
    desk.ask(ben, Request::MarkRead { room: room.clone(), up_to: Some(seen) }).unwrap();
    desk.pass(5_000);
    assert_eq!(desk.chat(ben, &room).unread, 1);
    let read = MessageState::Read;
    assert_eq!(desk.states(awa, &room), [read, read, MessageState::Delivered]);
    desk.ask(ben, Request::MarkRead { room: room.clone(), up_to: None }).unwrap();
    desk.pass(5_000);
    assert_eq!(desk.chat(ben, &room).unread, 0);
    assert_eq!(desk.states(awa, &room), [read; 3]);
}
