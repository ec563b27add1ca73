//! What a handful of agents says of a service.

use mbolo_pulse::{
    Asn, Count, Country, Detector, DetectorConfig, Incident, IncidentState, Minute, Scope, ServiceId, Signal,
    Transition,
};

const START: Minute = Minute(28_163_000);

/// Agents, each in a network of its own, that measure once a minute, and people whose attempts arrive.
struct Agents {
    detector: Detector,
    places: Vec<(&'static str, u32)>,
    /// Attempts of people in each network and minute; none of them fails.
    attempts: u32,
    minute: Minute,
    said: Vec<Transition>,
}

impl Agents {
    fn new(places: &[(&'static str, u32)]) -> Self {
        let mut detector = Detector::new(DetectorConfig::default());
        detector.advance(START);
        Self { detector, places: places.to_vec(), attempts: 0, minute: START, said: Vec::new() }
    }

    /// For so many minutes the rounds of the agents in these networks fail.
    fn measure(&mut self, minutes: u32, failing: &[u32]) {
        for _ in 0..minutes {
            for (cc, asn) in self.places.clone() {
                let failures = u32::from(failing.contains(&asn));
                self.count(cc, asn, Signal::Probe, 1, failures);
                if self.attempts > 0 {
                    self.count(cc, asn, Signal::Beacon, self.attempts, 0);
                }
            }
            self.minute = self.minute.plus(1);
            self.said.extend(self.detector.advance(self.minute));
        }
    }

    fn count(&mut self, cc: &str, asn: u32, signal: Signal, attempts: u32, failures: u32) {
        let count = Count {
            minute: self.minute,
            service: ServiceId::new("bank").unwrap(),
            cc: Country::new(cc).unwrap(),
            asn: Asn(asn),
            signal,
            problem: None,
            cell: None,
            n: 1,
            weight: None,
            attempts,
            failures,
        };
        self.detector.push(&count).unwrap();
    }

    fn open(&self) -> Vec<(Scope, IncidentState)> {
        self.detector.open().map(|one| (one.scope.clone(), one.state)).collect()
    }

    fn told(&self) -> Vec<String> {
        let line = |said: &Transition| {
            let Incident { scope, state, .. } = &said.incident;
            format!("{} {scope} {state:?}", said.at.since(START))
        };
        self.said.iter().map(line).collect()
    }
}

const WORLD: [(&str, u32); 5] = [("GA", 1), ("GA", 2), ("FR", 3), ("DE", 4), ("KE", 5)];

fn gabon() -> Scope {
    Scope::Country { cc: Country::new("GA").unwrap() }
}

#[test]
fn what_most_networks_find_dead_is_dead_in_the_world_and_what_one_country_finds_is_dead_there() {
    let of = |failing: &[u32]| {
        let mut agents = Agents::new(&WORLD);
        agents.measure(60, &[]);
        agents.measure(6, failing);
        agents.open()
    };
    let confirmed = |scope| vec![(scope, IncidentState::Confirmed)];
    assert_eq!(of(&[1, 2, 3, 4]), confirmed(Scope::World));
    assert_eq!(of(&[1, 3, 4]), confirmed(Scope::World));
    assert_eq!(of(&[3, 4, 5]), confirmed(Scope::World), "no two of them in one country");
    assert_eq!(of(&[1, 2]), confirmed(gabon()));
    assert_eq!(of(&[1, 2, 3]), confirmed(gabon()), "elsewhere most find that it works");
    assert_eq!(of(&[1, 3]), []);
    assert_eq!(of(&[1]), []);
}

#[test]
fn people_who_reach_something_else_of_the_service_do_not_hide_where_it_is_dead() {
    for attempts in [1, 20, 200] {
        let mut agents = Agents::new(&WORLD);
        agents.attempts = attempts;
        agents.measure(300, &[]);
        agents.measure(6, &[1, 2, 3, 4]);
        let world = (Scope::World, IncidentState::Confirmed);
        assert_eq!(agents.open(), [world], "{attempts} {:?}", agents.told());
        agents.measure(40, &[]);
        assert_eq!(agents.open(), [], "{attempts} {:?}", agents.told());
    }
}

#[test]
fn what_dies_in_one_country_first_and_then_everywhere_becomes_one_incident_of_the_world() {
    for later in [1, 3, 10, 60, 600] {
        let mut agents = Agents::new(&WORLD);
        agents.measure(60, &[]);
        agents.measure(later, &[1, 2]);
        agents.measure(6, &[1, 2, 3, 4]);
        let world = (Scope::World, IncidentState::Confirmed);
        assert_eq!(agents.open(), [world], "{later} {:?}", agents.told());
    }
}

#[test]
fn when_it_works_again_it_is_over_in_half_an_hour_however_long_it_was_dead() {
    for (history, dead) in [(3, 20), (20, 20), (60, 5), (60, 60), (1_440, 3 * 1_440)] {
        let mut agents = Agents::new(&WORLD);
        agents.measure(history, &[]);
        agents.measure(dead, &[1, 2, 3, 4]);
        assert_eq!(agents.open().len(), usize::from(dead > 3), "{history} {dead} {:?}", agents.told());
        agents.measure(30, &[]);
        assert_eq!(agents.open(), [], "{history} {dead} {:?}", agents.told());
    }
}

#[test]
fn an_agent_that_goes_away_or_stays_broken_does_not_keep_an_outage_open() {
    for (places, dead) in
        [(&WORLD[..3], vec![1, 2, 3]), (&WORLD[2..], vec![3, 4, 5]), (&WORLD[..2], vec![1, 2])]
    {
        for is_silent in [true, false] {
            let mut agents = Agents::new(places);
            agents.measure(60, &[]);
            agents.measure(10, &dead);
            assert_eq!(agents.open().len(), 1, "{places:?} {:?}", agents.told());
            if is_silent {
                agents.places.pop();
                agents.measure(50, &[]);
            } else {
                agents.measure(60, &dead[dead.len() - 1..]);
            }
            assert_eq!(agents.open(), [], "{places:?} {is_silent} {:?}", agents.told());
        }
    }
}

#[test]
fn what_never_worked_is_no_news() {
    let mut agents = Agents::new(&WORLD);
    agents.measure(2 * 1_440, &[1, 2, 3, 4, 5]);
    assert_eq!(agents.told(), [""; 0]);
}
