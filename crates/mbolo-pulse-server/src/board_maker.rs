//! Makes the board: everything that may be said in public, and nothing else.
//!
//! Privacy is decided here and nowhere behind it: a country is public from 5 reporters, a network from 20, and an
//! incident that rests on reports alone has to pass the same bar. Health follows from incidents, never from a chart; what may
//! be green without an incident is decided in [`green`].

mod green;

use std::collections::{BTreeMap, BTreeSet};

use mbolo_pulse::board::{
    Board, DayBoard, Health, IncidentBoard, PlaceBoard, ProbeRow, Record, SeriesBin, ServiceBoard,
    TargetBoard,
};
use mbolo_pulse::{
    Asn, Detector, Incident, IncidentKind, IncidentState, LATELY, Minute, Scope, ServiceId, Signal,
};

use crate::config::{Config, ServiceConfig};
use crate::edge::Place;
use crate::recent::{BIN_MINUTES, BINS, Recent, Tally};
use crate::store::Watch;
use crate::voices::People;

use green::Looks;

/// A country's numbers are public from this many reporters.
pub const COUNTRY_FROM: u32 = 5;

/// A network's numbers are public from this many reporters.
pub const NETWORK_FROM: u32 = 20;

/// Days of history on a board, and how long resolved incidents stay on it.
const HISTORY_DAYS: u32 = 90;

/// Incidents on a board that are over. Open ones are all there: what is not on the board is told to nobody.
const MOST_RESOLVED: usize = 200;

/// Places of one kind of one service on a board.
const MOST_PLACES: usize = 300;

/// A board that is not replaced within this is stale, seconds.
const VALID_SECONDS: i64 = 150;

/// Below this share of failures an outage is called degraded.
const DOWN_FROM: f64 = 0.5;

/// What a board is made from.
#[derive(Debug)]
pub struct Ingredients<'a> {
    /// Names, order, problems.
    pub config: &'a Config,
    /// What is usual.
    pub detector: &'a Detector,
    /// The last day.
    pub recent: &'a Recent,
    /// The last 90 days, by their names.
    pub incidents: &'a BTreeMap<String, IncidentBoard>,
    /// When the observatory watched, oldest first.
    pub watches: &'a [Watch],
    /// What agents measured last, per service.
    pub probes: &'a BTreeMap<ServiceId, Vec<ProbeRow>>,
    /// What agents say together of each target, per service.
    pub targets: &'a BTreeMap<ServiceId, Vec<TargetBoard>>,
    /// How many people were heard, at least, where that bounds what may be public; a played day has no strangers in it.
    pub people: Option<&'a BTreeMap<ServiceId, BTreeMap<Place, People>>>,
    /// Incidents with the scopes that people were told of: what was public once stays so until its end.
    pub told: &'a BTreeSet<Told>,
    /// Minutes are given to the detector. While none is, nothing is known to be up.
    pub is_judging: bool,
    /// See [`Board::limits`].
    pub limits: Vec<String>,
    /// See [`Board::seq`].
    pub seq: u64,
    /// Unix seconds.
    pub now: i64,
}

/// An incident's name and a scope that it had.
pub type Told = (String, Scope);

/// Makes a board.
pub fn make(from: &Ingredients<'_>) -> Board {
    let minute = Minute::of_unix(from.now);
    let mut incidents: Vec<IncidentBoard> = from
        .incidents
        .values()
        .filter(|one| is_recent(&one.incident, minute))
        .filter(|one| was_told(from, &one.incident) || may_be_public(from, &one.incident))
        .cloned()
        .collect();
    incidents.sort_by_key(|one| {
        let incident = &one.incident;
        (is_over(incident), std::cmp::Reverse(incident.started_at), incident.id.clone())
    });
    let record = record(&incidents);
    let services =
        from.config.services.iter().map(|service| service_board(from, service, &incidents, minute)).collect();
    cut_resolved(&mut incidents);
    Board {
        seq: from.seq,
        generated_at: from.now,
        valid_until: from.now + VALID_SECONDS,
        observatory: from.config.observatory.clone(),
        services,
        incidents,
        record,
        limits: from.limits.clone(),
    }
}

fn is_over(incident: &Incident) -> bool {
    incident.state == IncidentState::Resolved
}

fn is_recent(incident: &Incident, now: Minute) -> bool {
    let ended = incident.resolved_at.unwrap_or(incident.started_at);
    !is_over(incident) || now.since(ended) <= HISTORY_DAYS * 1_440
}

