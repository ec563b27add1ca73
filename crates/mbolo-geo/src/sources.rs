//! The kinds of tables that operators have, and how each is read.
//!
//! | kind | what it says | where it is found |
//! |---|---|---|
//! | `iptoasn` | country, network, name | iptoasn.com, TSV, IPv4 and IPv6 |
//! | `rir` | country | the registries' delegated-extended files |
//! | `pfx2as` | network | CAIDA's RouteViews prefix-to-AS files |
//! | `csv` | what its heading says | anyone's; see [`Builder::add_csv`] |
//! | `mmdb` | what its records say | MaxMind and those who write its format |
//! | `names` | names of networks | RIPE's `asn.txt`: `64500 NAME, CC` |
//!
//! A line that is not understood is left out and reported with its number; a table of which most lines are not
//! understood is refused.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use flate2::bufread::MultiGzDecoder;
use mbolo_pulse::model::{Asn, Country};

use crate::builder::{Added, Builder};
use crate::{GeoError, mmdb};

/// Longer lines are bad ones.
const MAX_LINE_BYTES: u64 = 16 * 1024;

/// An MMDB file is read whole.
const MAX_MMDB_BYTES: u64 = 2 << 30;

/// What a table looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    IpToAsn,
    Rir,
    Pfx2as,
    Csv,
    Mmdb,
    Names,
}

/// A table in a file; a file that ends in `.gz` is unpacked on the way. Written `KIND:FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it looks like.
    pub kind: Kind,
    /// Where it is.
    pub path: PathBuf,
}

impl FromStr for Source {
    type Err = GeoError;

    fn from_str(text: &str) -> Result<Self, GeoError> {
        let wrong = || GeoError::Source(text.to_owned());
        let (kind, path) = text.split_once(':').ok_or_else(wrong)?;
        let kind = match kind {
            "iptoasn" => Kind::IpToAsn,
            "rir" => Kind::Rir,
            "pfx2as" => Kind::Pfx2as,
            "csv" => Kind::Csv,
            "mmdb" => Kind::Mmdb,
            "names" => Kind::Names,
            _ => return Err(wrong()),
        };
        if path.is_empty() { Err(wrong()) } else { Ok(Self { kind, path: path.into() }) }
    }
}

impl Builder {
    /// Takes a file in.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it was said to be.
    pub fn add(&mut self, source: &Source) -> Result<Added, GeoError> {
        let unreadable = |error| GeoError::Unreadable { path: source.path.display().to_string(), error };
        let file = BufReader::new(File::open(&source.path).map_err(unreadable)?);
        let zipped = source.path.extension().is_some_and(|extension| extension == "gz");
        let reader: Box<dyn BufRead> =
            if zipped { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
        match source.kind {
            Kind::IpToAsn => self.add_iptoasn(reader),
            Kind::Rir => self.add_rir(reader),
            Kind::Pfx2as => self.add_pfx2as(reader),
            Kind::Csv => self.add_csv(reader),
            Kind::Mmdb => self.add_mmdb(reader),
            Kind::Names => self.add_names(reader),
        }
    }

    /// Tab-separated: first, last, number of the network (0: not routed), country, description.
    ///
    /// # Errors
    /// When the reader fails, or most lines are something else.
    pub fn add_iptoasn(&mut self, reader: impl BufRead) -> Result<Added, GeoError> {
        each_line(reader, "an iptoasn table (TSV)", |line| {
            let mut fields = line.split('\t');
            let mut field = || fields.next().ok_or("it has fewer than four fields");
            let (first, last) = (address(field()?)?, address(field()?)?);
            let (asn, cc) = (number(field()?)?, country(field()?)?);
            self.add_range(first, last, cc, Some(asn))?;
            self.add_name(asn, fields.next().unwrap_or(""));
            Ok(())
        })
    }

    /// `registry|cc|ipv4|start|addresses|date|status|…` and `registry|cc|ipv6|start|prefix length|date|status|…`.
    ///
    /// # Errors
    /// When the reader fails, or most lines are something else.
    pub fn add_rir(&mut self, reader: impl BufRead) -> Result<Added, GeoError> {
        each_line(reader, "a registry's delegated file", |line| {
            let fields: Vec<&str> = line.split('|').collect();
            let (cc, kind, start, value, status) = match fields[..] {
                // The heading says the version, the summaries how many lines follow.
                [version, ..] if version.starts_with(|c: char| c.is_ascii_digit()) => return Ok(()),
                [.., "summary"] => return Ok(()),
                [_, cc, kind, start, value, _, status, ..] => (cc, kind, start, value, status),
                _ => return Err("it has fewer than seven fields".into()),
            };
            if !matches!(status, "allocated" | "assigned") {
                return Ok(());
            }
            let cc = country(cc)?;
            match kind {
                "ipv4" => {
                    let first: Ipv4Addr =
                        start.parse().map_err(|_| format!("“{start}” is not an address"))?;
                    let count: u32 = value.parse().map_err(|_| format!("“{value}” is not a number"))?;
                    let last = count.checked_sub(1).and_then(|more| first.to_bits().checked_add(more));
                    let last = last.ok_or("the range has no end")?;
                    self.add_range(first.into(), Ipv4Addr::from_bits(last).into(), cc, None)
                }
                "ipv6" => {
                    let (first, last) = network_of(address(start)?, value)?;
                    self.add_range(first, last, cc, None)
                }
                "asn" => Ok(()),
                other => Err(format!("“{other}” is not a kind of delegation")),
            }
        })
    }

    /// `prefix<TAB>length<TAB>network`. Where several networks announce a prefix (`1_2`, `1,2`), the first is taken.
    ///
    /// # Errors
    /// When the reader fails, or most lines are something else.
    pub fn add_pfx2as(&mut self, reader: impl BufRead) -> Result<Added, GeoError> {
        each_line(reader, "a prefix-to-AS table", |line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [prefix, length, origins] = fields[..] else {
                return Err("it does not have three fields".into());
            };
            let (first, last) = network_of(address(prefix)?, length)?;
            let origin = origins.split(['_', ',']).next().unwrap_or_default();
            self.add_range(first, last, None, Some(number(origin)?))
        })
    }

