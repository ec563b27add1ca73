//! Boards to look at and to test with: made-up numbers, the shape of real days. Not for a product build's data.

use mbolo_pulse::board::{
    Board, Cause, DayBoard, Health, IncidentBoard, Ownership, PlaceBoard, ProbeRow, Record, SeriesBin,
    ServiceBoard, TargetBoard, UpdateBoard, Visitor,
};
use mbolo_pulse::model::{
    Asn, Country, Evidence, Incident, IncidentId, IncidentKind, IncidentState, Minute, Problem, Scope,
    ServiceId, Signal,
};

use crate::context::Comment;
use crate::places;

/// WhatsApp fails worldwide since 41 minutes, Gabon lost its connectivity, the rest is well.
pub fn sample_board(now: i64) -> Board {
    let at = |minutes_ago: i64| Minute::of_unix(now - minutes_ago * 60);
    let mut outage = IncidentBoard {
        incident: Incident {
            id: IncidentId("whatsapp-world-1".to_owned()),
            services: vec![id("whatsapp")],
            kind: IncidentKind::Service,
            scope: Scope::World,
            scope_uncertain: false,
            state: IncidentState::Confirmed,
            started_at: at(41),
            detected_at: at(39),
            confirmed_at: Some(at(38)),
            resolved_at: None,
            impact: Some(0.62),
            evidence: vec![
                Evidence {
                    signal: Signal::Reports,
                    observed: 1840.0,
                    expected: 22.0,
                    llr: 412.0,
                    window: 10,
                },
                Evidence { signal: Signal::Beacon, observed: 611.0, expected: 9.0, llr: 96.4, window: 10 },
                Evidence { signal: Signal::Probe, observed: 14.0, expected: 0.2, llr: 31.8, window: 5 },
            ],
        },
        acknowledged_at: Some(at(7)),
        cause: None,
        updates: vec![
            step(at(39), Some(IncidentState::Suspected), None, None),
            step(at(38), Some(IncidentState::Confirmed), Some(Scope::World), None),
            step(at(7), None, None, Some("The service says it is working on a fix.")),
        ],
        false_alarm: false,
        targets: Vec::new(),
    };
    let shutdown = IncidentBoard {
        incident: Incident {
            id: IncidentId("connectivity-GA-1".to_owned()),
            services: vec![id("mbolo"), id("whatsapp"), id("signal")],
            kind: IncidentKind::Connectivity,
            scope: country("GA"),
            scope_uncertain: false,
            state: IncidentState::Confirmed,
            started_at: at(188),
            detected_at: at(185),
            confirmed_at: Some(at(184)),
            resolved_at: None,
            impact: Some(0.97),
            evidence: vec![Evidence {
                signal: Signal::Gauge,
                observed: 31.0,
                expected: 1210.0,
                llr: 1022.5,
                window: 4,
            }],
        },
        acknowledged_at: None,
        cause: None,
        updates: vec![step(at(184), Some(IncidentState::Confirmed), Some(country("GA")), None)],
        false_alarm: false,
        targets: Vec::new(),
    };
    let suspected = IncidentBoard {
        incident: Incident {
            id: IncidentId("mbolo-CM-1".to_owned()),
            services: vec![id("mbolo")],
            kind: IncidentKind::Service,
            scope: country("CM"),
            state: IncidentState::Suspected,
            started_at: at(4),
            detected_at: at(2),
            confirmed_at: None,
            ..shutdown.incident.clone()
        },
        updates: vec![step(at(2), Some(IncidentState::Suspected), None, None)],
        ..shutdown.clone()
    };
    let past = IncidentBoard {
        incident: Incident {
            id: IncidentId("signal-reports-1".to_owned()),
            services: vec![id("signal")],
            kind: IncidentKind::ReportsOnly,
            scope: country("FR"),
            scope_uncertain: true,
            state: IncidentState::Resolved,
            started_at: at(9 * 1440),
            detected_at: at(9 * 1440 - 6),
            confirmed_at: None,
            resolved_at: Some(at(9 * 1440 - 51)),
            impact: None,
            evidence: vec![],
        },
        acknowledged_at: None,
        cause: Some(Cause {
            text: "An update of one phone maker's system delayed notifications.".to_owned(),
            source: "https://status.example.org/notes/12".to_owned(),
        }),
        updates: vec![
            step(at(9 * 1440 - 6), Some(IncidentState::Reported), None, None),
            step(at(9 * 1440 - 51), Some(IncidentState::Resolved), None, None),
        ],
        false_alarm: true,
        targets: Vec::new(),
    };
    let down = |minute: Minute| if minute >= at(41) { 1.0 } else { 0.0 };
    let mut whatsapp = service("whatsapp", "WhatsApp", now, Health::Down, 40.0, down);
    whatsapp.reports_1h = 7_412;
    whatsapp.problem_counts = vec![
        (Problem::Send, 4_370),
        (Problem::ConnectApp, 2_010),
        (Problem::Receive, 611),
        (Problem::ConnectWeb, 260),
        (Problem::Media, 104),
        (Problem::Login, 57),
    ];
    whatsapp.countries = ["GA", "GB", "US", "IN", "BR", "FR", "CM", "NG", "DE", "ES", "IT", "KE", "ST"]
        .iter()
        .enumerate()
        .map(|(at, cc)| PlaceBoard {
            scope: country(cc),
            health: match at {
                0..=4 => Health::Down,
                5..=8 => Health::Degraded,
                9 | 10 => Health::Reported,
                _ => Health::Up,
            },
            reports_1h: (at > 0).then_some(1_900 / (at as u32 + 1)),
            failure_rate: Some((0.97 - at as f64 * 0.08).max(0.0)),
            networks_measured: if at == 0 { 4 } else { 3 },
            networks_down: if at == 0 { 4 } else { 0 },
        })
        .collect();
    whatsapp.networks = [("GA", 16058, 1.0), ("GA", 36924, 1.0), ("FR", 3215, 0.55), ("FR", 12322, 0.61)]
        .iter()
        .map(|(cc, asn, rate)| PlaceBoard {
            scope: network(cc, *asn),
            health: if *rate > 0.9 { Health::Down } else { Health::Degraded },
            reports_1h: None,
            failure_rate: Some(*rate),
            networks_measured: 0,
            networks_down: 0,
        })
        .collect();
    whatsapp.probes = [
        ("GA AS16058", false, Some("tcp"), None),
        ("FR AS3215", false, Some("websocket"), Some(10_000)),
        ("DE AS24940", false, Some("websocket"), Some(10_000)),
        ("BR AS28573", false, Some("tls"), Some(4_220)),
        ("KE AS33771", true, None, Some(412)),
    ]
    .iter()
    .map(|(vantage, ok, phase, took)| ProbeRow {
        target: "https://web.whatsapp.com".to_owned(),
        vantage: (*vantage).to_owned(),
        at: now - 35,
        ok: *ok,
        failed_phase: phase.map(str::to_owned),
        took_ms: *took,
    })
    .collect();
    whatsapp.targets = vec![
        target("wss://web.whatsapp.com/ws/chat", true, 5, 4, Some("websocket"), now),
        target("https://web.whatsapp.com", false, 5, 0, None, now),
        target("https://v.whatsapp.net/v2/register", false, 2, 0, None, now),
        target("dns://whatsapp.net", true, 0, 0, None, now),
    ];
    outage.targets = vec![whatsapp.targets[0].clone()];
    let mut fresh = service("mairie", "Mairie de Libreville", now, Health::Up, 2.0, |_| 0.0);
    fresh.learning = true;
    let mut silent = service("bank", "Banque exemple", now, Health::Unknown, 0.0, |_| 0.0);
    silent.fresh_at = None;
    silent.series_24h.clear();
    silent.history_90d.clear();
    silent.reports_1h = 0;
    silent.problem_counts.clear();
    Board {
        seq: 48_211,
        generated_at: now - 20,
        valid_until: now + 160,
        observatory: "Mbolo Pulse".to_owned(),
        services: vec![
            service("mbolo", "Mbolo", now, Health::Up, 3.0, |_| 0.0),
            whatsapp,
            service("signal", "Signal", now, Health::Up, 6.0, |_| 0.0),
            fresh,
            silent,
        ],
        incidents: vec![outage, shutdown, suspected, past],
        record: Record { confirmed_90d: 14, false_alarms_90d: 1, median_minutes_to_confirm: Some(3.5) },
        limits: Vec::new(),
    }
}