/// Leaves the newest of those that are over, by their end: what has just ended is still to be told.
fn cut_resolved(incidents: &mut Vec<IncidentBoard>) {
    let mut ends: Vec<Minute> = incidents
        .iter()
        .filter(|one| is_over(&one.incident))
        .filter_map(|one| one.incident.resolved_at)
        .collect();
    ends.sort_unstable_by_key(|end| std::cmp::Reverse(*end));
    let Some(oldest) = ends.get(MOST_RESOLVED - 1).copied() else { return };
    let mut left = MOST_RESOLVED;
    incidents.retain(|one| {
        let stays = !is_over(&one.incident)
            || (left > 0 && one.incident.resolved_at.is_some_and(|end| end >= oldest));
        left -= usize::from(stays && is_over(&one.incident));
        stays
    });
}

fn was_told(from: &Ingredients<'_>, incident: &Incident) -> bool {
    from.told.contains(&(incident.id.0.clone(), incident.scope.clone()))
}

/// Whether enough people are behind what it rests on. Measurements by agents and cells are not people's reports.
fn may_be_public(from: &Ingredients<'_>, incident: &Incident) -> bool {
    let bar = match incident.scope {
        Scope::World | Scope::Cell { .. } => return true,
        Scope::Country { .. } => COUNTRY_FROM,
        Scope::Asn { .. } => NETWORK_FROM,
    };
    let heard = people_behind(from, incident);
    let enough = |of: fn(&People) -> u32| heard.as_ref().is_none_or(|people| of(people) >= bar);
    incident.evidence.iter().any(|evidence| match evidence.signal {
        Signal::Probe | Signal::Official => true,
        Signal::Reports => evidence.observed >= f64::from(bar) && enough(|people| people.reporters),
        Signal::Beacon => {
            evidence.expected.max(evidence.observed) >= f64::from(bar) && enough(|people| people.senders)
        }
        // Silence is measured by what was there before.
        Signal::Heartbeat | Signal::Gauge => evidence.expected.max(evidence.observed) >= f64::from(bar),
    })
}

/// The people who were heard where an incident is, of the service that most were heard of.
fn people_behind(from: &Ingredients<'_>, incident: &Incident) -> Option<People> {
    let mut most = People::default();
    for service in &incident.services {
        let mut sum = People::default();
        for (place, people) in from.people?.get(service).into_iter().flatten() {
            if place.scope().is_some_and(|scope| incident.scope.contains(&scope)) {
                sum.reporters = sum.reporters.saturating_add(people.reporters);
                sum.senders = sum.senders.saturating_add(people.senders);
            }
        }
        most.reporters = most.reporters.max(sum.reporters);
        most.senders = most.senders.max(sum.senders);
    }
    Some(most)
}

fn record(incidents: &[IncidentBoard]) -> Record {
    let confirmed: Vec<&IncidentBoard> =
        incidents.iter().filter(|one| one.incident.confirmed_at.is_some()).collect();
    let mut waits: Vec<f64> = confirmed
        .iter()
        .filter(|one| !one.false_alarm)
        .filter_map(|one| one.incident.confirmed_at.map(|at| f64::from(at.since(one.incident.started_at))))
        .collect();
    waits.sort_by(f64::total_cmp);
    let middle = waits.len() / 2;
    let median = match waits.len() {
        0 => None,
        n if n % 2 == 1 => waits.get(middle).copied(),
        _ => Some((waits[middle - 1] + waits[middle]) / 2.0),
    };
    Record {
        confirmed_90d: confirmed.len() as u32,
        false_alarms_90d: confirmed.iter().filter(|one| one.false_alarm).count() as u32,
        median_minutes_to_confirm: median,
    }
}

/// What an incident means for the place it is about.
pub fn health_of(incident: &Incident) -> Health {
    let measured = if incident.impact.is_some_and(|impact| impact < DOWN_FROM) {
        Health::Degraded
    } else {
        Health::Down
    };
    match (incident.state, incident.kind) {
        (IncidentState::Suspected | IncidentState::Resolved, _) => Health::Unknown,
        (IncidentState::Reported, _) | (_, IncidentKind::ReportsOnly) => Health::Reported,
        (IncidentState::Recovering, _) => Health::Degraded,
        (IncidentState::Confirmed, _) => measured,
    }
}

