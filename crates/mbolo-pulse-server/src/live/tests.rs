use super::*;
use crate::clock::Clock;
use crate::config::Config;
use crate::demo::staged_past;
use crate::edge::Edge;
use crate::shared::empty_board;
use crate::store::Store;

fn shared(directory: &std::path::Path, clock: &Clock) -> Arc<Shared> {
    let config = Config { data: directory.to_owned(), replay_days: 10, ..Config::default() };
    let (commands, _) = Commands::new();
    let board = empty_board(&config, clock.now());
    let edge = Edge::new(None, Vec::new()).unwrap();
    let store = Store::open(directory, 0).unwrap();
    Arc::new(Shared::new(config, clock.clone(), edge, store, None, commands, board).unwrap())
}

fn at(minute: Minute) -> i64 {
    (minute.unix() + 20) * 1_000
}

#[test]
fn after_a_restart_in_the_middle_of_an_incident_nothing_is_news_and_the_incident_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (mut past, start) = staged_past(directory.path());
    let mut minute = Minute(start.0 - 30);
    let clock = Clock::manual(at(minute));
    let known = {
        let shared = shared(directory.path(), &clock);
        let mut live = Live::start(shared.clone()).unwrap();
        live.turn();
        while minute < start.plus(20) {
            shared.store.add_and_wait(past(minute)).unwrap();
            minute = minute.plus(1);
            clock.set_ms(at(minute));
            live.turn();
        }
        live.incidents.clone()
    };
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
    let late = Count {
        minute: Minute(minute.0 - 10),
        service: ServiceId::new("whatsapp").unwrap(),
        cc: mbolo_pulse::Country::UNKNOWN,
        asn: mbolo_pulse::Asn(0),
        signal: mbolo_pulse::Signal::Reports,
        problem: None,
        cell: None,
        n: 10_000,
        weight: None,
        attempts: 0,
        failures: 0,
    };
    shared.store.add_and_wait(vec![late]).unwrap();
    live.turn();
    clock.set_ms((minute.unix() + 300) * 1_000);
    live.turn();
    assert!(live.incidents.is_empty(), "{:?}", live.incidents);
    live.make_board();
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
    let count = |service: &str| Count {
        minute: Minute(minute.0 - 3),
        service: ServiceId::new(service).unwrap(),
        cc: mbolo_pulse::Country::UNKNOWN,
        asn: mbolo_pulse::Asn(0),
        signal: mbolo_pulse::Signal::Reports,
        problem: None,
        cell: None,
        n: 3,
        weight: None,
        attempts: 0,
        failures: 0,
    };
    Store::open(directory.path(), 0).unwrap().add_and_wait(vec![count("twitter"), count("gone")]).unwrap();
    let text = "[[services]]\nid = \"x\"\nname = \"X\"\naliases = [\"twitter\"]";
    let config = Config::layered(text, |_| None, crate::config::Overrides::default()).unwrap();
    let config = Config { data: directory.path().to_owned(), ..config };
    let board = empty_board(&config, clock.now());
    let store = Store::open(directory.path(), 0).unwrap();
    let edge = Edge::new(None, Vec::new()).unwrap();
    let shared = Arc::new(Shared::new(config, clock, edge, store, None, Commands::new().0, board).unwrap());
    let mut live = Live::start(shared.clone()).unwrap();
    live.turn();
    let board = shared.published().board.clone();
    assert_eq!(board.services.len(), 1);
    assert_eq!(board.service("x").unwrap().reports_1h, 3);
}
