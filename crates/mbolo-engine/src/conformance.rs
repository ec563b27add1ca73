//! What every engine must do, as one suite that runs against any of them.
//!
//! `open` is given the name of a store and opens it, making an empty one the first time; opening a name again
//! after the engine was dropped must give the same store. Everything panics with the reason when it fails.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;

use crate::{Batch, Change, Engine, Overlay};

/// The whole suite.
pub fn run<E: Engine>(mut open: impl FnMut(&str) -> E) {
    run_volatile(&mut open);
    what_was_committed_is_there_after_reopening(&mut open);
    an_uncommitted_overlay_leaves_nothing_behind(&mut open);
    random_changes_match_a_model(&mut open, true);
}

/// The part of the suite that an engine can pass which forgets everything when it is dropped.
pub fn run_volatile<E: Engine>(mut open: impl FnMut(&str) -> E) {
    an_empty_store_has_nothing(&mut open);
    a_batch_applies_as_a_whole_and_its_last_change_counts(&mut open);
    ranges_ascend_and_stop_when_told(&mut open);
    ranges_cross_regions_in_key_order(&mut open);
    large_and_empty_values_come_back(&mut open);
    an_overlay_is_read_like_the_store_it_will_become(&mut open);
    random_changes_match_a_model(&mut open, false);
}

fn an_empty_store_has_nothing<E: Engine>(open: &mut impl FnMut(&str) -> E) {
    let engine = open("empty");
    assert_eq!(engine.get(b"\x20key").expect("get"), None);
    assert_eq!(all(&engine, b"\x20", b"\xFE"), []);
    assert_eq!(engine.last(b"\x20", b"\xFE").expect("last"), None);
}

fn a_batch_applies_as_a_whole_and_its_last_change_counts<E: Engine>(open: &mut impl FnMut(&str) -> E) {
    let mut engine = open("batch");
    let mut batch = Batch::new();
    batch.put("\x20a", "1");
    batch.put("\x20b", "2");
    batch.delete("\x20b");
    batch.delete("\x20c");
    batch.put("\x20c", "3");
    batch.put("\x20a", "4");
    engine.commit(batch).expect("commit");
    assert_eq!(all(&engine, b"\x20", b"\x21"), [pair("\x20a", "4"), pair("\x20c", "3")]);
    let mut batch = Batch::new();
    batch.delete("\x20a");
    batch.delete("\x20never there");
    engine.commit(batch).expect("commit");
    assert_eq!(all(&engine, b"\x20", b"\x21"), [pair("\x20c", "3")]);
    engine.commit(Batch::new()).expect("an empty batch");
}

