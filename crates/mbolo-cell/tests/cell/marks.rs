//! Ticks: delivered marks, read marks, and what is never stored.

use mbolo_proto::wire::{self, ErrorCode};
use mbolo_proto::{AccountId, Origin, RoomId, VersionVector};

use crate::desk::{Answer, Desk, Request, code, origin};
use crate::device::Device;
use crate::feeds::room_of;

fn put(room: RoomId, seq: u64) -> Request {
    let delivered: VersionVector = [(origin(), seq), (Origin::COMMITS, 1)].into_iter().collect();
    Request::PutMarks(wire::PutMarks {
        marks: vec![wire::RoomMark { room_id: room.to_bytes(), delivered: Some((&delivered).into()) }],
    })
}

fn marks(desk: &mut Desk, device: &Device, room: RoomId) -> wire::Marks {
    match desk.call(device.session, Request::GetMarks(wire::GetMarks { room_id: room.to_bytes() })) {
        Answer::Marks(marks) => marks,
        other => panic!("{other:?}"),
    }
}

fn everyone(marks: &wire::Marks) -> u64 {
    VersionVector::try_from(marks.everyone.as_ref()).unwrap().get(origin())
}

fn of(marks: &wire::Marks, account: AccountId) -> u64 {
    let mark = marks.marks.iter().find(|mark| *mark.account_id == account.0).unwrap();
    VersionVector::try_from(mark.delivered.as_ref()).unwrap().get(origin())
}

fn pushed(desk: &mut Desk, session: u64) -> Vec<wire::Marks> {
    let pushes = desk.pushes(session).into_iter();
    pushes.filter_map(|push| if let Answer::Marks(marks) = push { Some(marks) } else { None }).collect()
}

#[test]
fn what_is_delivered_is_told_once_and_a_little_later() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 2);
    for n in 0..5u8 {
        people[0].say(&mut desk, room, &[n]);
    }
    for seq in 1..=5 {
        desk.tell(people[1].session, put(room, seq));
        desk.run();
    }
    assert!(pushed(&mut desk, people[0].session).is_empty(), "not at once");
    desk.pass(100);
    let marks = pushed(&mut desk, people[0].session);
    let [marks] = marks.as_slice() else { panic!("one push, not {marks:?}") };
    assert_eq!((of(marks, people[1].account), everyone(marks)), (5, 5), "the sender has what it sent");
    desk.pass(60_000);
    assert!(pushed(&mut desk, people[0].session).is_empty());
}

#[test]
fn marks_only_grow_and_reach_no_further_than_the_feed() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    for n in 0..5u8 {
        people[0].say(&mut desk, room, &[n]);
    }
    desk.tell(people[1].session, put(room, 1_000));
    desk.tell(people[1].session, put(room, 2));
    desk.settle();
    assert_eq!(of(&marks(&mut desk, &people[0], room), people[1].account), 5);
    desk.restart();
    people[0].come_back(&mut desk);
    assert_eq!(of(&marks(&mut desk, &people[0], room), people[1].account), 5);
}

#[test]
fn everyone_is_as_far_as_the_slowest() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 3);
    for n in 0..5u8 {
        people[0].say(&mut desk, room, &[n]);
    }
    desk.tell(people[1].session, put(room, 5));
    desk.tell(people[2].session, put(room, 3));
    desk.settle();
    let now = marks(&mut desk, &people[0], room);
    assert_eq!((everyone(&now), of(&now, people[1].account), of(&now, people[2].account)), (3, 5, 3));
}

#[test]
fn who_was_pushed_a_mark_is_not_told_less_after_a_crash() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    people[0].say(&mut desk, room, b"one");
    people[1].say(&mut desk, room, b"two");
    people[0].say(&mut desk, room, b"three");
    desk.tell(people[0].session, put(room, 3));
    desk.tell(people[1].session, put(room, 3));
    desk.run();
    desk.pass(100);
    let last = everyone(pushed(&mut desk, people[0].session).last().unwrap());
    assert_eq!(last, 3);
    desk.restart();
    people[0].come_back(&mut desk);
    assert_eq!(everyone(&marks(&mut desk, &people[0], room)), 3);
}

#[test]
fn after_a_restart_a_position_counts_as_a_mark() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    people[0].say(&mut desk, room, b"one");
    desk.tell(people[1].session, put(room, 1));
    desk.run();
    desk.restart(); // what the sender has was in memory only
    people[0].come_back(&mut desk);
    assert_eq!(everyone(&marks(&mut desk, &people[0], room)), 0);
    let position = [(origin(), 1), (Origin::COMMITS, 1)].into_iter().collect();
    people[0].subscribe(&mut desk, mbolo_proto::FeedId::Room(room), &position);
    desk.pass(100);
    assert_eq!(everyone(pushed(&mut desk, people[0].session).last().unwrap()), 1);
}

