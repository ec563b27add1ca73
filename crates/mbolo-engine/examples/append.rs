//! What an append costs in the embedded engine: `cargo run -p mbolo-engine --example append [entries] [batch]`.
//!
//! Each entry is what a cell writes for one message: the entry (300 bytes), its id, and now and then a mark.
//! Prints CPU time per entry, bytes that reached the disk per entry, and time per commit with its sync.

use std::time::Instant;

use mbolo_engine::{Engine, EngineError, FjallEngine, Overlay, keys};
use mbolo_proto::{AccountId, FeedId, Origin, RoomId};

fn main() -> Result<(), EngineError> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let entries = arguments.next().unwrap_or(200_000);
    let per_batch = arguments.next().unwrap_or(300);
    let dir = std::env::temp_dir().join(format!("mbolo-append-{}", std::process::id()));
    let mut engine = FjallEngine::open(&dir)?;
    let mut overlay = Overlay::new();
    let (started, cpu_before, written_before) = (Instant::now(), cpu_seconds(), bytes_written());
    let mut seqs = vec![0u64; ROOMS as usize];
    for entry in 0..entries {
        let random = entry.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let room = (random >> 32) % ROOMS;
        let feed = FeedId::Room(RoomId(spread(room)));
        let seq = &mut seqs[room as usize];
        *seq += 1;
        let id: [u8; 16] = spread(random)[..16].try_into().expect("16 of 32");
        let key = keys::ENTRY_ID.key(&(feed, id));
        if overlay.get(&engine, &key)?.is_none() {
            overlay.put(key, seq.to_be_bytes().to_vec());
            let payload: Vec<u8> = (0..300u64).map(|n| (random.rotate_left(n as u32) ^ n) as u8).collect();
            overlay.put(keys::FEED_LOG.key(&(feed, Origin([1; 32]), *seq)), payload);
        }
        if entry % 4 == 0 {
            let mark = keys::DELIVERED_MARK.key(&(RoomId(spread(room)), AccountId(spread(random >> 60))));
            overlay.put(mark, seq.to_be_bytes().to_vec());
        }
        if entry % per_batch == per_batch - 1 {
            engine.commit(overlay.take_batch())?;
        }
    }
    engine.commit(overlay.take_batch())?;
    let seconds = started.elapsed().as_secs_f64();
    let per_entry = 1e6 / entries as f64;
    println!("{entries} entries in batches of {per_batch}: {:.0} entries/s", entries as f64 / seconds);
    println!("{:.2} us of CPU per entry", (cpu_seconds() - cpu_before) * per_entry);
    println!("{:.0} bytes written per entry", (bytes_written() - written_before) / entries as f64);
    println!("{:.2} ms per commit", seconds * 1e3 / (entries as f64 / per_batch as f64));
    drop(engine);
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

fn spread(number: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (n, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        let word = (number + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(17 * n as u32 + 5);
        chunk.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// User and system time of this process, all threads; 0 where /proc is missing.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = after_name.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // Clock ticks of 10 ms; the state letter does not parse, so the fields count from the parent's id.
    fields.get(10..12).map_or(0.0, |times| times.iter().sum::<f64>() / 100.0)
}

fn bytes_written() -> f64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0.0)
}

const ROOMS: u64 = 2_000;
