//! What is late, missing, or somewhere else now is no outage; and an outage is not over because nobody measures it.

use mbolo_pulse::{Asn, Count, Country, IncidentState, Minute, Scope, Signal};

use crate::world::{FINE, Network, Weather, World};

const DAY: u32 = 1440;

fn country(cc: &str) -> Scope {
    Scope::Country { cc: Country::new(cc).unwrap() }
}

fn cut(cc: &'static str) -> impl Fn(Minute, &str, &Network) -> Weather {
    move |_, _, network| if network.cc == cc { Weather { connected: 0.0, ..FINE } } else { FINE }
}

#[track_caller]
fn nothing_was_confirmed(world: &World) {
    assert!(world.said.iter().all(|said| said.incident.confirmed_at.is_none()), "{}", world.told());
}

/// Our service alone, each of its rows twice: as two cells count half of the people each.
fn in_two_cells(rows: Vec<Count>) -> Vec<Count> {
    let half = |row: &Count, cell: &str, part: u32| {
        let of = |n: u32| n / 2 + part * (n % 2);
        let (n, attempts, failures) = (of(row.n), of(row.attempts), of(row.failures));
        Count { cell: Some(cell.into()), n, attempts, failures, ..row.clone() }
    };
    rows.iter().flat_map(|row| [half(row, "a", 0), half(row, "b", 1)]).collect()
}

fn is_of(row: &Count, cell: &str) -> bool {
    row.cell.as_deref() == Some(cell)
}

#[test]
fn attempts_that_are_told_late_are_not_missed() {
    let mut world = World::new(21);
    let mut later: Vec<Count> = Vec::new();
    world.run_through(
        DAY,
        |_, _, _| FINE,
        |rows| {
            let (late, mut now): (Vec<_>, Vec<_>) =
                rows.into_iter().partition(|row| row.signal == Signal::Beacon && row.attempts % 8 != 0);
            now.extend(std::mem::replace(&mut later, late));
            now
        },
    );
    nothing_was_confirmed(&world);
}

#[test]
fn a_cell_whose_numbers_do_not_come_is_unknown_and_not_empty() {
    let mut world = World::new(22);
    world.services = vec!["mbolo"];
    world.run_through(700, |_, _, _| FINE, in_two_cells);
    world.run_through(
        120,
        |_, _, _| FINE,
        |rows| {
            in_two_cells(rows)
                .into_iter()
                .filter(|row| !is_of(row, "b") || row.signal == Signal::Beacon)
                .collect()
        },
    );
    world.run_through(120, |_, _, _| FINE, in_two_cells);
    nothing_was_confirmed(&world);
    // And a place that is cut off meanwhile is still seen, by the cell that is left.
    world.run_through(
        60,
        |_, _, _| FINE,
        |rows| {
            in_two_cells(rows)
                .into_iter()
                .filter(|row| is_of(row, "a") || row.signal != Signal::Gauge)
                .collect()
        },
    );
    let start = world.minute;
    world.run_through(20, cut("NG"), |rows| {
        in_two_cells(rows).into_iter().filter(|row| is_of(row, "a") || row.signal != Signal::Gauge).collect()
    });
    let confirmed = world.confirmed_since(start);
    assert_eq!(confirmed.first().map(|one| &one.scope), Some(&country("NG")), "{}", world.told());
}

#[test]
fn a_cell_whose_numbers_always_come_late_does_not_make_the_others_look_small() {
    let mut world = World::new(23);
    world.services = vec!["mbolo"];
    let mut later: Vec<Vec<Count>> = Vec::new();
    world.run_through(
        900,
        |_, _, _| FINE,
        |rows| {
            let (late, mut now): (Vec<_>, Vec<_>) =
                in_two_cells(rows).into_iter().partition(|row| is_of(row, "b"));
            later.push(late);
            if later.len() > 6 {
                now.extend(later.remove(0));
            }
            now
        },
    );
    nothing_was_confirmed(&world);
}

#[test]
fn a_provider_that_is_cut_while_a_cell_is_down_elsewhere_is_found() {
    let mut world = World::new(26);
    world.services = vec!["mbolo", "whatsapp"];
    // All of Nigeria lives in cell a, and another service in no cell of ours.
    let homes = |rows: Vec<Count>| -> Vec<Count> {
        let home = |row: &Count| Count { cell: Some("a".into()), ..row.clone() };
        let (there, rest): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| row.cc == Country::new("NG").unwrap());
        let (ours, theirs) = rest.into_iter().partition(|row| row.service.as_str() == "mbolo");
        let there =
            there.iter().map(|row| if row.service.as_str() == "mbolo" { home(row) } else { row.clone() });
        there.chain(in_two_cells(ours)).chain(theirs).collect()
    };
    let without_b = |rows: Vec<Count>| -> Vec<Count> {
        let fails = |row: Count| match row.signal {
            Signal::Beacon if is_of(&row, "b") => Some(Count { failures: row.attempts, ..row }),
            Signal::Gauge if is_of(&row, "b") => None,
            _ => Some(row),
        };
        homes(rows).into_iter().filter_map(fails).collect()
    };
    world.run_through(700, |_, _, _| FINE, homes);
    world.run_through(4, |_, _, _| FINE, without_b);
    let begun = world.minute;
    let asn = world.networks.iter().filter(|network| network.cc == "NG").nth(1).unwrap().asn;
    let cut = |_: Minute, _: &str, network: &Network| {
        if network.asn == asn { Weather { connected: 0.03, ..FINE } } else { FINE }
    };
    world.run_through(30, cut, without_b);
    let found = Scope::Asn { cc: Country::new("NG").unwrap(), asn: Asn(asn) };
    let confirmed = world.confirmed_since(begun);
    let found = confirmed.iter().find(|one| one.scope == found);
    let found = found.unwrap_or_else(|| panic!("{}", world.told()));
    assert!(found.confirmed_at.unwrap().since(begun) <= 6, "{}", world.told());
}

