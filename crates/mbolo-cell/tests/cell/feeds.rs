//! Publishing and following: order, positions, credit, coming back.

use mbolo_cell::{Effect, SessionId};
use mbolo_proto::wire::{self, ErrorCode};
use mbolo_proto::{FeedId, Origin, RoomId, VersionVector, limits};

use crate::desk::{Answer, Desk, Request, code, origin};
use crate::device::Device;

/// `count` people in one room, all following it from its end.
pub fn room_of(desk: &mut Desk, count: u8) -> (Vec<Device>, RoomId) {
    let mut people: Vec<Device> =
        (1..=count).map(|n| Device::signed_up(desk, n, &format!("person{n}"))).collect();
    let (first, others) = people.split_first_mut().unwrap();
    let room = first.create_group(desk, 50);
    if !others.is_empty() {
        for other in others.iter() {
            other.upload(desk, 1);
        }
        first.add(desk, room, &mut others.iter_mut().collect::<Vec<_>>());
    }
    for person in &people {
        person.follow_from_end(desk, room);
    }
    (people, room)
}

fn after(position: &[(Origin, u64)]) -> VersionVector {
    position.iter().copied().collect()
}

fn text(n: usize) -> Vec<u8> {
    format!("message {n}").into_bytes()
}

#[test]
fn a_message_reaches_the_others_and_not_its_sender() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 3);
    assert_eq!(people[0].say(&mut desk, room, b"hello"), 1);
    assert_eq!(desk.entries(people[0].session), []);
    for person in &people[1..] {
        assert_eq!(desk.entries(person.session), [(origin(), 1, b"hello".to_vec())]);
    }
}

#[test]
fn one_frame_is_made_for_all_who_listen() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 6);
    let before = desk.trace.len();
    let deliveries = desk.stats().deliveries;
    for n in 0..4 {
        desk.post(people[0].session, Device::publish(room, &text(n)));
    }
    desk.run();
    let broadcasts: Vec<_> = desk.trace[before..]
        .iter()
        .filter_map(|effect| match effect {
            Effect::Broadcast { sessions, .. } => Some(sessions.len()),
            _ => None,
        })
        .collect();
    assert_eq!(broadcasts, [5], "four entries, five listeners, one frame");
    assert_eq!(desk.stats().deliveries - deliveries, 20);
    assert_eq!(desk.payloads(people[5].session), (0..4).map(text).collect::<Vec<_>>());
}

#[test]
fn two_who_write_at_once_see_dense_positions() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 3);
    // One batch, mixed: each writer's answers and pushes must come in the order of the log.
    for n in 0..6 {
        desk.post(people[n % 2].session, Device::publish(room, &text(n)));
    }
    desk.run();
    for person in &people {
        let mut position = 0;
        for frame in desk.pushes(person.session) {
            match frame {
                Answer::Published(published) => {
                    assert_eq!(published.seq, position + 1);
                    position = published.seq;
                }
                Answer::FeedPush(push) => {
                    assert_eq!(push.first_seq, position + 1);
                    position += push.entries.len() as u64;
                }
                _ => {}
            }
        }
        assert_eq!(position, 6);
    }
}

