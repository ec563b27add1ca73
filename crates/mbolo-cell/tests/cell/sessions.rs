//! Challenge, authentication, replacement, admission.

use mbolo_cell::Event;
use mbolo_proto::wire::{self, ErrorCode};
use mbolo_proto::{FeedId, VersionVector};

use crate::desk::{Answer, Desk, Request, cell_id, code, origin};
use crate::device::Device;

#[test]
fn a_connection_begins_with_a_challenge_of_its_own() {
    let mut desk = Desk::new();
    let (one, other) = (desk.connect().challenge, desk.connect().challenge);
    assert_eq!(*one.cell_id, cell_id().0);
    assert_eq!(one.versions, [1]);
    assert_eq!(one.now_ms, desk.now_ms);
    assert_ne!(one.nonce, other.nonce);
}

#[test]
fn a_device_signs_up_and_authenticates() {
    let mut desk = Desk::new();
    let mut awa = Device::new(1, 1);
    let connection = desk.connect();
    assert_eq!(desk.call(connection.session, awa.register(&connection, "awa")), Answer::Done(wire::Done {}));
    let ready = awa.authenticate(&mut desk, connection);
    assert_eq!(ready.handle, "awa");
    assert_eq!(*ready.origin, origin().0);
    let stats = desk.stats();
    assert_eq!((stats.sessions, stats.authenticated, stats.logins_ok, stats.accounts_created), (1, 1, 1, 1));
}

#[test]
fn a_signature_for_another_connection_is_refused_and_the_connection_closes() {
    let mut desk = Desk::new();
    let awa = Device::signed_up(&mut desk, 1, "awa");
    let (one, other) = (desk.connect(), desk.connect());
    let replayed = awa.login(&one);
    assert_eq!(code(&desk.refusal(other.session, Request::Authenticate(replayed))), ErrorCode::BadSignature);
    assert!(desk.closed.contains(&other.session));
}

#[test]
fn a_device_of_another_account_is_refused() {
    let mut desk = Desk::new();
    let awa = Device::signed_up(&mut desk, 1, "awa");
    let ben = Device::signed_up(&mut desk, 2, "ben");
    let connection = desk.connect();
    let mut login = awa.login(&connection);
    login.account_id = ben.account.to_bytes();
    let error = desk.refusal(connection.session, Request::Authenticate(login));
    assert_eq!(code(&error), ErrorCode::UnknownDevice);
}

#[test]
fn a_stranger_is_told_that_the_account_is_unknown() {
    let mut desk = Desk::new();
    let connection = desk.connect();
    let login = Device::new(5, 1).login(&connection);
    let error = desk.refusal(connection.session, Request::Authenticate(login));
    assert_eq!(code(&error), ErrorCode::UnknownAccount);
}

#[test]
fn an_unknown_version_is_refused_with_those_that_are_spoken() {
    let mut desk = Desk::new();
    let awa = Device::signed_up(&mut desk, 1, "awa");
    let connection = desk.connect();
    let login = wire::Authenticate { version: 99, ..awa.login(&connection) };
    let error = desk.refusal(connection.session, Request::Authenticate(login));
    assert_eq!(code(&error), ErrorCode::UnsupportedVersion);
    assert_eq!(error.supported_versions, [1]);
    assert!(desk.closed.contains(&connection.session));
}

#[test]
fn a_frame_before_authentication_is_refused_and_the_connection_closes() {
    let mut desk = Desk::new();
    let connection = desk.connect();
    let error = desk.refusal(connection.session, Request::ListRooms(wire::ListRooms {}));
    assert_eq!(code(&error), ErrorCode::NotAuthenticated);
    assert!(desk.closed.contains(&connection.session));
    desk.post(connection.session, Request::Ping(wire::Ping {}));
    desk.run();
    assert_eq!(desk.next(connection.session), None, "nothing more is taken from it");
}

#[test]
fn the_same_device_connects_again_and_the_older_session_is_sent_away() {
    let mut desk = Desk::new();
    let mut awa = Device::signed_up(&mut desk, 1, "awa");
    let older = awa.session;
    awa.come_back(&mut desk);
    match desk.next(older) {
        Some(Answer::GoingAway(going)) => assert_eq!(going.code(), ErrorCode::Replaced),
        other => panic!("not sent away but {other:?}"),
    }
    assert!(desk.closed.contains(&older));
    assert_eq!(desk.stats().authenticated, 1);
    // The gateway reports the end of the older connection late: the newer one is not touched by it.
    desk.disconnect(older);
    assert_eq!(desk.stats().authenticated, 1);
    assert!(matches!(desk.call(awa.session, Request::Ping(wire::Ping {})), Answer::Pong(_)));
}