/// The same services on an ordinary day.
pub fn quiet_board(now: i64) -> Board {
    let mut board = sample_board(now);
    board.incidents.retain(|one| one.incident.state == IncidentState::Resolved);
    board.services[1] = service("whatsapp", "WhatsApp", now, Health::Up, 40.0, |_| 0.0);
    board
}

/// More than any real day: every country and many networks down, 30 open incidents with long texts, everything filled.
pub fn worst_board(now: i64) -> Board {
    let mut board = sample_board(now);
    let template = board.incidents[0].clone();
    let long = "Service is being restored region by region & our measurements show <recovery>. ".repeat(3);
    board.incidents = (0..30)
        .map(|n| {
            let mut one = template.clone();
            one.incident.id = IncidentId(format!("whatsapp-world-{n}"));
            one.updates = (0..20)
                .map(|step| UpdateBoard {
                    at: Minute::of_unix(now),
                    state: (step == 1).then_some(IncidentState::Confirmed),
                    scope: (step == 1).then_some(Scope::World),
                    text: (step > 1).then(|| long.clone()),
                })
                .collect();
            one
        })
        .collect();
    board.limits =
        ["reconstruction", "clock_jump", "no_geo", "disk_full", "store_failed", "no_agents", "peer_down"]
            .map(str::to_owned)
            .to_vec();
    let service = &mut board.services[1];
    service.countries = places::all()
        .map(|cc| PlaceBoard {
            scope: Scope::Country { cc },
            health: Health::Degraded,
            reports_1h: Some(123_456),
            failure_rate: Some(0.431),
            networks_measured: 120,
            networks_down: 100,
        })
        .collect();
    service.networks = (0..1000)
        .map(|n| PlaceBoard { scope: network("GA", 4_200_000_000 + n), ..service.countries[0].clone() })
        .collect();
    service.probes = (0..200)
        .map(|n| ProbeRow {
            target: format!("https://a-very-long-name-of-an-endpoint-{n}.whatsapp.example.net:5222/path"),
            vantage: format!("GA AS{}", 4_200_000_000_u32 + n),
            at: now - 3000,
            ok: false,
            failed_phase: Some("websocket".to_owned()),
            took_ms: Some(10_000),
        })
        .collect();
    service.targets = (0..200)
        .map(|n| {
            let name = format!("https://a-very-long-name-of-an-endpoint-{n}.whatsapp.example.net:5222/path");
            target(&name, true, 4, 4, Some("websocket"), now)
        })
        .collect();
    let targets = service.targets[..20].to_vec();
    board.incidents.iter_mut().for_each(|one| one.targets.clone_from(&targets));
    for (at, day) in service.history_90d.iter_mut().enumerate() {
        day.health = [Health::Down, Health::Degraded, Health::Reported, Health::Up][at % 4];
        day.down_minutes = 1440;
    }
    for (at, bin) in service.series_24h.iter_mut().enumerate() {
        let wave = ((at * 7919) % 288) as f64;
        bin.reports = Some(200_000.0 + wave * 700.0);
        bin.expected = Some(100_000.0 + wave * 300.0);
        bin.expected_high = Some(150_000.0 + wave * 500.0);
        bin.failure_rate = Some(wave / 288.0);
        bin.official = at % 2 == 0;
    }
    board
}

