//! Tables of every kind, packed and looked up again. All rows are invented; addresses are from the ranges set aside
//! for documentation and for measurements of devices, networks from those set aside for examples.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use mbolo_geo::{Builder, Geo, GeoError, Kind, Place, Source, write_file};
use mbolo_pulse::model::{Asn, Country};

const BUILT_AT: i64 = 1_700_000_000;

fn country(code: &str) -> Country {
    Country::new(code).unwrap()
}

fn place(code: &str, asn: u32) -> Option<Place> {
    Some(Place { cc: country(code), asn: Asn(asn) })
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn built(builder: Builder) -> Geo {
    Geo::from_bytes(builder.build()).unwrap()
}

/// A hundred ranges: 64 of a quarter of a network each, 32 of IPv6, and four that say nothing.
fn iptoasn() -> String {
    let mut rows = String::new();
    for i in 0..64u32 {
        let (third, fourth) = (i / 4, i % 4 * 64);
        let cc = ["GA", "CM", "CG", "GQ"][i as usize % 4];
        rows += &format!(
            "198.18.{third}.{fourth}\t198.18.{third}.{}\t{}\t{cc}\tEXAMPLE-{i} - Example {i}\n",
            fourth + 63,
            64496 + i % 16
        );
    }
    for i in 0..32u32 {
        rows += &format!(
            "2001:db8:{i:x}::\t2001:db8:{i:x}:ffff:ffff:ffff:ffff:ffff\t{}\tGA\tSIX-{i}\n",
            65536 + i
        );
    }
    rows += "192.0.2.0\t192.0.2.127\t0\tNone\tNot routed\n";
    rows += "192.0.2.128\t192.0.2.255\t0\tGA\tNot routed\n";
    rows += "203.0.113.0\t203.0.113.127\t64500\tNone\tNOWHERE\n";
    rows += "203.0.113.128\t203.0.113.255\t64501\tEU\tREGION\n";
    rows
}

#[test]
fn an_iptoasn_table_gives_country_network_and_its_name() {
    let mut builder = Builder::new(BUILT_AT);
    let added = builder.add_iptoasn(iptoasn().as_bytes()).unwrap();
    assert_eq!((added.rows, added.bad), (100, 0));
    let geo = built(builder);

    assert_eq!(geo.lookup(ip("198.18.0.0")), place("GA", 64496));
    assert_eq!(geo.lookup(ip("198.18.0.63")), place("GA", 64496));
    assert_eq!(geo.lookup(ip("198.18.0.64")), place("CM", 64497));
    assert_eq!(geo.lookup(ip("198.18.15.255")), place("GQ", 64511));
    assert_eq!(geo.lookup(ip("198.18.16.0")), None, "after the last range");
    assert_eq!(geo.lookup(ip("198.17.255.255")), None, "before the first range of the block");
    assert_eq!(geo.lookup(ip("1.1.1.1")), None, "before the first range of all");
    assert_eq!(geo.lookup(ip("2001:db8:1f:1::1")), place("GA", 65567));
    assert_eq!(geo.lookup(ip("2001:db8:20::")), None);
    assert_eq!(geo.network_name(Asn(64496)), Some("EXAMPLE-0 - Example 0"), "the first name stays");
    assert_eq!(geo.network_name(Asn(65567)), Some("SIX-31"));
    assert_eq!(geo.network_name(Asn(1)), None);

    assert_eq!(geo.lookup(ip("192.0.2.1")), None, "neither country nor network");
    assert_eq!(geo.lookup(ip("192.0.2.200")), place("GA", 0), "a country without a network");
    assert_eq!(geo.lookup(ip("203.0.113.5")), place("ZZ", 64500), "a network without a country");
    assert_eq!(geo.lookup(ip("203.0.113.200")), place("ZZ", 64501), "a region is not a country");
}

#[test]
fn an_ipv4_address_inside_ipv6_is_that_ipv4_address() {
    let mut builder = Builder::new(BUILT_AT);
    builder.add_iptoasn(iptoasn().as_bytes()).unwrap();
    let geo = built(builder);
    assert_eq!(geo.lookup(ip("::ffff:198.18.0.64")), place("CM", 64497));
}

#[test]
fn addresses_that_belong_to_no_place_are_not_found_whatever_the_table_says() {
    let mut builder = Builder::new(BUILT_AT);
    let everything = "0.0.0.0\t255.255.255.255\t64500\tGA\tALL\n\
                      ::\tffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\t64500\tGA\tALL\n";
    builder.add_iptoasn(everything.as_bytes()).unwrap();
    let geo = built(builder);
    for address in [
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
    ] {
        assert_eq!(geo.lookup(ip(address)), None, "{address}");
        assert_eq!(geo.lookup(ip(&format!("::ffff:{address}"))), None, "{address} in IPv6");
    }
    for address in ["::", "::1", "fd00::1", "fe80::1", "ff02::1"] {
        assert_eq!(geo.lookup(ip(address)), None, "{address}");
    }
    for address in ["1.0.0.1", "172.32.0.1", "100.128.0.1", "223.255.255.255", "2001:db8::1"] {
        assert_eq!(geo.lookup(ip(address)), place("GA", 64500), "{address}");
    }
}

#[test]
fn delegations_give_the_country_and_routes_the_network() {
    let rir = "2.3|afrinic|20230801|4|19930101|20230801|+0000\n\
               afrinic|*|ipv4|*|3|summary\n\
               # a comment\n\
               afrinic|GA|ipv4|198.18.0.0|512|20100101|allocated|A1\n\
               afrinic|CM|ipv4|198.18.2.0|768|20100101|assigned|A2\n\
               afrinic||ipv4|198.18.8.0|256|20100101|available|\n\
               afrinic|GA|ipv6|2001:db8::|32|20100101|allocated|A1\n\
               afrinic|GA|asn|64500|1|20100101|allocated|A1\n";
    let routes = "198.18.0.0\t22\t64500\n198.18.1.0\t24\t64501_64502\n2001:db8:1::\t48\t64503,64504\n";
    let names = "64500 GABON-EXAMPLE, GA\n64503 SIX, WITH COMMA, GA\n64999 UNUSED, GA\n";
    let mut builder = Builder::new(BUILT_AT);
    assert_eq!(builder.add_rir(rir.as_bytes()).unwrap().bad, 0);
    assert_eq!(builder.add_pfx2as(routes.as_bytes()).unwrap().rows, 3);
    assert_eq!(builder.add_names(names.as_bytes()).unwrap().rows, 3);
    let geo = built(builder);

    assert_eq!(geo.lookup(ip("198.18.0.1")), place("GA", 64500));
    assert_eq!(geo.lookup(ip("198.18.1.1")), place("GA", 64501), "the narrower route, its first origin");
    assert_eq!(geo.lookup(ip("198.18.2.1")), place("CM", 64500), "one route over two countries");
    assert_eq!(geo.lookup(ip("198.18.4.1")), place("CM", 0), "delegated, not routed; not a power of two");
    assert_eq!(geo.lookup(ip("198.18.5.0")), None);
    assert_eq!(geo.lookup(ip("198.18.8.1")), None, "free for delegation");
    assert_eq!(geo.lookup(ip("2001:db8:1::1")), place("GA", 64503));
    assert_eq!(geo.lookup(ip("2001:db8:2::1")), place("GA", 0));
    assert_eq!(geo.network_name(Asn(64500)), Some("GABON-EXAMPLE"));
    assert_eq!(geo.network_name(Asn(64503)), Some("SIX, WITH COMMA"));
    assert_eq!(geo.network_name(Asn(64999)), None, "no address belongs to it");
}

#[test]
fn a_csv_is_understood_by_its_heading_or_by_its_shape() {
    let headed = "network,autonomous_system_number,autonomous_system_organization\n\
                  198.18.0.0/24,64500,\"Example, Inc.\"\n2001:db8::/32,AS64501,Six\n";
    let ranges = "198.18.0.0,198.18.0.127,ga\n198.18.0.128,198.18.0.255,CM\n";
    let networks = "198.18.1.0/25,GA,64502,Other\n";
    let mut builder = Builder::new(BUILT_AT);
    assert_eq!(builder.add_csv(headed.as_bytes()).unwrap().rows, 2);
    assert_eq!(builder.add_csv(ranges.as_bytes()).unwrap().rows, 2);
    assert_eq!(builder.add_csv(networks.as_bytes()).unwrap().rows, 1);
    let geo = built(builder);
    assert_eq!(geo.lookup(ip("198.18.0.5")), place("GA", 64500));
    assert_eq!(geo.lookup(ip("198.18.0.200")), place("CM", 64500));
    assert_eq!(geo.lookup(ip("198.18.1.127")), place("GA", 64502));
    assert_eq!(geo.lookup(ip("198.18.1.128")), None);
    assert_eq!(geo.lookup(ip("2001:db8::1")), place("ZZ", 64501));
    assert_eq!(geo.network_name(Asn(64500)), Some("Example, Inc."));
}

#[test]
fn bad_lines_are_left_out_and_named_by_their_number() {
    let rows = "198.18.0.0\t198.18.0.255\t64500\tGA\tGOOD\n\
                \n\
                198.18.9.0\t198.18.1.0\t64500\tGA\tBACKWARDS\n\
                198.18.2.0\t2001:db8::\t64500\tGA\tMIXED\n\
                # fine\n\
                198.18.2.0\t198.18.2.255\t64501\tGA\tGOOD\n\
                198.18.3.0\t198.18.3.255\tmany\tGA\tBAD\n\
                198.18.4.0\t198.18.4.255\t64501\tGabon\tBAD\n\
                198.18.5.0\t198.18.5.255\t64502\tGA\n\
                198.18.6.0\t198.18.6.255\t64503\tGA\tGOOD";
    let mut builder = Builder::new(BUILT_AT);
    let added = builder.add_iptoasn(rows.as_bytes()).unwrap();
    assert_eq!((added.rows, added.bad), (4, 4));
    let lines: Vec<u64> = added.bad_lines.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, [3, 4, 7, 8]);
    assert_eq!(added.bad_lines[2].why, "“many” is not the number of a network");
    let geo = built(builder);
    assert_eq!(geo.lookup(ip("198.18.6.1")), place("GA", 64503), "a last line without an end");
    assert_eq!(geo.lookup(ip("198.18.3.1")), None);
}

