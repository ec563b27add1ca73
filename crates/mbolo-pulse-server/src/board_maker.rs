//! Makes the board: everything that may be said in public, and nothing else.
//!
//! Privacy is decided here and nowhere behind it: a country is public from 5 reporters, a network from 20, and an
//! incident that rests on reports alone has to pass the same bar. Health follows from incidents, never from a chart.

use std::collections::{BTreeMap, BTreeSet};

use mbolo_pulse::board::{
    Board, DayBoard, Health, IncidentBoard, PlaceBoard, ProbeRow, Record, SeriesBin, ServiceBoard,
};
use mbolo_pulse::{Asn, Detector, Incident, IncidentKind, IncidentState, Minute, Scope, ServiceId, Signal};

use crate::config::{Config, ServiceConfig};
use crate::edge::Place;
use crate::recent::{BIN_MINUTES, BINS, Recent, Tally};
use crate::store::Watch;

/// A country's numbers are public from this many reporters.
pub const COUNTRY_FROM: u32 = 5;

/// A network's numbers are public from this many reporters.
pub const NETWORK_FROM: u32 = 20;

/// Days of history on a board, and how long resolved incidents stay on it.
const HISTORY_DAYS: u32 = 90;

/// Incidents on a board.
const MOST_INCIDENTS: usize = 200;

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
    /// See [`Board::limits`].
    pub limits: Vec<String>,
    /// See [`Board::seq`].
    pub seq: u64,
    /// Unix seconds.
    pub now: i64,
}

