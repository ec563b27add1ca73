//! Golden vectors: the bytes of every message, every signing input and every derived id, for people who
//! write a client in another language, and as a guard against a changed encoding.
//!
//! The files in `vectors/` are made from the code here. A test fails when they differ; if the change is
//! meant, run the tests with `MBOLO_BLESS=1` and look at the difference.

mod content_vectors;
mod frames;
mod identity;
mod messages;
mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mbolo_fuzz::Vector;
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet};

/// A vector of one message; `kind` is its full protobuf name.
fn message<M: Message + Default + PartialEq>(kind: &str, name: &str, about: &str, message: &M) -> Vector {
    let bytes = message.encode_to_vec();
    let read = M::decode(bytes.as_slice()).unwrap_or_else(|error| panic!("{name} does not decode: {error}"));
    assert!(&read == message, "{name} reads back as something else");
    values(name, about, &[("type", kind.to_owned()), ("bytes", hex(&bytes))])
}

fn values(name: &str, about: &str, values: &[(&str, String)]) -> Vector {
    Vector {
        name: name.to_owned(),
        about: about.to_owned(),
        values: values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Holds a file of `vectors/` against what the code makes today.
fn check(file: &str, remark: &str, vectors: &[Vector]) {
    let names: BTreeSet<&str> = vectors.iter().map(|vector| vector.name.as_str()).collect();
    assert_eq!(names.len(), vectors.len(), "names in {file} are unique");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(file);
    let made = mbolo_fuzz::print_vectors(remark, vectors);
    if std::env::var_os("MBOLO_BLESS").is_some() {
        std::fs::write(&path, &made).expect("the file of vectors can be written");
    }
    let stored = std::fs::read_to_string(&path).expect("the file of vectors is there");
    let stored = mbolo_fuzz::parse_vectors(&stored).expect("the file of vectors is well formed");
    for (stored, made) in stored.iter().zip(vectors) {
        assert_eq!(stored, made, "{file}: a vector has changed; see the top of tests/golden/main.rs");
    }
    assert_eq!(stored.len(), vectors.len(), "{file}: vectors were added or removed");
}

/// Demands that together the vectors of each message of `package` show every field that the schema has.
fn check_that_all_fields_are_shown(package: &str, vectors: &[Vector]) {
    let mut shown: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for vector in vectors {
        let (_, kind) = &vector.values[0];
        let bytes = vector.bytes().expect("a message has bytes");
        shown.entry(kind).or_default().extend(field_numbers(&bytes));
    }
    for message in messages_of(package) {
        let kind = format!("{package}.{}", message.name());
        let declared: BTreeSet<i32> = message.field.iter().map(|field| field.number()).collect();
        let shown = shown.get(kind.as_str()).unwrap_or_else(|| panic!("{kind} has no golden vector"));
        assert_eq!(shown, &declared, "{kind}: fields that the vectors show, and those that there are");
    }
}

fn messages_of(package: &str) -> Vec<DescriptorProto> {
    let descriptors = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
    let descriptors = FileDescriptorSet::decode(descriptors.as_slice()).expect("the schema decodes");
    let file = descriptors.file.into_iter().find(|file| file.package() == package);
    file.expect("the package is there").message_type
}

/// The numbers of a message's own fields, in the order in which they stand.
fn field_numbers(mut bytes: &[u8]) -> Vec<i32> {
    use prost::encoding::{DecodeContext, decode_key, skip_field};
    let mut numbers = Vec::new();
    while !bytes.is_empty() {
        let (number, wire_type) = decode_key(&mut bytes).expect("a golden vector has sound tags");
        skip_field(wire_type, number, &mut bytes, DecodeContext::default()).expect("and sound fields");
        numbers.push(i32::try_from(number).expect("field numbers are small"));
    }
    numbers
}

#[test]
fn every_message_of_the_session_protocol_keeps_its_bytes() {
    let vectors: Vec<Vector> =
        frames::client().into_iter().chain(frames::server()).chain(messages::all()).collect();
    check(
        "mbolo.v1.txt",
        "Every message of proto/mbolo.proto. MLS data is replaced by <its name>.",
        &vectors,
    );
    check_that_all_fields_are_shown("mbolo.v1", &vectors);
}

#[test]
fn every_message_inside_the_encryption_keeps_its_bytes() {
    let vectors = content_vectors::all();
    check("mbolo.content.v1.txt", "Every message of proto/content.proto.", &vectors);
    check_that_all_fields_are_shown("mbolo.content.v1", &vectors);
}

#[test]
fn signing_inputs_signatures_and_proofs_of_work_keep_their_bytes() {
    let remark = "What is signed and by which key. A `seed` is an Ed25519 private key (RFC 8032).";
    check("signing.txt", remark, &identity::signing());
}

#[test]
fn ids_and_handles_keep_their_form() {
    check("ids.txt", "How ids are derived and written, and which texts are handles.", &identity::ids());
}
