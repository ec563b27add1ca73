//! The packed file against the obvious way: look at all ranges and take the narrowest.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mbolo_geo::{Builder, Geo, Place};
use mbolo_pulse::model::{Asn, Country};
use proptest::prelude::*;

type Row = (u128, u128, Option<Country>, Option<Asn>);

/// Ranges within 2,000 addresses, so that they overlap, touch and leave gaps.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let country = proptest::option::of(proptest::sample::select(vec!["GA", "CM", "CG"]))
        .prop_map(|code| code.and_then(Country::new));
    let asn = proptest::option::of(1u32..6).prop_map(|asn| asn.map(Asn));
    let row = (0u128..2_000, prop_oneof![0u128..8, 0u128..600], country, asn);
    let row = row.prop_map(|(first, length, cc, asn)| (first, first + length, cc, asn));
    proptest::collection::vec(row, 0..100)
}

fn naive(rows: &[Row], address: u128) -> Option<Place> {
    fn narrowest<T>(rows: &[Row], address: u128, value: impl Fn(&Row) -> Option<T>) -> Option<T> {
        let mut best: Option<(u128, T)> = None;
        for row in rows.iter().filter(|row| row.0 <= address && address <= row.1) {
            if let Some(value) = value(row)
                && best.as_ref().is_none_or(|(width, _)| row.1 - row.0 <= *width)
            {
                best = Some((row.1 - row.0, value));
            }
        }
        best.map(|(_, value)| value)
    }
    let cc = narrowest(rows, address, |row| row.2);
    let asn = narrowest(rows, address, |row| row.3);
    (cc.is_some() || asn.is_some())
        .then(|| Place { cc: cc.unwrap_or(Country::UNKNOWN), asn: asn.unwrap_or_default() })
}

fn packed(rows: &[Row], address: impl Fn(u128) -> IpAddr) -> Geo {
    let mut builder = Builder::new(0);
    for (first, last, cc, asn) in rows {
        builder.add_range(address(*first), address(*last), *cc, *asn).unwrap();
    }
    Geo::from_bytes(builder.build()).unwrap()
}

fn v4(offset: u128) -> IpAddr {
    Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + offset as u32).into()
}

fn v6(offset: u128) -> IpAddr {
    // Steps that are not within the last 64 bits, so that all of a start is compared.
    Ipv6Addr::from_bits(u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0)) + (offset << 60)).into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn lookup_is_a_scan_of_all_ranges(rows in rows()) {
        let (four, six) = (packed(&rows, v4), packed(&rows, v6));
        for offset in 0..2_700 {
            let expected = naive(&rows, offset);
            prop_assert_eq!(four.lookup(v4(offset)), expected, "IPv4, offset {}", offset);
            prop_assert_eq!(six.lookup(v6(offset)), expected, "IPv6, offset {}", offset);
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Geo::from_bytes(bytes).is_err());
    }

    #[test]
    fn any_table_is_read_to_its_end(text in "([0-9a-f:.,|/\t\n GA#\"]{0,400})") {
        let mut builder = Builder::new(0);
        let _ = builder.add_iptoasn(text.as_bytes());
        let _ = builder.add_rir(text.as_bytes());
        let _ = builder.add_pfx2as(text.as_bytes());
        let _ = builder.add_names(text.as_bytes());
        let _ = builder.add_csv(text.as_bytes());
        prop_assert!(Geo::from_bytes(builder.build()).is_ok());
    }
}