/// Makes a board.
pub fn make(from: &Ingredients<'_>) -> Board {
    let minute = Minute::of_unix(from.now);
    let mut incidents: Vec<IncidentBoard> = from
        .incidents
        .values()
        .filter(|one| is_recent(&one.incident, minute) && may_be_public(&one.incident))
        .cloned()
        .collect();
    incidents.sort_by_key(|one| {
        let is_over = one.incident.state == IncidentState::Resolved;
        (is_over, std::cmp::Reverse(one.incident.started_at), one.incident.id.clone())
    });
    let record = record(&incidents);
    let services =
        from.config.services.iter().map(|service| service_board(from, service, &incidents, minute)).collect();
    incidents.truncate(MOST_INCIDENTS);
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

fn is_recent(incident: &Incident, now: Minute) -> bool {
    incident.state != IncidentState::Resolved
        || now.since(incident.resolved_at.unwrap_or(incident.started_at)) <= HISTORY_DAYS * 1_440
}

/// Whether enough people are behind what it rests on. Measurements by agents and cells are not people's reports.
fn may_be_public(incident: &Incident) -> bool {
    let bar = match incident.scope {
        Scope::World | Scope::Cell { .. } => 0,
        Scope::Country { .. } => COUNTRY_FROM,
        Scope::Asn { .. } => NETWORK_FROM,
    };
    incident.evidence.iter().any(|evidence| match evidence.signal {
        Signal::Probe | Signal::Official => true,
        Signal::Reports | Signal::Beacon => evidence.observed >= f64::from(bar),
        // Silence is measured by what was there before.
        Signal::Heartbeat | Signal::Gauge => evidence.expected.max(evidence.observed) >= f64::from(bar),
    }) || bar == 0
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
    let (fresh, measured) = from.recent.fresh(&service.id);
    let places = places(from, service, incidents, minute);
    let (countries, networks) =
        places.into_iter().partition(|place: &PlaceBoard| place.scope.level() == mbolo_pulse::Level::Country);
    let hour = from.recent.places(&service.id, Minute(minute.0.saturating_sub(60)));
    let has_signal = measured.is_some_and(|at| minute.since(at) <= 15) || fresh.is_some();
    let worst = open_of(incidents, service)
        .filter(|incident| matches!(incident.scope, Scope::World | Scope::Cell { .. }))
        .map(|incident| match (&incident.scope, health_of(incident)) {
            // One of our cells is not the whole service.
            (Scope::Cell { .. }, Health::Down) => Health::Degraded,
            (_, health) => health,
        })
        .max()
        .unwrap_or(Health::Unknown);
    let health = if worst == Health::Unknown && has_signal { Health::Up } else { worst };
    ServiceBoard {
        id: service.id.clone(),
        name: service.name.clone(),
        kind: service.kind,
        url: service.url.clone(),
        health,
        learning: from.detector.is_learning(&service.id),
        // The newest minute is over, or being counted.
        fresh_at: fresh.map(|at| (at.unix() + 59).min(from.now)),
        reports_1h: hour.values().map(|tally| tally.reports).fold(0, u32::saturating_add),
        problems: service.problems.clone(),
        problem_counts: from.recent.problems(&service.id, minute),
        series_24h: series(from, service, minute),
        countries,
        networks,
        probes: from.probes.get(&service.id).cloned().unwrap_or_default(),
        history_90d: history(from, service, incidents),
    }
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
                reports: watched.then_some(tally.weight),
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
        each(&place, &|known| merge(&mut known.hour, &tally));
    }
    for (place, tally) in from.recent.places(&service.id, Minute(minute.0.saturating_sub(15))) {
        each(&place, &|known| merge(&mut known.quarter, &tally));
    }
    for (place, (reporters, senders)) in from.recent.people(&service.id, minute) {
        each(&place, &|known| {
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
    let mut boards: Vec<PlaceBoard> =
        known.into_iter().filter_map(|(scope, known)| place_board(scope, &known, &open, &agents)).collect();
    boards.sort_by_key(|place| (std::cmp::Reverse(place.health), std::cmp::Reverse(place.reports_1h)));
    let mut kept: BTreeMap<mbolo_pulse::Level, usize> = BTreeMap::new();
    boards.retain(|place| {
        let kept = kept.entry(place.scope.level()).or_default();
        *kept += 1;
        *kept <= MOST_PLACES
    });
    boards
}

fn merge(into: &mut Tally, other: &Tally) {
    into.reports = into.reports.saturating_add(other.reports);
    into.weight += other.weight;
    into.attempts = into.attempts.saturating_add(other.attempts);
    into.failures = into.failures.saturating_add(other.failures);
    into.measured |= other.measured;
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
    let health = match from_incidents {
        Health::Unknown if says_something => Health::Up,
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
            let mut health = Health::Up;
            let mut down_minutes = 0;
            for one in incidents.iter().filter(|one| !one.false_alarm) {
                let incident = &one.incident;
                let until = incident.resolved_at.unwrap_or(minute.plus(1));
                let is_of_day = incident.started_at < end && until > begin;
                if !is_of_day || incident.scope != Scope::World || !incident.services.contains(&service.id) {
                    continue;
                }
                health = health.max(worst_of(incident));
                if incident.confirmed_at.is_some() {
                    down_minutes += until.min(end).since(incident.started_at.max(begin));
                }
            }
            DayBoard { day, health, down_minutes }
        })
        .collect()
}

/// The worst an incident was, over or not.
fn worst_of(incident: &Incident) -> Health {
    match (incident.confirmed_at, incident.state) {
        (Some(_), _) if incident.impact.is_some_and(|impact| impact < DOWN_FROM) => Health::Degraded,
        (Some(_), _) => Health::Down,
        (None, IncidentState::Suspected) => Health::Up,
        (None, _) if incident.kind == IncidentKind::ReportsOnly => Health::Reported,
        (None, IncidentState::Reported) => Health::Reported,
        (None, _) => Health::Up,
    }
}

/// The verdict for somebody in a place: `service`, `blocked_here`, `country`, `your_isp`, `none` or `unknown`.
pub fn verdict(board: &Board, service: &ServiceBoard, place: Place, now: i64) -> &'static str {
    if board.is_stale(now) {
        return "unknown";
    }
    let here = place.scope();
    let concerned = board.open().filter(|one| {
        let incident = &one.incident;
        !one.false_alarm
            && incident.services.contains(&service.id)
            && matches!(incident.state, IncidentState::Confirmed | IncidentState::Recovering)
            && (incident.scope == Scope::World
                || here.as_ref().is_some_and(|here| incident.scope.contains(here)))
    });
    let mut widest: Option<&Incident> = None;
    for one in concerned {
        if widest.is_none_or(|known| one.incident.scope.level() < known.scope.level()) {
            widest = Some(&one.incident);
        }
    }
    match widest {
        Some(incident) => match (&incident.scope, incident.kind) {
            (_, IncidentKind::Blocked) => "blocked_here",
            (Scope::Country { .. }, IncidentKind::Connectivity) => "country",
            (Scope::Asn { .. }, _) => "your_isp",
            (_, _) => "service",
        },
        None if service.health == Health::Up => "none",
        None => "unknown",
    }
}

/// A network's number in text: `AS16058`.
pub fn network_text(asn: Asn) -> String {
    format!("AS{}", asn.0)
}

#[cfg(test)]
mod tests {
    use mbolo_pulse::{Count, Country, DetectorConfig, Evidence, IncidentId};

    use super::*;

    const NOW: i64 = 1_689_797_400;

    fn gabon() -> Country {
        Country::new("GA").unwrap()
    }

    fn whatsapp() -> ServiceId {
        ServiceId::new("whatsapp").unwrap()
    }

    fn reports(minutes_ago: u32, n: u32) -> Count {
        Count {
            minute: Minute(Minute::of_unix(NOW).0 - minutes_ago),
            service: whatsapp(),
            cc: gabon(),
            asn: Asn(16_058),
            signal: Signal::Reports,
            problem: None,
            cell: None,
            n,
            weight: None,
            attempts: 0,
            failures: 0,
        }
    }

    fn incident(scope: Scope, signal: Signal, observed: f64) -> IncidentBoard {
        let started_at = Minute(Minute::of_unix(NOW).0 - 30);
        IncidentBoard {
            incident: Incident {
                id: IncidentId(format!("whatsapp-{scope}")),
                services: vec![whatsapp()],
                kind: IncidentKind::Service,
                scope,
                scope_uncertain: false,
                state: IncidentState::Confirmed,
                started_at,
                detected_at: started_at.plus(2),
                confirmed_at: Some(started_at.plus(4)),
                resolved_at: None,
                impact: Some(0.9),
                evidence: vec![Evidence { signal, observed, expected: 1.0, llr: 30.0, window: 5 }],
            },
            acknowledged_at: None,
            cause: None,
            updates: Vec::new(),
            false_alarm: false,
        }
    }

    fn board(counts: &[Count], incidents: Vec<IncidentBoard>) -> Board {
        let mut recent = Recent::default();
        counts.iter().for_each(|count| recent.push(count, Minute::of_unix(NOW)));
        let now = Minute::of_unix(NOW);
        make(&Ingredients {
            config: &Config::default(),
            detector: &Detector::new(DetectorConfig::default()),
            recent: &recent,
            incidents: &incidents.into_iter().map(|one| (one.incident.id.0.clone(), one)).collect(),
            watches: &[Watch { from: Minute(now.0 - 2_000), until: now }],
            probes: &BTreeMap::new(),
            limits: Vec::new(),
            seq: 1,
            now: NOW,
        })
    }

    #[test]
    fn four_reporters_of_a_country_stay_private_and_five_do_not() {
        let four = board(&[reports(3, 4)], Vec::new());
        let service = four.service("whatsapp").unwrap();
        assert!(service.countries.is_empty() && service.networks.is_empty());
        assert_eq!(service.reports_1h, 4, "the world has no threshold");
        let five = board(&[reports(3, 5)], Vec::new());
        assert_eq!(five.service("whatsapp").unwrap().countries[0].reports_1h, Some(5));
        assert!(five.service("whatsapp").unwrap().networks.is_empty());
        let twenty = board(&[reports(3, 20)], Vec::new());
        assert_eq!(twenty.service("whatsapp").unwrap().networks[0].reports_1h, Some(20));
    }

    #[test]
    fn an_incident_that_rests_on_few_people_is_not_told() {
        let network = Scope::Asn { cc: gabon(), asn: Asn(16_058) };
        assert!(board(&[], vec![incident(network.clone(), Signal::Reports, 19.0)]).incidents.is_empty());
        assert_eq!(board(&[], vec![incident(network.clone(), Signal::Reports, 20.0)]).incidents.len(), 1);
        assert_eq!(board(&[], vec![incident(network, Signal::Probe, 3.0)]).incidents.len(), 1);
    }

    #[test]
    fn a_country_that_is_down_does_not_turn_the_world_red() {
        let board =
            board(&[reports(3, 20)], vec![incident(Scope::Country { cc: gabon() }, Signal::Probe, 9.0)]);
        let service = board.service("whatsapp").unwrap();
        assert_eq!(service.health, Health::Up);
        assert_eq!(service.countries[0].health, Health::Down);
        assert_eq!(service.networks[0].health, Health::Down, "what lies in it is down as well");
        let in_gabon = Place { cc: gabon(), asn: Asn(16_058) };
        assert_eq!(verdict(&board, service, in_gabon, NOW), "service");
        assert_eq!(verdict(&board, service, Place::UNKNOWN, NOW), "none");
        assert_eq!(verdict(&board, service, in_gabon, NOW + 1_000), "unknown");
    }

    #[test]
    fn a_world_outage_turns_the_day_red_and_a_false_alarm_does_not() {
        let outage = incident(Scope::World, Signal::Probe, 9.0);
        let down = board(&[], vec![outage.clone()]);
        let service = down.service("whatsapp").unwrap();
        assert_eq!(service.health, Health::Down);
        let today = service.history_90d.last().unwrap();
        assert_eq!((today.day.as_str(), today.health, today.down_minutes), ("2023-07-19", Health::Down, 31));
        assert_eq!(service.history_90d[0].health, Health::Unknown, "before the observatory watched");
        assert_eq!(down.record.median_minutes_to_confirm, Some(4.0));
        let wrong = board(&[], vec![IncidentBoard { false_alarm: true, ..outage }]);
        assert_eq!(wrong.service("whatsapp").unwrap().health, Health::Unknown);
        assert_eq!((wrong.record.confirmed_90d, wrong.record.false_alarms_90d), (1, 1));
    }

    #[test]
    fn bins_that_nobody_watched_are_unknown_and_not_zero() {
        let board = board(&[reports(3, 2)], Vec::new());
        let series = &board.service("whatsapp").unwrap().series_24h;
        assert_eq!(series.len(), 288);
        assert_eq!(series[287].minute.0 - series[0].minute.0, 1_435);
        assert!(series.iter().all(|bin| bin.reports.is_some()));
        assert_eq!(series.iter().filter_map(|bin| bin.reports).sum::<f64>(), 2.0);
    }
}