#[test]
fn two_devices_of_one_account_are_connected_at_once() {
    let mut desk = Desk::new();
    let phone = Device::signed_up(&mut desk, 1, "awa");
    let mut laptop = Device::new(1, 2);
    let connection = desk.connect();
    assert_eq!(desk.call(connection.session, laptop.register(&connection, "")), Answer::Done(wire::Done {}));
    laptop.authenticate(&mut desk, connection);
    assert!(!desk.closed.contains(&phone.session));
    assert_eq!(desk.stats().authenticated, 2);
}

#[test]
fn logins_over_the_admitted_rate_are_sent_away_until_it_is_their_turn() {
    let mut desk = Desk::with(|config| {
        config.login_burst = 2;
        config.login_rate_per_s = 1;
    });
    let awa = Device::signed_up(&mut desk, 1, "awa"); // takes both
    let mut waits = Vec::new();
    for _ in 0..2 {
        let connection = desk.connect();
        desk.post(connection.session, Request::Authenticate(awa.login(&connection)));
        desk.run();
        match desk.next(connection.session) {
            Some(Answer::GoingAway(going)) => {
                assert_eq!(going.code(), ErrorCode::Busy);
                waits.push(going.retry_after_ms);
            }
            other => panic!("not sent away but {other:?}"),
        }
        assert!(desk.closed.contains(&connection.session));
    }
    assert_eq!(waits, [1_250, 2_250], "one a second");
    assert_eq!(desk.stats().logins_shed, 2);
    assert!(!desk.closed.contains(&awa.session), "who is in stays in");
    desk.pass(1_000);
    let connection = desk.connect();
    let login = Request::Authenticate(awa.login(&connection));
    assert!(matches!(desk.call(connection.session, login), Answer::SessionReady(_)));
}

#[test]
fn a_connection_that_never_authenticates_ends() {
    let mut desk = Desk::new();
    let awa = Device::signed_up(&mut desk, 1, "awa");
    let idle = desk.connect();
    desk.pass(29_000);
    assert!(!desk.closed.contains(&idle.session));
    desk.pass(2_000);
    assert!(desk.closed.contains(&idle.session));
    assert!(!desk.closed.contains(&awa.session));
}

#[test]
fn after_a_restart_everybody_is_still_known() {
    let mut desk = Desk::new();
    let mut awa = Device::signed_up(&mut desk, 1, "awa");
    desk.restart();
    assert_eq!(awa.come_back(&mut desk).handle, "awa");
}

#[test]
fn a_store_of_another_incarnation_is_not_opened() {
    let mut desk = Desk::new();
    desk.cell = None;
    let keys = mbolo_cell::Keys {
        cell: ed25519_dalek::SigningKey::from_bytes(&[101; 32]),
        incarnation: ed25519_dalek::SigningKey::from_bytes(&[55; 32]),
    };
    let opened = mbolo_cell::Cell::open(desk.disk.open().unwrap(), keys, desk.config.clone(), desk.now_ms);
    assert!(matches!(opened, Err(mbolo_cell::OpenError::ForeignStore(_))));
}

#[test]
fn an_inbox_is_its_owners() {
    let mut desk = Desk::new();
    let awa = Device::signed_up(&mut desk, 1, "awa");
    let ben = Device::signed_up(&mut desk, 2, "ben");
    let head = awa.subscribe(&mut desk, FeedId::Inbox(ben.account), &VersionVector::new());
    assert_eq!(head.refused(), ErrorCode::NotAMember);
    let head = awa.subscribe(&mut desk, FeedId::Inbox(awa.account), &VersionVector::new());
    assert_eq!(head.refused, 0);
}

#[test]
fn the_same_events_give_the_same_bytes() {
    let story = || {
        let mut desk = Desk::new();
        let mut people: Vec<Device> =
            (1..20).map(|n| Device::signed_up(&mut desk, n, &format!("person{n}"))).collect();
        for person in &mut people {
            person.come_back(&mut desk);
            person.subscribe(&mut desk, FeedId::Inbox(person.account), &VersionVector::new());
        }
        desk.queue(Event::Tick);
        desk.pass(40_000);
        desk.trace
    };
    assert_eq!(story(), story());
}
