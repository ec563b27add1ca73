//! Changes of groups that do not happen: whoever asked for one hears it, and nobody goes on believing in it.

use mbolo_client_api::{Change, Reply, Request, Update};

use crate::desk::Desk;

/// What a device was told about changes that failed: which, about whom, and why.
fn failures(desk: &mut Desk, person: usize) -> Vec<(Change, Vec<String>, String)> {
    let failed = |update| match update {
        Update::ChangeFailed { change, members, reason, .. } => {
            Some((change, members.into_iter().map(|member| member.name).collect(), reason.code))
        }
        _ => None,
    };
    desk.updates(person).into_iter().filter_map(failed).collect()
}

/// A group of three in which Ben is an admin until he loses his network; meanwhile Awa makes him a plain member.
fn ben_is_demoted_while_offline(meanwhile: impl FnOnce(&mut Desk, usize, &str)) -> (Desk, String) {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    desk.person("cleo");
    let room = desk.create_group(awa, "Club", &["ben", "cleo"]);
    desk.pass(3_000);
    let account = desk.account(ben);
    let set_admin = |admin| Request::SetAdmin { room: room.clone(), account: account.clone(), admin };
    desk.ask(awa, set_admin(true)).unwrap();
    desk.pass(3_000);
    desk.go_offline(ben);
    meanwhile(&mut desk, ben, &room);
    desk.ask(awa, set_admin(false)).unwrap();
    desk.pass(3_000);
    desk.updates(ben);
    desk.go_online(ben);
    desk.pass(90_000);
    (desk, room)
}

#[test]
fn the_last_admin_cannot_be_demoted() {
    let mut desk = Desk::new();
    let awa = desk.person("awa");
    desk.person("ben");
    let room = desk.create_group(awa, "Club", &["ben"]);
    desk.pass(3_000);
    let account = desk.account(awa);
    let demote = Request::SetAdmin { room: room.clone(), account, admin: false };
    assert_eq!(desk.ask(awa, demote).unwrap_err().code, "last_admin");
    assert!(desk.chat(awa, &room).admin);
}

#[test]
fn a_removal_by_somebody_who_was_demoted_meanwhile_is_not_forgotten_in_silence() {
    let (mut desk, room) = ben_is_demoted_while_offline(|desk, ben, room| {
        let cleo = desk.account(2);
        desk.ask(ben, Request::RemoveMember { room: room.into(), account: cleo }).unwrap();
    });
    assert_eq!(failures(&mut desk, 1), [(Change::Remove, vec!["Cleo".to_owned()], "not_admin".to_owned())]);
    assert_eq!(desk.member_names(1, &room).len(), 3);
    assert_eq!(desk.client(1).stats().intents, 0);
}

#[test]
fn a_name_given_by_somebody_who_was_demoted_meanwhile_is_taken_back() {
    let (mut desk, room) = ben_is_demoted_while_offline(|desk, ben, room| {
        desk.ask(ben, Request::RenameGroup { room: room.into(), name: "Ben's".into() }).unwrap();
        let chat = desk.chat(ben, room);
        assert_eq!((chat.name.as_str(), chat.waiting), ("Ben's", true));
    });
    assert_eq!(failures(&mut desk, 1), [(Change::Rename, Vec::new(), "not_admin".to_owned())]);
    for person in [0, 1, 2] {
        let chat = desk.chat(person, &room);
        assert_eq!((chat.name.as_str(), chat.waiting), ("Club", false), "person {person}");
    }
}

#[test]
fn a_name_holds_when_the_cell_has_it_and_is_told_once() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.create_group(awa, "Club", &["ben"]);
    desk.pass(3_000);
    for name in ["Cousins", "Family"] {
        desk.ask(awa, Request::RenameGroup { room: room.clone(), name: name.into() }).unwrap();
    }
    desk.crash(awa);
    desk.pass(60_000);
    for person in [awa, ben] {
        assert_eq!(desk.chat(person, &room).name, "Family");
        assert!(!desk.chat(person, &room).waiting);
        let renamed =
            |message: &&mbolo_client_api::Message| format!("{:?}", message.body).contains("Renamed");
        assert_eq!(desk.messages(person, &room).iter().filter(renamed).count(), 2);
    }
}

