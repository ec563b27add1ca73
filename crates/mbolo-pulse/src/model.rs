//! The words of the observatory: counts, scopes, incidents. Plain data, the same in the store, on the wire and in replays.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Minutes since 1970-01-01T00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Minute(pub u32);

/// Minutes after its end in which an incident that returns is the same one.
pub const MERGE: u32 = 30;

/// What was measured longer ago than this says nothing of now, minutes: not to the detector, and not on a page.
pub const LATELY: u32 = 15;

impl Minute {
    /// The minute that contains this Unix time in seconds; the first one for what lies before, the last for what lies beyond.
    pub fn of_unix(seconds: i64) -> Self {
        Self(u32::try_from(seconds.max(0) / 60).unwrap_or(u32::MAX))
    }

    /// When it begins, in Unix seconds.
    pub fn unix(self) -> i64 {
        i64::from(self.0) * 60
    }

    /// `self + minutes`.
    pub fn plus(self, minutes: u32) -> Self {
        Self(self.0.saturating_add(minutes))
    }

    /// Minutes from `earlier` to `self`; 0 if `earlier` is later.
    pub fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }

    /// The hour of the week in UTC, 0..168, Monday 00:00 first.
    pub fn slot(self) -> usize {
        // 1970-01-01 was a Thursday.
        ((self.0 / 60 + 72) % 168) as usize
    }

    /// RFC 3339 in UTC, to the second: `2023-07-19T20:10:00Z`.
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_second(self.unix()).map_or_else(|_| String::new(), |at| at.to_string())
    }

    /// Reads what [`Minute::rfc3339`] writes; seconds are cut.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let at: jiff::Timestamp = text.parse().ok()?;
        Some(Self::of_unix(at.as_second()))
    }
}

/// What people use: `whatsapp`, `mbolo`, a bank. 1 to 64 of `a-z0-9._-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ServiceId(Arc<str>);

impl ServiceId {
    /// Checks and keeps the name.
    pub fn new(name: &str) -> Option<Self> {
        let valid = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-');
        (!name.is_empty() && name.len() <= 64 && name.bytes().all(valid)).then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ServiceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&name).ok_or_else(|| serde::de::Error::custom("a service is 1 to 64 of a-z 0-9 . _ -"))
    }
}

/// ISO 3166-1 alpha-2, upper case. `ZZ` is a place that is not known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// A place that is not known: it counts for the world and for nothing below.
    pub const UNKNOWN: Self = Self(*b"ZZ");

    /// Checks two upper-case letters.
    pub fn new(code: &str) -> Option<Self> {
        match code.as_bytes() {
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Some(Self([*a, *b])),
            _ => None,
        }
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("ZZ")
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Country {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&code).ok_or_else(|| serde::de::Error::custom("a country is two upper-case letters"))
    }
}

/// An autonomous system's number; 0 is one that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Asn(pub u32);

/// What failed for the person who says so. For the breakdown on the page, not for alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Problem {
    Send,
    Receive,
    ConnectApp,
    ConnectWeb,
    Login,
    Calls,
    Media,
    Other,
}

impl Problem {
    /// All of them, as the page lists them.
    pub const ALL: [Self; 8] = [
        Self::Send,
        Self::Receive,
        Self::ConnectApp,
        Self::ConnectWeb,
        Self::Login,
        Self::Calls,
        Self::Media,
        Self::Other,
    ];

    /// As in JSON: `connect_app`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Receive => "receive",
            Self::ConnectApp => "connect_app",
            Self::ConnectWeb => "connect_web",
            Self::Login => "login",
            Self::Calls => "calls",
            Self::Media => "media",
            Self::Other => "other",
        }
    }
}

impl FromStr for Problem {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|problem| problem.as_str() == text).ok_or(())
    }
}

/// Where a count comes from. Independent families fail in different ways, which is why they are fused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// People who pressed "it does not work".
    Reports,
    /// What clients saw of their own attempts, successes included: `attempts`, `failures`.
    Beacon,
    /// Clients that said they are alive in this minute.
    Heartbeat,
    /// Live sockets in this minute.
    Gauge,
    /// Measurements by agents: `attempts`, `failures`.
    Probe,
    /// The service's own word: `n` is 1 while it admits a fault.
    Official,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Reports, Self::Beacon, Self::Heartbeat, Self::Gauge, Self::Probe, Self::Official];

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reports => "reports",
            Self::Beacon => "beacon",
            Self::Heartbeat => "heartbeat",
            Self::Gauge => "gauge",
            Self::Probe => "probe",
            Self::Official => "official",
        }
    }
}

impl FromStr for Signal {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|signal| signal.as_str() == text).ok_or(())
    }
}