/// Open incidents of a service that people may be told of.
fn open_of<'a>(
    incidents: &'a [IncidentBoard],
    service: &'a ServiceConfig,
) -> impl Iterator<Item = &'a Incident> {
    incidents
        .iter()
        .filter(|one| !one.false_alarm && one.incident.state != IncidentState::Resolved)
        .map(|one| &one.incident)
        .filter(|incident| incident.services.contains(&service.id))
}

fn service_board(
    from: &Ingredients<'_>,
    service: &ServiceConfig,
    incidents: &[IncidentBoard],
    minute: Minute,
) -> ServiceBoard {
    let measured = from.recent.measured(&service.id);
    let hour = from.recent.places(&service.id, Minute(minute.0.saturating_sub(60)));
    let open: Vec<&Incident> = open_of(incidents, service).collect();
    let worst = (open.iter())
        .filter(|incident| matches!(incident.scope, Scope::World | Scope::Cell { .. }))
        .map(|incident| match (&incident.scope, health_of(incident)) {
            // One of our cells is not the whole service.
            (Scope::Cell { .. }, Health::Down) => Health::Degraded,
            (_, health) => health,
        })
        .max()
        .unwrap_or(Health::Unknown);
    let targets = from.targets.get(&service.id).cloned().unwrap_or_default();
    let looks = Looks {
        scope: &Scope::World,
        is_judging: from.is_judging,
        is_measured: measured.is_some_and(|at| minute.since(at) <= LATELY),
        quarter: sum(from.recent.places(&service.id, Minute(minute.0.saturating_sub(LATELY)))),
        networks: gauged(from, service, minute),
        open: &known_open_of(from, service),
        is_needed_measured: is_needed_measured(from, service, minute),
        service,
        targets: &targets,
    };
    let places = places(from, service, incidents, minute, &looks);
    let (countries, networks) =
        places.into_iter().partition(|place: &PlaceBoard| place.scope.level() == mbolo_pulse::Level::Country);
    let health = match worst {
        Health::Unknown if looks.may_be_up() => Health::Up,
        // What it needs is down, and where is not settled yet.
        Health::Unknown
            if needs_what_is_down(&targets, &Scope::World)
                && open.iter().any(|incident| health_of(incident) >= Health::Degraded) =>
        {
            Health::Degraded
        }
        worst => worst,
    };
    ServiceBoard {
        id: service.id.clone(),
        name: service.name.clone(),
        kind: service.kind,
        url: service.url.clone(),
        health,
        learning: from.detector.is_learning(&service.id),
        // The newest minute is over, or being counted.
        fresh_at: measured.map(|at| (at.unix() + 59).min(from.now)),
        reports_1h: hour.values().map(|tally| tally.reports).fold(0, u32::saturating_add),
        problems: service.problems.clone(),
        problem_counts: from.recent.problems(&service.id, minute),
        series_24h: series(from, service, minute),
        countries,
        networks,
        probes: from.probes.get(&service.id).cloned().unwrap_or_default(),
        targets,
        history_90d: history(from, service, incidents),
    }
}

/// Open incidents of a service, also those that too few people are behind to tell of: they take the green away.
fn known_open_of<'a>(from: &Ingredients<'a>, service: &ServiceConfig) -> Vec<&'a Incident> {
    let open = from.incidents.values().filter(|one| !one.false_alarm && !is_over(&one.incident));
    open.map(|one| &one.incident).filter(|incident| incident.services.contains(&service.id)).collect()
}

/// Networks whose sockets are known, and those of them that are cut off.
fn gauged(from: &Ingredients<'_>, service: &ServiceConfig, minute: Minute) -> (u32, u32) {
    let gauges = from.recent.gauges(&service.id, minute);
    (gauges.len() as u32, gauges.values().filter(|is_down| **is_down).count() as u32)
}

/// Whether a target that the service needs was measured lately. What agents' rounds count is about those alone, so after a
/// restart the counts tell.
fn is_needed_measured(from: &Ingredients<'_>, service: &ServiceConfig, minute: Minute) -> bool {
    let lately = Minute(minute.0.saturating_sub(LATELY));
    let targets = from.targets.get(&service.id).map_or(&[][..], Vec::as_slice);
    service.required().next().is_none()
        || targets.iter().any(|target| target.required && target.networks > 0)
        || from.recent.places(&service.id, lately).values().any(|tally| tally.probed)
}

/// Whether a target that the service needs is down at that place.
fn needs_what_is_down(targets: &[TargetBoard], place: &Scope) -> bool {
    targets.iter().any(|target| target.required && target.down_in.iter().any(|down| down.contains(place)))
}

