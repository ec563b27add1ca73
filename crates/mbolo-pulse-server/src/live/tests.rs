use mbolo_pulse::board::ProbeRow;
use mbolo_pulse::{Asn, Country, Incident, Signal};

use super::*;
use crate::clock::Clock;
use crate::config::Config;
use crate::demo::staged_past;
use crate::edge::Place;
use crate::shared::for_tests;
use crate::store::Store;
use crate::targets::round;

fn shared(directory: &std::path::Path, clock: &Clock) -> Arc<Shared> {
    let config = Config { data: directory.to_owned(), replay_days: 10, ..Config::default() };
    for_tests(config, clock)
}

fn at(minute: Minute) -> i64 {
    (minute.unix() + 20) * 1_000
}

/// Something that was counted of WhatsApp, from nowhere in particular.
fn count(minute: Minute, signal: Signal) -> Count {
    Count {
        minute,
        service: ServiceId::new("whatsapp").unwrap(),
        cc: Country::UNKNOWN,
        asn: Asn(0),
        signal,
        problem: None,
        cell: None,
        n: 1,
        weight: None,
        attempts: 0,
        failures: 0,
    }
}

fn probe(minute: Minute) -> Count {
    Count { attempts: 4, ..count(minute, Signal::Probe) }
}

/// An observatory that has watched an outage of the world for twenty minutes.
fn in_an_outage(directory: &std::path::Path) -> (Live, Clock) {
    let (mut past, start) = staged_past(directory);
    let mut minute = Minute(start.0 - 30);
    let clock = Clock::manual(at(minute));
    let shared = shared(directory, &clock);
    let mut live = Live::start(shared.clone()).unwrap();
    live.turn();
    while minute < start.plus(20) {
        shared.store.add_and_wait(past(minute)).unwrap();
        minute = minute.plus(1);
        clock.set_ms(at(minute));
        live.turn();
    }
    (live, clock)
}

#[test]
fn after_a_restart_in_the_middle_of_an_incident_nothing_is_news_and_the_incident_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (live, clock) = in_an_outage(directory.path());
    let known = live.incidents.clone();
    drop(live);
    let confirmed: Vec<&IncidentRow> =
        known.values().filter(|one| one.incident.state == IncidentState::Confirmed).collect();
    assert_eq!(confirmed.len(), 1, "{known:?}");
    // As after a kill: nothing was told to end.
    let again = shared(directory.path(), &clock);
    let mut live = Live::start(again.clone()).unwrap();
    assert!(live.news.is_empty(), "{:?}", live.news);
    let open = |incidents: &BTreeMap<String, IncidentRow>| -> Vec<(String, IncidentState)> {
        let open = incidents.values().filter(|one| one.incident.state != IncidentState::Resolved);
        open.map(|one| (one.incident.id.0.clone(), one.incident.state)).collect()
    };
    assert_eq!(open(&live.incidents), open(&known));
    live.turn();
    assert_eq!(again.published().board.open().count(), open(&known).len());
    assert_eq!(live.watches.len(), 1, "a restart is no gap");
    // Read anew the detector may find that it could have been seen earlier. It was not.
    let was = confirmed[0].incident.clone();
    let minute_before = |minute: Minute| Minute(minute.0 - 1);
    let incident = Incident {
        detected_at: minute_before(was.detected_at),
        confirmed_at: was.confirmed_at.map(minute_before),
        state: IncidentState::Recovering,
        ..was.clone()
    };
    live.take(Transition { at: live.closed, incident });
    let row = &live.incidents[&was.id.0].incident;
    assert_eq!(row.state, IncidentState::Recovering);
    assert_eq!((row.detected_at, row.confirmed_at), (was.detected_at, was.confirmed_at));
}

#[test]
fn an_open_incident_shows_how_much_fails_now_and_not_when_it_was_found() {
    let directory = tempfile::tempdir().unwrap();
    let (live, _) = in_an_outage(directory.path());
    let shared = live.shared.clone();
    let shown = shared.published().board.clone();
    let found = live.detector.open().find(|one| one.state == IncidentState::Confirmed).unwrap();
    let row = &shown.incident(&found.id).unwrap().incident;
    assert_eq!((row.impact, &row.evidence), (found.impact, &found.evidence));
    assert!(row.impact > Some(0.6), "{:?}", row.impact);
    let id = found.id.clone();
    let kept = shared.store.read(|reader| incidents(reader, Minute(0))).unwrap();
    let kept = kept.iter().find(|one| one.incident.id == id).unwrap();
    assert_eq!(kept.incident.impact, row.impact, "a restart does not go back to old numbers");
}