/// Somebody in Libreville.
pub fn visitor_in_gabon() -> Visitor {
    Visitor { place: Some(network("GA", 16058)), network_name: Some("Gabon Telecom".to_owned()) }
}

/// What people wrote.
pub fn comments(now: i64) -> Vec<Comment> {
    let comment = |ago: i64, author: Option<&str>, cc: &str, text: &str| Comment {
        at: now - ago,
        author: author.map(str::to_owned),
        country: Country::new(cc),
        text: text.to_owned(),
    };
    vec![
        comment(
            240,
            Some("Awa"),
            "CM",
            "One grey tick since about half an hour, on Wi-Fi and on mobile data.",
        ),
        comment(
            900,
            None,
            "FR",
            "Sur l’ordinateur rien ne s’ouvre, sur le téléphone les anciens messages se lisent.",
        ),
    ]
}

fn service(
    name: &str,
    title: &str,
    now: i64,
    health: Health,
    usual: f64,
    fault: impl Fn(Minute) -> f64,
) -> ServiceBoard {
    let first = now.div_euclid(300) * 300 - 287 * 300;
    let series_24h = (0..288)
        .map(|n| {
            let minute = Minute::of_unix(first + n * 300);
            let hour = (minute.0 % 1440) as f64 / 1440.0 * std::f64::consts::TAU;
            let expected = usual * (1.0 - 0.6 * hour.cos()).max(0.0);
            // A fixed, uneven sequence stands for chance.
            let chance = f64::from((n as u32).wrapping_mul(2_654_435_761) >> 24) / 255.0;
            let broken = fault(minute);
            SeriesBin {
                minute,
                reports: Some(
                    (expected * (0.6 + 0.8 * chance) + broken * usual * 22.0 * (0.7 + 0.3 * chance)).round(),
                ),
                expected: Some(expected),
                expected_high: Some(expected * 1.6 + 2.0),
                failure_rate: Some(0.004 + 0.006 * chance + broken * (0.5 + 0.15 * chance)),
                official: broken > 0.0 && minute.unix() > now - 7 * 60,
            }
        })
        .collect();
    let history_90d = (0..90)
        .map(|n| {
            let day = now - (89 - n) * 86_400;
            let health = match n {
                0..=20 => Health::Unknown,
                44 => Health::Reported,
                61 => Health::Degraded,
                89 => health,
                _ => Health::Up,
            };
            let down_minutes = match health {
                Health::Down => 38,
                Health::Degraded => 17,
                _ => 0,
            };
            DayBoard { day: crate::when::rfc3339(day).chars().take(10).collect(), health, down_minutes }
        })
        .collect();
    ServiceBoard {
        id: id(name),
        name: title.to_owned(),
        kind: if name == "mbolo" { Ownership::Own } else { Ownership::ThirdParty },
        url: Some(format!("https://{name}.example.org")),
        health,
        learning: false,
        fresh_at: Some(now - 40),
        reports_1h: (usual * 9.0) as u32,
        problems: Problem::ALL.to_vec(),
        problem_counts: vec![(Problem::Send, (usual * 6.0) as u32), (Problem::Calls, (usual * 3.0) as u32)],
        series_24h,
        countries: ["FR", "GA", "CM", "US"]
            .iter()
            .map(|cc| PlaceBoard {
                scope: country(cc),
                health: if health == Health::Unknown { Health::Unknown } else { Health::Up },
                reports_1h: None,
                failure_rate: Some(0.006),
                networks_measured: 3,
                networks_down: 0,
            })
            .collect(),
        networks: vec![],
        probes: vec![],
        targets: vec![],
        history_90d,
    }
}

fn target(
    name: &str,
    required: bool,
    networks: u32,
    networks_down: u32,
    phase: Option<&str>,
    now: i64,
) -> TargetBoard {
    let is_down = networks_down > 2;
    let health = if is_down { Health::Down } else { Health::Up };
    TargetBoard {
        target: name.to_owned(),
        required,
        health: if networks == 0 { Health::Unknown } else { health },
        down_in: if is_down { vec![Scope::World] } else { vec![] },
        networks,
        networks_down,
        failed_phase: phase.map(str::to_owned),
        down_since: is_down.then_some(now - 2_200),
    }
}

fn step(at: Minute, state: Option<IncidentState>, scope: Option<Scope>, text: Option<&str>) -> UpdateBoard {
    UpdateBoard { at, state, scope, text: text.map(str::to_owned) }
}

fn id(name: &str) -> ServiceId {
    ServiceId::new(name).expect("names here are valid")
}

fn country(code: &str) -> Scope {
    Scope::Country { cc: Country::new(code).expect("codes here are valid") }
}

fn network(code: &str, asn: u32) -> Scope {
    Scope::Asn { cc: Country::new(code).expect("codes here are valid"), asn: Asn(asn) }
}
