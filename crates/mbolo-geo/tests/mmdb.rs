//! Tables in MaxMind's format, written here byte by byte after its specification.
#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use mbolo_geo::{Builder, Geo, Place};
use mbolo_pulse::model::{Asn, Country};

/// A value of the data section.
enum Value<'a> {
    Text(&'a str),
    U16(u16),
    U32(u32),
    U64(u64),
    Map(Vec<(&'a str, Value<'a>)>),
    Array,
}

fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    let mut control = |kind: u8, size: usize| {
        let (low, extra) = if size < 29 { (size as u8, None) } else { (29, Some((size - 29) as u8)) };
        if kind <= 7 {
            out.push(kind << 5 | low)
        } else {
            out.extend([low, kind - 7])
        }
        out.extend(extra);
    };
    match value {
        Value::Text(text) => {
            control(2, text.len());
            out.extend_from_slice(text.as_bytes());
        }
        Value::U16(number) => {
            control(5, 2);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::U32(number) => {
            control(6, 4);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::U64(number) => {
            control(9, 8);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Array => control(11, 0),
        Value::Map(entries) => {
            control(7, entries.len());
            for (key, value) in entries {
                write(&Value::Text(key), out);
                write(value, out);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Record {
    Empty,
    Node(usize),
    Data(usize),
}

/// A database of 24-bit records. Prefixes must not overlap.
fn database(version: u16, networks: &[(&str, u8, Value<'_>)]) -> Vec<u8> {
    let mut nodes = vec![[Record::Empty; 2]];
    let mut data = Vec::new();
    for (address, length, value) in networks {
        let bits = match address.parse().unwrap() {
            IpAddr::V4(v4) if version == 4 => u128::from(v4.to_bits()) << 96,
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let mut node = 0;
        for depth in 0..*length {
            let side = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == *length {
                nodes[node][side] = Record::Data(data.len());
            } else if let Record::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([Record::Empty; 2]);
                let next = nodes.len() - 1;
                nodes[node][side] = Record::Node(next);
                node = next;
            }
        }
        write(value, &mut data);
    }
    let mut bytes = Vec::new();
    for record in nodes.iter().flatten() {
        let number = match record {
            Record::Empty => nodes.len(),
            Record::Node(node) => *node,
            Record::Data(offset) => nodes.len() + 16 + offset,
        };
        bytes.extend_from_slice(&(number as u32).to_be_bytes()[1..]);
    }
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&data);
    bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let metadata = Value::Map(vec![
        ("binary_format_major_version", Value::U16(2)),
        ("binary_format_minor_version", Value::U16(0)),
        ("build_epoch", Value::U64(1_700_000_000)),
        ("database_type", Value::Text("Example")),
        ("description", Value::Map(vec![])),
        ("ip_version", Value::U16(version)),
        ("languages", Value::Array),
        ("node_count", Value::U32(nodes.len() as u32)),
        ("record_size", Value::U16(24)),
    ]);
    write(&metadata, &mut bytes);
    bytes
}

fn country(code: &str) -> Value<'_> {
    Value::Map(vec![
        ("iso_code", Value::Text(code)),
        ("names", Value::Map(vec![("en", Value::Text("Somewhere"))])),
    ])
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn place(code: &str, asn: u32) -> Option<Place> {
    Some(Place { cc: Country::new(code).unwrap(), asn: Asn(asn) })
}

#[test]
fn a_table_of_countries_and_one_of_networks_make_one() {
    let countries = database(
        6,
        &[
            (
                "198.18.0.0",
                96 + 24,
                Value::Map(vec![("country", country("GA")), ("registered_country", country("FR"))]),
            ),
            ("198.18.1.0", 96 + 24, Value::Map(vec![("registered_country", country("CM"))])),
            ("2001:db8::", 32, Value::Map(vec![("country", country("CG"))])),
        ],
    );
    let network = |asn, name| {
        Value::Map(vec![
            ("autonomous_system_number", Value::U32(asn)),
            ("autonomous_system_organization", Value::Text(name)),
        ])
    };
    let networks =
        database(4, &[("198.18.0.0", 23, network(64500, "A name that is longer than a small one"))]);
    let mut builder = Builder::new(0);
    assert_eq!(builder.add_mmdb(countries.as_slice()).unwrap().rows, 3);
    assert_eq!(builder.add_mmdb(networks.as_slice()).unwrap().rows, 1);
    let geo = Geo::from_bytes(builder.build()).unwrap();
    assert_eq!(geo.lookup(ip("198.18.0.9")), place("GA", 64500));
    assert_eq!(geo.lookup(ip("198.18.1.9")), place("CM", 64500));
    assert_eq!(geo.lookup(ip("198.18.2.9")), None);
    assert_eq!(geo.lookup(ip("2001:db8::9")), place("CG", 0));
    assert_eq!(geo.network_name(Asn(64500)), Some("A name that is longer than a small one"));
}

#[test]
fn flat_records_are_read_too() {
    let flat = Value::Map(vec![
        ("country", Value::Text("Gabon")),
        ("country_code", Value::Text("GA")),
        ("asn", Value::Text("AS64501")),
        ("as_name", Value::Text("Example")),
    ]);
    let mut builder = Builder::new(0);
    builder.add_mmdb(database(4, &[("198.18.0.0", 24, flat)]).as_slice()).unwrap();
    let geo = Geo::from_bytes(builder.build()).unwrap();
    assert_eq!(geo.lookup(ip("198.18.0.9")), place("GA", 64501));
    assert_eq!(geo.network_name(Asn(64501)), Some("Example"));
}

#[test]
fn a_cut_off_database_is_refused_or_read_but_never_a_crash() {
    let whole = database(4, &[("198.18.0.0", 24, Value::Map(vec![("country", country("GA"))]))]);
    for length in 0..whole.len() {
        let _ = Builder::new(0).add_mmdb(&whole[..length]);
    }
    assert!(Builder::new(0).add_mmdb(&whole[..whole.len() / 2]).is_err());
}
