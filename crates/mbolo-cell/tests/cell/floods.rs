//! One account asks for all it can: it is told to wait, and others do not notice.

use bytes::Bytes;
use mbolo_proto::policy::Policy;
use mbolo_proto::wire::{self, ErrorCode};
use mbolo_proto::{FeedId, RoomId};
use prost::Message;

use crate::desk::{Answer, Desk, Request, code};
use crate::device::Device;
use crate::feeds::room_of;

/// A cell with little patience, and two people in a room.
fn impatient() -> (Desk, Vec<Device>, RoomId) {
    let mut desk = Desk::with(|config| {
        config.request_burst = 1_000;
        config.request_rate_per_s = 100;
        config.claim_burst = 10_000;
    });
    let (people, room) = room_of(&mut desk, 2);
    (desk, people, room)
}

fn busy(answer: &Answer) -> Option<u32> {
    match answer {
        Answer::Error(error) if code(error) == ErrorCode::Busy => Some(error.retry_after_ms),
        _ => None,
    }
}

fn follow(room: RoomId, times: usize) -> Request {
    let position = wire::FeedPosition { feed: Some(FeedId::Room(room).into()), after: None };
    Request::Subscribe(wire::Subscribe { feeds: vec![position; times] })
}

#[test]
fn a_flood_of_any_request_is_limited_and_others_are_unharmed() {
    type Make = fn(&mut Device, RoomId) -> Request;
    let kinds: [Make; 12] = [
        |_, room| follow(room, 1),
        |_, room| Request::GetMarks(wire::GetMarks { room_id: room.to_bytes() }),
        |_, room| Request::GetJoin(wire::GetJoin { room_id: room.to_bytes(), epoch: 1 }),
        |_, room| Request::GetGroupInfo(wire::GetGroupInfo { room_id: room.to_bytes() }),
        |_, _| Request::ListRooms(wire::ListRooms {}),
        |_, _| Request::ResolveHandle(wire::ResolveHandle { handle: "nobody".into() }),
        |device, _| Request::GetAccount(wire::GetAccount { account_id: device.account.to_bytes() }),
        |_, _| Request::SetHandle(wire::SetHandle { handle: "taken.by.one".into() }),
        |device, _| {
            let policy = Policy::Group { admins: vec![device.account] };
            device.new_room(RoomId([77; 32]), &policy)
        },
        |_, _| {
            let key_packages = vec![Bytes::from_static(b"not a KeyPackage"); 10];
            Request::UploadKeyPackages(wire::UploadKeyPackages { key_packages, last_resort: Vec::new() })
        },
        |device, _| {
            let account_id = device.account.to_bytes();
            Request::ClaimKeyPackages(wire::ClaimKeyPackages { account_id, cipher_suite: 3 })
        },
        |device, room| device.commit_update(room).submit(),
    ];
    for (number, make) in kinds.into_iter().enumerate() {
        let (mut desk, mut people, room) = impatient();
        let request = make(&mut people[0], room);
        let posted: Vec<u64> = (0..600).map(|_| desk.post(people[0].session, request.clone())).collect();
        desk.run();
        let answers: Vec<Answer> =
            posted.iter().map(|id| desk.answer_to(people[0].session, *id).unwrap()).collect();
        assert_eq!(busy(&answers[0]), None, "kind {number}: {:?}", answers[0]);
        let wait = busy(&answers[599]).unwrap_or_else(|| panic!("kind {number}: {:?}", answers[599]));
        assert!(wait > 0);

        let other = make(&mut people[1], room);
        assert_eq!(busy(&desk.call(people[1].session, other)), None, "kind {number}");
        // Another connection of the same account is no way around it; waiting is.
        people[0].come_back(&mut desk);
        assert!(busy(&desk.call(people[0].session, request.clone())).is_some(), "kind {number}");
        desk.pass(wait.into());
        assert_eq!(busy(&desk.call(people[0].session, request)), None, "kind {number}");
    }
}

#[test]
fn every_proposal_of_a_commit_counts() {
    let (mut desk, mut people, room) = impatient();
    let mut pending = people[0].commit_update(room);
    pending.bundle.proposals = vec![Bytes::from_static(b"not a proposal"); 1_000];
    assert_eq!(code(&desk.refusal(people[0].session, pending.submit())), ErrorCode::InvalidCommit);
    let list = Request::ListRooms(wire::ListRooms {});
    let wait = busy(&desk.call(people[0].session, list.clone())).unwrap();
    assert!(wait > 60_000, "{wait}");
    assert_eq!(busy(&desk.call(people[1].session, list)), None);
}

#[test]
fn a_bundle_of_countless_proposals_is_refused_before_it_takes_memory() {
    let (mut desk, mut people, room) = impatient();
    let mut pending = people[0].commit_update(room);
    pending.bundle.proposals = vec![Bytes::new(); 100_000];
    assert!(pending.bundle.encoded_len() < 256 * 1024);
    let error = desk.refusal(people[0].session, pending.submit());
    assert_eq!(code(&error), ErrorCode::InvalidCommit);
    assert!(error.message.contains("elements"), "{error:?}");
}

#[test]
fn a_device_in_a_thousand_rooms_logs_in_without_waiting() {
    let mut desk = Desk::new();
    let (people, room) = room_of(&mut desk, 2);
    let session = people[0].session;
    // As ten thousand rooms would be, twice in a row.
    for _ in 0..20 {
        assert!(matches!(desk.call(session, follow(room, 1_000)), Answer::Subscribed(_)));
        let get = Request::GetMarks(wire::GetMarks { room_id: room.to_bytes() });
        let posted: Vec<u64> = (0..1_000).map(|_| desk.post(session, get.clone())).collect();
        desk.run();
        for id in posted {
            assert!(matches!(desk.answer_to(session, id), Some(Answer::Marks(_))));
        }
    }
}

#[test]
fn one_key_package_of_last_resort_is_taken_for_each_suite() {
    let mut desk = Desk::new();
    let awa = Device::signed_up(&mut desk, 1, "awa");
    let last_resort = vec![awa.key_package(true), awa.key_package(true)];
    let twice = wire::UploadKeyPackages { key_packages: Vec::new(), last_resort };
    assert_eq!(code(&desk.refusal(awa.session, Request::UploadKeyPackages(twice))), ErrorCode::Limit);
    // Counted before anything is looked at.
    let last_resort = vec![Bytes::from_static(b"not a KeyPackage"); 3];
    let too_many = wire::UploadKeyPackages { key_packages: Vec::new(), last_resort };
    assert_eq!(code(&desk.refusal(awa.session, Request::UploadKeyPackages(too_many))), ErrorCode::Limit);
}