fn series(from: &Ingredients<'_>, service: &ServiceConfig, minute: Minute) -> Vec<SeriesBin> {
    let last = minute.0 - minute.0 % BIN_MINUTES;
    let first = last.saturating_sub((BINS - 1) * BIN_MINUTES);
    (0..BINS)
        .map(|at| {
            let begin = Minute(first + at * BIN_MINUTES);
            let bin = from.recent.bin(&service.id, begin);
            let watched = was_watched(from.watches, begin, begin.plus(BIN_MINUTES)) || bin.is_some();
            let tally = bin.unwrap_or_default().tally;
            let usual = from.detector.expected(&service.id, &Scope::World, Signal::Reports, begin.plus(2));
            let per_bin = f64::from(BIN_MINUTES);
            SeriesBin {
                minute: begin,
                reports: watched.then_some(f64::from(tally.reports)),
                expected: usual.map(|usual| usual.mean * per_bin),
                // Minutes are noisy each for itself: the spread of a sum grows with the root.
                expected_high: usual
                    .map(|usual| usual.mean * per_bin + (usual.high - usual.mean) * per_bin.sqrt()),
                failure_rate: tally.failure_rate(),
                official: bin.is_some_and(|bin| bin.official),
            }
        })
        .collect()
}

fn was_watched(watches: &[Watch], from: Minute, until: Minute) -> bool {
    watches.iter().any(|watch| watch.from < until && watch.until >= from)
}

/// What is known of one country or network while it is put together.
#[derive(Debug, Default, Clone, Copy)]
struct Known {
    hour: Tally,
    quarter: Tally,
    reporters: u32,
    senders: u32,
    networks_measured: u32,
    networks_down: u32,
}

fn places(
    from: &Ingredients<'_>,
    service: &ServiceConfig,
    incidents: &[IncidentBoard],
    minute: Minute,
    world: &Looks<'_>,
) -> Vec<PlaceBoard> {
    let mut known: BTreeMap<Scope, Known> = BTreeMap::new();
    let mut each = |place: &Place, change: &dyn Fn(&mut Known)| {
        if let Some(scope) = place.scope() {
            change(known.entry(Scope::Country { cc: place.cc }).or_default());
            if scope.level() == mbolo_pulse::Level::Asn {
                change(known.entry(scope).or_default());
            }
        }
    };
    for (place, tally) in from.recent.places(&service.id, Minute(minute.0.saturating_sub(60))) {
        each(&place, &|known| known.hour.merge(&tally));
    }
    let lately = Minute(minute.0.saturating_sub(LATELY));
    for (place, tally) in from.recent.places(&service.id, lately) {
        each(&place, &|known| known.quarter.merge(&tally));
    }
    for (place, (reporters, senders)) in from.recent.people(&service.id, minute) {
        let heard = from.people.map(|people| {
            people.get(&service.id).and_then(|places| places.get(&place)).copied().unwrap_or_default()
        });
        each(&place, &|known| {
            let (reporters, senders) = match heard {
                Some(heard) => (reporters.min(heard.reporters), senders.min(heard.senders)),
                None => (reporters, senders),
            };
            known.reporters = known.reporters.saturating_add(reporters);
            known.senders = known.senders.saturating_add(senders);
        });
    }
    for (place, is_down) in from.recent.gauges(&service.id, minute) {
        each(&place, &|known| {
            known.networks_measured += 1;
            known.networks_down += u32::from(is_down);
        });
    }
    let open: Vec<&Incident> = open_of(incidents, service).collect();
    for incident in &open {
        if matches!(incident.scope, Scope::Country { .. } | Scope::Asn { .. }) {
            known.entry(incident.scope.clone()).or_default();
        }
    }
    let agents = agent_places(from);
    let mut boards: Vec<PlaceBoard> = known
        .into_iter()
        .filter_map(|(scope, known)| place_board(scope, &known, &open, &agents, world))
        .collect();
    boards.sort_by_key(|place| (std::cmp::Reverse(place.health), std::cmp::Reverse(place.reports_1h)));
    let mut kept: BTreeMap<mbolo_pulse::Level, usize> = BTreeMap::new();
    boards.retain(|place| {
        let kept = kept.entry(place.scope.level()).or_default();
        *kept += 1;
        *kept <= MOST_PLACES
    });
    boards
}

fn sum(places: BTreeMap<Place, Tally>) -> Tally {
    let mut sum = Tally::default();
    places.values().for_each(|tally| sum.merge(tally));
    sum
}