    /// `64500 NAME, CC`, one network a line.
    ///
    /// # Errors
    /// When the reader fails, or most lines are something else.
    pub fn add_names(&mut self, reader: impl BufRead) -> Result<Added, GeoError> {
        each_line(reader, "a list of network names", |line| {
            let (asn, name) = line.split_once([' ', '\t']).ok_or("it has no name")?;
            let asn = number(asn)?;
            let (name, _country) = name.rsplit_once(", ").unwrap_or((name, ""));
            self.add_name(asn, name);
            Ok(())
        })
    }

    /// Comma-separated. With a heading its names say what the columns are: `network`/`cidr`/`prefix`, or
    /// `start`/`first` and `end`/`last` (also with `_ip`); `country`, `country_code`, `country_iso_code`; `asn`,
    /// `autonomous_system_number`; `name`, `as_name`, `organization`, `autonomous_system_organization`. Without a
    /// heading: `first,last,country,asn,name` or `network,country,asn,name`, the last two may be left out.
    ///
    /// # Errors
    /// When the reader fails, or most lines are something else.
    pub fn add_csv(&mut self, reader: impl BufRead) -> Result<Added, GeoError> {
        let mut added = Added::default();
        let mut columns = None;
        let mut rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(reader);
        let mut row = csv::StringRecord::new();
        loop {
            let line = rows.position().line();
            match rows.read_record(&mut row) {
                Ok(false) => return added.or_wrong_kind("a CSV table of addresses"),
                Ok(true) => {}
                Err(error) => match error.into_kind() {
                    csv::ErrorKind::Io(error) => return Err(error.into()),
                    _ => {
                        added.count(line, Err("it is not UTF-8".into()));
                        continue;
                    }
                },
            }
            let line = row.position().map_or(line, csv::Position::line);
            if columns.is_none() {
                let (found, heading) = Columns::find(&row);
                columns = Some(found);
                if heading {
                    continue;
                }
            }
            if let Some(columns) = columns {
                added.count(line, self.add_csv_row(columns, &row));
            }
        }
    }

    fn add_csv_row(&mut self, columns: Columns, row: &csv::StringRecord) -> Result<(), String> {
        let field = |column: Option<usize>| column.and_then(|column| row.get(column)).unwrap_or("");
        let (first, last) = match columns.network {
            Some(column) => {
                let text = field(Some(column));
                let (prefix, length) =
                    text.split_once('/').ok_or_else(|| format!("“{text}” has no length"))?;
                network_of(address(prefix)?, length)?
            }
            None => (address(field(columns.first))?, address(field(columns.last))?),
        };
        let asn = field(columns.asn);
        let asn = if asn.is_empty() { Asn(0) } else { number(asn)? };
        self.add_range(first, last, country(field(columns.country))?, Some(asn))?;
        self.add_name(asn, field(columns.name));
        Ok(())
    }

