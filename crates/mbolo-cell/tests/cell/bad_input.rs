//! What a client should not send.

use mbolo_cell::{Event, SessionId};
use mbolo_proto::wire::{self, ErrorCode};
use mbolo_proto::{DecodeError, FeedId, RoomId, VersionVector, decode_client_frame, limits};

use crate::desk::{Answer, Desk, Request, code};
use crate::device::Device;
use crate::feeds::room_of;

#[test]
fn garbage_truncated_and_oversized_frames_close_the_connection() {
    let good = mbolo_proto::encode_frame(&wire::ClientFrame {
        request_id: 1,
        body: Some(Request::Publish(wire::Publish { payload: vec![1; 100].into(), ..Default::default() })),
    });
    for (bytes, expected) in [
        (vec![0xFF; 50], ErrorCode::Malformed),
        (good[..good.len() - 1].to_vec(), ErrorCode::Malformed),
        (Vec::new(), ErrorCode::Malformed),
        (vec![0; limits::MAX_FRAME_BYTES + 1], ErrorCode::TooLarge),
    ] {
        let mut desk = Desk::new();
        let awa = Device::signed_up(&mut desk, 1, "awa");
        let error: DecodeError = decode_client_frame(bytes.into()).unwrap_err();
        desk.queue(Event::Malformed { session: SessionId(awa.session), error });
        desk.run();
        assert!(matches!(desk.next(awa.session), Some(Answer::Error(error)) if code(&error) == expected));
        assert!(desk.closed.contains(&awa.session));
        assert_eq!(desk.stats().sessions, 0);
    }
}

#[test]
fn ids_of_a_wrong_length_and_crooked_vectors_close_the_connection() {
    let short = bytes::Bytes::from_static(&[1; 31]);
    let position = |origin: u8, seq| wire::OriginSeq { origin: vec![origin; 32].into(), seq };
    let crooked = wire::VersionVector { positions: vec![position(2, 1), position(1, 1)] };
    let feed = Some(wire::FeedRef::from(FeedId::Room(RoomId([1; 32]))));
    for request in [
        Request::Publish(wire::Publish {
            room_id: short.clone(),
            kind: 1,
            payload: short.clone(),
            resume: false,
        }),
        Request::Publish(wire::Publish { room_id: vec![1; 32].into(), kind: 3, ..Default::default() }),
        Request::Subscribe(wire::Subscribe {
            feeds: vec![wire::FeedPosition { feed, after: Some(crooked) }],
        }),
        Request::Subscribe(wire::Subscribe { feeds: vec![wire::FeedPosition::default()] }),
        Request::GetAccount(wire::GetAccount { account_id: short.clone() }),
        Request::GetJoin(wire::GetJoin { room_id: short, epoch: 0 }),
        Request::Register(wire::Register { version: 1, ..Default::default() }),
    ] {
        let mut desk = Desk::new();
        let awa = Device::signed_up(&mut desk, 1, "awa");
        let error = desk.refusal(awa.session, request);
        assert_eq!(code(&error), ErrorCode::Malformed, "{error:?}");
        assert!(desk.closed.contains(&awa.session));
    }
}

#[test]
fn a_request_that_needs_an_answer_needs_an_id() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 2);
    desk.tell(people[0].session, Device::publish(room, b"x"));
    desk.run();
    assert!(desk.closed.contains(&people[0].session));
    assert!(desk.entries(people[1].session).is_empty());
}

#[test]
fn a_stranger_neither_reads_nor_writes_a_room() {
    let mut desk = Desk::new();
    let (_people, room) = room_of(&mut desk, 2);
    let cyd = Device::signed_up(&mut desk, 9, "cyd");
    assert_eq!(code(&desk.refusal(cyd.session, Device::publish(room, b"x"))), ErrorCode::NotAMember);
    let head = cyd.subscribe(&mut desk, FeedId::Room(room), &VersionVector::new());
    assert_eq!(head.refused(), ErrorCode::NotAMember);
    assert!(desk.entries(cyd.session).is_empty());
}

