//! The key layout is stored for ever: golden vectors hold it, and properties say what it promises.

use std::ops::ControlFlow;

use bytes::Bytes;
use mbolo_engine::keys::{self, Key, Parts, Region, Table, meta};
use mbolo_engine::{Batch, Engine, MemoryEngine};
use mbolo_proto::{AccountId, DeviceKey, FeedId, Handle, Origin, RoomId};
use proptest::prelude::*;

const ACCOUNT: AccountId = AccountId([0xAA; 32]);
const DEVICE: DeviceKey = DeviceKey([0xDE; 32]);
const ROOM: RoomId = RoomId([0x88; 32]);
const ORIGIN: Origin = Origin([0x0F; 32]);

/// Checks one key both ways.
fn golden<T: Parts + PartialEq + std::fmt::Debug>(table: Table<T>, parts: T, region: Region, expected: &str) {
    let key = table.key(&parts);
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
    assert_eq!(table.parse(&key), Some(parts));
    assert_eq!(Region::of(&key), region);
}

#[test]
fn keys_are_stored_as_they_always_were() {
    let (a, d, r, o) = ("aa".repeat(32), "de".repeat(32), "88".repeat(32), "0f".repeat(32));
    let (state, index, log, large) = (Region::State, Region::Index, Region::Log, Region::Large);
    golden(keys::META, (meta::SCHEMA_VERSION,), state, "1001");
    golden(keys::META, (meta::INCARNATION,), state, "1002");
    golden(keys::META, (meta::COMMIT_CHAIN,), state, "10ff");
    golden(keys::ACCOUNT, (ACCOUNT,), state, &format!("11{a}"));
    golden(keys::DEVICE, (ACCOUNT, DEVICE), state, &format!("12{a}{d}"));
    let handle: Handle = "a.wa_1".parse().unwrap();
    golden(keys::HANDLE, (handle,), state, "13612e77615f31");
    golden(keys::USED_INVITE, (Bytes::from_static(&[1, 2]),), state, "140102");
    golden(keys::KEY_PACKAGE_COUNT, (ACCOUNT, DEVICE, 0x4D), state, &format!("15{a}{d}004d"));
    golden(keys::ROOM, (ROOM,), state, &format!("20{r}"));
    golden(keys::ROOM_OF_ACCOUNT, (ACCOUNT, ROOM), state, &format!("21{a}{r}"));
    golden(keys::ACCOUNT_OF_ROOM, (ROOM, ACCOUNT), state, &format!("22{r}{a}"));
    golden(keys::DELIVERED_MARK, (ROOM, ACCOUNT), state, &format!("23{r}{a}"));
    golden(keys::READ_MARK, (ROOM, ACCOUNT), state, &format!("24{r}{a}"));
    golden(keys::INBOX_MARK, (ACCOUNT,), state, &format!("25{a}"));
    let (room, inbox) = (FeedId::Room(ROOM), FeedId::Inbox(ACCOUNT));
    golden(keys::ENTRY_ID, (room, [0x1D; 16]), index, &format!("6002{r}{}", "1d".repeat(16)));
    golden(keys::EXPIRY, (0x0102, inbox, ORIGIN), index, &format!("61000000000000010201{a}{o}"));
    golden(keys::FEED_LOG, (room, ORIGIN, 0x0A0B), log, &format!("8002{r}{o}0000000000000a0b"));
    golden(keys::FEED_LOG, (inbox, ORIGIN, 1), log, &format!("8001{a}{o}0000000000000001"));
    golden(keys::ROOM_COMMIT, (ROOM, 3), large, &format!("c0{r}0000000000000003"));
    golden(keys::JOIN_INFO, (ROOM, 3), large, &format!("c1{r}0000000000000003"));
    golden(keys::PUBLIC_GROUP, (ROOM, Bytes::from_static(b"x")), large, &format!("c2{r}78"));
    golden(keys::KEY_PACKAGE, (ACCOUNT, DEVICE, 3, 9), large, &format!("c3{a}{d}00030000000000000009"));
    golden(keys::LAST_RESORT_KEY_PACKAGE, (ACCOUNT, DEVICE, 3), large, &format!("c4{a}{d}0003"));
}

#[test]
fn a_key_of_another_table_or_length_does_not_parse() {
    let key = keys::ROOM_COMMIT.key(&(ROOM, 1));
    assert_eq!(keys::JOIN_INFO.parse(&key), None);
    assert_eq!(keys::ROOM_COMMIT.parse(&key[..key.len() - 1]), None);
    assert_eq!(keys::ROOM_COMMIT.parse(&[&key[..], &[0]].concat()), None);
    assert_eq!(keys::ROOM_COMMIT.parse(&[]), None);
    let mut feed = keys::FEED_LOG.key(&(FeedId::Room(ROOM), ORIGIN, 1)).to_vec();
    feed[1] = 3;
    assert_eq!(keys::FEED_LOG.parse(&feed), None);
    assert_eq!(keys::HANDLE.parse(b"\x13A b"), None);
}

