//! A board for tests: the loss of connectivity in Gabon.

use mbolo_pulse::board::{Board, Health, IncidentBoard, Ownership, PlaceBoard, Record, ServiceBoard};
use mbolo_pulse::{Country, Incident, IncidentId, IncidentKind, IncidentState, Minute, Scope, ServiceId};

/// 26 August 2023, 17:02 UTC.
pub const START: i64 = 1_693_069_320;

/// Confirmed at 17:06, with one service and four networks.
pub fn gabon() -> Board {
    let scope = Scope::Country { cc: Country::new("GA").expect("two letters") };
    let service = ServiceId::new("whatsapp").expect("a name");
    let at = Minute::of_unix(START);
    Board {
        seq: 1,
        generated_at: START + 240,
        valid_until: START + 240 + 180,
        observatory: "Pulse".to_owned(),
        services: vec![ServiceBoard {
            id: service.clone(),
            name: "WhatsApp".to_owned(),
            kind: Ownership::ThirdParty,
            url: None,
            health: Health::Up,
            learning: false,
            fresh_at: Some(START + 200),
            reports_1h: 0,
            problems: Vec::new(),
            problem_counts: Vec::new(),
            series_24h: Vec::new(),
            countries: vec![PlaceBoard {
                scope: scope.clone(),
                health: Health::Down,
                reports_1h: None,
                failure_rate: None,
                networks_measured: 4,
                networks_down: 4,
            }],
            networks: Vec::new(),
            probes: Vec::new(),
            targets: Vec::new(),
            history_90d: Vec::new(),
        }],
        incidents: vec![IncidentBoard {
            incident: Incident {
                id: IncidentId("whatsapp-GA-28217822".to_owned()),
                services: vec![service],
                kind: IncidentKind::Connectivity,
                scope,
                scope_uncertain: false,
                state: IncidentState::Confirmed,
                started_at: at,
                detected_at: at.plus(2),
                confirmed_at: Some(at.plus(4)),
                resolved_at: None,
                impact: None,
                evidence: Vec::new(),
            },
            acknowledged_at: None,
            cause: None,
            updates: Vec::new(),
            false_alarm: false,
            targets: Vec::new(),
        }],
        record: Record::default(),
        limits: Vec::new(),
    }
}

/// Over at 18:07.
pub fn resolve(board: &mut Board) {
    let incident = &mut board.incidents[0].incident;
    incident.state = IncidentState::Resolved;
    incident.resolved_at = Some(Minute::of_unix(START).plus(65));
}
