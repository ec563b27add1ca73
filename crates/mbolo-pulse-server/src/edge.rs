//! The edge: where a request comes from, turned into a place at once.
//!
//! An address lives here for the length of one request. What leaves is a place (country, network) and two keyed hashes
//! that forget with the process: one of the reporter, one of its neighbourhood (/24, /48). Neither is ever stored.

use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

use hmac::{Hmac, Mac};
use mbolo_geo::{Geo, GeoError};
use mbolo_pulse::{Asn, Country, Scope};
use sha2::Sha256;

/// A network in the notation `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: u128,
    bits: u32,
}

impl Network {
    /// Whether it holds `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = 128 - self.bits;
        shift == 128 || wide(address) >> shift == self.address >> shift
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an address or a network such as 10.0.0.0/8");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (most, skipped) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let bits = bits.unwrap_or(most);
        if bits > most {
            return Err(wrong());
        }
        Ok(Self { address: wide(address), bits: skipped + bits })
    }
}

impl<'de> serde::Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Every address as an IPv6 one; IPv4 as `::ffff:a.b.c.d`.
fn wide(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Who asks: `connection`, or, if that is one of our proxies, the last address in X-Forwarded-For that is not.
///
/// The list is read from its end, because everything before our own proxy's entry is what the client claims.
pub fn client_address(connection: IpAddr, forwarded: &[&str], trusted: &[Network]) -> IpAddr {
    let ours = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !ours(connection) {
        return connection;
    }
    let mut nearest = connection;
    let entries: Vec<&str> = forwarded.iter().flat_map(|header| header.split(',')).map(str::trim).collect();
    for entry in entries.iter().rev().take(16) {
        match entry.parse::<IpAddr>() {
            Ok(address) if ours(address) => nearest = address,
            Ok(address) => return address,
            Err(_) => break,
        }
    }
    nearest
}

/// A place, `ZZ` and 0 where it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which country.
    pub cc: Country,
    /// Which network.
    pub asn: Asn,
}

impl Place {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self { cc: Country::UNKNOWN, asn: Asn(0) };

    /// As a scope, if it is known.
    pub fn scope(self) -> Option<Scope> {
        match (self.cc == Country::UNKNOWN, self.asn.0 == 0) {
            (true, _) => None,
            (false, true) => Some(Scope::Country { cc: self.cc }),
            (false, false) => Some(Scope::Asn { cc: self.cc, asn: self.asn }),
        }
    }
}

/// What a request leaves behind of its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// Where it is.
    pub place: Place,
    /// Keyed hash of address and browser; another one after a restart.
    pub reporter: u64,
    /// Keyed hash of the /24 or /48.
    pub neighbourhood: u64,
}

/// Turns addresses into senders.
pub struct Edge {
    geo: Option<Geo>,
    key: [u8; 32],
    trusted: Vec<Network>,
}

impl Edge {
    /// Opens the packed geo file, if there is one.
    pub fn new(geo: Option<&Path>, trusted: Vec<Network>) -> Result<Self, GeoError> {
        Ok(Self { geo: geo.map(Geo::open).transpose()?, key: crate::work::random(), trusted })
    }

    /// Without tables everything is counted for the world only.
    pub fn has_geo(&self) -> bool {
        self.geo.is_some()
    }

    /// The sender of a request that came over `connection`.
    pub fn sender(&self, connection: IpAddr, forwarded: &[&str], browser: &str) -> Sender {
        let address = client_address(connection, forwarded, &self.trusted);
        Sender {
            place: self.place(address),
            reporter: self.hash(&[b"reporter", &wide(address).to_be_bytes(), browser.as_bytes()]),
            neighbourhood: self.hash(&[b"neighbourhood", &neighbourhood(address).to_be_bytes()]),
        }
    }

    fn place(&self, address: IpAddr) -> Place {
        let found = self.geo.as_ref().and_then(|geo| geo.lookup(address));
        found.map_or(Place::UNKNOWN, |place| Place { cc: place.cc, asn: place.asn })
    }

    /// What people call a network.
    pub fn network_name(&self, asn: Asn) -> Option<String> {
        self.geo.as_ref()?.network_name(asn).map(str::to_owned)
    }

    /// Tells beacons apart, so that one that is sent again counts once.
    pub fn beacon_hash(&self, sender: &Sender, batch: &str) -> u64 {
        self.hash(&[b"beacon", &sender.neighbourhood.to_be_bytes(), batch.as_bytes()])
    }

    fn hash(&self, parts: &[&[u8]]) -> u64 {
        let mut mac = <Hmac<Sha256>>::new_from_slice(&self.key).expect("HMAC takes keys of every length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let bytes = mac.finalize().into_bytes();
        u64::from_be_bytes(std::array::from_fn(|at| bytes[at]))
    }
}

fn neighbourhood(address: IpAddr) -> u128 {
    let host_bits = if address.to_canonical().is_ipv4() { 8 } else { 80 };
    wide(address) >> host_bits << host_bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_stranger_cannot_choose_its_address_but_our_proxy_can_tell_it() {
        let trusted = [Network::from_str("10.0.0.0/8").unwrap()];
        let forwarded = ["203.0.113.9, 198.51.100.7, 10.0.0.2"];
        assert_eq!(client_address(address("192.0.2.1"), &forwarded, &trusted), address("192.0.2.1"));
        assert_eq!(client_address(address("10.0.0.1"), &forwarded, &trusted), address("198.51.100.7"));
        assert_eq!(
            client_address(address("::ffff:10.0.0.1"), &["2001:db8::1"], &trusted),
            address("2001:db8::1")
        );
        assert_eq!(client_address(address("10.0.0.1"), &["x"], &trusted), address("10.0.0.1"));
    }

    #[test]
    fn neighbours_share_a_hash_and_reporters_do_not() {
        let edge = Edge::new(None, Vec::new()).unwrap();
        let one = edge.sender(address("192.0.2.1"), &[], "a");
        let two = edge.sender(address("192.0.2.200"), &[], "a");
        let three = edge.sender(address("192.0.3.1"), &[], "a");
        assert_eq!(one.neighbourhood, two.neighbourhood);
        assert_ne!(one.reporter, two.reporter);
        assert_ne!(one.neighbourhood, three.neighbourhood);
        assert_eq!(
            edge.sender(address("2001:db8:1:1::1"), &[], "a").neighbourhood,
            edge.sender(address("2001:db8:1:ffff::9"), &[], "b").neighbourhood
        );
        assert_eq!(one.place, Place::UNKNOWN);
    }

    #[test]
    fn a_network_with_too_many_bits_is_refused() {
        assert!(Network::from_str("10.0.0.0/33").is_err());
        assert!(Network::from_str("0.0.0.0/0").unwrap().contains(address("8.8.8.8")));
        assert!(!Network::from_str("0.0.0.0/0").unwrap().contains(address("2001:db8::1")));
    }
}