/// What one source counted in one minute: the only evidence that is stored, and the row of a replay.
///
/// Gauge and heartbeat rows come every minute where a node exists, zeros included: a missing one is unknown. Report and
/// beacon rows of zero are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// When.
    pub minute: Minute,
    /// Of what.
    pub service: ServiceId,
    /// Where; `ZZ` if not known.
    pub cc: Country,
    /// Through which network; 0 if not known.
    pub asn: Asn,
    /// How it is known.
    pub signal: Signal,
    /// What failed, for reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The cell that the sockets of a gauge, or the attempts, belong to: tells a loss of ours from a provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Arc<str>>,
    /// How many.
    #[serde(default)]
    pub n: u32,
    /// What they weigh after the caps against floods; `n` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Attempts, for beacons and probes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// Of which failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Count {
    /// What it weighs: `weight`, else `n`; never negative, never more than a person could count.
    pub fn weighs(&self) -> f64 {
        self.weight.filter(|weight| weight.is_finite()).unwrap_or(f64::from(self.n)).clamp(0.0, 1e9)
    }
}

/// The area an incident is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "level", rename_all = "snake_case")]
pub enum Scope {
    /// Everywhere.
    World,
    /// One country.
    Country {
        /// Which.
        cc: Country,
    },
    /// One network in one country.
    Asn {
        /// Where.
        cc: Country,
        /// Which.
        asn: Asn,
    },
    /// One of our cells.
    Cell {
        /// Its name.
        cell: Arc<str>,
    },
}

/// How wide a scope is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Level {
    World,
    Country,
    Asn,
    Cell,
}

impl Scope {
    /// How wide it is.
    pub fn level(&self) -> Level {
        match self {
            Self::World => Level::World,
            Self::Country { .. } => Level::Country,
            Self::Asn { .. } => Level::Asn,
            Self::Cell { .. } => Level::Cell,
        }
    }

    /// Whether an incident can be about it: an unknown country is no place, and neither are a country's unknown networks.
    pub fn is_a_place(&self) -> bool {
        self.country() != Some(Country::UNKNOWN) && !matches!(self, Self::Asn { asn: Asn(0), .. })
    }

    /// The country it lies in, if it lies in one.
    pub fn country(&self) -> Option<Country> {
        match self {
            Self::Country { cc } | Self::Asn { cc, .. } => Some(*cc),
            Self::World | Self::Cell { .. } => None,
        }
    }

    /// Whether all of `other` lies in it.
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::World, _) => true,
            (Self::Country { cc }, other) => other.country() == Some(*cc),
            (one, other) => one == other,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World => f.write_str("world"),
            Self::Country { cc } => write!(f, "{cc}"),
            Self::Asn { cc, asn } => write!(f, "{cc}-AS{}", asn.0),
            Self::Cell { cell } => write!(f, "cell-{cell}"),
        }
    }
}

/// What kind of fault it is, as far as measurement tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// The service fails where it is reached.
    Service,
    /// A place lost its connectivity, to several services.
    Connectivity,
    /// A place cannot reach this service, and reaches others.
    Blocked,
    /// People say so; measurements do not show it.
    ReportsOnly,
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Something is unusual; not announced.
    Suspected,
    /// "Users report problems; our measurements are normal."
    Reported,
    /// A measured signal crossed its threshold.
    Confirmed,
    /// It gets better.
    Recovering,
    /// It is over.
    Resolved,
}

/// What was seen, against what was expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// How it is known.
    pub signal: Signal,
    /// What was counted over the window: reports, failures of probes and beacons, sockets.
    pub observed: f64,
    /// What would have been usual.
    pub expected: f64,
    /// The log-likelihood ratio for a fault, in nats.
    pub llr: f64,
    /// Minutes it was counted over.
    pub window: u32,
}

/// Names one incident. Follows from the service, the scope and when it began, so a replay gives the same ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub String);

/// Something that is, or was, wrong somewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its name.
    pub id: IncidentId,
    /// What is concerned. More than one when a place lost its connectivity.
    pub services: Vec<ServiceId>,
    /// What kind of fault.
    pub kind: IncidentKind,
    /// Where.
    pub scope: Scope,
    /// There is too little traffic in the rest of the country to tell one provider from the whole.
    #[serde(default)]
    pub scope_uncertain: bool,
    /// Where it stands.
    pub state: IncidentState,
    /// When it began, as far as the counts tell.
    pub started_at: Minute,
    /// When the detector saw it first.
    pub detected_at: Minute,
    /// When a measured signal crossed its threshold.
    pub confirmed_at: Option<Minute>,
    /// When it was over.
    pub resolved_at: Option<Minute>,
    /// The share of what should work that does not, 0 to 1, if measured.
    pub impact: Option<f64>,
    /// The strongest evidence of each signal, newest window.
    pub evidence: Vec<Evidence>,
}

/// An incident came, changed its state or its scope: one row of a replay's result.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// At which minute the detector said so.
    pub at: Minute,
    /// As it stands after the change.
    pub incident: Incident,
}
