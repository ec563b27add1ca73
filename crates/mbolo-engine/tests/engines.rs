//! The conformance suite on every engine, and for the durable one what the suite cannot do: break its files.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use mbolo_engine::{
    Batch, Engine, EngineError, FjallEngine, FjallOptions, MemoryEngine, SimDisk, conformance,
};

#[test]
fn the_memory_engine_conforms() {
    conformance::run_volatile(|_| MemoryEngine::new());
}

#[test]
fn the_faulty_engine_conforms_while_nothing_fails() {
    let mut disks: BTreeMap<String, SimDisk> = BTreeMap::new();
    conformance::run(|name| disks.entry(name.to_owned()).or_default().open().unwrap());
}

#[test]
fn the_fjall_engine_conforms() {
    let root = tempfile::tempdir().unwrap();
    conformance::run(|name| FjallEngine::open(&root.path().join(name)).unwrap());
}

#[test]
fn a_second_engine_on_the_same_directory_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FjallEngine::open(dir.path()).unwrap();
    let error = FjallEngine::open(dir.path()).unwrap_err();
    assert!(matches!(&error, EngineError::Locked { .. }));
    assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
    drop(engine);
    FjallEngine::open(dir.path()).unwrap();
}

#[test]
fn a_store_that_leaves_no_room_refuses_writes_and_serves_reads() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = FjallEngine::open(dir.path()).unwrap();
    commit(&mut engine, 1).unwrap();
    drop(engine);
    let all_of_it = FjallOptions { reserve_bytes: u64::MAX / 2, ..FjallOptions::default() };
    let mut engine = FjallEngine::open_with(dir.path(), all_of_it).unwrap();
    assert!(matches!(commit(&mut engine, 2), Err(EngineError::Full)));
    assert_eq!(readable(&engine), Ok(1));
    drop(engine);
    let mut engine = FjallEngine::open(dir.path()).unwrap();
    assert_eq!(readable(&engine), Ok(1), "nothing of the refused batch is there after a restart");
    commit(&mut engine, 2).unwrap();
}

#[test]
fn below_the_reserve_removals_are_still_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = FjallEngine::open(dir.path()).unwrap();
    commit(&mut engine, 1).unwrap();
    drop(engine);
    let stat = rustix::fs::statvfs(dir.path()).unwrap();
    let free = stat.f_bavail * stat.f_frsize;
    let twice_what_is_free = FjallOptions { reserve_bytes: 2 * free, ..FjallOptions::default() };
    let mut engine = FjallEngine::open_with(dir.path(), twice_what_is_free).unwrap();
    assert!(matches!(commit(&mut engine, 2), Err(EngineError::Full)));
    let mut removal = Batch::new();
    removal.delete(&b"\x80nothing"[..]);
    engine.commit(removal).unwrap();
    let mut mixed = Batch::new();
    mixed.delete(&b"\x80nothing"[..]);
    mixed.put(&b"\x80something"[..], &b"new"[..]);
    assert!(matches!(engine.commit(mixed), Err(EngineError::Full)));
    assert_eq!(readable(&engine), Ok(1));
}

#[test]
fn a_store_whose_making_was_cut_short_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("commits.marker.new"), b"half").unwrap();
    let mut engine = FjallEngine::open(dir.path()).unwrap();
    commit(&mut engine, 1).unwrap();
    drop(engine);
    assert_eq!(readable(&FjallEngine::open(dir.path()).unwrap()), Ok(1));
}