#[test]
fn people_who_went_to_bed_during_an_outage_are_not_missed_after_it() {
    let mut world = World::new(25);
    world.services = vec!["mbolo"];
    world.fine(700);
    let begun = world.minute;
    let sleepy = world.networks.iter().find(|network| network.cc == "FR").unwrap().asn;
    let awake = move |minute: Minute, network: &Network| {
        let hours = f64::from(minute.since(begun)) / 60.0;
        if network.asn == sleepy { (1.0 - 0.7 * hours).max(0.3) } else { (1.0 - 0.4 * hours).max(0.6) }
    };
    let fails = |minute: Minute, _: &str, network: &Network| Weather {
        connected: 0.4 * awake(minute, network),
        failing: 0.6,
        ..FINE
    };
    world.run(60, fails);
    assert_eq!(world.confirmed_since(begun).last().map(|one| &one.scope), Some(&Scope::World));
    let over = world.minute;
    world.run(60, |minute, _, network| Weather { connected: awake(minute, network), ..FINE });
    assert!(world.confirmed_since(over).is_empty(), "{}", world.told());
    assert_eq!(world.detector.open().count(), 0, "{}", world.told());
}

#[test]
fn people_who_moved_to_another_cell_or_network_are_not_cut_off() {
    let mut world = World::new(24);
    world.services = vec!["mbolo"];
    world.run_through(700, |_, _, _| FINE, in_two_cells);
    // Cell b is drained within ten minutes, and stays empty.
    let mut share = 1.0_f64;
    world.run_through(
        600,
        |_, _, _| FINE,
        |rows| {
            share = (share - 0.1).max(0.0);
            let mut rows = in_two_cells(rows);
            for pair in rows.chunks_mut(2) {
                let stay = (f64::from(pair[1].n) * share) as u32;
                pair[0].n += pair[1].n - stay;
                pair[1].n = stay;
            }
            rows
        },
    );
    // A provider gives its customers addresses of another network.
    let old = world.networks.iter().find(|network| network.cc == "FR").unwrap().asn;
    world.run_through(
        120,
        |_, _, _| FINE,
        |rows| {
            let moved =
                |row: Count| if row.asn == Asn(old) { Count { asn: Asn(99_999), ..row } } else { row };
            let mut rows: Vec<Count> = rows.into_iter().map(moved).collect();
            let gone = rows.iter().filter(|row| row.asn == Asn(99_999) && row.signal == Signal::Gauge);
            let gone: Vec<Count> = gone.map(|row| Count { asn: Asn(old), n: 0, ..row.clone() }).collect();
            rows.extend(gone);
            in_two_cells(rows)
        },
    );
    nothing_was_confirmed(&world);
}

#[test]
fn where_the_observatory_is_not_reached_nothing_is_down() {
    let mut world = World::new(25);
    world.fine(700);
    // No beacons from Nigeria, while its sockets are as they were.
    let nigeria = Country::new("NG").unwrap();
    world.run_through(
        180,
        |_, _, _| FINE,
        |mut rows| {
            rows.retain(|row| row.cc != nigeria || row.signal != Signal::Beacon);
            rows
        },
    );
    nothing_was_confirmed(&world);
}

#[test]
fn a_country_without_known_networks_is_a_place_all_the_same() {
    let mut world = World::new(26);
    let nowhere = |rows: Vec<Count>| -> Vec<Count> {
        let gabon = Country::new("GA").unwrap();
        rows.into_iter().map(|row| if row.cc == gabon { Count { asn: Asn(0), ..row } } else { row }).collect()
    };
    world.run_through(700, |_, _, _| FINE, nowhere);
    let start = world.minute;
    world.run_through(30, cut("GA"), nowhere);
    let confirmed = world.confirmed_since(start);
    assert!(!confirmed.is_empty(), "{}", world.told());
    assert!(confirmed.iter().all(|one| one.scope == country("GA")), "{}", world.told());
}

