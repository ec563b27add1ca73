//! Tables in, a packed file out.
//!
//! Country and network are two layers: a table may speak of one of them only (delegations say the country, routing
//! tables the network), and where tables overlap the narrowest range wins in each layer by itself.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;

use mbolo_pulse::model::{Asn, Country};

use crate::flatten::{Range, Segment, flatten, zip};
use crate::format::{Contents, NOWHERE, encode};
use crate::{GeoError, Place};

/// A builder takes this many ranges; all tables of the world together have about two million.
pub const MAX_RANGES: usize = 16_000_000;

/// A network's name is cut to this many bytes.
const MAX_NAME_BYTES: usize = 60;

/// Bad lines that are kept to be shown; all are counted.
const MAX_BAD_LINES_KEPT: usize = 20;

/// What became of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Added {
    /// Lines that were understood, comments and headings not counted.
    pub rows: u64,
    /// Lines that were not understood and were left out.
    pub bad: u64,
    /// The first of them.
    pub bad_lines: Vec<BadLine>,
}

/// A line that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

impl Added {
    pub(crate) fn count(&mut self, line: u64, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.rows += 1,
            Err(why) => {
                self.bad += 1;
                if self.bad_lines.len() < MAX_BAD_LINES_KEPT {
                    self.bad_lines.push(BadLine { line, why });
                }
            }
        }
    }

    /// A table whose lines are mostly not understood is of another kind.
    pub(crate) fn or_wrong_kind(self, expected: &'static str) -> Result<Self, GeoError> {
        match self.bad_lines.first() {
            Some(first) if self.bad > self.rows => Err(GeoError::WrongKind {
                expected,
                bad: self.bad,
                lines: self.bad + self.rows,
                line: first.line,
                why: first.why.clone(),
            }),
            _ => Ok(self),
        }
    }
}

/// Gathers tables.
#[derive(Debug)]
pub struct Builder {
    built_at: i64,
    v4: Layers,
    v6: Layers,
    names: BTreeMap<Asn, String>,
}

#[derive(Debug, Default)]
struct Layers {
    countries: Vec<Range<Country>>,
    networks: Vec<Range<Asn>>,
}

impl Builder {
    /// An empty one. `built_at`: now, in Unix seconds.
    pub fn new(built_at: i64) -> Self {
        Self { built_at, v4: Layers::default(), v6: Layers::default(), names: BTreeMap::new() }
    }

    /// Says of all addresses from `first` to `last` where they belong. Both are of one family, IPv4 inside IPv6
    /// counts as IPv4.
    ///
    /// # Errors
    /// What is wrong with the range, in words.
    pub fn add_range(
        &mut self,
        first: IpAddr,
        last: IpAddr,
        cc: Option<Country>,
        asn: Option<Asn>,
    ) -> Result<(), String> {
        let (layers, first, last) = match (first.to_canonical(), last.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (&mut self.v4, u128::from(a.to_bits()), u128::from(b.to_bits()))
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => (&mut self.v6, a.to_bits(), b.to_bits()),
            _ => return Err("the range begins and ends in different families".into()),
        };
        if first > last {
            return Err("the range ends before it begins".into());
        }
        if layers.countries.len().max(layers.networks.len()) >= MAX_RANGES {
            return Err(format!("more than {MAX_RANGES} ranges"));
        }
        if let Some(value) = cc.filter(|cc| is_a_country(*cc)) {
            layers.countries.push(Range { first, last, value });
        }
        if let Some(value) = asn.filter(|asn| asn.0 != 0) {
            layers.networks.push(Range { first, last, value });
        }
        Ok(())
    }

    /// Gives a network its name; the first table that names it wins.
    pub fn add_name(&mut self, asn: Asn, name: &str) {
        let name = short_name(name);
        if asn.0 != 0 && !name.is_empty() {
            self.names.entry(asn).or_insert(name);
        }
    }

    /// The packed file. The same tables in the same order give the same bytes.
    pub fn build(self) -> Vec<u8> {
        let mut v4 = self.v4.flatten();
        // The gap behind the very last address begins where IPv4 has no more addresses.
        v4.retain(|segment| segment.start <= u128::from(u32::MAX));
        let v6 = self.v6.flatten();
        // Names of networks that have no address here would only make the file larger.
        let mut used: Vec<Asn> =
            v4.iter().chain(&v6).filter_map(|segment| segment.value.map(|place| place.asn)).collect();
        used.sort_unstable();
        used.dedup();
        let names: Vec<(Asn, &str)> = self
            .names
            .iter()
            .filter(|(asn, _)| used.binary_search(asn).is_ok())
            .map(|(asn, name)| (*asn, name.as_str()))
            .collect();
        encode(&Contents { built_at: self.built_at, v4: &v4, v6: &v6, names: &names })
    }
}

impl Layers {
    fn flatten(self) -> Vec<Segment<Place>> {
        let place = |(cc, asn): (Option<Country>, Option<Asn>)| Place {
            cc: cc.unwrap_or(NOWHERE.cc),
            asn: asn.unwrap_or(NOWHERE.asn),
        };
        zip(&flatten(&self.countries), &flatten(&self.networks))
            .into_iter()
            .map(|segment| Segment { start: segment.start, value: segment.value.map(place) })
            .collect()
    }
}

/// Puts the packed file in its place in one step, so that a program that opens it sees the old or the new one.
///
/// # Errors
/// When the directory cannot be written or is full; the old file is still there then.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), GeoError> {
    let unwritable = |error| GeoError::Unwritable { path: path.display().to_string(), error };
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let beside = path.with_file_name(name);
    let write = || {
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        unwritable(error)
    })
}

/// Some registries write regions where a country is due; no one lives in `EU`.
fn is_a_country(cc: Country) -> bool {
    !matches!(cc.as_str(), "EU" | "AP" | "ZZ")
}

/// One line without control characters, not too long.
fn short_name(name: &str) -> String {
    let name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
    let mut end = name.len().min(MAX_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].trim_end().to_owned()
}
