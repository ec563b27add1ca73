//! Accounts: signing up, coming back on another device, the cell's identity.

use mbolo_client_api::{Connection, Reply, Request};

use crate::desk::Desk;

#[test]
fn a_taken_or_impossible_handle_is_refused_and_another_can_be_tried() {
    let mut desk = Desk::new();
    desk.person("awa");
    let other = desk.device();
    let sign_up = |handle: &str| Request::SignUp { handle: handle.into(), name: "X".into(), invite: None };
    assert_eq!(desk.ask(other, Request::GetAccount).unwrap_err().code, "no_account");
    assert_eq!(desk.ask(other, sign_up("awa")).unwrap_err().code, "handle_taken");
    assert_eq!(desk.ask(other, sign_up("a")).unwrap_err().code, "handle_invalid");
    assert!(
        matches!(desk.ask(other, sign_up("awa2")), Ok(Reply::Account { account }) if account.handle == "awa2")
    );
    assert_eq!(desk.ask(other, sign_up("awa3")).unwrap_err().code, "already_signed_up");
}

#[test]
fn signing_up_without_a_network_says_so_and_works_later() {
    let mut desk = Desk::new();
    let awa = desk.device();
    desk.go_offline(awa);
    let sign_up = Request::SignUp { handle: "awa".into(), name: "Awa".into(), invite: None };
    assert_eq!(desk.ask(awa, sign_up.clone()).unwrap_err().code, "offline");
    desk.go_online(awa);
    assert!(desk.ask(awa, sign_up).is_ok());
}

#[test]
fn an_account_comes_back_on_a_new_device_with_its_rooms() {
    let mut desk = Desk::new();
    let (awa, ben) = (desk.person("awa"), desk.person("ben"));
    let direct = desk.start_chat(awa, "ben");
    let group = desk.create_group(ben, "Club", &["awa"]);
    desk.say(awa, &direct, "before");
    desk.pass(3_000);
    let phrase = match desk.ask(awa, Request::RecoveryPhrase) {
        Ok(Reply::RecoveryPhrase { phrase }) => phrase,
        other => panic!("{other:?}"),
    };
    assert_eq!(phrase.split(' ').count(), 24);
    let account = |reply| match reply {
        Ok(Reply::Account { account }) => account,
        other => panic!("{other:?}"),
    };
    let before = account(desk.ask(awa, Request::GetAccount));
    desk.go_offline(awa); // the old device is at the bottom of the river
    let new = desk.device();
    let wrong = Request::Recover { phrase: "not these words".into(), name: "Awa".into() };
    assert_eq!(desk.ask(new, wrong).unwrap_err().code, "phrase_invalid");
    let after = account(desk.ask(new, Request::Recover { phrase, name: "Awa".into() }));
    assert_eq!((before.id, before.handle), (after.id, after.handle));
    desk.pass(20_000);
    assert_eq!(desk.chats(new).len(), 2);
    desk.say(ben, &direct, "are you back?");
    desk.say(new, &direct, "I am");
    desk.say(new, &group, "here as well");
    desk.pass(10_000);
    assert_eq!(desk.texts(new, &direct), ["are you back?", "I am"]);
    assert_eq!(desk.texts(ben, &direct), ["before", "are you back?", "I am"]);
    assert_eq!(desk.texts(ben, &group), ["here as well"]);
    assert_eq!(desk.chat(new, &group).name, "Club");
    assert_eq!(desk.chat(new, &direct).name, "Ben");
    desk.assert_agreed(&[ben, new], &direct);
    desk.assert_agreed(&[ben, new], &group);
    // The old device was only offline; it is still a device of the account.
    desk.go_online(awa);
    desk.pass(90_000);
    assert_eq!(desk.texts(awa, &direct), ["before", "are you back?", "I am"]);
    desk.assert_agreed(&[awa, ben, new], &direct);
}