#[test]
fn a_country_that_is_cut_off_while_a_cell_is_down_is_told_apart_from_it() {
    let mut world = World::new(27);
    world.services = vec!["mbolo"];
    world.run_through(700, |_, _, _| FINE, in_two_cells);
    let without_b = |rows: Vec<Count>| -> Vec<Count> {
        let mut rows = in_two_cells(rows);
        rows.iter_mut()
            .filter(|row| is_of(row, "b"))
            .for_each(|row| (row.n, row.failures) = (0, row.attempts));
        rows
    };
    world.run_through(4, |_, _, _| FINE, without_b);
    let start = world.minute;
    world.run_through(60, cut("NG"), without_b);
    let confirmed = world.confirmed_since(start);
    assert!(confirmed.iter().any(|one| one.scope == country("NG")), "{}", world.told());
    let cell = Scope::Cell { cell: "b".into() };
    assert!(world.said.iter().any(|said| said.incident.scope == cell), "{}", world.told());
}

#[test]
fn an_outage_is_not_over_because_the_agents_have_fallen_silent() {
    let mut world = World::new(28);
    world.services = vec!["bank"];
    let mut failing = false;
    let mut measure = |world: &mut World, minutes, fails, silent| {
        failing = fails;
        world.run_through(
            minutes,
            |_, _, _| FINE,
            |rows| {
                let agents = rows.iter().filter(|row| row.signal == Signal::Gauge).take(8);
                let result = |row: &Count| {
                    let failures = if failing { 3 } else { 0 };
                    Count { signal: Signal::Probe, n: 1, attempts: 3, failures, ..row.clone() }
                };
                if silent { Vec::new() } else { agents.map(result).collect() }
            },
        );
    };
    measure(&mut world, 300, false, false);
    measure(&mut world, 20, true, false);
    let open = |world: &World| world.detector.open().map(|one| one.state).collect::<Vec<_>>();
    assert_eq!(open(&world), [IncidentState::Confirmed], "{}", world.told());
    measure(&mut world, 120, true, true);
    assert_eq!(open(&world), [IncidentState::Confirmed], "{}", world.told());
    measure(&mut world, 60, false, false);
    assert_eq!(open(&world), [], "{}", world.told());
}

#[test]
fn what_happens_days_later_is_another_incident() {
    let mut world = World::new(29);
    world.fine(700);
    let mut begun = Vec::new();
    for _ in 0..2 {
        begun.push(world.minute);
        world.run(60, cut("GA"));
        world.fine(2 * DAY);
    }
    let ids: Vec<_> = begun.iter().map(|start| world.confirmed_since(*start)[0].clone()).collect();
    assert_ne!(ids[0].id, ids[1].id, "{}", world.told());
    for (incident, start) in ids.iter().zip(begun) {
        assert!(incident.started_at.0.abs_diff(start.0) <= 1, "{incident:?} {start:?}");
    }
}

#[test]
fn a_cut_that_nobody_measures_any_more_lasts_for_days() {
    let mut world = World::new(30);
    world.services = vec!["mbolo"];
    world.fine(700);
    world.run(360, cut("GA"));
    let gabon = Country::new("GA").unwrap();
    // After some hours the cells do not tell zeros any more.
    world.run_through(2 * DAY, cut("GA"), |mut rows| {
        rows.retain(|row| row.cc != gabon);
        rows
    });
    assert_eq!(world.detector.open().count(), 1, "{}", world.told());
    world.fine(60);
    assert_eq!(world.detector.open().count(), 0, "{}", world.told());
}

#[test]
fn the_beginning_is_when_it_began() {
    for seed in 31..35 {
        let mut world = World::new(seed);
        world.fine(2 * DAY + 700);
        let start = world.minute;
        let fault = Weather { failing: 0.6, reports: 20.0, ..FINE };
        world.run(20, |_, service, _| if service == "whatsapp" { fault } else { FINE });
        let confirmed = world.confirmed_since(start);
        let first = confirmed.first().unwrap();
        assert!(first.started_at.0.abs_diff(start.0) <= 1, "{first:?}, began {start:?}");
        assert!((0.45..0.75).contains(&first.impact.unwrap()), "{first:?}");
    }
}

#[test]
fn a_young_observatory_dates_nothing_before_its_own_first_minute() {
    for known in [5, 15, 40] {
        let mut world = World::new(36);
        world.services = vec!["mbolo"];
        let first = world.minute;
        // Sockets alone: what they are compared with is known after some minutes.
        let sockets = |rows: Vec<Count>| rows.into_iter().filter(|row| row.signal == Signal::Gauge).collect();
        world.run_through(known, |_, _, _| FINE, sockets);
        let start = world.minute;
        world.run_through(20, |_, _, _| Weather { connected: 0.0, ..FINE }, sockets);
        for said in &world.said {
            let incident = &said.incident;
            assert!(incident.started_at >= first, "{known}: {}", world.told());
            let is_off = incident.started_at.0.abs_diff(start.0) > 3;
            assert!(known < 15 || incident.confirmed_at.is_none() || !is_off, "{known}: {}", world.told());
        }
    }
}
