//! The packed file. All numbers are little-endian; nothing is aligned.
//!
//! ```text
//! magic "MBOLOGEO" · version u32 · built_at i64 · counts u32 × 5 (v4, v6, places, names, bytes of names)
//! v4 starts  u32 × v4      ascending; a segment holds up to the next one's start
//! v4 places  u32 × v4      index into places
//! v6 starts  u128 × v6
//! v6 places  u32 × v6
//! places     (cc [u8; 2], asn u32) × places     the first is "nowhere"
//! names      (asn u32, end u32) × names         ascending by asn; a name ends at `end` in the bytes below
//! bytes of names, UTF-8
//! SHA-256 of all that is above
//! ```
//!
//! The starts stand alone, so that a search touches few cache lines. [`Layout::check`] looks at everything once; what
//! reads afterwards relies on it and has no errors.

use std::ops::Range;

use mbolo_pulse::model::{Asn, Country};
use sha2::{Digest, Sha256};

use crate::flatten::Segment;
use crate::{GeoError, MAX_FILE_BYTES, Place};

/// The version that is written and read.
pub const VERSION: u32 = 1;

/// What a gap points to.
pub const NOWHERE: Place = Place { cc: Country::UNKNOWN, asn: Asn(0) };

const MAGIC: &[u8; 8] = b"MBOLOGEO";
const HEADER: usize = 8 + 4 + 8 + 5 * 4;
const CHECKSUM: usize = 32;
const PLACE: usize = 6;
const NAME: usize = 8;

/// Where the parts of a checked file lie.
#[derive(Debug, Clone)]
pub struct Layout {
    pub built_at: i64,
    v4_starts: Range<usize>,
    v4_places: Range<usize>,
    v6_starts: Range<usize>,
    v6_places: Range<usize>,
    places: Range<usize>,
    names: Range<usize>,
    text: Range<usize>,
}

impl Layout {
    /// Reads the header and looks at every number behind it.
    pub fn check(bytes: &[u8]) -> Result<Self, GeoError> {
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(GeoError::TooLarge("a packed address table"));
        }
        if !bytes.starts_with(MAGIC) {
            return Err(GeoError::NotPacked);
        }
        if bytes.len() < HEADER + CHECKSUM {
            return Err(GeoError::Damaged("it is cut off"));
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(GeoError::Version(version));
        }
        let (body, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        if Sha256::digest(body).as_slice() != checksum {
            return Err(GeoError::Damaged("its checksum does not match"));
        }
        let built_at = i64::from_le_bytes(array(bytes, 12));
        let count = |index: usize| u32_at(bytes, 20 + index * 4) as usize;
        let (v4, v6, places, names, text) = (count(0), count(1), count(2), count(3), count(4));
        let mut at = HEADER;
        let mut part = |length: usize, size: usize| {
            let start = at;
            at = length.saturating_mul(size).saturating_add(at);
            start..at
        };
        let layout = Self {
            built_at,
            v4_starts: part(v4, 4),
            v4_places: part(v4, 4),
            v6_starts: part(v6, 16),
            v6_places: part(v6, 4),
            places: part(places, PLACE),
            names: part(names, NAME),
            text: part(text, 1),
        };
        if layout.text.end != body.len() {
            return Err(GeoError::Damaged("its parts do not fit its length"));
        }
        layout.check_parts(bytes)?;
        Ok(layout)
    }

    fn check_parts(&self, bytes: &[u8]) -> Result<(), GeoError> {
        let damaged = |what| Err(GeoError::Damaged(what));
        if !ascends(&bytes[self.v4_starts.clone()], |b| u32::from_le_bytes(*b)) {
            return damaged("its IPv4 ranges are not in order");
        }
        if !ascends(&bytes[self.v6_starts.clone()], |b| u128::from_le_bytes(*b)) {
            return damaged("its IPv6 ranges are not in order");
        }
        let places = self.places.len() / PLACE;
        if places == 0 {
            return damaged("it has no places");
        }
        for part in [&self.v4_places, &self.v6_places] {
            let (indexes, _) = bytes[part.clone()].as_chunks::<4>();
            if indexes.iter().any(|b| u32::from_le_bytes(*b) as usize >= places) {
                return damaged("a range points to a place that is not there");
            }
        }
        let (entries, _) = bytes[self.places.clone()].as_chunks::<PLACE>();
        if entries.iter().any(|entry| country(entry).is_none()) {
            return damaged("a country is not two letters");
        }
        let (names, _) = bytes[self.names.clone()].as_chunks::<NAME>();
        if !names.is_sorted_by(|a, b| u32_at(a, 0) < u32_at(b, 0)) {
            return damaged("its network names are not in order");
        }
        let Ok(text) = std::str::from_utf8(&bytes[self.text.clone()]) else {
            return damaged("its network names are not text");
        };
        let mut start = 0;
        for name in names {
            let end = u32_at(name, 4) as usize;
            if text.get(start..end).is_none() {
                return damaged("a network name ends in the middle");
            }
            start = end;
        }
        Ok(())
    }

