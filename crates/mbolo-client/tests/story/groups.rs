//! Groups: made, named, joined, left, and changed by several at once.

use mbolo_client_api::{Body, Membership, Message, MessageState, Reply, Request, RoomEvent};

use crate::desk::Desk;

fn events(messages: &[Message]) -> Vec<RoomEvent> {
    messages
        .iter()
        .filter_map(|message| match &message.body {
            Body::Event { event } => Some(event.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_group_of_three_talks() {
    let mut desk = Desk::new();
    let (awa, ben, cleo) = (desk.person("awa"), desk.person("ben"), desk.person("cleo"));
    let room = desk.create_group(awa, "Family", &["ben", "cleo"]);
    desk.say(awa, &room, "welcome");
    desk.pass(3_000);
    desk.say(ben, &room, "hello");
    desk.pass(3_000);
    for person in [awa, ben, cleo] {
        assert_eq!(desk.texts(person, &room), ["welcome", "hello"]);
        assert_eq!(desk.chat(person, &room).name, "Family");
        assert_eq!(desk.member_names(person, &room), ["Awa", "Ben", "Cleo"]);
    }
    desk.assert_agreed(&[awa, ben, cleo], &room);
    assert_eq!(desk.states(awa, &room), [MessageState::Delivered]);
    desk.ask(ben, Request::MarkRead { room: room.clone(), up_to: None }).unwrap();
    desk.pass(2_000);
    let message = desk.messages(awa, &room).into_iter().find(|m| m.state.is_some()).unwrap();
    match desk.ask(awa, Request::GetMessageInfo { room: room.clone(), message: message.id }) {
        Ok(Reply::MessageInfo { delivered_to, read_by, waiting_for }) => {
            assert_eq!(read_by[0].name, "Ben");
            assert_eq!(delivered_to[0].name, "Cleo");
            assert!(waiting_for.is_empty());
        }
        other => panic!("{other:?}"),
    }
    desk.ask(cleo, Request::MarkRead { room: room.clone(), up_to: None }).unwrap();
    desk.pass(2_000);
    assert_eq!(desk.states(awa, &room), [MessageState::Read]);
}

#[test]
fn admins_rename_promote_and_remove_and_others_may_not() {
    let mut desk = Desk::new();
    let (awa, ben, cleo) = (desk.person("awa"), desk.person("ben"), desk.person("cleo"));
    let room = desk.create_group(awa, "Family", &["ben", "cleo"]);
    desk.pass(3_000);
    let account = |desk: &mut Desk, person| match desk.ask(person, Request::GetAccount) {
        Ok(Reply::Account { account }) => account.id,
        other => panic!("{other:?}"),
    };
    let (ben_id, cleo_id) = (account(&mut desk, ben), account(&mut desk, cleo));
    let remove = Request::RemoveMember { room: room.clone(), account: cleo_id.clone() };
    assert_eq!(desk.ask(ben, remove.clone()).unwrap_err().code, "not_admin");
    desk.ask(awa, Request::RenameGroup { room: room.clone(), name: "Cousins".into() }).unwrap();
    desk.ask(awa, Request::SetAdmin { room: room.clone(), account: ben_id, admin: true }).unwrap();
    desk.pass(3_000);
    assert!(desk.chat(ben, &room).admin);
    assert_eq!(desk.chat(cleo, &room).name, "Cousins");
    desk.ask(ben, remove).unwrap();
    desk.pass(3_000);
    assert_eq!(desk.chat(cleo, &room).membership, Membership::Removed);
    let refused =
        Request::SendText { room: room.clone(), text: "let me in".into(), reply_to: None, client_id: None };
    assert_eq!(desk.ask(cleo, refused).unwrap_err().code, "not_a_member");
    desk.say(awa, &room, "just us");
    desk.pass(3_000);
    assert_eq!(desk.texts(ben, &room), ["just us"]);
    assert_eq!(desk.texts(cleo, &room), Vec::<String>::new());
    desk.assert_agreed(&[awa, ben], &room);
    let seen = events(&desk.messages(awa, &room));
    assert!(matches!(seen[0], RoomEvent::Created));
    assert!(seen.iter().any(|event| matches!(event, RoomEvent::Renamed { name } if name == "Cousins")));
    assert!(seen.iter().any(|event| matches!(event, RoomEvent::Promoted { member } if member.name == "Ben")));
    assert!(seen.iter().any(|event| matches!(event, RoomEvent::Removed { member } if member.name == "Cleo")));
    // And back again.
    desk.ask(ben, Request::AddMembers { room: room.clone(), handles: vec!["cleo".into()] }).unwrap();
    desk.pass(5_000);
    desk.say(cleo, &room, "back");
    desk.pass(3_000);
    assert_eq!(desk.texts(awa, &room), ["just us", "back"]);
    desk.assert_agreed(&[awa, ben, cleo], &room);
}

#[test]
fn a_member_leaves_and_another_carries_it_out() {
    let mut desk = Desk::new();
    let (awa, ben, cleo) = (desk.person("awa"), desk.person("ben"), desk.person("cleo"));
    let room = desk.create_group(awa, "Family", &["ben", "cleo"]);
    desk.pass(3_000);
    // Not even the only admin is kept.
    desk.ask(awa, Request::LeaveGroup { room: room.clone() }).unwrap();
    desk.pass(10_000);
    assert_eq!(desk.chat(awa, &room).membership, Membership::Left);
    desk.say(ben, &room, "she is gone");
    desk.pass(3_000);
    assert_eq!(desk.texts(cleo, &room), ["she is gone"]);
    assert_eq!(desk.texts(awa, &room), Vec::<String>::new());
    desk.assert_agreed(&[ben, cleo], &room);
    assert!(desk.chat(ben, &room).admin != desk.chat(cleo, &room).admin, "one of them is the new admin");
    assert!(events(&desk.messages(ben, &room)).iter().any(|event| matches!(event, RoomEvent::Left)));
}

#[test]
fn the_last_two_may_leave_at_the_same_time() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.create_group(awa, "Club", &["ben"]);
    desk.pass(3_000);
    for person in [awa, ben] {
        desk.post(person, Request::LeaveGroup { room: room.clone() });
    }
    desk.pass(120_000);
    for person in [awa, ben] {
        assert_eq!(desk.chat(person, &room).membership, Membership::Left);
        assert_eq!(desk.epoch(person, &room), None, "nobody waits for the other");
    }
}

#[test]
fn whoever_loses_the_race_for_an_epoch_tries_again_by_himself() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let (cleo, dodo) = (desk.person("cleo"), desk.person("dodo"));
    let room = desk.create_group(awa, "Club", &["ben"]);
    desk.pass(3_000);
    let ben_id = match desk.ask(ben, Request::GetAccount) {
        Ok(Reply::Account { account }) => account.id,
        other => panic!("{other:?}"),
    };
    desk.ask(awa, Request::SetAdmin { room: room.clone(), account: ben_id, admin: true }).unwrap();
    desk.pass(3_000);
    desk.post(awa, Request::AddMembers { room: room.clone(), handles: vec!["cleo".into()] });
    desk.post(ben, Request::AddMembers { room: room.clone(), handles: vec!["dodo".into()] });
    desk.pass(20_000);
    desk.say(dodo, &room, "both are in");
    desk.pass(5_000);
    let everybody = [awa, ben, cleo, dodo];
    desk.assert_agreed(&everybody, &room);
    for person in everybody {
        assert_eq!(desk.texts(person, &room), ["both are in"]);
        assert_eq!(desk.member_names(person, &room).len(), 4);
        assert_eq!(desk.client(person).stats().intents, 0);
    }
}

#[test]
fn a_member_who_was_away_for_many_epochs_reads_everything() {
    let mut desk = Desk::new();
    let (awa, ben, cleo) = (desk.person("awa"), desk.person("ben"), desk.person("cleo"));
    let room = desk.create_group(awa, "Club", &["ben", "cleo"]);
    desk.pass(3_000);
    let ben_id = match desk.ask(ben, Request::GetAccount) {
        Ok(Reply::Account { account }) => account.id,
        other => panic!("{other:?}"),
    };
    desk.go_offline(cleo);
    let before = desk.epoch(awa, &room).unwrap().0;
    let mut expected = Vec::new();
    for n in 0..12 {
        let admin = n % 2 == 0;
        desk.ask(awa, Request::SetAdmin { room: room.clone(), account: ben_id.clone(), admin }).unwrap();
        desk.pass(1_000);
        expected.push(format!("{n}"));
        desk.say(ben, &room, &expected[n]);
        desk.pass(1_000);
    }
    assert!(desk.epoch(awa, &room).unwrap().0 >= before + 12);
    desk.go_online(cleo);
    desk.pass(90_000);
    assert_eq!(desk.texts(cleo, &room), expected);
    desk.assert_agreed(&[awa, ben, cleo], &room);
    assert_eq!(desk.client(cleo).stats().undecryptable, 0);
}

#[test]
fn a_group_larger_than_one_batch_is_filled_and_everybody_hears_the_first_message() {
    let mut desk = Desk::new();
    let admin = desk.person("admin");
    let handles: Vec<String> = (0..70).map(|n| format!("member{n}")).collect();
    let members: Vec<usize> = handles.iter().map(|handle| desk.person(handle)).collect();
    let handles: Vec<&str> = handles.iter().map(String::as_str).collect();
    let room = desk.create_group(admin, "Choir", &handles);
    desk.say(admin, &room, "sing");
    desk.pass(30_000);
    for member in &members {
        assert_eq!(desk.texts(*member, &room), ["sing"]);
    }
    assert_eq!(desk.member_names(admin, &room).len(), 71);
    assert_eq!(desk.states(admin, &room), [MessageState::Delivered]);
}

#[test]
fn whoever_carries_out_a_wish_to_leave_can_speak_meanwhile() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let (cleo, dodo) = (desk.person("cleo"), desk.person("dodo"));
    let room = desk.create_group(awa, "Club", &["ben", "cleo", "dodo"]);
    desk.pass(3_000);
    let Reply::Account { account: of_dodo } = desk.ask(dodo, Request::GetAccount).unwrap() else {
        panic!("an account")
    };
    // Ben has seen the wish and would carry it out; Awa does, while he is away.
    desk.ask(cleo, Request::LeaveGroup { room: room.clone() }).unwrap();
    let before = desk.epoch(ben, &room);
    desk.go_offline(ben);
    desk.pass(2_000);
    assert_eq!(desk.epoch(ben, &room), before, "he was away in time");
    desk.say(dodo, &room, "only once");
    desk.pass(1_000);
    desk.ask(awa, Request::RemoveMember { room: room.clone(), account: of_dodo.id }).unwrap();
    desk.pass(2_000);
    desk.say(ben, &room, "typed offline");
    let sent = desk.sent(ben).len();
    desk.go_online(ben);
    desk.pass(120_000);
    assert_eq!(desk.texts(ben, &room), ["only once", "typed offline"]);
    assert_eq!(desk.texts(awa, &room), ["only once", "typed offline"]);
    let asked_anew = desk.sent(ben)[sent..].iter().any(|frame| {
        let frame = mbolo_proto::decode_client_frame(frame.clone()).unwrap();
        matches!(frame.body, Some(mbolo_proto::wire::client_frame::Body::GetGroupInfo(_)))
    });
    assert!(!asked_anew, "a room in order is not entered anew");
    desk.assert_agreed(&[awa, ben], &room);
}

#[test]
fn whoever_is_let_in_by_somebody_who_is_leaving_learns_the_name() {
    let mut desk = Desk::new();
    let (awa, ben, cleo) = (desk.person("awa"), desk.person("ben"), desk.person("cleo"));
    let room = desk.create_group(awa, "Club", &["ben"]);
    desk.pass(3_000);
    // The cell is too busy to let Cleo in before Awa has said that she leaves.
    desk.tamper = Some(no_key_packages_now);
    desk.ask(awa, Request::AddMembers { room: room.clone(), handles: vec!["cleo".into()] }).unwrap();
    desk.ask(awa, Request::LeaveGroup { room: room.clone() }).unwrap();
    desk.tamper = None;
    desk.pass(60_000);
    assert_eq!(desk.chat(awa, &room).membership, Membership::Left);
    for person in [ben, cleo] {
        assert_eq!(desk.chat(person, &room).name, "Club");
    }
    desk.say(cleo, &room, "here");
    desk.pass(5_000);
    assert_eq!(desk.texts(ben, &room).last().map(String::as_str), Some("here"));
    desk.assert_agreed(&[ben, cleo], &room);
}

fn no_key_packages_now(_: usize, frame: &bytes::Bytes) -> Option<bytes::Bytes> {
    use mbolo_proto::wire::{Error, ErrorCode, server_frame::Body as Answer};
    let mut frame = mbolo_proto::decode_server_frame(frame.clone()).ok()?;
    let Some(Answer::KeyPackages(_)) = frame.body else { return None };
    frame.body = Some(Answer::Error(Error { code: ErrorCode::Busy.into(), ..Error::default() }));
    Some(mbolo_proto::encode_frame(&frame))
}