#[test]
fn a_needed_target_that_dies_among_others_is_an_incident_and_stays_with_it_as_evidence() {
    const DEAD: &str = "tcp://e1-e16.whatsapp.net:443,5222";
    let directory = tempfile::tempdir().unwrap();
    let mut minute = Minute(28_000_000);
    let clock = Clock::manual(at(minute));
    let shared = shared(directory.path(), &clock);
    let whatsapp = ServiceId::new("whatsapp").unwrap();
    let service = shared.config.service("whatsapp").unwrap().clone();
    let mut live = Live::start(shared.clone()).unwrap();
    let networks = [("GA", 1), ("FR", 2), ("KE", 3), ("DE", 4), ("BR", 5)];
    let mut round_of = |is_dead: bool| {
        for (cc, asn) in networks {
            let place = Place { cc: Country::new(cc).unwrap(), asn: Asn(asn) };
            let results =
                [(DEAD, !is_dead), ("https://web.whatsapp.com/", true), ("https://v.whatsapp.net", true)];
            let (attempts, failures) = round(&service, results.into_iter()).unwrap();
            let count = Count { cc: place.cc, asn: place.asn, attempts, failures, ..probe(minute) };
            shared.store.add_and_wait(vec![count]).unwrap();
            for (target, ok) in results {
                let row = ProbeRow {
                    target: target.to_owned(),
                    vantage: format!("{cc} AS{asn}"),
                    at: minute.unix(),
                    ok,
                    failed_phase: None,
                    took_ms: None,
                };
                shared.note_probe(&whatsapp, cc, place, row);
            }
        }
        minute = minute.plus(1);
        clock.set_ms(at(minute));
        live.turn();
        live.incidents.clone()
    };
    assert!((0..30).all(|_| round_of(false).is_empty()));
    let after = (1..=10).find(|_| {
        let found = round_of(true);
        found.values().any(|one| one.incident.state == IncidentState::Confirmed && !one.targets.is_empty())
    });
    assert!(after.is_some_and(|minutes| minutes <= 5), "{after:?}");
    for _ in 0..60 {
        round_of(false);
    }
    let found = round_of(false);
    let [one] = found.values().collect::<Vec<_>>()[..] else { panic!("{found:?}") };
    assert_eq!(
        (one.incident.state, &one.incident.scope),
        (IncidentState::Resolved, &mbolo_pulse::Scope::World)
    );
    let kept: Vec<_> =
        one.targets.iter().map(|target| (target.target.as_str(), target.networks_down)).collect();
    assert_eq!(kept, [(DEAD, 5)]);
}

#[test]
fn a_store_from_far_ahead_of_the_clock_does_not_make_the_observatory_wait_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let minute = Minute(28_000_000);
    {
        let ahead = shared(directory.path(), &Clock::manual(at(minute.plus(1_000_000))));
        let mut live = Live::start(ahead.clone()).unwrap();
        live.close(minute.plus(1_000_000));
        live.save(true);
    }
    let clock = Clock::manual(at(minute));
    let shared = shared(directory.path(), &clock);
    let mut live = Live::start(shared.clone()).unwrap();
    assert_eq!(live.closed, minute);
    assert!(shared.limits().contains(&"clock_jump".to_owned()));
    assert_eq!(live.watches, [Watch { from: minute, until: minute }]);
    clock.set_ms(at(minute.plus(1)));
    live.turn();
    assert_eq!(live.closed, minute.plus(1));
    drop(live);
    drop(shared);
    clock.set_ms(at(minute.plus(90)));
    let again = for_tests(Config { data: directory.path().to_owned(), ..Config::default() }, &clock);
    assert!(!again.limits().contains(&"clock_jump".to_owned()));
}