#[test]
fn another_cell_under_the_same_address_is_refused() {
    let mut desk = Desk::new();
    let awa = desk.person("awa");
    desk.go_offline(awa);
    desk.replace_cell(2);
    desk.go_online(awa);
    desk.pass(120_000);
    match desk.ask(awa, Request::GetConnection) {
        Ok(Reply::Connection { connection: Connection::Refused { code, message } }) => {
            assert_eq!(code, "other_cell");
            assert!(message.contains("not the cell"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn signing_out_leaves_an_empty_profile() {
    let mut desk = Desk::new();
    let awa = desk.person("awa");
    desk.create_group(awa, "Alone", &[]);
    desk.ask(awa, Request::SignOut).unwrap();
    desk.pass(5_000);
    assert_eq!(desk.ask(awa, Request::GetAccount).unwrap_err().code, "no_account");
    assert_eq!(desk.client(awa).stats(), mbolo_client::Stats::default());
    let sign_up = Request::SignUp { handle: "awa2".into(), name: "Awa".into(), invite: None };
    assert!(desk.ask(awa, sign_up).is_ok());
}

fn phrase_of(desk: &mut Desk, person: usize) -> String {
    match desk.ask(person, Request::RecoveryPhrase) {
        Ok(Reply::RecoveryPhrase { phrase }) => phrase,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cell_that_has_lost_its_store_knows_the_device_no_more() {
    let mut desk = Desk::new();
    let awa = desk.person("awa");
    desk.go_offline(awa);
    desk.replace_cell(1);
    desk.go_online(awa);
    desk.pass(120_000);
    match desk.ask(awa, Request::GetConnection) {
        Ok(Reply::Connection { connection: Connection::Refused { code, .. } }) => {
            assert_eq!(code, "unknown_device");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_words_of_an_account_of_another_cell_are_words_all_the_same() {
    let mut elsewhere = Desk::new();
    let awa = elsewhere.person("awa");
    let phrase = phrase_of(&mut elsewhere, awa);
    let mut desk = Desk::new();
    let new = desk.device();
    let refused = desk.ask(new, Request::Recover { phrase, name: "Awa".into() }).unwrap_err();
    assert_eq!(refused.code, "account_unknown");
}

#[test]
fn an_account_is_on_a_bounded_number_of_devices() {
    let mut desk = Desk::new();
    let awa = desk.person("awa");
    let phrase = phrase_of(&mut desk, awa);
    let refused = (0..20).find_map(|_| {
        let new = desk.device();
        desk.ask(new, Request::Recover { phrase: phrase.clone(), name: "Awa".into() }).err()
    });
    assert_eq!(refused.unwrap().code, "too_many_devices");
}

#[test]
fn a_handle_that_leads_to_another_account_than_before_is_not_followed() {
    let mut desk = Desk::new();
    let awa = desk.person("awa");
    desk.person("ben");
    let room = desk.start_chat(awa, "ben");
    desk.pass(3_000);
    let known = "UPDATE accounts SET id = x'0707070707070707070707070707070707070707070707070707070707070707'
                 WHERE handle = 'ben'";
    desk.damage(awa, known);
    desk.pass(60_000);
    for request in [
        Request::StartChat { handle: "ben".into() },
        Request::CreateGroup { name: "Club".into(), handles: vec!["ben".into()] },
    ] {
        let refused = desk.ask(awa, request).unwrap_err();
        assert_eq!(refused.code, "handle_moved");
        assert!(refused.message.contains("@ben"), "{}", refused.message);
    }
    assert_eq!(
        desk.chat(awa, &room).peer.unwrap().handle,
        None,
        "who came with a handle of another is without it"
    );
}

/// The cell names another account, with the devices of the right one.
fn another_account(_: usize, frame: &bytes::Bytes) -> Option<bytes::Bytes> {
    let mut frame = mbolo_proto::decode_server_frame(frame.clone()).ok()?;
    let Some(mbolo_proto::wire::server_frame::Body::Account(account)) = &mut frame.body else { return None };
    account.account_id = vec![7; 32].into();
    Some(mbolo_proto::encode_frame(&frame))
}

#[test]
fn an_account_whose_devices_are_not_its_own_is_not_believed() {
    let mut desk = Desk::new();
    let awa = desk.person("awa");
    desk.person("ben");
    desk.tamper = Some(another_account);
    let refused = desk.ask(awa, Request::StartChat { handle: "ben".into() }).unwrap_err();
    assert_eq!(refused.code, "internal");
    assert!(refused.message.contains("does not hold"), "{}", refused.message);
    assert!(desk.chats(awa).is_empty());
    desk.tamper = None;
    desk.start_chat(awa, "ben");
}
