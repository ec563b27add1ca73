//! How many addresses a second are looked up in a table of the size of the world: `cargo run --release --example lookups`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use mbolo_geo::{Builder, Geo};
use mbolo_pulse::model::{Asn, Country};

const V4_RANGES: u32 = 600_000;
const V6_RANGES: u32 = 200_000;
const LOOKUPS: u64 = 10_000_000;

fn main() {
    let mut builder = Builder::new(0);
    let codes = ["GA", "CM", "CG", "FR", "SN"].map(Country::new);
    let step = u32::MAX / V4_RANGES;
    for i in 0..V4_RANGES {
        let first = i * step;
        let range = |address: u32| IpAddr::from(Ipv4Addr::from_bits(address));
        let added = builder.add_range(
            range(first),
            range(first + step - 1),
            codes[i as usize % 5],
            Some(Asn(1 + i % 80_000)),
        );
        assert_eq!(added, Ok(()), "an invented range is a good one");
    }
    for i in 0..V6_RANGES {
        let first = (0x2000u128 << 112) + (u128::from(i) << 80);
        let range = |address: u128| IpAddr::from(Ipv6Addr::from_bits(address));
        let last = first + (1 << 80) - 1;
        let added =
            builder.add_range(range(first), range(last), codes[i as usize % 5], Some(Asn(1 + i % 80_000)));
        assert_eq!(added, Ok(()), "an invented range is a good one");
    }
    let started = Instant::now();
    let bytes = builder.build();
    println!("packed {} bytes in {:?}", bytes.len(), started.elapsed());
    let started = Instant::now();
    let geo = match Geo::from_bytes(bytes) {
        Ok(geo) => geo,
        Err(error) => return eprintln!("{error}"),
    };
    println!("opened in {:?}, {:?} ranges", started.elapsed(), geo.ranges());

    measure("IPv4", &geo, |random| Ipv4Addr::from_bits(random as u32).into());
    measure("IPv6", &geo, |random| {
        Ipv6Addr::from_bits((0x2000u128 << 112) + (u128::from(random % u64::from(V6_RANGES)) << 80)).into()
    });
}

fn measure(name: &str, geo: &Geo, address: impl Fn(u64) -> IpAddr) {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut found = 0u64;
    let started = Instant::now();
    for _ in 0..LOOKUPS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        found += u64::from(geo.lookup(address(random)).is_some());
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{name}: {:.1} million lookups/s, {:.0} % found",
        LOOKUPS as f64 / seconds / 1e6,
        found as f64 * 100.0 / LOOKUPS as f64
    );
}
