//! Days in a small world, and what the detector says of them.

#![allow(clippy::unwrap_used)]

use crate::world::{FINE, Weather, World};
use mbolo_pulse::{IncidentKind, IncidentState, Scope};

const DAY: u32 = 1440;

fn country(cc: &str) -> Scope {
    Scope::Country { cc: mbolo_pulse::Country::new(cc).unwrap() }
}

#[test]
fn a_week_of_normal_life_confirms_nothing() {
    let mut world = World::new(1);
    world.fine(9 * DAY);
    assert!(world.said.iter().all(|said| said.incident.confirmed_at.is_none()), "{}", world.told());
}

#[test]
fn a_country_that_falls_silent_is_a_connectivity_incident_within_five_minutes() {
    let mut world = World::new(2);
    world.fine(2 * DAY + 700);
    let cut = world.minute;
    world.run(
        120,
        |_, _, network| if network.cc == "GA" { Weather { connected: 0.01, ..FINE } } else { FINE },
    );
    let confirmed = world.confirmed_since(cut);
    let first = confirmed.first().expect("it is noticed");
    assert!(first.confirmed_at.unwrap().since(cut) <= 5, "{first:?}");
    assert!(first.started_at.0.abs_diff(cut.0) <= 3, "{first:?}");
    let last = confirmed.last().unwrap();
    assert_eq!((last.kind, &last.scope), (IncidentKind::Connectivity, &country("GA")));
    assert_eq!(last.services.len(), 3);
    assert!(confirmed.iter().all(|one| one.id == first.id), "one incident: {}", world.told());
    world.fine(60);
    assert_eq!(world.detector.open().count(), 0);
    assert_eq!(world.said.last().unwrap().incident.state, IncidentState::Resolved);
}

#[test]
fn one_provider_that_is_cut_is_told_from_its_country() {
    let mut world = World::new(3);
    world.fine(2 * DAY + 700);
    let cut = world.minute;
    let asn = world.networks.iter().find(|network| network.cc == "NG").unwrap().asn;
    world.run(30, |_, _, network| if network.asn == asn { Weather { connected: 0.0, ..FINE } } else { FINE });
    let confirmed = world.confirmed_since(cut);
    assert!(confirmed[0].confirmed_at.unwrap().since(cut) <= 5);
    for incident in confirmed {
        assert_eq!(incident.kind, IncidentKind::Connectivity, "{}", world.told());
        let network = Scope::Asn { cc: mbolo_pulse::Country::new("NG").unwrap(), asn: mbolo_pulse::Asn(asn) };
        assert_eq!(incident.scope, network, "{}", world.told());
    }
}

#[test]
fn a_service_that_fails_for_one_in_ten_is_down_in_the_world_within_four_minutes() {
    let mut world = World::new(4);
    world.fine(2 * DAY + 700);
    let start = world.minute;
    let fault = Weather { failing: 0.1, reports: 20.0, ..FINE };
    world.run(60, |_, service, _| if service == "whatsapp" { fault } else { FINE });
    let confirmed = world.confirmed_since(start);
    assert!(confirmed[0].confirmed_at.unwrap().since(start) <= 4, "{}", world.told());
    for incident in &confirmed {
        assert_eq!((incident.kind, &incident.scope), (IncidentKind::Service, &Scope::World));
        assert_eq!(incident.services[0].as_str(), "whatsapp");
        assert_eq!(incident.id, confirmed[0].id);
    }
    world.fine(60);
    assert_eq!(world.detector.open().count(), 0, "{:#?}", world.detector.open().collect::<Vec<_>>());
}

#[test]
fn a_service_that_fails_in_one_country_alone_is_blocked_there() {
    let mut world = World::new(5);
    world.fine(2 * DAY + 700);
    let start = world.minute;
    let fault = Weather { failing: 0.9, reports: 30.0, ..FINE };
    let hit = |service: &str, cc: &str| service == "whatsapp" && cc == "CM";
    world.run(60, |_, service, network| if hit(service, network.cc) { fault } else { FINE });
    let confirmed = world.confirmed_since(start);
    assert!(confirmed[0].confirmed_at.unwrap().since(start) <= 5);
    for incident in confirmed {
        assert_eq!((incident.kind, &incident.scope), (IncidentKind::Blocked, &country("CM")));
    }
}

#[test]
fn reports_alone_never_confirm() {
    let mut world = World::new(6);
    world.fine(8 * DAY);
    let start = world.minute;
    world.run(180, |_, service, _| if service == "bank" { Weather { reports: 40.0, ..FINE } } else { FINE });
    let said: Vec<_> = world.said.iter().filter(|said| said.at > start).collect();
    assert!(said.iter().any(|said| said.incident.state == IncidentState::Reported), "people are heard");
    assert!(said.iter().all(|said| said.incident.confirmed_at.is_none()));
    assert!(said.iter().all(|said| said.incident.kind == IncidentKind::ReportsOnly));
    world.fine(120);
    assert_eq!(world.detector.open().count(), 0);
}

#[test]
fn an_echo_of_another_outage_is_not_an_incident() {
    let mut world = World::new(7);
    world.fine(8 * DAY);
    let start = world.minute;
    world.run(120, |_, service, _| match service {
        "whatsapp" => Weather { failing: 0.8, reports: 400.0, ..FINE },
        // Three of a hundred who are hit blame their bank.
        "bank" => Weather { reports: 13.0, ..FINE },
        _ => FINE,
    });
    let said: Vec<_> = world.said.iter().filter(|said| said.at > start).collect();
    assert!(
        said.iter().all(|said| said.incident.services.iter().all(|service| service.as_str() == "whatsapp")),
        "{}",
        world.told()
    );
}