/// A file system that is really full. Needs the right to mount one; the test above covers the rest.
#[cfg(target_os = "linux")]
#[test]
fn a_full_file_system_refuses_writes_and_serves_reads() {
    let dir = tempfile::tempdir().unwrap();
    let status = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"])
        .arg(dir.path())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        println!("skipped: mounting a small file system needs more rights than this process has");
        return;
    }
    let result = std::panic::catch_unwind(|| fill_and_recover(dir.path()));
    let unmounted = std::process::Command::new("umount").arg(dir.path()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

#[cfg(target_os = "linux")]
fn fill_and_recover(dir: &Path) {
    let options = FjallOptions { reserve_bytes: 4 << 20, ..FjallOptions::default() };
    let mut engine = FjallEngine::open_with(&dir.join("store"), options.clone()).unwrap();
    std::fs::write(dir.join("something else"), vec![1; 20 << 20]).unwrap();
    let fill_up = |engine: &mut FjallEngine, mut accepted: u64| loop {
        let mut batch = Batch::new();
        batch.put([&b"\x80"[..], &accepted.to_be_bytes()].concat(), vec![accepted as u8; 64 << 10]);
        match engine.commit(batch) {
            Ok(()) => accepted += 1,
            Err(EngineError::Full) => return accepted,
            Err(error) => panic!("after {accepted} commits: {error}"),
        }
        assert!(accepted < 2_000, "the file system never gets full");
    };
    let accepted = fill_up(&mut engine, 0);
    let all_there = |engine: &FjallEngine, accepted: u64| {
        (0..accepted).all(|n| {
            let key = [&b"\x80"[..], &n.to_be_bytes()].concat();
            engine.get(&key).unwrap() == Some(Bytes::from(vec![n as u8; 64 << 10]))
        })
    };
    assert!(all_there(&engine, accepted), "reads go on");
    drop(engine);
    let mut engine = FjallEngine::open_with(&dir.join("store"), options).unwrap();
    let accepted = fill_up(&mut engine, accepted);
    assert!(all_there(&engine, accepted), "and so they do after a restart on the full disk");
    std::fs::remove_file(dir.join("something else")).unwrap();
    commit(&mut engine, 1).unwrap();
}

#[test]
fn what_is_cut_off_the_end_of_the_journal_is_reported_if_it_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let written = fill(dir.path(), 40);
    let journal = newest_journal(dir.path());
    let end = end_of_data(&journal);
    for cut in [1, 30, 500, end - 1, end] {
        let copy = copy_of(dir.path());
        truncate(&newest_journal(copy.path()), end - cut);
        match FjallEngine::open(copy.path()) {
            Err(EngineError::Damaged { what }) => assert!(!what.is_empty()),
            Ok(engine) => {
                panic!("{cut} bytes are missing, {:?} of {written} are readable", readable(&engine))
            }
            Err(other) => panic!("{other}"),
        }
        assert_eq!(end_of_file(&newest_journal(copy.path())), end - cut, "the file is left as it is");
    }
}

#[test]
fn a_keyspace_that_is_gone_is_reported_and_what_is_left_of_it_stays() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 40);
    FjallEngine::open(dir.path()).unwrap().flush_to_tables().unwrap();
    let keyspaces = |store: &Path| std::fs::read_dir(store.join("data/keyspaces")).unwrap().count();
    let all = keyspaces(dir.path());
    assert_eq!(all, 5);
    for number in 0..all {
        for gone in ["", "current"] {
            let copy = copy_of(dir.path());
            let path = copy.path().join(format!("data/keyspaces/{number}")).join(gone);
            if gone.is_empty() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
            let left = keyspaces(copy.path());
            let Err(EngineError::Damaged { what }) = FjallEngine::open(copy.path()) else {
                panic!("{number}/{gone} was not missed")
            };
            assert!(!what.is_empty());
            assert_eq!(keyspaces(copy.path()), left, "nothing is changed");
        }
    }
}

#[test]
fn a_torn_tail_that_was_never_acknowledged_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let written = fill(dir.path(), 10);
    let mark = std::fs::read(dir.path().join("commits.mark")).unwrap();
    let mut engine = FjallEngine::open(dir.path()).unwrap();
    commit(&mut engine, written + 1).unwrap();
    drop(engine);
    let marker = std::fs::read(dir.path().join("commits.marker")).unwrap();
    let whole = std::fs::read(newest_journal(dir.path())).unwrap();
    let end = end_of_data(&newest_journal(dir.path())) as usize;
    let start = whole[..end].windows(16).rposition(|w| w == marker).unwrap() - 60;
    // The last batch is on its way: its mark is not written yet. Missing pieces: any end, any page, any byte.
    for hole in [end - 1..end, end - 200..end, start + 70..start + 90, start + 100..end - 20] {
        let copy = copy_of(dir.path());
        std::fs::write(copy.path().join("commits.mark"), &mark).unwrap();
        let mut torn = whole.clone();
        torn[hole].fill(0);
        std::fs::write(newest_journal(copy.path()), torn).unwrap();
        let mut engine = FjallEngine::open(copy.path()).unwrap();
        assert_eq!(readable(&engine), Ok(written));
        commit(&mut engine, written + 1).unwrap();
        drop(engine);
        assert_eq!(readable(&FjallEngine::open(copy.path()).unwrap()), Ok(written + 1));
    }
}