#[test]
fn while_no_minute_is_judged_nothing_is_said_to_work() {
    let directory = tempfile::tempdir().unwrap();
    let minute = Minute(28_000_000);
    let clock = Clock::manual(at(minute));
    let shared = shared(directory.path(), &clock);
    shared
        .store
        .add_and_wait(vec![Count { service: ServiceId::new("telegram").unwrap(), ..probe(minute) }])
        .unwrap();
    let mut live = Live::start(shared.clone()).unwrap();
    let health = |live: &mut Live| {
        live.turn();
        shared.published().board.service("telegram").unwrap().health
    };
    assert_eq!(health(&mut live), mbolo_pulse::board::Health::Up);
    shared.judged_ago(Duration::from_secs(151));
    assert_eq!(health(&mut live), mbolo_pulse::board::Health::Unknown);
    clock.set_ms(at(minute.plus(1)));
    assert_eq!(health(&mut live), mbolo_pulse::board::Health::Up);
}

#[test]
fn days_with_measurements_are_remembered_longer_than_counts_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let minute = Minute(28_000_000);
    let clock = Clock::manual(at(minute));
    let whatsapp = ServiceId::new("whatsapp").unwrap();
    {
        let shared = shared(directory.path(), &clock);
        let mut live = Live::start(shared.clone()).unwrap();
        live.recent.push_day(&whatsapp, minute.0 / 1_440);
        clock.set_ms(at(minute.plus(1)));
        live.turn();
    }
    clock.set_ms(at(minute.plus(30 * 1_440)));
    let live = Live::start(shared(directory.path(), &clock)).unwrap();
    assert!(live.recent.is_measured_on(&whatsapp, minute.0 / 1_440));
}

#[test]
fn counts_of_a_minute_go_to_the_detector_after_its_grace_and_late_ones_make_no_alarm() {
    let directory = tempfile::tempdir().unwrap();
    let minute = Minute(28_000_000);
    let clock = Clock::manual(minute.unix() * 1_000);
    let shared = shared(directory.path(), &clock);
    let mut live = Live::start(shared.clone()).unwrap();
    clock.set_ms((minute.unix() + 60 + 7) * 1_000);
    live.turn();
    assert_eq!(live.closed, minute, "the grace is not over");
    clock.set_ms((minute.unix() + 60 + 8) * 1_000);
    live.turn();
    assert_eq!(live.closed, minute.plus(1));
    let late = Count { n: 10_000, ..count(Minute(minute.0 - 10), Signal::Reports) };
    shared.store.add_and_wait(vec![late]).unwrap();
    live.turn();
    clock.set_ms((minute.unix() + 300) * 1_000);
    live.turn();
    assert!(live.incidents.is_empty(), "{:?}", live.incidents);
    live.make_board(clock.now());
    assert_eq!(
        shared.published().board.service("whatsapp").unwrap().reports_1h,
        10_000,
        "it is on the chart"
    );
}

#[test]
fn a_renamed_service_keeps_its_counts_and_a_removed_one_is_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let minute = Minute(28_000_000);
    let clock = Clock::manual(at(minute));
    let reports = |service: &str| Count {
        service: ServiceId::new(service).unwrap(),
        n: 3,
        ..count(Minute(minute.0 - 3), Signal::Reports)
    };
    let store = Store::open(directory.path(), 0).unwrap();
    store.add_and_wait(vec![reports("twitter"), reports("gone")]).unwrap();
    drop(store);
    let text = "[[services]]\nid = \"x\"\nname = \"X\"\naliases = [\"twitter\"]";
    let config = Config::layered(text, |_| None, crate::config::Overrides::default()).unwrap();
    let config = Config { data: directory.path().to_owned(), ..config };
    let shared = for_tests(config, &clock);
    let mut live = Live::start(shared.clone()).unwrap();
    live.turn();
    let board = shared.published().board.clone();
    assert_eq!(board.services.len(), 1);
    assert_eq!(board.service("x").unwrap().reports_1h, 3);
}

