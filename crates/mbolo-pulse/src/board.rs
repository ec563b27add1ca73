//! What the observatory says in public at one moment: the page, the API, the feeds and the signed snapshots all show
//! this and nothing else. It holds no more than may be public: small numbers are left out before they come here.

use serde::{Deserialize, Serialize};

use crate::model::{Incident, IncidentId, IncidentState, Minute, Problem, Scope, ServiceId, Signal};

/// Everything there is to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Board {
    /// Counts up with every board of an observatory.
    pub seq: u64,
    /// Unix seconds.
    pub generated_at: i64,
    /// Unix seconds. After this the board is stale: it is shown grey, never green.
    pub valid_until: i64,
    /// Who runs the observatory.
    pub observatory: String,
    /// In the order of the configuration.
    pub services: Vec<ServiceBoard>,
    /// Open ones first, then the newest of the last 90 days.
    pub incidents: Vec<IncidentBoard>,
    /// How often the observatory was wrong.
    pub record: Record,
    /// What limits what it can say now: `no_geo`, `disk_full`, `store_failed`, `no_agents`, `peer_down`, `clock_jump`.
    pub limits: Vec<String>,
}

/// How a thing is, in one word. `Unknown` is shown grey: there is too little to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Health {
    Unknown,
    Up,
    /// People report problems; measurements are normal.
    Reported,
    Degraded,
    Down,
}

/// Whose service it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Ownership {
    Own,
    ThirdParty,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceBoard {
    /// Its name in addresses.
    pub id: ServiceId,
    /// Its name for people.
    pub name: String,
    /// Whose it is.
    pub kind: Ownership,
    /// Where it lives, for people.
    pub url: Option<String>,
    /// In the world.
    pub health: Health,
    /// There is less than a week of history: what needs to know the hour of the week is watched in the world only.
    pub learning: bool,
    /// Unix seconds of the newest measurement; none yet if absent.
    pub fresh_at: Option<i64>,
    /// Reports in the last hour.
    pub reports_1h: u32,
    /// Kinds of problems people can report here.
    pub problems: Vec<Problem>,
    /// Reports of the last hour by problem, most first.
    pub problem_counts: Vec<(Problem, u32)>,
    /// The last 24 hours in 288 bins of 5 minutes, oldest first.
    pub series_24h: Vec<SeriesBin>,
    /// Countries that something can be said of, worst first.
    pub countries: Vec<PlaceBoard>,
    /// Networks that something can be said of, worst first.
    pub networks: Vec<PlaceBoard>,
    /// What agents measured last.
    pub probes: Vec<ProbeRow>,
    /// What agents in different networks say together of each target, worst first.
    #[serde(default)]
    pub targets: Vec<TargetBoard>,
    /// 90 days, oldest first.
    pub history_90d: Vec<DayBoard>,
}

/// Five minutes of one service in the world.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SeriesBin {
    /// When it begins.
    pub minute: Minute,
    /// Reports; absent if unknown.
    pub reports: Option<f64>,
    /// What is usual.
    pub expected: Option<f64>,
    /// Nineteen bins of twenty are not above this.
    pub expected_high: Option<f64>,
    /// Share of attempts that failed, 0 to 1, by beacons and probes; absent if nothing was measured.
    pub failure_rate: Option<f64>,
    /// The service itself admitted a fault.
    pub official: bool,
}

/// A country or a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlaceBoard {
    /// Which.
    pub scope: Scope,
    /// How it is there.
    pub health: Health,
    /// Reports in the last hour; absent below what may be public (5 reporters in a country, 20 in a network).
    pub reports_1h: Option<u32>,
    /// Share of attempts that failed in the last 15 minutes.
    pub failure_rate: Option<f64>,
    /// The networks of a country that were measured, and how many of them are cut off.
    pub networks_measured: u32,
    /// See `networks_measured`.
    pub networks_down: u32,
}

/// One target as one agent saw it last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeRow {
    /// What was measured: `https://web.whatsapp.com`.
    pub target: String,
    /// The agent's place: `GA AS16058`.
    pub vantage: String,
    /// Unix seconds.
    pub at: i64,
    /// Whether it worked.
    pub ok: bool,
    /// Which phase failed: `dns`, `tcp`, `tls`, `http`, `websocket`, `session`.
    pub failed_phase: Option<String>,
    /// How long it took in all, milliseconds.
    pub took_ms: Option<u32>,
}

