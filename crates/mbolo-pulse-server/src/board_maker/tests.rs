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
        targets: Vec::new(),
    }
}

fn measured(minutes_ago: u32) -> Count {
    Count { signal: Signal::Probe, attempts: 4, ..reports(minutes_ago, 1) }
}

fn board(counts: &[Count], incidents: Vec<IncidentBoard>) -> Board {
    bounded(counts, incidents, None, &BTreeSet::new())
}

type Heard = BTreeMap<ServiceId, BTreeMap<Place, People>>;

/// [`board`] where it matters who was heard.
fn bounded(
    counts: &[Count],
    incidents: Vec<IncidentBoard>,
    people: Option<&Heard>,
    told: &BTreeSet<Told>,
) -> Board {
    changed(counts, incidents, people, told, |_| ())
}

fn changed(
    counts: &[Count],
    incidents: Vec<IncidentBoard>,
    people: Option<&Heard>,
    told: &BTreeSet<Told>,
    change: impl FnOnce(&mut Ingredients<'_>),
) -> Board {
    let mut recent = Recent::default();
    counts.iter().for_each(|count| recent.push(count, Minute::of_unix(NOW)));
    let now = Minute::of_unix(NOW);
    let incidents = incidents.into_iter().map(|one| (one.incident.id.0.clone(), one)).collect();
    let (config, detector) = (Config::default(), Detector::new(DetectorConfig::default()));
    let (probes, targets) = (BTreeMap::new(), BTreeMap::new());
    let watches = [Watch { from: Minute(now.0 - 2_000), until: now }];
    let mut ingredients = Ingredients {
        config: &config,
        detector: &detector,
        recent: &recent,
        incidents: &incidents,
        watches: &watches,
        probes: &probes,
        targets: &targets,
        people,
        told,
        is_judging: true,
        limits: Vec::new(),
        seq: 1,
        now: NOW,
    };
    change(&mut ingredients);
    make(&ingredients)
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
    let board = board(
        &[reports(3, 20), measured(3)],
        vec![incident(Scope::Country { cc: gabon() }, Signal::Probe, 9.0)],
    );
    let service = board.service("whatsapp").unwrap();
    assert_eq!(service.health, Health::Up);
    assert_eq!(service.countries[0].health, Health::Down);
    assert_eq!(service.networks[0].health, Health::Down, "what lies in it is down as well");
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
    let day_of = |scope: Scope| {
        let board = board(&[], vec![incident(scope, Signal::Probe, 9.0)]);
        board.service("whatsapp").unwrap().history_90d.last().unwrap().clone()
    };
    let gabon = day_of(Scope::Country { cc: gabon() });
    assert_eq!(
        (gabon.health, gabon.down_minutes),
        (Health::Degraded, 0),
        "down in part, and not in the world"
    );
    assert_eq!(day_of(Scope::Asn { cc: Country::new("GA").unwrap(), asn: Asn(1) }).health, Health::Unknown);
    assert_eq!((wrong.record.confirmed_90d, wrong.record.false_alarms_90d), (1, 1));
}

#[test]
fn what_is_only_reported_or_was_measured_long_ago_is_not_green() {
    let of = |counts: &[Count]| board(counts, Vec::new()).service("whatsapp").unwrap().clone();
    let reported = of(&[reports(3, 20)]);
    assert_eq!((reported.health, reported.fresh_at), (Health::Unknown, None));
    assert_eq!(reported.countries[0].health, Health::Unknown);
    let beacon = Count { signal: Signal::Beacon, attempts: 20, ..reports(3, 20) };
    let now = of(&[beacon.clone(), measured(3)]);
    assert_eq!((now.health, now.countries[0].health), (Health::Up, Health::Up));
    let beside = of(std::slice::from_ref(&beacon));
    assert_eq!(beside.health, Health::Unknown, "no agent has measured what it needs");
    let long_ago = of(&[Count { minute: Minute(beacon.minute.0 - 20), ..beacon.clone() }, reports(1, 20)]);
    assert_eq!((long_ago.health, long_ago.countries[0].health), (Health::Unknown, Health::Unknown));
    let blind =
        changed(&[beacon, measured(3)], Vec::new(), None, &BTreeSet::new(), |from| from.is_judging = false);
    let blind = blind.service("whatsapp").unwrap();
    assert_eq!((blind.health, blind.countries[0].health), (Health::Unknown, Health::Unknown));
}

#[test]
fn many_counts_of_few_neighbourhoods_are_not_public() {
    let place = Place { cc: gabon(), asn: Asn(16_058) };
    let heard = |reporters| {
        let places = BTreeMap::from([(place, People { reporters, senders: 0 })]);
        BTreeMap::from([(whatsapp(), places)])
    };
    let country = incident(Scope::Country { cc: gabon() }, Signal::Reports, 30.0);
    let with = |reporters, told: &BTreeSet<Told>| {
        let people = heard(reporters);
        let board = bounded(&[reports(3, 30)], vec![country.clone()], Some(&people), told);
        (
            board
                .service("whatsapp")
                .unwrap()
                .countries
                .iter()
                .filter(|one| one.reports_1h.is_some())
                .count(),
            board.incidents.len(),
        )
    };
    let nobody = BTreeSet::new();
    assert_eq!(with(4, &nobody), (0, 0));
    assert_eq!(with(5, &nobody), (1, 1));
    // Once told it is told to the end, also when nobody reports any more.
    let told = BTreeSet::from([(country.incident.id.0.clone(), country.incident.scope.clone())]);
    assert_eq!(with(0, &told), (0, 1));
}

#[test]
fn every_open_incident_is_on_the_board_and_of_those_that_are_over_the_newest() {
    let now = Minute::of_unix(NOW);
    let many = |n: u32, resolved_at: Option<Minute>| {
        let mut one = incident(Scope::World, Signal::Probe, 9.0);
        one.incident.id = IncidentId(format!("{n}-{}", resolved_at.is_some()));
        if resolved_at.is_some() {
            one.incident.state = IncidentState::Resolved;
            one.incident.resolved_at = resolved_at;
        }
        one
    };
    let mut incidents: Vec<IncidentBoard> = (0..250).map(|n| many(n, None)).collect();
    incidents.extend((0..250).map(|n| many(n, Some(Minute(now.0 - n)))));
    let board = board(&[], incidents);
    assert_eq!((board.open().count(), board.incidents.len()), (250, 450));
    let oldest = board.incidents.iter().filter_map(|one| one.incident.resolved_at).min();
    assert_eq!(oldest, Some(Minute(now.0 - 199)));
}

#[test]
fn a_day_on_which_a_service_was_not_measured_is_not_green() {
    let board = board(&[measured(1_500)], Vec::new());
    let healths = |id: &str| -> Vec<Health> {
        let history = &board.service(id).unwrap().history_90d;
        history[88..].iter().map(|day| day.health).collect()
    };
    assert_eq!(healths("whatsapp"), [Health::Up, Health::Unknown]);
    assert_eq!(healths("signal"), [Health::Unknown, Health::Unknown]);
}

#[test]
fn the_chart_counts_people_and_not_what_they_weigh() {
    let flood = Count { weight: Some(0.5), ..reports(3, 10) };
    let board = board(&[flood], Vec::new());
    let service = board.service("whatsapp").unwrap();
    let charted: f64 = service.series_24h.iter().filter_map(|bin| bin.reports).sum();
    assert_eq!(charted, f64::from(service.reports_1h));
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

#[test]
fn nothing_is_green_where_a_target_that_the_service_needs_is_down() {
    let dead = |down_in: Scope| TargetBoard {
        target: "tcp://app.whatsapp.example:443".to_owned(),
        required: true,
        health: Health::Down,
        down_in: vec![down_in],
        networks: 5,
        networks_down: 4,
        failed_phase: None,
        down_since: Some(NOW - 120),
    };
    let of = |targets: Vec<TargetBoard>, incidents| {
        let targets = Box::leak(Box::new(BTreeMap::from([(whatsapp(), targets)])));
        let beacon = Count { signal: Signal::Beacon, attempts: 20, ..reports(3, 20) };
        let board = changed(&[beacon], incidents, None, &BTreeSet::new(), |from| from.targets = targets);
        let service = board.service("whatsapp").unwrap();
        (service.health, service.countries[0].health)
    };
    let everywhere = || vec![dead(Scope::World)];
    assert_eq!(of(everywhere(), vec![]), (Health::Unknown, Health::Unknown), "not found yet");
    let gabon = Scope::Country { cc: gabon() };
    let found = vec![incident(gabon.clone(), Signal::Probe, 9.0)];
    assert_eq!(of(everywhere(), found), (Health::Degraded, Health::Down), "found in one place so far");
    assert_eq!(of(vec![dead(gabon)], vec![]), (Health::Up, Health::Unknown));
    let shown_only = TargetBoard { required: false, ..dead(Scope::World) };
    let needed = TargetBoard { down_in: Vec::new(), health: Health::Up, ..dead(Scope::World) };
    assert_eq!(of(vec![shown_only, needed], vec![]), (Health::Up, Health::Up));
}

#[test]
fn what_too_few_people_are_behind_is_not_told_and_not_green_either() {
    let here = Scope::Country { cc: gabon() };
    // Agents find it well; the beacons of two people have stopped.
    let counts: Vec<Count> = (1..5).map(measured).collect();
    let silent = || {
        let mut one = incident(here.clone(), Signal::Beacon, 0.0);
        one.incident.evidence[0].expected = 42.0;
        one
    };
    let heard = |senders: u32| -> Heard {
        let place = Place { cc: gabon(), asn: Asn(16_058) };
        let people = People { reporters: 0, senders };
        [(whatsapp(), [(place, people)].into())].into()
    };
    let of = |senders: u32| bounded(&counts, vec![silent()], Some(&heard(senders)), &BTreeSet::new());
    let country = |board: &Board| {
        let countries = &board.service("whatsapp").unwrap().countries;
        countries.iter().find(|place| place.scope == here).map(|place| place.health)
    };
    let few = of(2);
    assert!(few.incidents.is_empty());
    assert_ne!(country(&few), Some(Health::Up));
    let many = of(5);
    assert_eq!((many.incidents.len(), country(&many)), (1, Some(Health::Down)));
}

#[test]
fn a_gauge_that_says_zero_is_no_sign_that_it_works() {
    let mbolo = ServiceId::new("mbolo").unwrap();
    let gauge = |minutes_ago: u32, n: u32| Count {
        signal: Signal::Gauge,
        n,
        service: mbolo.clone(),
        ..reports(minutes_ago, 1)
    };
    let health = |counts: &[Count]| board(counts, Vec::new()).service("mbolo").unwrap().health;
    let empty: Vec<Count> = (1..20).map(|ago| gauge(ago, 0)).collect();
    assert_eq!(health(&empty), Health::Unknown);
    let full: Vec<Count> = (1..20).rev().map(|ago| gauge(ago, 100)).collect();
    assert_eq!(health(&full), Health::Up);
    let fell: Vec<Count> = (1..20).rev().map(|ago| gauge(ago, if ago < 4 { 0 } else { 100 })).collect();
    assert_eq!(health(&fell), Health::Unknown, "its networks are cut off");
}
