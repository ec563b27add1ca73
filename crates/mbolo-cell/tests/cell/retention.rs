//! What is old goes; where the logs end is never forgotten.

use mbolo_proto::wire::{self, ErrorCode};
use mbolo_proto::{FeedId, Origin, VersionVector};

use crate::desk::{Answer, Desk, Request, code, origin};
use crate::feeds::room_of;

const DAY_MS: u64 = 86_400_000;

#[test]
fn old_entries_go_and_new_ones_stay() {
    let mut desk = Desk::with(|config| config.retention_days = 10);
    let (mut people, room) = room_of(&mut desk, 2);
    for n in 0..1_500u32 {
        desk.post(people[0].session, crate::device::Device::publish(room, &n.to_be_bytes()));
    }
    desk.run();
    let full = desk.disk.len();
    desk.pass(6 * DAY_MS);
    people[0].say(&mut desk, room, b"later");
    desk.pass(6 * DAY_MS);
    assert_eq!(desk.stats().entries_expired, 1_500);
    assert!(desk.disk.len() > full, "the journal of the simulated disk only grows");
    people[1].come_back(&mut desk);
    people[1].subscribe(&mut desk, FeedId::Room(room), &VersionVector::new());
    let entries = desk.entries(people[1].session);
    assert_eq!(entries, [(origin(), 1_501, b"later".to_vec())]);
}

#[test]
fn a_store_that_filled_its_disk_makes_room_by_itself() {
    let mut desk = Desk::with(|config| config.retention_days = 10);
    let (mut people, room) = room_of(&mut desk, 2);
    for n in 0..1_500u32 {
        desk.post(people[0].session, crate::device::Device::publish(room, &n.to_be_bytes()));
    }
    desk.run();
    desk.pass(6 * DAY_MS);
    desk.disk.set_full(true);
    let publish = crate::device::Device::publish(room, b"later");
    assert_eq!(code(&desk.refusal(people[0].session, publish)), ErrorCode::StorageFull);
    // Without any room, removals wait, and nothing else suffers.
    desk.now_ms += 6 * DAY_MS;
    desk.settle();
    assert_eq!(desk.stats().fatal, None);
    assert_eq!(desk.stats().entries_expired, 0);
    desk.disk.set_full_but_for_the_reserve();
    desk.pass(10_000);
    assert!(desk.stats().read_only);
    assert_eq!(desk.stats().entries_expired, 1_499, "all but the log's end");
    desk.disk.set_full(false);
    desk.pass(2_000);
    assert!(!desk.stats().read_only);
    people[1].come_back(&mut desk);
    people[1].subscribe(&mut desk, FeedId::Room(room), &VersionVector::new());
    let seqs: Vec<_> = desk.entries(people[1].session).into_iter().map(|(_, seq, _)| seq).collect();
    assert_eq!(seqs, [1_500]);
}

#[test]
fn a_seq_is_never_given_twice_however_old_the_log() {
    let mut desk = Desk::with(|config| config.retention_days = 10);
    let (mut people, room) = room_of(&mut desk, 2);
    people[0].say(&mut desk, room, b"one");
    people[0].say(&mut desk, room, b"two");
    desk.pass(400 * DAY_MS);
    assert_eq!(desk.stats().entries_expired, 1, "the newest message stays as the log's end");
    desk.restart();
    people[0].come_back(&mut desk);
    assert_eq!(people[0].say(&mut desk, room, b"three"), 3);
}

#[test]
fn a_welcome_that_nobody_fetched_goes_and_the_room_goes_on() {
    let mut desk = Desk::with(|config| config.join_retention_days = 3);
    let (mut people, room) = room_of(&mut desk, 2);
    let get = Request::GetJoin(wire::GetJoin { room_id: room.to_bytes(), epoch: 1 });
    assert!(matches!(desk.call(people[1].session, get.clone()), Answer::Join(_)));
    desk.pass(5 * DAY_MS);
    assert_eq!(code(&desk.refusal(people[1].session, get)), ErrorCode::NotFound);
    let update = people[0].commit_update(room);
    people[0].decide(&mut desk, &update);
}

#[test]
fn who_was_away_longer_than_commits_are_kept_gets_what_is_left() {
    let mut desk = Desk::with(|config| config.retention_days = 10);
    let (mut people, room) = room_of(&mut desk, 2);
    desk.disconnect(people[1].session);
    for _ in 0..3 {
        let update = people[0].commit_update(room);
        people[0].decide(&mut desk, &update);
    }
    desk.pass(8 * DAY_MS);
    people[0].say(&mut desk, room, b"kept");
    let update = people[0].commit_update(room);
    people[0].decide(&mut desk, &update);
    people[0].say(&mut desk, room, b"newest");
    desk.pass(4 * DAY_MS);
    people[1].come_back(&mut desk);
    people[1].subscribe(&mut desk, FeedId::Room(room), &[(Origin::COMMITS, 1)].into_iter().collect());
    let order: Vec<_> =
        desk.entries(people[1].session).into_iter().map(|(origin, seq, _)| (origin, seq)).collect();
    assert_eq!(order, [(origin(), 1), (Origin::COMMITS, 5), (origin(), 2)]);
    // The room can be joined anew, with the receipt of its last commit.
    let get = Request::GetGroupInfo(wire::GetGroupInfo { room_id: room.to_bytes() });
    match desk.call(people[1].session, get) {
        Answer::RoomGroupInfo(info) => assert_eq!((info.epoch, info.receipt.unwrap().epoch), (5, 4)),
        other => panic!("{other:?}"),
    }
}