    /// A MaxMind DB: country or network tables of MaxMind, DB-IP, IPinfo and the like.
    ///
    /// # Errors
    /// When the reader fails or the file is damaged.
    pub fn add_mmdb(&mut self, reader: impl Read) -> Result<Added, GeoError> {
        let mut bytes = Vec::new();
        reader.take(MAX_MMDB_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_MMDB_BYTES {
            return Err(GeoError::TooLarge("an MMDB file"));
        }
        mmdb::add(self, bytes)
    }
}

/// Which column of a CSV says what.
#[derive(Debug, Clone, Copy, Default)]
struct Columns {
    network: Option<usize>,
    first: Option<usize>,
    last: Option<usize>,
    country: Option<usize>,
    asn: Option<usize>,
    name: Option<usize>,
}

impl Columns {
    /// From the first row, and whether that row is a heading.
    fn find(row: &csv::StringRecord) -> (Self, bool) {
        let begins = |row: &csv::StringRecord| row.get(0).unwrap_or("").to_owned();
        let looks_like = |text: &str| text.split('/').next().is_some_and(|ip| ip.parse::<IpAddr>().is_ok());
        if looks_like(&begins(row)) {
            let from = |column: usize| [column, column + 1, column + 2].map(Some);
            let network = begins(row).contains('/');
            let [country, asn, name] = from(if network { 1 } else { 2 });
            let range = |column| (!network).then_some(column);
            let columns =
                Self { network: network.then_some(0), first: range(0), last: range(1), country, asn, name };
            return (columns, false);
        }
        let mut columns = Self::default();
        for (index, title) in row.iter().enumerate() {
            let place = match title.to_ascii_lowercase().as_str() {
                "network" | "cidr" | "prefix" => &mut columns.network,
                "start" | "first" | "start_ip" | "first_ip" | "range_start" | "ip_range_start" => {
                    &mut columns.first
                }
                "end" | "last" | "end_ip" | "last_ip" | "range_end" | "ip_range_end" => &mut columns.last,
                "country" | "cc" | "country_code" | "country_iso_code" => &mut columns.country,
                "asn" | "as_number" | "autonomous_system_number" => &mut columns.asn,
                "name" | "as_name" | "as_description" | "organization" | "autonomous_system_organization" => {
                    &mut columns.name
                }
                _ => continue,
            };
            place.get_or_insert(index);
        }
        (columns, true)
    }
}

/// Reads lines with a limit; empty ones and comments say nothing.
fn each_line(
    mut reader: impl BufRead,
    expected: &'static str,
    mut take: impl FnMut(&str) -> Result<(), String>,
) -> Result<Added, GeoError> {
    let mut added = Added::default();
    let mut buffer = Vec::new();
    for line in 1.. {
        buffer.clear();
        if reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut buffer)? == 0 {
            break;
        }
        if !buffer.ends_with(b"\n") && buffer.len() as u64 == MAX_LINE_BYTES {
            skip_line(&mut reader)?;
            added.count(line, Err(format!("it is longer than {MAX_LINE_BYTES} bytes")));
            continue;
        }
        let Ok(text) = std::str::from_utf8(&buffer) else {
            added.count(line, Err("it is not UTF-8".into()));
            continue;
        };
        let text = text.trim_end_matches(['\n', '\r']);
        if !text.trim().is_empty() && !text.starts_with('#') {
            added.count(line, take(text));
        }
    }
    added.or_wrong_kind(expected)
}

/// Reads on to the end of the line without keeping it.
fn skip_line(reader: &mut impl BufRead) -> Result<(), GeoError> {
    loop {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            return Ok(());
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(available.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.trim().parse().map_err(|_| format!("“{}” is not an address", shown(text)))
}

/// A network's number, with or without `AS`.
fn number(text: &str) -> Result<Asn, String> {
    let digits = text.trim();
    let digits = digits.strip_prefix("AS").unwrap_or(digits);
    digits.parse().map(Asn).map_err(|_| format!("“{}” is not the number of a network", shown(text)))
}

/// A country, or nothing where the table says that it does not know.
fn country(text: &str) -> Result<Option<Country>, String> {
    let text = text.trim();
    if matches!(text, "" | "None" | "Unknown" | "-" | "ZZ" | "*") {
        return Ok(None);
    }
    Country::new(&text.to_ascii_uppercase())
        .map(Some)
        .ok_or_else(|| format!("“{}” is not a country", shown(text)))
}

/// The first and the last address of a network.
pub(crate) fn network_of(address: IpAddr, length: &str) -> Result<(IpAddr, IpAddr), String> {
    let bits: u32 =
        length.trim().parse().map_err(|_| format!("“{}” is not a prefix length", shown(length)))?;
    match address {
        IpAddr::V4(v4) if bits <= 32 => {
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            let first = v4.to_bits() & !host;
            Ok((Ipv4Addr::from_bits(first).into(), Ipv4Addr::from_bits(first | host).into()))
        }
        IpAddr::V6(v6) if bits <= 128 => {
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            let first = v6.to_bits() & !host;
            Ok((Ipv6Addr::from_bits(first).into(), Ipv6Addr::from_bits(first | host).into()))
        }
        _ => Err(format!("a prefix of {bits} bits is too long")),
    }
}

/// What goes into a message: not too much of it, nothing that moves a cursor.
fn shown(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '·' } else { c }).collect()
}
