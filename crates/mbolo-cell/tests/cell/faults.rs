//! Full disks, crashes, and what is left after them.

use mbolo_engine::Fault;
use mbolo_proto::wire::{self, ErrorCode};
use mbolo_proto::{FeedId, VersionVector};

use crate::desk::{Answer, Desk, Request, code};
use crate::device::Device;
use crate::feeds::room_of;

#[test]
fn on_a_full_disk_writes_are_refused_and_reads_go_on() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 2);
    people[0].say(&mut desk, room, b"before");
    desk.entries(people[1].session);
    desk.disk.set_full(true);
    // One batch with all kinds of requests.
    let publish = desk.post(people[0].session, Device::publish(room, b"lost"));
    let repeated = desk.post(people[0].session, Device::publish(room, b"before"));
    let resolve = desk
        .post(people[1].session, Request::ResolveHandle(wire::ResolveHandle { handle: "person1".into() }));
    let handle =
        desk.post(people[1].session, Request::SetHandle(wire::SetHandle { handle: "another".into() }));
    let ping = desk.post(people[1].session, Request::Ping(wire::Ping {}));
    desk.run();
    let mut answer = |session, request| desk.answer_to(session, request).unwrap();
    assert!(
        matches!(answer(people[0].session, publish), Answer::Error(e) if code(&e) == ErrorCode::StorageFull)
    );
    assert!(
        matches!(answer(people[0].session, repeated), Answer::Error(e) if code(&e) == ErrorCode::OutOfOrder)
    );
    assert!(
        matches!(answer(people[1].session, handle), Answer::Error(e) if code(&e) == ErrorCode::StorageFull)
    );
    assert!(matches!(answer(people[1].session, resolve), Answer::Account(_)));
    assert!(matches!(answer(people[1].session, ping), Answer::Pong(_)));
    assert!(desk.stats().read_only);
    assert_eq!(desk.stats().fatal, None);
    assert!(desk.entries(people[1].session).is_empty(), "what is not stored is not pushed");

    let head = people[1].subscribe(&mut desk, FeedId::Room(room), &VersionVector::new());
    assert_eq!(head.refused, 0);
    assert_eq!(desk.payloads(people[1].session).last().unwrap(), b"before");
}

#[test]
fn when_there_is_room_again_the_cell_notices_and_nothing_is_out_of_order() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 2);
    desk.disk.set_full(true);
    let error = desk.refusal(people[0].session, Device::publish(room, b"one"));
    assert_eq!(code(&error), ErrorCode::StorageFull);
    desk.pass(5_000);
    assert!(desk.stats().read_only);
    desk.disk.set_full(false);
    desk.pass(1_000);
    assert!(!desk.stats().read_only);
    assert_eq!(code(&desk.refusal(people[0].session, Device::publish(room, b"two"))), ErrorCode::OutOfOrder);
    let Request::Publish(publish) = Device::publish(room, b"one") else { unreachable!() };
    let resume = Request::Publish(wire::Publish { resume: true, ..publish });
    assert!(
        matches!(desk.call(people[0].session, resume), Answer::Published(published) if published.seq == 1)
    );
    assert_eq!(people[0].say(&mut desk, room, b"two"), 2);
    assert_eq!(desk.payloads(people[1].session), [b"one".to_vec(), b"two".to_vec()]);
}

#[test]
fn marks_wait_for_room_on_the_disk_and_nobody_is_told_before() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    people[0].say(&mut desk, room, b"one");
    desk.disk.set_full(true);
    let delivered: VersionVector = [(crate::desk::origin(), 1)].into_iter().collect();
    let mark = wire::RoomMark { room_id: room.to_bytes(), delivered: Some((&delivered).into()) };
    desk.tell(people[1].session, Request::PutMarks(wire::PutMarks { marks: vec![mark] }));
    desk.settle();
    desk.pass(10_000);
    assert_eq!(desk.pushes(people[0].session), []);
    desk.disk.set_full(false);
    desk.pass(1_500);
    assert!(matches!(desk.pushes(people[0].session).as_slice(), [Answer::Marks(_)]));
    desk.restart();
    people[0].come_back(&mut desk);
    let get = Request::GetMarks(wire::GetMarks { room_id: room.to_bytes() });
    let Answer::Marks(marks) = desk.call(people[0].session, get) else { panic!("no marks") };
    assert_eq!(VersionVector::try_from(marks.everyone.as_ref()).unwrap().get(crate::desk::origin()), 1);
}

