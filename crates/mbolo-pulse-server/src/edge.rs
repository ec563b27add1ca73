//! The edge: where a request comes from, turned into a place at once.
//!
//! An address lives here for the length of one request. What leaves is a place (country, network) and two keyed hashes:
//! one of the reporter (the address, /64 of IPv6), one of its neighbourhood (/24, /48). Neither is ever stored, and the key
//! is in memory only and another one every day, so that nobody can be followed from one day to the next.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

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
        match forwarded_address(entry) {
            Some(address) if ours(address) => nearest = address,
            Some(address) => return address,
            None => break,
        }
    }
    nearest
}

/// An entry of X-Forwarded-For; some proxies add the port, and brackets around an IPv6 address.
fn forwarded_address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| entry.parse().ok().map(|with_port: SocketAddr| with_port.ip()))
}

/// Whether an address belongs to a network of one's own: where a proxy would be.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// What shares a machine as far as anyone can tell: the address, or the /64 that an IPv6 host has for itself.
pub fn machine(address: IpAddr) -> u128 {
    let host_bits = if address.to_canonical().is_ipv4() { 0 } else { 64 };
    wide(address) >> host_bits << host_bits
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
    /// Keyed hash of the address or /64; another one every day. The browser's name is no part of it: a sender chooses it.
    pub reporter: u64,
    /// Keyed hash of the /24 or /48.
    pub neighbourhood: u64,
}

/// Turns addresses into senders.
pub struct Edge {
    geo: Option<Geo>,
    key: Mutex<DailyKey>,
    trusted: Vec<Network>,
    /// The operator was told that a proxy is not trusted.
    warned: AtomicBool,
}

/// A key and the day that it is for. Around midnight one person has two hashes: a report period that spans it may count
/// twice, which is the price of not knowing who was here yesterday.
#[derive(Debug)]
struct DailyKey {
    day: i64,
    key: [u8; 32],
}

impl Edge {
    /// Opens the packed geo file, if there is one.
    pub fn new(geo: Option<&Path>, trusted: Vec<Network>) -> Result<Self, GeoError> {
        Ok(Self {
            geo: geo.map(Geo::open).transpose()?,
            key: Mutex::new(DailyKey { day: 0, key: crate::work::random() }),
            trusted,
            warned: AtomicBool::new(false),
        })
    }

    /// Without tables everything is counted for the world only.
    pub fn has_geo(&self) -> bool {
        self.geo.is_some()
    }

    /// The sender of a request that came over `connection` at Unix seconds `now`.
    pub fn sender(&self, connection: IpAddr, forwarded: &[&str], now: i64) -> Sender {
        self.warn_of_a_proxy(connection, forwarded);
        let address = client_address(connection, forwarded, &self.trusted);
        let key = self.key_of(now.div_euclid(86_400));
        Sender {
            place: self.place(address),
            reporter: hash(&key, &[b"reporter", &machine(address).to_be_bytes()]),
            neighbourhood: hash(&key, &[b"neighbourhood", &neighbourhood(address).to_be_bytes()]),
        }
    }

    /// Stands for an account at Unix seconds `now`: another number every day, as for senders.
    pub fn account(&self, account: &[u8; 32], now: i64) -> u64 {
        hash(&self.key_of(now.div_euclid(86_400)), &[b"account", account])
    }

    fn key_of(&self, day: i64) -> [u8; 32] {
        let mut held = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if held.day < day {
            *held = DailyKey { day, key: crate::work::random() };
        }
        held.key
    }

    /// Behind a proxy that is not trusted everybody has its address, and is one neighbourhood.
    fn warn_of_a_proxy(&self, connection: IpAddr, forwarded: &[&str]) {
        if self.is_unknown_proxy(connection, forwarded) && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "requests come through a proxy that is not in trusted_proxies: everybody counts as one \
                 neighbourhood; add the proxy's address to trusted_proxies"
            );
        }
    }

    fn is_unknown_proxy(&self, connection: IpAddr, forwarded: &[&str]) -> bool {
        self.trusted.is_empty() && !forwarded.is_empty() && is_private(connection)
    }

    fn place(&self, address: IpAddr) -> Place {
        let found = self.geo.as_ref().and_then(|geo| geo.lookup(address));
        found.map_or(Place::UNKNOWN, |place| Place { cc: place.cc, asn: place.asn })
    }

    /// What people call a network.
    pub fn network_name(&self, asn: Asn) -> Option<String> {
        self.geo.as_ref()?.network_name(asn).map(str::to_owned)
    }
}

