//! Tables in MaxMind's format. Its record shapes differ between vendors; the few fields that matter here are read
//! from all of them.

use std::net::{IpAddr, Ipv4Addr};

use maxminddb::{Reader, WithinOptions};
use mbolo_pulse::model::{Asn, Country};
use serde::Deserialize;

use crate::GeoError;
use crate::builder::{Added, Builder};
use crate::sources::network_of;

/// The fields of MaxMind and DB-IP (nested country, long names) and of IPinfo (flat, number with `AS`).
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    country: Option<CountryField<'a>>,
    registered_country: Option<CountryField<'a>>,
    country_code: Option<&'a str>,
    autonomous_system_number: Option<u32>,
    autonomous_system_organization: Option<&'a str>,
    asn: Option<AsnField<'a>>,
    as_name: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AsnField<'a> {
    Number(u32),
    Text(&'a str),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum CountryField<'a> {
    Nested { iso_code: Option<&'a str> },
    Flat(&'a str),
}

impl<'a> CountryField<'a> {
    fn code(&self) -> Option<&'a str> {
        match self {
            Self::Nested { iso_code } => *iso_code,
            Self::Flat(code) => Some(code),
        }
    }
}

impl Record<'_> {
    fn country(&self) -> Option<Country> {
        let nested =
            |field: &Option<CountryField<'_>>| field.as_ref().and_then(|field| Country::new(field.code()?));
        // Where addresses are used matters, not where they are registered; but better that than nothing.
        self.country_code
            .and_then(Country::new)
            .or_else(|| nested(&self.country))
            .or_else(|| nested(&self.registered_country))
    }

    fn network(&self) -> Option<Asn> {
        let flat = || match self.asn.as_ref()? {
            AsnField::Number(number) => Some(*number),
            AsnField::Text(text) => text.strip_prefix("AS").unwrap_or(text).parse().ok(),
        };
        self.autonomous_system_number.or_else(flat).map(Asn)
    }

    fn name(&self) -> Option<&str> {
        self.autonomous_system_organization.or(self.as_name)
    }
}

/// Takes all networks of the file in. A record that does not decode counts as a bad line; the line is its number.
pub fn add(builder: &mut Builder, bytes: Vec<u8>) -> Result<Added, GeoError> {
    let reader = Reader::from_source(bytes)?;
    let mut added = Added::default();
    for (number, found) in (1..).zip(reader.networks(WithinOptions::default())?) {
        let found = found?;
        let network = found.network()?;
        let outcome = match found.decode::<Record<'_>>() {
            Err(error) => Err(error.to_string()),
            Ok(None) => continue,
            Ok(Some(record)) => {
                let (address, length) = family(network.ip(), u32::from(network.prefix()));
                network_of(address, &length.to_string()).and_then(|(first, last)| {
                    let asn = record.network();
                    builder.add_range(first, last, record.country(), asn)?;
                    if let (Some(asn), Some(name)) = (asn, record.name()) {
                        builder.add_name(asn, name);
                    }
                    Ok(())
                })
            }
        };
        added.count(number, outcome);
    }
    added.or_wrong_kind("an MMDB table of countries or networks")
}

/// In an IPv6 tree the IPv4 addresses are the last 32 bits under `::/96`.
fn family(address: IpAddr, length: u32) -> (IpAddr, u32) {
    match address {
        IpAddr::V6(v6) if length >= 96 && v6.to_bits() <= u128::from(u32::MAX) => {
            (Ipv4Addr::from_bits(v6.to_bits() as u32).into(), length - 96)
        }
        other => (other, length),
    }
}