#[test]
fn the_same_payload_again_gets_the_same_position() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    assert_eq!(people[0].say(&mut desk, room, b"once"), 1);
    desk.pass(5_000);
    assert_eq!(people[0].say(&mut desk, room, b"once"), 1);
    assert_eq!(people[0].say(&mut desk, room, b"twice"), 2);
    desk.restart();
    people[0].come_back(&mut desk);
    assert_eq!(people[0].say(&mut desk, room, b"once"), 1);
    assert_eq!(people[0].say(&mut desk, room, b"thrice"), 3);
    // Twice in one batch, too.
    let one = desk.post(people[0].session, Device::publish(room, b"fourth"));
    let other = desk.post(people[0].session, Device::publish(room, b"fourth"));
    desk.run();
    for request in [one, other] {
        match desk.answer_to(people[0].session, request) {
            Some(Answer::Published(published)) => assert_eq!(published.seq, 4),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_was_sent_before_a_reset_is_recognised_and_what_follows_is_new() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    for n in 0..60 {
        people[0].say(&mut desk, room, &text(n));
    }
    for round in 0..2 {
        people[0].come_back(&mut desk);
        people[0].follow_from_end(&mut desk, room);
        // The answers to the last ones got lost; the device sends them again and then goes on.
        let first = 10 + 60 * round;
        let seqs: Vec<u64> =
            (first..120 + 60 * round).map(|n| people[0].say(&mut desk, room, &text(n))).collect();
        assert_eq!(seqs, (first as u64 + 1..=120 + 60 * round as u64).collect::<Vec<_>>());
    }
    let all: Vec<_> = desk.payloads(people[1].session);
    assert_eq!(all, (0..180).map(text).collect::<Vec<_>>());
}

#[test]
fn a_device_that_was_offline_gets_what_it_missed() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    desk.disconnect(people[1].session);
    for n in 0..500 {
        desk.post(people[0].session, Device::publish(room, &text(n)));
    }
    desk.run();
    desk.restart();
    people[1].come_back(&mut desk);
    let position = after(&[(origin(), 100), (Origin::COMMITS, 1)]);
    let head = people[1].subscribe(&mut desk, FeedId::Room(room), &position);
    assert_eq!(
        VersionVector::try_from(head.head.as_ref()).unwrap(),
        after(&[(origin(), 500), (Origin::COMMITS, 1)])
    );
    assert_eq!(desk.payloads(people[1].session), (100..500).map(text).collect::<Vec<_>>());
    people[0].come_back(&mut desk);
    people[0].say(&mut desk, room, b"live again");
    assert_eq!(desk.payloads(people[1].session), [b"live again".to_vec()]);
}

#[test]
fn who_was_away_for_many_epochs_gets_every_commit_before_what_needs_it() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    desk.disconnect(people[1].session);
    for n in 0..5 {
        people[0].say(&mut desk, room, &text(n));
        let update = people[0].commit_update(room);
        people[0].decide(&mut desk, &update);
        people[0].say(&mut desk, room, &text(100 + n));
    }
    people[1].come_back(&mut desk);
    people[1].subscribe(&mut desk, FeedId::Room(room), &after(&[(Origin::COMMITS, 1)]));
    let mut epoch = 1;
    let mut messages = 0;
    for (origin, seq, payload) in desk.entries(people[1].session) {
        if origin == Origin::COMMITS {
            assert_eq!(seq, epoch + 1);
            people[1].follow_commit(room, &payload);
            epoch = seq;
        } else {
            messages += 1;
            // Two messages in each epoch but the first and the last.
            assert_eq!(epoch, 1 + messages / 2, "message {messages} came in epoch {epoch}");
        }
    }
    assert_eq!((epoch, messages), (6, 10));
    assert_eq!(people[0].authenticator(room), people[1].authenticator(room));
}

#[test]
fn a_new_member_gets_nothing_from_before_it_came() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    people[0].say(&mut desk, room, b"a secret");
    let mut cyd = Device::signed_up(&mut desk, 9, "cyd");
    cyd.upload(&mut desk, 1);
    people[0].add(&mut desk, room, &mut [&mut cyd]);
    people[0].say(&mut desk, room, b"welcome");
    cyd.subscribe(&mut desk, FeedId::Room(room), &VersionVector::new());
    assert_eq!(desk.payloads(cyd.session), [b"welcome".to_vec()]);
}

#[test]
fn who_subscribes_in_the_batch_of_a_message_gets_it_once() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 2);
    let mut ben = Device { session: 0, ..Device::new(2, 1) };
    ben.come_back(&mut desk);
    let subscribe = |position: &[(Origin, u64)]| {
        Request::Subscribe(wire::Subscribe {
            feeds: vec![wire::FeedPosition {
                feed: Some(FeedId::Room(room).into()),
                after: Some((&after(position)).into()),
            }],
        })
    };
    desk.post(people[0].session, Device::publish(room, b"one"));
    desk.post(ben.session, subscribe(&[(Origin::COMMITS, 1)]));
    desk.post(people[0].session, Device::publish(room, b"two"));
    desk.settle();
    assert_eq!(desk.payloads(ben.session), [b"one".to_vec(), b"two".to_vec()]);
    // The same, from a position that the batch has already reached.
    desk.post(people[0].session, Device::publish(room, b"three"));
    desk.post(ben.session, subscribe(&[(origin(), 3), (Origin::COMMITS, 1)]));
    desk.post(people[0].session, Device::publish(room, b"four"));
    desk.settle();
    assert_eq!(desk.payloads(ben.session), [b"four".to_vec()]);
}