fn hash(key: &[u8; 32], parts: &[&[u8]]) -> u64 {
    let mut mac = <Hmac<Sha256>>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    let bytes = mac.finalize().into_bytes();
    u64::from_be_bytes(std::array::from_fn(|at| bytes[at]))
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
    fn an_entry_of_a_proxy_may_carry_a_port() {
        let trusted = [Network::from_str("10.0.0.0/8").unwrap()];
        for (entry, expected) in [
            ("198.51.100.7:1234", "198.51.100.7"),
            ("[2001:db8::7]:1234", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("198.51.100.7, 10.0.0.2:80", "198.51.100.7"),
        ] {
            assert_eq!(client_address(address("10.0.0.1"), &[entry], &trusted), address(expected), "{entry}");
        }
    }

    const NOW: i64 = 1_700_000_000;

    #[test]
    fn neighbours_share_a_hash_and_reporters_do_not() {
        let edge = Edge::new(None, Vec::new()).unwrap();
        let sender = |text: &str| edge.sender(address(text), &[], NOW);
        let (one, two, three) = (sender("192.0.2.1"), sender("192.0.2.200"), sender("192.0.3.1"));
        assert_eq!(one.neighbourhood, two.neighbourhood);
        assert_ne!(one.reporter, two.reporter);
        assert_ne!(one.neighbourhood, three.neighbourhood);
        let (six, six_again) = (sender("2001:db8:1:1::1"), sender("2001:db8:1:1:ffff::9"));
        assert_eq!(six.reporter, six_again.reporter, "a host has a /64 of addresses");
        let beside = sender("2001:db8:1:ffff::9");
        assert_eq!((six.neighbourhood, six.reporter == beside.reporter), (beside.neighbourhood, false));
        assert_eq!(one.place, Place::UNKNOWN);
    }

    #[test]
    fn a_sender_is_another_one_tomorrow() {
        let edge = Edge::new(None, Vec::new()).unwrap();
        let on = |now| edge.sender(address("192.0.2.1"), &[], now);
        let today = on(NOW);
        assert_eq!(on(NOW + 60), today);
        let tomorrow = on(NOW + 86_400);
        assert_ne!((tomorrow.reporter, tomorrow.neighbourhood), (today.reporter, today.neighbourhood));
        assert_ne!(on(NOW).reporter, today.reporter, "the key of yesterday is gone");
    }

    #[test]
    fn a_proxy_that_nobody_configured_is_noticed() {
        let edge = Edge::new(None, Vec::new()).unwrap();
        assert!(edge.is_unknown_proxy(address("127.0.0.1"), &["198.51.100.7"]));
        assert!(edge.is_unknown_proxy(address("::ffff:172.16.0.1"), &["198.51.100.7"]));
        assert!(!edge.is_unknown_proxy(address("127.0.0.1"), &[]));
        assert!(!edge.is_unknown_proxy(address("203.0.113.9"), &["198.51.100.7"]), "a stranger's claim");
        let trusting = Edge::new(None, vec![Network::from_str("127.0.0.1").unwrap()]).unwrap();
        assert!(!trusting.is_unknown_proxy(address("127.0.0.1"), &["198.51.100.7"]));
    }

    #[test]
    fn a_network_with_too_many_bits_is_refused() {
        assert!(Network::from_str("10.0.0.0/33").is_err());
        assert!(Network::from_str("0.0.0.0/0").unwrap().contains(address("8.8.8.8")));
        assert!(!Network::from_str("0.0.0.0/0").unwrap().contains(address("2001:db8::1")));
    }
}