    /// What holds at an IPv4 address.
    pub fn place_v4(&self, bytes: &[u8], address: u32) -> Option<Place> {
        let (starts, _) = bytes[self.v4_starts.clone()].as_chunks::<4>();
        let after = starts.partition_point(|start| u32::from_le_bytes(*start) <= address);
        self.place(bytes, &self.v4_places, after)
    }

    /// What holds at an IPv6 address.
    pub fn place_v6(&self, bytes: &[u8], address: u128) -> Option<Place> {
        let (starts, _) = bytes[self.v6_starts.clone()].as_chunks::<16>();
        let after = starts.partition_point(|start| u128::from_le_bytes(*start) <= address);
        self.place(bytes, &self.v6_places, after)
    }

    fn place(&self, bytes: &[u8], indexes: &Range<usize>, after: usize) -> Option<Place> {
        let segment = after.checked_sub(1)?;
        let index = u32_at(bytes, indexes.start + segment * 4) as usize;
        let entry: [u8; PLACE] = array(bytes, self.places.start + index * PLACE);
        Some(Place { cc: country(&entry)?, asn: Asn(u32_at(&entry, 2)) })
    }

    /// The name of a network.
    pub fn network_name<'a>(&self, bytes: &'a [u8], asn: Asn) -> Option<&'a str> {
        let (names, _) = bytes[self.names.clone()].as_chunks::<NAME>();
        let index = names.binary_search_by_key(&asn.0, |name| u32_at(name, 0)).ok()?;
        let start = index.checked_sub(1).map_or(0, |before| u32_at(&names[before], 4) as usize);
        let end = u32_at(&names[index], 4) as usize;
        std::str::from_utf8(bytes[self.text.clone()].get(start..end)?).ok()
    }

    pub fn v4_ranges(&self) -> usize {
        self.v4_starts.len() / 4
    }

    pub fn v6_ranges(&self) -> usize {
        self.v6_starts.len() / 16
    }
}

/// What goes into a file.
#[derive(Debug)]
pub struct Contents<'a> {
    pub built_at: i64,
    /// Starts below 2^32.
    pub v4: &'a [Segment<Place>],
    pub v6: &'a [Segment<Place>],
    /// Ascending by number, each once.
    pub names: &'a [(Asn, &'a str)],
}

/// The bytes of a packed file. The same contents give the same bytes.
pub fn encode(contents: &Contents<'_>) -> Vec<u8> {
    let mut places: Vec<Place> =
        contents.v4.iter().chain(contents.v6).filter_map(|segment| segment.value).collect();
    places.push(NOWHERE);
    places.sort_unstable_by_key(|place| (*place != NOWHERE, *place));
    places.dedup();
    let index = |segment: &Segment<Place>| {
        let place = segment.value.unwrap_or(NOWHERE);
        let found = places.binary_search_by_key(&(place != NOWHERE, place), |one| (*one != NOWHERE, *one));
        found.map_or(0, |index| index as u32).to_le_bytes()
    };
    let text_bytes: usize = contents.names.iter().map(|(_, name)| name.len()).sum();
    let counts = [contents.v4.len(), contents.v6.len(), places.len(), contents.names.len(), text_bytes];

    let mut bytes = Vec::new();
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&contents.built_at.to_le_bytes());
    for count in counts {
        bytes.extend_from_slice(&(count as u32).to_le_bytes());
    }
    for segment in contents.v4 {
        bytes.extend_from_slice(&(segment.start as u32).to_le_bytes());
    }
    contents.v4.iter().for_each(|segment| bytes.extend_from_slice(&index(segment)));
    for segment in contents.v6 {
        bytes.extend_from_slice(&segment.start.to_le_bytes());
    }
    contents.v6.iter().for_each(|segment| bytes.extend_from_slice(&index(segment)));
    for place in &places {
        bytes.extend_from_slice(place.cc.as_str().as_bytes());
        bytes.extend_from_slice(&place.asn.0.to_le_bytes());
    }
    let mut end = 0u32;
    for (asn, name) in contents.names {
        end += name.len() as u32;
        bytes.extend_from_slice(&asn.0.to_le_bytes());
        bytes.extend_from_slice(&end.to_le_bytes());
    }
    for (_, name) in contents.names {
        bytes.extend_from_slice(name.as_bytes());
    }
    let checksum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

fn ascends<const N: usize, T: Ord>(bytes: &[u8], number: impl Fn(&[u8; N]) -> T) -> bool {
    bytes.as_chunks::<N>().0.is_sorted_by(|a, b| number(a) < number(b))
}

fn country(entry: &[u8; PLACE]) -> Option<Country> {
    Country::new(std::str::from_utf8(&entry[..2]).ok()?)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}
