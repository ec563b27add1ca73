//! Address → (country, network), from one small file that an operator packs from the tables they have.
//!
//! ```text
//! tables (iptoasn, RIR + RouteViews, CSV, MMDB) ─► Builder ─► packed file ─► Geo ─► lookup(address)
//! ```
//!
//! A table of the world is a list of ranges that do not overlap, in order; so the packed file is that list, and a
//! lookup is a binary search over the bytes as they were read. Everything is checked once, when the file is opened:
//! after that a lookup cannot fail. Addresses are looked at and forgotten; nothing here keeps or writes one.

mod builder;
mod error;
mod flatten;
mod format;
mod mmdb;
mod public;
mod sources;

use std::fmt;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use mbolo_pulse::model::{Asn, Country};

pub use builder::{Added, BadLine, Builder, MAX_RANGES, write_file};
pub use error::GeoError;
pub use sources::{Kind, Source};

use format::Layout;

/// A packed file of more bytes than this is refused; one of the whole world has about ten million.
pub const MAX_FILE_BYTES: u64 = 512 << 20;

/// Where an address belongs, as far as the tables tell. At least one of the two is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// [`Country::UNKNOWN`] if the tables do not say.
    pub cc: Country,
    /// `Asn(0)` if the tables do not say.
    pub asn: Asn,
}

/// A packed file, opened and checked.
pub struct Geo {
    bytes: Vec<u8>,
    layout: Layout,
}

impl Geo {
    /// Reads and checks a packed file.
    ///
    /// # Errors
    /// When it cannot be read, is damaged or is of another version; the message says what to do.
    pub fn open(path: &Path) -> Result<Self, GeoError> {
        let unreadable = |error| GeoError::Unreadable { path: path.display().to_string(), error };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        Self::from_bytes(bytes)
    }

    /// Checks the bytes of a packed file and keeps them.
    ///
    /// # Errors
    /// When they are damaged or of another version.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, GeoError> {
        let bytes = bytes.into();
        let layout = Layout::check(&bytes)?;
        Ok(Self { bytes, layout })
    }

    /// Where an address belongs. `None` for addresses that belong to no place (private, loopback, link-local,
    /// multicast) and for those that no table knows. An IPv4 address inside IPv6 (`::ffff:…`) counts as IPv4.
    pub fn lookup(&self, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        if !public::has_a_place(address) {
            return None;
        }
        let place = match address {
            IpAddr::V4(address) => self.layout.place_v4(&self.bytes, address.to_bits()),
            IpAddr::V6(address) => self.layout.place_v6(&self.bytes, address.to_bits()),
        };
        place.filter(|place| *place != format::NOWHERE)
    }

    /// What a network is called, for people: `GABON-TELECOM`.
    pub fn network_name(&self, asn: Asn) -> Option<&str> {
        self.layout.network_name(&self.bytes, asn)
    }

    /// When it was packed, Unix seconds.
    pub fn built_at(&self) -> i64 {
        self.layout.built_at
    }

    /// How old it is at Unix seconds `now`; zero if it comes from the future.
    pub fn age(&self, now: i64) -> Duration {
        Duration::from_secs(u64::try_from(now.saturating_sub(self.layout.built_at)).unwrap_or(0))
    }

    /// How many ranges it has that belong somewhere or are gaps between such, IPv4 and IPv6.
    pub fn ranges(&self) -> (usize, usize) {
        (self.layout.v4_ranges(), self.layout.v6_ranges())
    }
}

impl fmt::Debug for Geo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (v4, v6) = self.ranges();
        f.debug_struct("Geo").field("built_at", &self.built_at()).field("v4", &v4).field("v6", &v6).finish()
    }
}