#[test]
fn a_new_member_does_not_hold_back_what_came_before_it() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    people[0].say(&mut desk, room, b"one");
    desk.tell(people[1].session, put(room, 1));
    desk.settle();
    let mut cyd = Device::signed_up(&mut desk, 9, "cyd");
    cyd.upload(&mut desk, 1);
    people[0].add(&mut desk, room, &mut [&mut cyd]);
    assert_eq!(everyone(&marks(&mut desk, &people[0], room)), 1);
    people[0].say(&mut desk, room, b"two");
    assert_eq!(everyone(&marks(&mut desk, &people[0], room)), 1);
}

#[test]
fn the_newest_read_mark_is_kept_and_told_to_the_others() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    let read = |payload: &[u8]| {
        Request::PutReadMark(wire::PutReadMark { room_id: room.to_bytes(), payload: payload.to_vec().into() })
    };
    desk.tell(people[1].session, read(b"first"));
    desk.tell(people[1].session, read(b"second"));
    desk.settle();
    let told: Vec<_> = desk.pushes(people[0].session);
    assert_eq!(told.len(), 2);
    assert!(
        matches!(&told[1], Answer::ReadMarkPush(push) if *push.payload == *b"second" && *push.account_id == people[1].account.0)
    );
    assert!(desk.pushes(people[1].session).is_empty());
    desk.restart();
    people[0].come_back(&mut desk);
    let kept = marks(&mut desk, &people[0], room).read;
    assert_eq!(kept.len(), 1);
    assert_eq!(*kept[0].payload, *b"second");
    let errors = desk.stats().errors;
    desk.tell(people[0].session, read(&[0; 1025]));
    desk.settle();
    assert_ne!(desk.stats().errors, errors, "too large, and nobody waits for an answer");
    assert!(desk.pushes(people[0].session).is_empty());
}

#[test]
fn who_types_is_told_to_those_who_are_there_and_never_stored() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 3);
    let batches = desk.stats().batches;
    let typing = |room: RoomId| {
        Request::Ephemeral(wire::Ephemeral { room_id: room.to_bytes(), payload: b"typing".to_vec().into() })
    };
    desk.tell(people[0].session, typing(room));
    desk.settle();
    for person in &people[1..] {
        assert!(
            matches!(desk.next(person.session), Some(Answer::EphemeralPush(push)) if *push.payload == *b"typing")
        );
    }
    assert_eq!(desk.next(people[0].session), None);
    assert_eq!(desk.stats().batches, batches);
    // Nobody types for others.
    let stranger = Device::signed_up(&mut desk, 9, "cyd");
    desk.tell(stranger.session, typing(room));
    desk.settle();
    assert_eq!(desk.next(people[1].session), None);
}

#[test]
fn signals_are_limited_per_session() {
    let mut desk = Desk::with(|config| {
        config.ephemeral_burst = 3;
        config.ephemeral_rate_per_s = 1;
    });
    let (people, room) = room_of(&mut desk, 2);
    for _ in 0..10 {
        let typing = wire::Ephemeral { room_id: room.to_bytes(), payload: b"x".to_vec().into() };
        desk.tell(people[0].session, Request::Ephemeral(typing));
    }
    desk.run();
    assert_eq!(desk.pushes(people[1].session).len(), 3);
    assert_eq!(desk.stats().errors[&(ErrorCode::Busy as i32)], 7);
}

#[test]
fn marks_and_publishes_do_not_use_up_each_others_allowance() {
    let mut desk = Desk::with(|config| {
        (config.mark_burst, config.mark_rate_per_s) = (3, 1);
        (config.publish_burst, config.publish_rate_per_s) = (3, 1);
    });
    let (people, room) = room_of(&mut desk, 2);
    for n in 0..3u8 {
        people[0].say(&mut desk, room, &[n]);
    }
    let error = desk.refusal(people[0].session, Device::publish(room, b"too much"));
    assert_eq!(code(&error), ErrorCode::Busy);
    for seq in 1..=10 {
        desk.tell(people[0].session, put(room, seq.min(3)));
        desk.tell(people[1].session, put(room, seq.min(3)));
    }
    desk.run();
    assert_eq!(everyone(&marks(&mut desk, &people[0], room)), 3);
    assert_eq!(desk.stats().errors[&(ErrorCode::Busy as i32)], 1 + 2 * 7);
    people[1].say(&mut desk, room, b"marks were too many, this is not");
}

#[test]
fn marks_are_for_members() {
    let mut desk = Desk::new();
    let (_people, room) = room_of(&mut desk, 2);
    let stranger = Device::signed_up(&mut desk, 9, "cyd");
    let get = Request::GetMarks(wire::GetMarks { room_id: room.to_bytes() });
    assert_eq!(code(&desk.refusal(stranger.session, get)), ErrorCode::NotAMember);
    desk.tell(stranger.session, put(room, 1));
    desk.settle();
    assert_eq!(desk.pushes(stranger.session), []);
}
