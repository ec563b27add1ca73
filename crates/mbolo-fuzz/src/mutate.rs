//! The changes: some know protobuf's fields and keep the outer form whole, some just break bytes.

use rand::Rng;
use rand::seq::IndexedRandom;

use crate::Generator;
use crate::fields::{self, Field, Value};

/// Numbers at which lengths, counters and shifts go wrong.
const EDGES: [u64; 14] = [
    0,
    1,
    31,
    32,
    33,
    127,
    128,
    255,
    65_535,
    65_536,
    i32::MAX as u64,
    u32::MAX as u64,
    i64::MAX as u64,
    u64::MAX,
];

/// No input grows beyond this: repeated doubling finds nothing but the memory's end.
const MAX_INPUT_BYTES: usize = 64 * 1024;

/// How many changes make the next case: mostly one, sometimes many.
pub(crate) fn rounds(generator: &mut Generator) -> u32 {
    if generator.random_ratio(3, 4) { 1 } else { generator.random_range(2..=8) }
}

pub(crate) fn pick<'a>(generator: &mut Generator, corpus: &'a [Vec<u8>]) -> &'a Vec<u8> {
    corpus.choose(generator).expect("a corpus is not empty")
}

/// Changes a protobuf message at the level of its fields, at any depth: a field dropped, doubled, moved,
/// renumbered, exchanged for one of another input, a number at an edge, bytes cut or grown. One case in
/// eight, and whatever is no protobuf, is changed by [`mutate_bytes`].
pub fn mutate_fields(generator: &mut Generator, input: &[u8], corpus: &[Vec<u8>]) -> Vec<u8> {
    if generator.random_ratio(1, 8) {
        return mutate_bytes(generator, input, corpus);
    }
    match fields::parse(input) {
        Some(mut fields) => {
            change_fields(generator, &mut fields, corpus, 0);
            bounded(fields::print(&fields))
        }
        None => mutate_bytes(generator, input, corpus),
    }
}

/// Changes bytes without knowing what they mean: flips, edges, cuts, repeats, parts of other inputs.
pub fn mutate_bytes(generator: &mut Generator, input: &[u8], corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let at = generator.random_range(0..=bytes.len());
    let end = generator.random_range(at..=bytes.len().min(at + 64));
    match generator.random_range(0..7) {
        0 if at < bytes.len() => bytes[at] ^= 1 << generator.random_range(0..8),
        1 if at < bytes.len() => bytes[at] = generator.random(),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let repeated = bytes[at..end].to_vec();
            bytes.splice(at..at, repeated);
        }
        5 => {
            let other = pick(generator, corpus);
            let from = generator.random_range(0..=other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => bytes.insert(at, *[0x00, 0x01, 0x7f, 0x80, 0xff].choose(generator).expect("not empty")),
    }
    bounded(bytes)
}

fn change_fields(generator: &mut Generator, fields: &mut Vec<Field>, corpus: &[Vec<u8>], depth: usize) {
    if fields.is_empty() {
        fields.extend(some_field(generator, corpus));
        return;
    }
    let index = generator.random_range(0..fields.len());
    match generator.random_range(0..8) {
        0 => drop(fields.remove(index)),
        1 => {
            let field = fields[index].clone();
            fields.insert(generator.random_range(0..=fields.len()), field);
        }
        2 => {
            let field = fields.remove(index);
            fields.insert(generator.random_range(0..=fields.len()), field);
        }
        3 => fields[index].number = generator.random_range(1..32),
        4 => fields.extend(some_field(generator, corpus)),
        _ => change_value(generator, &mut fields[index].value, corpus, depth),
    }
}

fn change_value(generator: &mut Generator, value: &mut Value, corpus: &[Vec<u8>], depth: usize) {
    match value {
        Value::Varint(number) => {
            *number = match generator.random_range(0..3) {
                0 => number.wrapping_add(1),
                1 => number.wrapping_sub(1),
                _ => *EDGES.choose(generator).expect("not empty"),
            }
        }
        Value::Fixed64(bytes) => *bytes = generator.random(),
        Value::Fixed32(bytes) => *bytes = generator.random(),
        Value::Bytes(bytes) => {
            // Mostly go down: what looks like a message inside is one, or might be taken for one.
            if depth < 16
                && generator.random_ratio(3, 4)
                && let Some(mut inner) = fields::parse(bytes)
            {
                change_fields(generator, &mut inner, corpus, depth + 1);
                *bytes = fields::print(&inner);
            } else if generator.random_ratio(1, 4) {
                let length = generator.random_range(0..80);
                *bytes = (0..length).map(|_| generator.random()).collect();
            } else {
                *bytes = mutate_bytes(generator, bytes, corpus);
            }
        }
    }
}

fn some_field(generator: &mut Generator, corpus: &[Vec<u8>]) -> Option<Field> {
    let fields = fields::parse(pick(generator, corpus))?;
    fields.choose(generator).cloned()
}

fn bounded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(MAX_INPUT_BYTES);
    bytes
}