/// Bytes that make neighbours: runs of the lowest and highest values.
fn bytes32() -> impl Strategy<Value = [u8; 32]> {
    (prop::sample::select(vec![0u8, 1, 0x7F, 0xFE, 0xFF]), prop::sample::select(vec![0u8, 0xFF]), 0usize..33)
        .prop_map(|(last, fill, at)| {
            let mut bytes = [fill; 32];
            if at < 32 {
                bytes[at] = last;
            }
            bytes
        })
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..4, 254u64..258, Just(u64::MAX - 1), Just(u64::MAX), any::<u64>()]
}

fn feeds() -> impl Strategy<Value = FeedId> {
    (any::<bool>(), bytes32())
        .prop_map(|(room, id)| if room { FeedId::Room(RoomId(id)) } else { FeedId::Inbox(AccountId(id)) })
}

fn handles() -> impl Strategy<Value = Handle> {
    "[a-c][a-c0-1_]{2,5}".prop_map(|text| text.parse().expect("a valid handle"))
}

fn ordered_alike<T: Parts + Ord>(table: Table<T>, one: &T, other: &T) {
    assert_eq!(table.key(one).as_ref().cmp(table.key(other).as_ref()), one.cmp(other));
}

proptest! {
    #[test]
    fn feed_log_keys_sort_as_their_tuples(
        a in (feeds(), bytes32().prop_map(Origin), numbers()),
        b in (feeds(), bytes32().prop_map(Origin), numbers()),
    ) {
        ordered_alike(keys::FEED_LOG, &a, &b);
    }

    #[test]
    fn expiry_keys_sort_by_time_first(
        a in (numbers(), feeds(), bytes32().prop_map(Origin)),
        b in (numbers(), feeds(), bytes32().prop_map(Origin)),
    ) {
        ordered_alike(keys::EXPIRY, &a, &b);
    }

    #[test]
    fn key_package_keys_sort_as_their_tuples(
        a in (bytes32().prop_map(AccountId), bytes32().prop_map(DeviceKey), any::<u16>(), numbers()),
        b in (bytes32().prop_map(AccountId), bytes32().prop_map(DeviceKey), any::<u16>(), numbers()),
    ) {
        ordered_alike(keys::KEY_PACKAGE, &a, &b);
    }

    #[test]
    fn parts_of_any_length_sort_as_their_tuples(
        a in (bytes32().prop_map(RoomId), prop::collection::vec(0u8..3, 0..6).prop_map(Bytes::from)),
        b in (bytes32().prop_map(RoomId), prop::collection::vec(0u8..3, 0..6).prop_map(Bytes::from)),
        handle in handles(),
        other_handle in handles(),
    ) {
        ordered_alike(keys::PUBLIC_GROUP, &a, &b);
        ordered_alike(keys::HANDLE, &(handle,), &(other_handle,));
    }

    #[test]
    fn what_is_within_a_prefix_is_what_begins_with_it(
        rows in prop::collection::vec((feeds(), bytes32().prop_map(Origin), numbers()), 1..20),
    ) {
        let mut engine = MemoryEngine::new();
        let mut batch = Batch::new();
        for row in &rows {
            batch.put(keys::FEED_LOG.key(row), "");
        }
        engine.commit(batch).unwrap();
        let (feed, origin, _) = rows[0];
        let found = |start: &Key, end: &Key| {
            let mut found = Vec::new();
            engine.range(start, end, &mut |key, _| {
                found.push(keys::FEED_LOG.parse(key).expect("a key of this table"));
                ControlFlow::Continue(())
            }).unwrap();
            found
        };
        let mut all = rows.clone();
        all.sort();
        all.dedup();
        let log = keys::FEED_LOG.within(&(feed, origin));
        let mut expected = all.clone();
        expected.retain(|row| row.0 == feed && row.1 == origin);
        prop_assert_eq!(found(&log.start, &log.end), expected);
        let of_feed = keys::FEED_LOG.within(&(feed,));
        let mut expected = all.clone();
        expected.retain(|row| row.0 == feed);
        prop_assert_eq!(found(&of_feed.start, &of_feed.end), expected);
        let table = keys::FEED_LOG.within(&());
        prop_assert_eq!(found(&table.start, &table.end), all);
    }
}