#[test]
fn a_client_that_never_reads_costs_nothing_and_goes_on_when_it_does() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 3);
    let payload = |n: usize| vec![n as u8; 20_000];
    // The window is 1 MiB: about fifty of these.
    for n in 0..120 {
        people[0].say(&mut desk, room, &payload(n));
        desk.tell(people[2].session, Request::Credit(wire::Credit { bytes: 30_000 }));
    }
    desk.settle();
    assert_eq!(desk.payloads(people[2].session).len(), 120, "others are not held up");
    let got = desk.payloads(people[1].session);
    assert!((45..=53).contains(&got.len()), "{}", got.len());
    let mut all = got;
    for _ in 0..40 {
        desk.tell(people[1].session, Request::Credit(wire::Credit { bytes: 100_000 }));
        desk.settle();
        all.extend(desk.payloads(people[1].session));
    }
    assert_eq!(all, (0..120).map(payload).collect::<Vec<_>>(), "all, once, in order");
    people[0].say(&mut desk, room, b"live");
    assert_eq!(desk.payloads(people[1].session), [b"live".to_vec()]);
}

#[test]
fn catching_up_comes_in_frames_of_bounded_size_that_respect_the_window() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    desk.disconnect(people[1].session);
    for n in 0..100 {
        people[0].say(&mut desk, room, &vec![n as u8; 10_000]);
    }
    let connection = desk.connect();
    let mut login = people[1].login(&connection);
    login.receive_window = 1; // becomes the smallest window
    desk.call(connection.session, Request::Authenticate(login));
    people[1].session = connection.session;
    let from = desk.trace.len();
    people[1].subscribe(&mut desk, FeedId::Room(room), &after(&[(Origin::COMMITS, 1)]));
    let sent: Vec<usize> = desk.trace[from..]
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send { session: SessionId(id), frame } if *id == people[1].session => Some(frame.len()),
            _ => None,
        })
        .filter(|len| *len > 1_000)
        .collect();
    assert!(sent.iter().all(|len| *len <= 64 * 1024), "{sent:?}");
    assert!(sent.iter().sum::<usize>() <= *limits::RECEIVE_WINDOW_BYTES.start() as usize);
    assert_eq!(desk.payloads(people[1].session).len(), 13);
    desk.tell(people[1].session, Request::Credit(wire::Credit { bytes: u32::MAX }));
    desk.settle();
    assert_eq!(desk.payloads(people[1].session).len(), 13, "credit never exceeds the window");
}

#[test]
fn an_entry_larger_than_what_is_left_waits_for_the_whole_window() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    let connection = desk.connect();
    let mut login = people[1].login(&connection);
    login.receive_window = 128 * 1024;
    desk.call(connection.session, Request::Authenticate(login));
    people[1].session = connection.session;
    people[1].follow_from_end(&mut desk, room);
    for n in 0..3 {
        people[0].say(&mut desk, room, &vec![n; limits::MAX_PAYLOAD_BYTES]);
    }
    let mut seen = desk.payloads(people[1].session).len();
    assert_eq!(seen, 1);
    for _ in 0..2 {
        desk.tell(people[1].session, Request::Credit(wire::Credit { bytes: 66_000 }));
        desk.settle();
        seen += desk.payloads(people[1].session).len();
    }
    assert_eq!(seen, 3);
}

#[test]
fn a_client_that_gives_credit_back_in_lumps_is_not_stuck() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 2);
    let connection = desk.connect();
    let mut login = people[1].login(&connection);
    login.receive_window = 128 * 1024;
    desk.call(connection.session, Request::Authenticate(login));
    people[1].session = connection.session;
    people[1].follow_from_end(&mut desk, room);
    let before = desk.stats().delivered_bytes;
    people[0].say(&mut desk, room, &vec![1; 60_000]);
    people[0].say(&mut desk, room, &vec![2; 60_000]);
    assert_eq!(desk.payloads(people[1].session).len(), 2);
    let used = (desk.stats().delivered_bytes - before) as u32;
    // Half of the window is open again, which is a little less than the largest entry.
    desk.tell(people[1].session, Request::Credit(wire::Credit { bytes: used - 64 * 1024 }));
    desk.settle();
    people[0].say(&mut desk, room, &vec![3; limits::MAX_PAYLOAD_BYTES]);
    desk.settle();
    assert_eq!(desk.payloads(people[1].session).len(), 1);
}