#[test]
fn a_flipped_byte_is_reported_or_does_no_harm_wherever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    // Enough for tables and value files beside the journals.
    let written = fill(dir.path(), 60);
    let files = files_below(&dir.path().join("data"));
    assert!(files.iter().any(|file| file.extension().is_none() && end_of_data(file) > 0));
    let (mut reported, mut harmless) = (0, 0);
    for file in &files {
        let len = end_of_data(file);
        let relative = file.strip_prefix(dir.path()).unwrap();
        let positions: Vec<u64> = (0..2).map(|n| len * (2 * n + 1) / 4).filter(|p| *p < len).collect();
        for position in positions {
            let copy = copy_of(dir.path());
            let target = copy.path().join(relative);
            let mut bytes = std::fs::read(&target).unwrap();
            bytes[position as usize] ^= 0x10;
            std::fs::write(&target, bytes).unwrap();
            let found = std::panic::catch_unwind(|| FjallEngine::open(copy.path()).map(|e| readable(&e)));
            match found {
                Ok(Ok(Ok(count))) => {
                    assert_eq!(count, written, "{} at byte {position}", relative.display());
                    harmless += 1;
                }
                Ok(Err(EngineError::Damaged { .. })) | Ok(Ok(Err(true))) => reported += 1,
                Ok(other) => panic!("{} at byte {position}: {other:?}", relative.display()),
                Err(_) => panic!("{} at byte {position}: the engine panics", relative.display()),
            }
        }
    }
    println!("{reported} flips reported, {harmless} harmless, in {} files", files.len());
    assert!(reported > 0);
}

/// One commit as a cell makes them: a log entry, its index, a counter, and now and then something large.
fn commit(engine: &mut FjallEngine, number: u64) -> Result<(), EngineError> {
    let mut batch = Batch::new();
    batch.put("\x20count", number.to_be_bytes().to_vec());
    batch.put([&b"\x60"[..], &number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()].concat(), "index");
    batch.put([&b"\x80"[..], &number.to_be_bytes()].concat(), value(number, 300));
    batch.put([&b"\xC0"[..], &number.to_be_bytes()].concat(), value(number, 3_000));
    engine.commit(batch)
}

fn value(number: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|n| (n.wrapping_mul(number | 1).wrapping_mul(2_654_435_761) >> 16) as u8).collect()
}

fn fill(dir: &Path, commits: u64) -> u64 {
    let mut engine = FjallEngine::open(dir).unwrap();
    for number in 1..=commits {
        commit(&mut engine, number).unwrap();
        if number == commits / 2 {
            engine.flush_to_tables().unwrap();
        }
    }
    commits
}

/// How many commits are there, all with the right values; `Err(true)` if damage is reported.
fn readable(engine: &FjallEngine) -> Result<u64, bool> {
    let damaged = |error| matches!(error, EngineError::Damaged { .. });
    let count = engine.get(b"\x20count").map_err(damaged)?;
    let count = count.map_or(0, |count| u64::from_be_bytes(count.as_ref().try_into().unwrap()));
    for number in 1..=count {
        for (table, len) in [(0x80, 300), (0xC0, 3_000)] {
            let key = [&[table][..], &number.to_be_bytes()].concat();
            let found = engine.get(&key).map_err(damaged)?;
            if found != Some(Bytes::from(value(number, len))) {
                return Err(false);
            }
        }
    }
    let mut entries = 0;
    engine
        .range(b"\x80", b"\x81", &mut |_, _| {
            entries += 1;
            std::ops::ControlFlow::Continue(())
        })
        .map_err(damaged)?;
    if entries == count { Ok(count) } else { Err(false) }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn newest_journal(dir: &Path) -> PathBuf {
    let number = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    let journals =
        files_below(&dir.join("data")).into_iter().filter(|p| p.extension().is_some_and(|e| e == "jnl"));
    journals.max_by_key(number).unwrap()
}

/// Where a file's content ends: journals are allocated ahead with zeros.
fn end_of_data(file: &Path) -> u64 {
    let bytes = std::fs::read(file).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

fn end_of_file(file: &Path) -> u64 {
    std::fs::metadata(file).unwrap().len()
}

fn truncate(file: &Path, len: u64) {
    std::fs::File::options().write(true).open(file).unwrap().set_len(len).unwrap();
}

fn copy_of(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_all(dir, copy.path());
    copy
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_all(&path, &target);
        } else if path.extension().is_some_and(|extension| extension == "jnl") {
            // Without the zeros ahead, which would make 64 MiB of every copy.
            let end = end_of_data(&path) as usize;
            std::fs::write(&target, &std::fs::read(&path).unwrap()[..end]).unwrap();
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