#[test]
fn an_unknown_room_is_named_as_such_and_the_other_feeds_are_followed() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 2);
    let nowhere = RoomId([99; 32]);
    assert_eq!(code(&desk.refusal(people[0].session, Device::publish(nowhere, b"x"))), ErrorCode::NotFound);
    let feeds =
        [nowhere, room].map(|room| wire::FeedPosition { feed: Some(FeedId::Room(room).into()), after: None });
    let subscribe = Request::Subscribe(wire::Subscribe { feeds: feeds.to_vec() });
    let Answer::Subscribed(subscribed) = desk.call(people[0].session, subscribe) else { panic!("refused") };
    assert_eq!(subscribed.heads[0].refused(), ErrorCode::NotFound);
    assert_eq!(subscribed.heads[1].refused, 0);
}

#[test]
fn a_request_for_too_many_feeds_is_refused() {
    let mut desk = Desk::with(|config| config.max_subscriptions = 1);
    let (people, room) = room_of(&mut desk, 2);
    let position = wire::FeedPosition { feed: Some(FeedId::Room(room).into()), after: None };
    let feeds = vec![position; limits::MAX_FEEDS_PER_SUBSCRIBE + 1];
    let error = desk.refusal(people[0].session, Request::Subscribe(wire::Subscribe { feeds }));
    assert_eq!(code(&error), ErrorCode::Limit);
    let head = people[0].subscribe(&mut desk, FeedId::Inbox(people[0].account), &VersionVector::new());
    assert_eq!(head.refused(), ErrorCode::Limit);
}

#[test]
fn large_answers_to_one_session_are_limited() {
    let mut desk = Desk::with(|config| {
        config.answer_burst_kib = 10;
        config.answer_kib_per_s = 1;
    });
    let (people, room) = room_of(&mut desk, 20);
    let get = Request::GetGroupInfo(wire::GetGroupInfo { room_id: room.to_bytes() });
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(desk.call(people[0].session, get.clone()));
    }
    assert!(matches!(answers[0], Answer::RoomGroupInfo(_)));
    assert!(
        matches!(&answers[9], Answer::Error(error) if code(error) == ErrorCode::Busy && error.retry_after_ms > 0)
    );
    assert!(matches!(desk.call(people[1].session, get), Answer::RoomGroupInfo(_)), "others are unharmed");
}

#[test]
fn too_many_attempts_on_one_connection_end_it() {
    let mut desk = Desk::new();
    Device::signed_up(&mut desk, 1, "awa");
    let connection = desk.connect();
    for _ in 0..4 {
        let error = desk.refusal(connection.session, Device::new(2, 1).register(&connection, "awa"));
        assert_eq!(code(&error), ErrorCode::HandleTaken);
    }
    let error = desk.refusal(connection.session, Device::new(2, 1).register(&connection, "free.one"));
    assert_eq!(code(&error), ErrorCode::Limit);
    assert!(desk.closed.contains(&connection.session));
}

#[test]
fn a_position_ahead_of_the_feed_is_taken_as_it_is() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 2);
    let ahead: VersionVector =
        [(crate::desk::origin(), 1_000), (mbolo_proto::Origin::COMMITS, 7)].into_iter().collect();
    let head = people[1].subscribe(&mut desk, FeedId::Room(room), &ahead);
    assert_eq!(head.refused, 0);
    people[0].say(&mut desk, room, b"x");
    desk.settle();
    assert_eq!(desk.payloads(people[1].session), [b"x".to_vec()]);
}

#[test]
fn a_position_at_the_end_of_all_numbers_is_taken_as_it_is() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 2);
    people[0].say(&mut desk, room, b"x");
    desk.settle();
    desk.entries(people[1].session);
    let (own, commits) = (crate::desk::origin(), mbolo_proto::Origin::COMMITS);
    let follow = |desk: &mut Desk, position: &[(mbolo_proto::Origin, u64)]| {
        let position: VersionVector = position.iter().copied().collect();
        assert_eq!(people[1].subscribe(desk, FeedId::Room(room), &position).refused, 0);
        let origins: Vec<_> = desk.entries(people[1].session).iter().map(|(origin, ..)| *origin).collect();
        origins
    };
    assert_eq!(follow(&mut desk, &[(own, u64::MAX), (commits, u64::MAX)]), []);
    assert_eq!(follow(&mut desk, &[(own, u64::MAX)]), []);
    assert_eq!(follow(&mut desk, &[(commits, u64::MAX)]), [own]);
}