#[test]
fn a_batch_that_finds_the_disk_full_leaves_no_trace_in_memory() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    let update = people[0].commit_update(room);
    let newcomer = Device::new(7, 1);
    let (login, register, garbage) = (desk.connect(), desk.connect(), desk.connect());
    desk.disk.set_full(true);
    let commit = desk.post(people[0].session, update.submit());
    let publish = desk.post(people[1].session, Device::publish(room, b"x"));
    let mut second = Device::new(2, 1);
    let login_request = desk.post(login.session, Request::Authenticate(second.login(&login)));
    let register_request = desk.post(register.session, newcomer.register(&register, "newcomer"));
    desk.post(garbage.session, Request::ListRooms(wire::ListRooms {}));
    desk.run();
    for (session, request) in
        [(people[0].session, commit), (people[1].session, publish), (register.session, register_request)]
    {
        match desk.answer_to(session, request) {
            Some(Answer::Error(error)) => assert_eq!(code(&error), ErrorCode::StorageFull),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(desk.answer_to(login.session, login_request), Some(Answer::SessionReady(_))));
    assert!(desk.closed.contains(&people[1].session), "replaced, once");
    assert!(desk.closed.contains(&garbage.session));
    assert_eq!(desk.pushes(people[1].session).len(), 1);
    second.session = login.session;

    desk.disk.set_full(false);
    desk.pass(1_000);
    let receipt = people[0].decide(&mut desk, &update);
    assert_eq!(receipt.epoch, 1);
    assert_eq!(people[0].say(&mut desk, room, b"first"), 1);
    let list = Request::ListRooms(wire::ListRooms {});
    let Answer::Rooms(rooms) = desk.call(second.session, list) else { panic!("no rooms") };
    assert_eq!(rooms.rooms[0].epoch, 2);
}

#[test]
fn c1_after_a_crash_what_was_acknowledged_is_there_and_the_rest_may_be_repeated() {
    for fault in [Fault::CrashBefore, Fault::Torn { written: 10 }, Fault::CrashAfter] {
        let mut desk = Desk::new();
        let (mut people, room) = room_of(&mut desk, 2);
        people[0].say(&mut desk, room, b"one");
        let update = people[0].commit_update(room);
        desk.disk.fail_commit(0, fault);
        let session = people[0].session;
        let publish = desk.post(session, Device::publish(room, b"two"));
        let commit = desk.post(session, update.submit());
        desk.run();
        assert_eq!(desk.answer_to(session, publish), None, "no answer before it is durable");
        assert_eq!(desk.answer_to(session, commit), None);
        assert!(desk.stats().fatal.is_some(), "the process has to start again");
        assert_eq!(desk.cell.as_ref().unwrap().next_tick_ms(), u64::MAX);
        desk.restart();
        people[0].come_back(&mut desk);
        assert_eq!(people[0].say(&mut desk, room, b"one"), 1);
        assert_eq!(people[0].say(&mut desk, room, b"two"), 2, "{fault:?}");
        people[0].decide(&mut desk, &update);
        assert_eq!(people[0].say(&mut desk, room, b"three"), 3);
    }
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 2);
    people[0].say(&mut desk, room, b"one");
    desk.now_ms -= 3_600_000;
    assert_eq!(people[1].say(&mut desk, room, b"two"), 2);
    let delivered: VersionVector = [(crate::desk::origin(), 2)].into_iter().collect();
    let mark = wire::RoomMark { room_id: room.to_bytes(), delivered: Some((&delivered).into()) };
    desk.tell(people[0].session, Request::PutMarks(wire::PutMarks { marks: vec![mark] }));
    desk.run();
    desk.pass(200);
    let pushes = desk.pushes(people[1].session);
    assert!(pushes.iter().any(|push| matches!(push, Answer::Marks(_))), "{pushes:?}");
    let idle = desk.connect();
    desk.pass(31_000);
    assert!(desk.closed.contains(&idle.session));
}