#[test]
fn after_a_refusal_nothing_overtakes_until_the_sender_resumes() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 2);
    let awa = people[0].session;
    let error = desk.refusal(awa, Device::publish(room, &vec![0; limits::MAX_PAYLOAD_BYTES + 1]));
    assert_eq!(code(&error), ErrorCode::TooLarge);
    assert_eq!(code(&desk.refusal(awa, Device::publish(room, b"two"))), ErrorCode::OutOfOrder);
    assert_eq!(code(&desk.refusal(awa, Device::publish(room, b"three"))), ErrorCode::OutOfOrder);
    let Request::Publish(publish) = Device::publish(room, b"two") else { unreachable!() };
    let resume = Request::Publish(wire::Publish { resume: true, ..publish });
    assert!(matches!(desk.call(awa, resume), Answer::Published(_)));
    people[0].say(&mut desk, room, b"three");
    assert_eq!(desk.payloads(people[1].session), [b"two".to_vec(), b"three".to_vec()]);
}

#[test]
fn a_flood_from_one_device_is_limited_and_others_are_unharmed() {
    let mut desk = Desk::with(|config| {
        config.publish_burst = 10;
        config.publish_rate_per_s = 1;
    });
    let (people, room) = room_of(&mut desk, 2);
    let requests: Vec<u64> =
        (0..100).map(|n| desk.post(people[0].session, Device::publish(room, &text(n)))).collect();
    desk.run();
    let mut published = 0;
    for (n, request) in requests.into_iter().enumerate() {
        match desk.answer_to(people[0].session, request) {
            Some(Answer::Published(_)) => published += 1,
            Some(Answer::Error(error)) if n == 10 => {
                assert_eq!(code(&error), ErrorCode::Busy);
                assert_eq!(error.retry_after_ms, 1_000);
            }
            Some(Answer::Error(error)) => assert_eq!(code(&error), ErrorCode::OutOfOrder),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(published, 10);
    people[1].say(&mut desk, room, b"my turn");
    assert_eq!(desk.payloads(people[0].session), [b"my turn".to_vec()]);
}

#[test]
fn a_commit_and_messages_of_one_batch_come_in_their_order() {
    let mut desk = Desk::new();
    let (mut people, room) = room_of(&mut desk, 3);
    let update = people[0].commit_update(room);
    desk.post(people[1].session, Device::publish(room, b"old epoch"));
    desk.post(people[0].session, update.submit());
    desk.post(people[0].session, Device::publish(room, b"new epoch"));
    desk.run();
    let entries = desk.entries(people[2].session);
    let order: Vec<_> = entries.iter().map(|(origin, seq, _)| (*origin, *seq)).collect();
    assert_eq!(order, [(origin(), 1), (Origin::COMMITS, 2), (origin(), 2)]);
    // The writers see each other's part and not their own.
    assert_eq!(desk.payloads(people[0].session), [b"old epoch".to_vec()]);
    assert_eq!(desk.entries(people[1].session).len(), 2);
}

#[test]
fn rooms_that_nobody_follows_leave_memory_and_come_back() {
    let mut desk = Desk::with(|config| config.cached_rooms = 4);
    let mut awa = Device::signed_up(&mut desk, 1, "awa");
    let rooms: Vec<RoomId> = (0..40).map(|n| awa.create_group(&mut desk, 50 + n)).collect();
    for _ in 0..40 {
        desk.settle();
    }
    assert!(desk.stats().rooms_cached <= 5, "{}", desk.stats().rooms_cached);
    for room in &rooms {
        assert_eq!(awa.say(&mut desk, *room, b"one"), 1);
    }
    for room in &rooms {
        assert_eq!(awa.say(&mut desk, *room, b"two"), 2);
    }
}