fn ranges_ascend_and_stop_when_told<E: Engine>(open: &mut impl FnMut(&str) -> E) {
    let mut engine = open("ranges");
    let mut batch = Batch::new();
    for key in ["\x20c", "\x20a", "\x20b", "\x20bb", "\x20d"] {
        batch.put(key, key);
    }
    engine.commit(batch).expect("commit");
    let keys = |start: &str, end: &str| -> Vec<Bytes> {
        all(&engine, start.as_bytes(), end.as_bytes()).into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys("\x20b", "\x20d"), ["\x20b", "\x20bb", "\x20c"]);
    assert_eq!(keys("\x20b", "\x20b"), [""; 0]);
    assert_eq!(keys("\x20d", "\x20a"), [""; 0]);
    let mut visited = 0;
    engine
        .range(b"\x20a", b"\x20z", &mut |_, _| {
            visited += 1;
            if visited == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .expect("range");
    assert_eq!(visited, 2);
    let last = |start: &str, end: &str| {
        engine.last(start.as_bytes(), end.as_bytes()).expect("last").map(|(key, _)| key)
    };
    assert_eq!(last("\x20a", "\x20d"), Some(Bytes::from("\x20c")));
    assert_eq!(last("\x20a", "\x20a"), None);
    assert_eq!(last("\x20e", "\x20z"), None);
    assert_eq!(last("\x20z", "\x20a"), None);
}

fn ranges_cross_regions_in_key_order<E: Engine>(open: &mut impl FnMut(&str) -> E) {
    let mut engine = open("regions");
    let keys: Vec<Bytes> =
        [0x20, 0x5F, 0x60, 0x7F, 0x80, 0xBF, 0xC0, 0xEE].map(|table| Bytes::from(vec![table, 1])).to_vec();
    let mut batch = Batch::new();
    for key in keys.iter().rev() {
        batch.put(key.clone(), "value");
    }
    engine.commit(batch).expect("commit");
    for start in 0..keys.len() {
        for end in start..keys.len() {
            let found: Vec<Bytes> = all(&engine, &keys[start], &keys[end]).into_iter().map(|p| p.0).collect();
            assert_eq!(found, keys[start..end]);
            let last = engine.last(&keys[start], &keys[end]).expect("last").map(|(key, _)| key);
            assert_eq!(last.as_ref(), keys[start..end].last());
        }
    }
}

fn large_and_empty_values_come_back<E: Engine>(open: &mut impl FnMut(&str) -> E) {
    let mut engine = open("values");
    for table in [0x20, 0x60, 0x80, 0xC0] {
        for len in [0, 1, 500, 1_023, 1_024, 70_000, 4 << 20] {
            let key = Bytes::from(vec![table, 7]);
            let value: Vec<u8> = (0..len).map(|i: usize| (i * 31 % 251) as u8).collect();
            let mut batch = Batch::new();
            batch.put(key.clone(), value.clone());
            engine.commit(batch).expect("commit");
            assert_eq!(engine.get(&key).expect("get"), Some(Bytes::from(value)), "{len} bytes");
        }
    }
}

fn an_overlay_is_read_like_the_store_it_will_become<E: Engine>(open: &mut impl FnMut(&str) -> E) {
    let mut engine = open("overlay");
    let mut random = Random(11);
    for _ in 0..30 {
        let mut overlay = Overlay::new();
        for _ in 0..random.below(20) {
            let key = random.key();
            if random.below(3) == 0 { overlay.delete(key) } else { overlay.put(key, random.value()) }
        }
        let mut before = Vec::new();
        let mut reads = Vec::new();
        for _ in 0..20 {
            let (start, end) = (random.key(), random.key());
            before.push(Reads {
                get: overlay.get(&engine, &start).expect("get"),
                last: overlay.last(&engine, &start, &end).expect("last"),
                range: collect(|visit| overlay.range(&engine, &start, &end, visit)),
            });
            reads.push((start, end));
        }
        engine.commit(overlay.take_batch()).expect("commit");
        assert!(overlay.is_empty());
        for ((start, end), before) in reads.into_iter().zip(before) {
            let after = Reads {
                get: engine.get(&start).expect("get"),
                last: engine.last(&start, &end).expect("last"),
                range: all(&engine, &start, &end),
            };
            assert_eq!(before, after, "from {start:?} to {end:?}");
        }
    }
}

fn what_was_committed_is_there_after_reopening<E: Engine>(open: &mut impl FnMut(&str) -> E) {
    for round in 0u32..5 {
        let mut engine = open("reopen");
        let found = all(&engine, b"\x80", b"\x81").len();
        assert_eq!(found, round as usize * 10, "after opening {round} times");
        for n in 0u32..10 {
            let mut batch = Batch::new();
            let number = round * 10 + n;
            batch.put([&b"\x80"[..], &number.to_be_bytes()].concat(), number.to_be_bytes().to_vec());
            batch.put("\x20newest", number.to_be_bytes().to_vec());
            engine.commit(batch).expect("commit");
        }
    }
    let engine = open("reopen");
    assert_eq!(engine.get(b"\x20newest").expect("get"), Some(Bytes::from(49u32.to_be_bytes().to_vec())));
}

fn an_uncommitted_overlay_leaves_nothing_behind<E: Engine>(open: &mut impl FnMut(&str) -> E) {
    let engine = open("dropped");
    let mut overlay = Overlay::new();
    overlay.put("\x20key", "value");
    assert!(overlay.get(&engine, b"\x20key").expect("get").is_some());
    overlay.clear();
    assert_eq!(overlay.get(&engine, b"\x20key").expect("get"), None);
    overlay.put("\x20key", "value");
    drop((engine, overlay));
    assert_eq!(open("dropped").get(b"\x20key").expect("get"), None);
}

fn random_changes_match_a_model<E: Engine>(open: &mut impl FnMut(&str) -> E, reopen: bool) {
    let name = if reopen { "model, reopened" } else { "model" };
    let mut model: BTreeMap<Bytes, Bytes> = BTreeMap::new();
    let mut random = Random(42);
    let mut engine = open(name);
    for round in 0..60 {
        let mut batch = Batch::new();
        for _ in 0..random.below(12) {
            let key = random.key();
            if random.below(4) == 0 { batch.delete(key) } else { batch.put(key, random.value()) }
        }
        for (key, change) in batch.clone() {
            match change {
                Change::Put(value) => drop(model.insert(key, value)),
                Change::Delete => drop(model.remove(&key)),
            }
        }
        engine.commit(batch).expect("commit");
        if reopen && round % 10 == 9 {
            drop(engine);
            engine = open(name);
        }
        let expected: Vec<_> = model.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        assert_eq!(all(&engine, b"\x20", b"\xFE"), expected);
        let key = Bytes::from(random.key());
        assert_eq!(engine.get(&key).expect("get").as_ref(), model.get(&key));
        let last = engine.last(b"\x20", &key).expect("last");
        assert_eq!(last.map(|(key, _)| key).as_ref(), model.range(..key).next_back().map(|(key, _)| key));
    }
}

#[derive(Debug, PartialEq)]
struct Reads {
    get: Option<Bytes>,
    last: Option<(Bytes, Bytes)>,
    range: Vec<(Bytes, Bytes)>,
}

fn all<E: Engine>(engine: &E, start: &[u8], end: &[u8]) -> Vec<(Bytes, Bytes)> {
    collect(|visit| engine.range(start, end, visit))
}

type Visit<'v> = &'v mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

fn collect(range: impl FnOnce(Visit) -> Result<(), crate::EngineError>) -> Vec<(Bytes, Bytes)> {
    let mut found = Vec::new();
    range(&mut |key, value| {
        found.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        ControlFlow::Continue(())
    })
    .expect("range");
    assert!(found.is_sorted_by(|(one, _), (next, _)| one < next), "keys ascend, each once");
    found
}

fn pair(key: &'static str, value: &'static str) -> (Bytes, Bytes) {
    (Bytes::from(key), Bytes::from(value))
}

/// Keys close together in all regions, so that changes meet; the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn key(&mut self) -> Vec<u8> {
        let table = [0x20, 0x21, 0x60, 0x80, 0xC0][self.below(5) as usize];
        vec![table, self.below(3) as u8, self.below(6) as u8]
    }

    fn value(&mut self) -> Vec<u8> {
        let len = self.below(40) as usize * if self.below(8) == 0 { 60 } else { 1 };
        vec![self.below(256) as u8; len]
    }
}