/// One target as agents in different networks see it together. Each agent decides for itself, by a sequential test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetBoard {
    /// What is measured: `https://web.whatsapp.com`.
    pub target: String,
    /// The service fails when it fails. Other targets are shown and make no incident.
    pub required: bool,
    /// `Down`: three networks say so, and more than find it working. `Degraded`: two networks do.
    pub health: Health,
    /// The world, or the countries in which two networks say that it is down.
    pub down_in: Vec<Scope>,
    /// Networks that measured it in the last 15 minutes; see [`TargetBoard::ENOUGH_NETWORKS`].
    pub networks: u32,
    /// Of which say that it is down.
    pub networks_down: u32,
    /// The phase that fails in most of them, as in [`ProbeRow::failed_phase`].
    pub failed_phase: Option<String>,
    /// Since when it fails, Unix seconds; absent while it is not down.
    pub down_since: Option<i64>,
}

impl TargetBoard {
    /// With fewer networks than these, a target is said to be measured from few.
    pub const ENOUGH_NETWORKS: u32 = 5;

    /// Whether networks agree that it is down, at least in a place.
    pub fn is_down(&self) -> bool {
        self.health >= Health::Degraded
    }
}

/// One day of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayBoard {
    /// `2023-07-19`, UTC.
    pub day: String,
    /// The worst of the day; `Unknown` before the observatory watched.
    pub health: Health,
    /// Minutes of confirmed incidents in the world.
    pub down_minutes: u32,
}

/// An incident with what people added to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentBoard {
    /// What the detector found.
    #[serde(flatten)]
    pub incident: Incident,
    /// When the service itself admitted it.
    pub acknowledged_at: Option<Minute>,
    /// Filled by a person, never by the observatory.
    pub cause: Option<Cause>,
    /// What happened, oldest first.
    pub updates: Vec<UpdateBoard>,
    /// A person has found that nothing was wrong.
    pub false_alarm: bool,
    /// Targets of its services that were down there while it was open, each as it was when most networks said so.
    #[serde(default)]
    pub targets: Vec<TargetBoard>,
}

/// Why it happened, and who says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// One sentence.
    pub text: String,
    /// Where it is said.
    pub source: String,
}

/// One entry of an incident's timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateBoard {
    /// When.
    pub at: Minute,
    /// What it became, if it became something.
    pub state: Option<IncidentState>,
    /// What widened or narrowed, if that is what happened.
    pub scope: Option<Scope>,
    /// What a person wrote.
    pub text: Option<String>,
}

/// The observatory's own record, which it publishes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Confirmed incidents of the last 90 days.
    pub confirmed_90d: u32,
    /// Of which a person found that nothing was wrong.
    pub false_alarms_90d: u32,
    /// Median minutes from the beginning to the confirmation.
    pub median_minutes_to_confirm: Option<f64>,
}

impl Board {
    /// Whether it is too old to be believed, at Unix seconds `now`.
    pub fn is_stale(&self, now: i64) -> bool {
        now > self.valid_until
    }

    /// The service of this name.
    pub fn service(&self, id: &str) -> Option<&ServiceBoard> {
        self.services.iter().find(|service| service.id.as_str() == id)
    }

    /// The incident of this name.
    pub fn incident(&self, id: &IncidentId) -> Option<&IncidentBoard> {
        self.incidents.iter().find(|one| one.incident.id == *id)
    }

    /// Incidents that are not over.
    pub fn open(&self) -> impl Iterator<Item = &IncidentBoard> {
        self.incidents.iter().filter(|one| one.incident.state != IncidentState::Resolved)
    }
}

impl Health {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Reported => "reported",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// What the page says for one visitor; none of it is stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Visitor {
    /// Where the visitor's address is, if known.
    pub place: Option<Scope>,
    /// The name of the visitor's network, if known.
    pub network_name: Option<String>,
}

/// The families of signals that measure, as opposed to people who say.
pub const MEASURED: [Signal; 4] = [Signal::Beacon, Signal::Heartbeat, Signal::Gauge, Signal::Probe];