#[test]
fn no_admin_can_freeze_the_name_of_a_group() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.create_group(awa, "Club", &["ben"]);
    desk.pass(3_000);
    let account = desk.account(ben);
    desk.ask(awa, Request::SetAdmin { room: room.clone(), account, admin: true }).unwrap();
    desk.pass(3_000);
    for version in ["1000000", "4294967290", "-2"] {
        desk.damage(awa, &format!("UPDATE rooms SET name_version = {version}"));
        desk.pass(60_000);
        let name = format!("Awa's {version}");
        let _ = desk.ask(awa, Request::RenameGroup { room: room.clone(), name });
        desk.pass(5_000);
        assert_eq!(desk.chat(ben, &room).name, "Club");
    }
    desk.ask(ben, Request::RenameGroup { room: room.clone(), name: "Ben's".into() }).unwrap();
    desk.pass(5_000);
    assert_eq!(desk.chat(ben, &room).name, "Ben's");
}

#[test]
fn an_account_that_cannot_be_added_is_named() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.create_group(awa, "Club", &[]);
    desk.pass(3_000);
    desk.tamper = Some(no_key_packages);
    desk.updates(awa);
    desk.ask(awa, Request::AddMembers { room: room.clone(), handles: vec!["ben".into()] }).unwrap();
    desk.pass(120_000);
    let failed = failures(&mut desk, awa);
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!((failed[0].0, failed[0].2.as_str()), (Change::Add, "no_key_package"));
    assert!(desk.chats(ben).is_empty());
}

/// The cell has no KeyPackage of anybody.
fn no_key_packages(_: usize, frame: &bytes::Bytes) -> Option<bytes::Bytes> {
    use mbolo_proto::wire::{self, server_frame::Body};
    let mut frame = mbolo_proto::decode_server_frame(frame.clone()).ok()?;
    let Some(Body::KeyPackages(_)) = frame.body else { return None };
    let code = wire::ErrorCode::NoKeyPackage.into();
    frame.body = Some(Body::Error(wire::Error { code, ..wire::Error::default() }));
    Some(mbolo_proto::encode_frame(&frame))
}

#[test]
fn an_invitation_to_a_group_one_is_no_longer_in_leaves_no_trace() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let room = desk.create_group(awa, "Club", &[]);
    desk.pass(3_000);
    let account = desk.account(ben);
    desk.go_offline(ben);
    desk.ask(awa, Request::AddMembers { room: room.clone(), handles: vec!["ben".into()] }).unwrap();
    desk.pass(3_000);
    desk.ask(awa, Request::RemoveMember { room: room.clone(), account }).unwrap();
    desk.pass(3_000);
    desk.go_online(ben);
    desk.pass(90_000);
    assert!(desk.chats(ben).is_empty(), "{:?}", desk.chats(ben));
    desk.ask(awa, Request::AddMembers { room: room.clone(), handles: vec!["ben".into()] }).unwrap();
    desk.pass(5_000);
    assert_eq!(desk.chat(ben, &room).name, "Club");
}

#[test]
fn a_chat_of_two_is_not_taken_for_a_group() {
    let mut desk = Desk::new();
    let awa = desk.person("awa");
    desk.person("ben");
    desk.person("cleo");
    let room = desk.start_chat(awa, "ben");
    let add = Request::AddMembers { room: room.clone(), handles: vec!["cleo".into()] };
    let rename = Request::RenameGroup { room, name: "Us".into() };
    for change in [add, rename] {
        let refused = desk.ask(awa, change).unwrap_err();
        assert_eq!(refused.code, "not_a_group");
        assert!(refused.message.contains("make a group"), "{}", refused.message);
    }
}

#[test]
fn names_with_characters_that_cannot_be_seen_are_refused() {
    let mut desk = Desk::new();
    let awa = desk.person("awa");
    let group = Request::CreateGroup { name: "Cl\u{202e}ub".into(), handles: Vec::new() };
    assert_eq!(desk.ask(awa, group).unwrap_err().code, "name_invalid");
    assert_eq!(
        desk.ask(awa, Request::SetName { name: "A\u{200b}wa".into() }).unwrap_err().code,
        "name_invalid"
    );
    assert_eq!(desk.ask(awa, Request::SetName { name: "Awa".into() }), Ok(Reply::Done));
}