#[test]
fn bad_rows_of_a_csv_are_named_by_their_line_too() {
    let rows =
        "network,country,asn\n198.18.0.0/24,GA,64500\n198.18.1.0/40,GA,64500\n198.18.2.0/24,GA,64500\n";
    let added = Builder::new(BUILT_AT).add_csv(rows.as_bytes()).unwrap();
    assert_eq!((added.rows, added.bad), (2, 1));
    assert_eq!(added.bad_lines[0].line, 3);
}

#[test]
fn a_line_without_end_is_one_bad_line() {
    let mut rows = b"198.18.0.0\t198.18.0.255\t64500\tGA\tGOOD\n".to_vec();
    rows.extend(std::iter::repeat_n(b'x', 100_000));
    rows.extend_from_slice(b"\n198.18.1.0\t198.18.1.255\t64500\tGA\tGOOD\n");
    let added = Builder::new(BUILT_AT).add_iptoasn(rows.as_slice()).unwrap();
    assert_eq!((added.rows, added.bad), (2, 1));
    assert_eq!(added.bad_lines[0].line, 2);
}

#[test]
fn a_table_of_another_kind_is_refused() {
    let mut builder = Builder::new(BUILT_AT);
    let refused = builder.add_pfx2as(iptoasn().as_bytes()).unwrap_err();
    assert!(refused.to_string().contains("prefix-to-AS"), "{refused}");
    assert!(refused.to_string().contains("line 1"), "{refused}");
    assert!(builder.add_mmdb(iptoasn().as_bytes()).is_err());
}