/// Sockets of two networks in each of some countries; `late` minutes of Gabon come after their turn.
fn gauges(minute: Minute, cut: bool) -> Vec<Count> {
    let places =
        [("GA", 1, 300), ("GA", 2, 250), ("FR", 3, 900), ("FR", 4, 800), ("KE", 5, 400), ("KE", 6, 300)];
    let gauge = |(cc, asn, usual): (&str, u32, u32)| {
        let n = if cut && cc == "GA" { 0 } else { usual + (minute.0 * 7 + asn) % 5 };
        let cell = Some(Arc::from("cell"));
        let cc = Country::new(cc).unwrap();
        Count {
            cc,
            asn: Asn(asn),
            n,
            cell,
            service: ServiceId::new("mbolo").unwrap(),
            ..count(minute, Signal::Gauge)
        }
    };
    places.into_iter().map(gauge).collect()
}

fn open_of(live: &Live) -> Vec<(String, IncidentState, String)> {
    let open = live.incidents.values().filter(|one| one.incident.state != IncidentState::Resolved);
    let line = |one: &IncidentRow| {
        let incident = &one.incident;
        (incident.id.0.clone(), incident.state, incident.scope.to_string())
    };
    open.map(line).collect()
}

/// Gabon is cut off; its first `late` minutes are told when they are over, and after them all is well for a minute. Restarted
/// after each of so many minutes.
fn cut_off_and_restarted(late: u32, restarts: std::ops::Range<u32>, services: &str) {
    for restart in restarts {
        let directory = tempfile::tempdir().unwrap();
        let mut minute = Minute(28_000_000);
        let clock = Clock::manual(at(minute));
        let one = shared(directory.path(), &clock);
        let mut live = Live::start(one.clone()).unwrap();
        let mut kept = Vec::new();
        for after in -400..i64::from(restart) {
            let is_well = late > 0 && after == i64::from(late);
            let rows = gauges(minute, after >= 0 && !is_well);
            let is_late = (0..i64::from(late)).contains(&after);
            let due = std::mem::replace(&mut kept, if is_late { rows.clone() } else { Vec::new() });
            one.store.add_and_wait(if is_late { Vec::new() } else { rows }).unwrap();
            minute = minute.plus(1);
            clock.set_ms(at(minute));
            live.turn();
            one.store.add_and_wait(due).unwrap();
            live.turn();
        }
        let before = open_of(&live);
        drop((live, one));
        let text = format!("replay_days = 10\n{services}");
        let config = Config::layered(&text, |_| None, crate::config::Overrides::default()).unwrap();
        let again = for_tests(Config { data: directory.path().to_owned(), ..config }, &clock);
        let mut live = Live::start(again.clone()).unwrap();
        live.turn();
        let after = open_of(&live);
        for one in &before {
            assert!(after.iter().any(|other| other.0 == one.0), "{late} {restart}: {before:?} {after:?}");
        }
        let cut: Vec<_> = again.published().board.open().map(|one| one.incident.scope.clone()).collect();
        if restart >= late + 6 {
            assert_eq!(
                cut,
                [mbolo_pulse::Scope::Country { cc: Country::new("GA").unwrap() }],
                "{late} {restart}"
            );
        }
        for _ in 0..20 {
            again.store.add_and_wait(gauges(minute, true)).unwrap();
            minute = minute.plus(1);
            clock.set_ms(at(minute));
            live.turn();
        }
        let lasting = open_of(&live);
        assert_eq!(lasting.len(), 1, "{late} {restart}: {before:?} {after:?} {lasting:?}");
        assert_eq!(lasting[0].1, IncidentState::Confirmed, "{lasting:?}");
        for _ in 0..60 {
            again.store.add_and_wait(gauges(minute, false)).unwrap();
            minute = minute.plus(1);
            clock.set_ms(at(minute));
            live.turn();
        }
        assert_eq!(open_of(&live), []);
    }
}

#[test]
fn whenever_it_is_restarted_no_open_incident_is_lost_also_if_its_beginning_was_told_late() {
    cut_off_and_restarted(0, 0..12, "");
    cut_off_and_restarted(1, 4..8, "");
    cut_off_and_restarted(3, 0..16, "");
}

#[test]
fn an_incident_goes_on_under_a_services_new_name() {
    cut_off_and_restarted(0, 6..8, "[[services]]\nid = \"cells\"\nname = \"Cells\"\naliases = [\"mbolo\"]");
}
