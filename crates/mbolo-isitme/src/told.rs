//! What a cell tells everybody about itself, also before sign-in: the document at [`INFO_PATH`]. A client keeps the
//! newest one, because it is needed when the cell does not answer.

use serde::{Deserialize, Serialize};

/// Where a cell serves it.
pub const INFO_PATH: &str = "/.well-known/mbolo";

/// A document larger than this, in bytes, is none.
pub const MAX_INFO_BYTES: usize = 16 * 1024;

/// Addresses of one kind that are believed; more are left out.
const MAX_ADDRESSES: usize = 8;

/// The longest address or name, in bytes.
const MAX_TEXT: usize = 256;

/// A cell, for its clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CellInfo {
    /// Its public name.
    pub name: String,
    /// Its id.
    pub cell: String,
    /// The observatory that watches it, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pulse: Option<Pulse>,
    /// Other homes, as `https://…`: if one of them answers, it is only this one that does not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternates: Vec<String>,
    /// Where the one who asks is, as far as the cell can tell from the address; told to nobody else and not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// An observatory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pulse {
    /// Its page; beacons go to `/v1/beacon` below it.
    pub url: String,
    /// The name under which it watches the cell.
    pub service: String,
    /// Where its signed snapshots are, whole addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
    /// The Ed25519 public keys, in hex, that may sign them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// A country and a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// ISO 3166-1 alpha-2, upper case.
    pub cc: String,
    /// The autonomous system's number; 0 if not known.
    #[serde(default)]
    pub asn: u32,
}

impl CellInfo {
    /// The same without what cannot be right, which a client does to everything it reads: addresses are web addresses, and
    /// there are few.
    pub fn checked(mut self) -> Self {
        let short = |text: &String| text.len() <= MAX_TEXT && !text.contains(char::is_whitespace);
        let web = |text: &String| {
            short(text)
                && (text.starts_with("https://") || text.starts_with("http://"))
                && !text.ends_with("//")
        };
        let addresses = |list: &mut Vec<String>| {
            list.retain(web);
            list.truncate(MAX_ADDRESSES);
        };
        self.name.truncate(self.name.floor_char_boundary(MAX_TEXT));
        addresses(&mut self.alternates);
        self.place = self.place.filter(|place| {
            place.cc.len() == 2 && place.cc.bytes().all(|byte| byte.is_ascii_uppercase()) && place.cc != "ZZ"
        });
        self.pulse = self.pulse.filter(|pulse| web(&pulse.url) && short(&pulse.service)).map(|mut pulse| {
            pulse.url.truncate(pulse.url.trim_end_matches('/').len());
            addresses(&mut pulse.snapshots);
            pulse.keys.retain(|key| key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()));
            pulse.keys.truncate(MAX_ADDRESSES);
            pulse
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_says_little_is_understood() {
        let info: CellInfo = serde_json::from_str("{\"name\":\"cell.example\",\"later\":1}").unwrap();
        assert_eq!((info.name.as_str(), info.pulse), ("cell.example", None));
    }

    #[test]
    fn what_cannot_be_right_is_left_out() {
        let pulse = Pulse {
            url: "https://pulse.example/".into(),
            service: "mbolo".into(),
            snapshots: vec!["javascript:alert(1)".into(), "https://mirror.example/s.json".into()],
            keys: vec!["no key".into(), "ab".repeat(32)],
        };
        let info = CellInfo {
            name: "é".repeat(400),
            pulse: Some(pulse),
            alternates: (0..20).map(|number| format!("https://{number}.example")).collect(),
            place: Some(Place { cc: "ga".into(), asn: 1 }),
            ..CellInfo::default()
        };
        let checked = info.checked();
        assert!(checked.name.len() <= MAX_TEXT);
        assert_eq!((checked.alternates.len(), checked.place.clone()), (MAX_ADDRESSES, None));
        let pulse = checked.pulse.unwrap();
        assert_eq!(pulse.url, "https://pulse.example");
        assert_eq!(pulse.snapshots, ["https://mirror.example/s.json"]);
        assert_eq!(pulse.keys, ["ab".repeat(32)]);
    }

    #[test]
    fn an_observatory_without_a_web_address_is_none() {
        let pulse = Pulse { url: "ftp://pulse.example".into(), ..Pulse::default() };
        assert_eq!(CellInfo { pulse: Some(pulse), ..CellInfo::default() }.checked().pulse, None);
    }
}