/// Places where an agent of ours stands: what it measures there is its own and nobody's secret.
fn agent_places(from: &Ingredients<'_>) -> BTreeSet<Scope> {
    let places = from
        .config
        .agents
        .iter()
        .flat_map(|agent| [Scope::Country { cc: agent.cc }, Scope::Asn { cc: agent.cc, asn: agent.asn }]);
    places.collect()
}

/// A place with what may be said of it; `None` if that is nothing.
fn place_board(
    scope: Scope,
    known: &Known,
    open: &[&Incident],
    agents: &BTreeSet<Scope>,
    world: &Looks<'_>,
) -> Option<PlaceBoard> {
    let bar = if matches!(scope, Scope::Asn { .. }) { NETWORK_FROM } else { COUNTRY_FROM };
    let from_incidents = open
        .iter()
        .filter(|incident| incident.scope.contains(&scope))
        .map(|incident| health_of(incident))
        .max()
        .unwrap_or(Health::Unknown);
    let enough_reports = known.reporters >= bar;
    let enough_measured = known.senders >= bar || agents.contains(&scope);
    let says_something = enough_reports || enough_measured || known.networks_measured > 0;
    let is_measured = (enough_measured && known.quarter.measured) || known.networks_measured > 0;
    let networks = (known.networks_measured, known.networks_down);
    let looks = Looks { scope: &scope, is_measured, quarter: known.quarter, networks, ..*world };
    let health = match from_incidents {
        Health::Unknown if looks.may_be_up() => Health::Up,
        health => health,
    };
    let has_own_incident = open.iter().any(|incident| incident.scope == scope);
    (says_something || has_own_incident).then(|| PlaceBoard {
        health,
        reports_1h: enough_reports.then_some(known.hour.reports),
        failure_rate: if enough_measured { known.quarter.failure_rate() } else { None },
        networks_measured: known.networks_measured,
        networks_down: known.networks_down,
        scope,
    })
}

fn history(from: &Ingredients<'_>, service: &ServiceConfig, incidents: &[IncidentBoard]) -> Vec<DayBoard> {
    let minute = Minute::of_unix(from.now);
    let today = minute.0 / 1_440;
    (0..HISTORY_DAYS)
        .rev()
        .map(|back| {
            let begin = Minute(today.saturating_sub(back) * 1_440);
            let end = begin.plus(1_440).min(minute.plus(1));
            let text = begin.rfc3339();
            let day = text.get(..10).unwrap_or_default().to_owned();
            if !was_watched(from.watches, begin, end) {
                return DayBoard { day, health: Health::Unknown, down_minutes: 0 };
            }
            let is_measured = from.recent.is_measured_on(&service.id, begin.0 / 1_440);
            let mut health = if is_measured { Health::Up } else { Health::Unknown };
            let mut down_minutes = 0;
            for one in incidents.iter().filter(|one| !one.false_alarm) {
                let incident = &one.incident;
                let until = incident.resolved_at.unwrap_or(minute.plus(1));
                let is_of_day = incident.started_at < end && until > begin;
                if !is_of_day || !incident.services.contains(&service.id) {
                    continue;
                }
                health = health.max(match incident.scope {
                    Scope::World => worst_of(incident),
                    // Down for a country or for a cell's people is down in part.
                    Scope::Country { .. } | Scope::Cell { .. } => worst_of(incident).min(Health::Degraded),
                    Scope::Asn { .. } => Health::Unknown,
                });
                if incident.confirmed_at.is_some() && incident.scope == Scope::World {
                    down_minutes += until.min(end).since(incident.started_at.max(begin));
                }
            }
            DayBoard { day, health, down_minutes }
        })
        .collect()
}

/// The worst an incident was, over or not; `Unknown` if it makes nothing worse.
fn worst_of(incident: &Incident) -> Health {
    match (incident.confirmed_at, incident.state) {
        (Some(_), _) if incident.impact.is_some_and(|impact| impact < DOWN_FROM) => Health::Degraded,
        (Some(_), _) => Health::Down,
        (None, IncidentState::Suspected) => Health::Unknown,
        (None, _) if incident.kind == IncidentKind::ReportsOnly => Health::Reported,
        (None, IncidentState::Reported) => Health::Reported,
        (None, _) => Health::Unknown,
    }
}

/// A network's number in text: `AS16058`.
pub fn network_text(asn: Asn) -> String {
    format!("AS{}", asn.0)
}

#[cfg(test)]
mod tests;
