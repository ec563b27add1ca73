//! The decoders against messages made straight from the schema by an encoder of their own: whatever is well
//! formed decodes, and encodes again to the same bytes.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use mbolo_proto::{content, decode_client_frame, decode_server_frame, encode_frame, wire};
use proptest::prelude::*;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

/// Deep enough for every message of the schema.
const MAX_DEPTH: usize = 8;

fn schema() -> &'static BTreeMap<String, DescriptorProto> {
    static SCHEMA: OnceLock<BTreeMap<String, DescriptorProto>> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let descriptors = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
        let descriptors = FileDescriptorSet::decode(descriptors.as_slice()).expect("the schema decodes");
        let named = |file: prost_types::FileDescriptorProto| {
            let package = file.package().to_owned();
            file.message_type
                .into_iter()
                .map(move |message| (format!(".{package}.{}", message.name()), message))
        };
        descriptors.file.into_iter().flat_map(named).collect()
    })
}

/// The canonical bytes of some message of this kind: fields ascending, no defaults, one member of a oneof.
fn some_message(kind: &str, depth: usize) -> BoxedStrategy<Vec<u8>> {
    let message = schema().get(kind).unwrap_or_else(|| panic!("no message {kind}"));
    let plain = message.field.iter().filter(|field| field.oneof_index.is_none());
    let mut parts: Vec<BoxedStrategy<(i32, Vec<u8>)>> =
        plain.map(|field| prop_oneof![empty(field), some_field(field, depth)].boxed()).collect();
    for (index, _) in message.oneof_decl.iter().enumerate() {
        let members = message.field.iter().filter(|field| field.oneof_index == Some(index as i32));
        parts.push(proptest::strategy::Union::new(members.map(|field| some_field(field, depth))).boxed());
    }
    parts
        .prop_map(|mut parts| {
            parts.sort();
            parts.into_iter().flat_map(|(_, bytes)| bytes).collect()
        })
        .boxed()
}

fn empty(field: &FieldDescriptorProto) -> BoxedStrategy<(i32, Vec<u8>)> {
    Just((field.number(), Vec::new())).boxed()
}

fn some_field(field: &FieldDescriptorProto, depth: usize) -> BoxedStrategy<(i32, Vec<u8>)> {
    let number = field.number();
    let tag = number as u32;
    let repeated = field.label() == Label::Repeated;
    let many = if repeated { 0..3 } else { 1..2usize };
    match field.r#type() {
        Type::Message if depth == MAX_DEPTH => empty(field),
        Type::Message => proptest::collection::vec(some_message(field.type_name(), depth + 1), many)
            .prop_map(move |list| (number, list.iter().flat_map(|m| delimited(tag, m)).collect()))
            .boxed(),
        Type::Bytes => proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), many)
            .prop_map(move |list| (number, list.iter().flat_map(|b| delimited(tag, b)).collect()))
            .boxed(),
        Type::String => proptest::collection::vec("\\PC{1,12}", many)
            .prop_map(move |list| (number, list.iter().flat_map(|s| delimited(tag, s.as_bytes())).collect()))
            .boxed(),
        // Repeated numbers are packed into one field.
        kind if repeated => proptest::collection::vec(some_number(kind), 1..4)
            .prop_map(move |numbers| {
                let mut packed = Vec::new();
                numbers.iter().for_each(|n| encode_varint(*n, &mut packed));
                (number, delimited(tag, &packed))
            })
            .boxed(),
        kind => some_number(kind)
            .prop_map(move |value| {
                let mut bytes = Vec::new();
                encode_key(tag, WireType::Varint, &mut bytes);
                encode_varint(value, &mut bytes);
                (number, bytes)
            })
            .boxed(),
    }
}

fn some_number(kind: Type) -> BoxedStrategy<u64> {
    match kind {
        Type::Bool => Just(1).boxed(),
        Type::Uint32 => (1..=u64::from(u32::MAX)).boxed(),
        Type::Uint64 => (1..=u64::MAX).boxed(),
        // An enum is open: a number that this version has no name for stays what it is.
        Type::Enum => (1..100u64).boxed(),
        other => panic!("the schema has a type that this test does not know: {other:?}"),
    }
}

fn delimited(tag: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(tag, WireType::LengthDelimited, &mut out);
    encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

/// Decodes and encodes as `M`, whatever it says.
fn again<M: Message + Default>(bytes: &[u8]) -> Result<Vec<u8>, TestCaseError> {
    let message = M::decode(bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
    Ok(message.encode_to_vec())
}

proptest! {
    #[test]
    fn a_well_formed_client_frame_comes_back_as_it_was(bytes in some_message(".mbolo.v1.ClientFrame", 0)) {
        let frame = decode_client_frame(bytes.clone().into());
        let frame = frame.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(encode_frame(&frame), bytes);
    }

    #[test]
    fn a_well_formed_server_frame_comes_back_as_it_was(bytes in some_message(".mbolo.v1.ServerFrame", 0)) {
        let frame = decode_server_frame(bytes.clone().into());
        let frame = frame.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(encode_frame(&frame), bytes);
    }

    #[test]
    fn stored_messages_come_back_as_they_were(
        bundle in some_message(".mbolo.v1.CommitBundle", 0),
        decided in some_message(".mbolo.v1.DecidedCommit", 0),
        item in some_message(".mbolo.v1.InboxItem", 0),
        policy in some_message(".mbolo.v1.RoomPolicy", 0),
        set in some_message(".mbolo.v1.OrderingSet", 0),
    ) {
        prop_assert_eq!(again::<wire::CommitBundle>(&bundle)?, bundle);
        prop_assert_eq!(again::<wire::DecidedCommit>(&decided)?, decided);
        prop_assert_eq!(again::<wire::InboxItem>(&item)?, item);
        prop_assert_eq!(again::<wire::RoomPolicy>(&policy)?, policy);
        prop_assert_eq!(again::<wire::OrderingSet>(&set)?, set);
    }

    #[test]
    fn content_comes_back_as_it_was(
        content in some_message(".mbolo.content.v1.Content", 0),
        mark in some_message(".mbolo.content.v1.ReadMark", 0),
        ephemeral in some_message(".mbolo.content.v1.EphemeralContent", 0),
        sealed in some_message(".mbolo.content.v1.Sealed", 0),
    ) {
        prop_assert_eq!(again::<content::Content>(&content)?, content);
        prop_assert_eq!(again::<content::ReadMark>(&mark)?, mark);
        prop_assert_eq!(again::<content::EphemeralContent>(&ephemeral)?, ephemeral);
        prop_assert_eq!(again::<content::Sealed>(&sealed)?, sealed);
    }

    #[test]
    fn bytes_from_nowhere_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_client_frame(bytes.clone().into());
        let _ = decode_server_frame(bytes.clone().into());
        let _ = content::Content::decode(bytes.as_slice());
    }
}