#[test]
fn the_narrowest_range_wins_and_among_equals_the_last() {
    let mut builder = Builder::new(BUILT_AT);
    let mut add = |first: &str, last: &str, code: &str, asn: u32| {
        builder.add_range(ip(first), ip(last), Some(country(code)), Some(Asn(asn))).unwrap();
    };
    add("198.18.0.64", "198.18.0.95", "CM", 2);
    add("198.18.0.0", "198.18.0.255", "GA", 1);
    add("198.18.0.80", "198.18.0.159", "CG", 3);
    add("198.18.0.200", "198.18.0.210", "CG", 4);
    add("198.18.0.200", "198.18.0.210", "GQ", 5);
    let geo = built(builder);
    for (address, code, asn) in [
        (0, "GA", 1),
        (63, "GA", 1),
        (64, "CM", 2),
        (95, "CM", 2),
        (96, "CG", 3),
        (159, "CG", 3),
        (160, "GA", 1),
        (205, "GQ", 5),
        (255, "GA", 1),
    ] {
        assert_eq!(geo.lookup(ip(&format!("198.18.0.{address}"))), place(code, asn), "{address}");
    }
}

#[test]
fn the_ends_of_both_address_spaces_can_be_packed() {
    let mut builder = Builder::new(BUILT_AT);
    let all = |text: &str| ip(text);
    builder.add_range(all("0.0.0.0"), all("255.255.255.255"), Some(country("GA")), None).unwrap();
    let last = all("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    builder.add_range(all("::"), last, Some(country("CM")), None).unwrap();
    let geo = built(builder);
    assert_eq!(geo.ranges(), (1, 1));
    assert_eq!(geo.lookup(ip("223.255.255.255")), place("GA", 0));
    assert_eq!(geo.lookup(ip("3fff::1")), place("CM", 0));
}

#[test]
fn a_damaged_file_is_refused_whichever_byte_fell_over() {
    let mut builder = Builder::new(BUILT_AT);
    builder.add_iptoasn(iptoasn().as_bytes()).unwrap();
    let good = builder.build();
    assert!(Geo::from_bytes(good.clone()).is_ok());
    for index in 0..good.len() {
        let mut bad = good.clone();
        bad[index] ^= 0x10;
        assert!(Geo::from_bytes(bad).is_err(), "byte {index}");
    }
    for length in 0..good.len() {
        assert!(Geo::from_bytes(good[..length].to_vec()).is_err(), "cut at {length}");
    }
    assert!(matches!(Geo::from_bytes(b"hello".to_vec()), Err(GeoError::NotPacked)));
}

#[test]
fn a_file_whose_checksum_holds_but_whose_parts_lie_is_refused() {
    let mut builder = Builder::new(BUILT_AT);
    builder.add_iptoasn(iptoasn().as_bytes()).unwrap();
    let good = builder.build();
    let body = good.len() - 32;
    let mut refused = 0;
    for index in 8..body {
        let mut bad = good.clone();
        bad[index] = 0xff;
        let sum = <sha2::Sha256 as sha2::Digest>::digest(&bad[..body]);
        bad[body..].copy_from_slice(&sum);
        // Whatever is let through must be safe to ask.
        match Geo::from_bytes(bad) {
            Err(_) => refused += 1,
            Ok(geo) => {
                for asn in 64490..64520 {
                    let _ = geo.network_name(Asn(asn));
                }
                for address in ["0.0.0.1", "198.18.3.7", "223.255.255.255", "2001:db8:7::1", "::2"] {
                    let _ = geo.lookup(ip(address));
                }
            }
        }
    }
    assert!(refused > body / 3, "only {refused} of {body}");
}

#[test]
fn a_file_of_another_version_says_so() {
    let mut bytes = Builder::new(BUILT_AT).build();
    bytes[8] = 9;
    assert!(matches!(Geo::from_bytes(bytes), Err(GeoError::Version(9))));
}

#[test]
fn an_empty_table_finds_nothing() {
    let geo = built(Builder::new(BUILT_AT));
    assert_eq!(geo.lookup(ip("198.18.0.1")), None);
    assert_eq!(geo.lookup(ip("2001:db8::1")), None);
}

#[test]
fn packed_into_a_file_and_opened_again_it_knows_its_age() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.tsv.gz");
    let mut zipped =
        flate2::write::GzEncoder::new(std::fs::File::create(&table).unwrap(), flate2::Compression::fast());
    zipped.write_all(iptoasn().as_bytes()).unwrap();
    zipped.finish().unwrap();

    let source: Source = format!("iptoasn:{}", table.display()).parse().unwrap();
    assert_eq!(source.kind, Kind::IpToAsn);
    let mut builder = Builder::new(BUILT_AT);
    assert_eq!(builder.add(&source).unwrap().rows, 100);
    let packed = folder.path().join("geo.bin");
    write_file(&packed, &builder.build()).unwrap();

    let geo = Geo::open(&packed).unwrap();
    assert_eq!(geo.lookup(ip("198.18.0.64")), place("CM", 64497));
    assert_eq!(geo.built_at(), BUILT_AT);
    assert_eq!(geo.age(BUILT_AT + 90), Duration::from_secs(90));
    assert_eq!(geo.age(BUILT_AT - 90), Duration::ZERO, "a clock that jumped back");
    assert!(matches!(Geo::open(&folder.path().join("none")), Err(GeoError::Unreadable { .. })));
    assert!("iptoasn".parse::<Source>().is_err());
    assert!("maps:x".parse::<Source>().is_err());
}
