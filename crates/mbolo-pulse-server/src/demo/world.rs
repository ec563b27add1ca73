//! Invented counts: a small world with a daily rhythm and noise, in which a known event happens.
//!
//! Networks carry numbers that are reserved for documentation (RFC 5398), so that nothing is said of a real one.

use mbolo_pulse::board::ProbeRow;
use mbolo_pulse::{Asn, Count, Country, Minute, Problem, ServiceId, Signal};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::facts::Fact;
use crate::edge::Place;

/// Country, people in some unit, hours that its clock is ahead of UTC.
const COUNTRIES: [(&str, f64, f64); 14] = [
    ("GA", 3.0, 1.0),
    ("CM", 4.0, 1.0),
    ("SN", 4.0, 0.0),
    ("CI", 4.0, 0.0),
    ("NG", 12.0, 1.0),
    ("ZA", 8.0, 2.0),
    ("FR", 10.0, 2.0),
    ("GB", 14.0, 1.0),
    ("DE", 10.0, 2.0),
    ("ES", 8.0, 2.0),
    ("US", 12.0, -5.0),
    ("BR", 20.0, -3.0),
    ("IN", 26.0, 5.5),
    ("PK", 8.0, 5.0),
];

/// Shares of a country's people in its networks: one stands for all.
const NETWORKS: [f64; 1] = [1.0];

/// Gabon is what one of the scenes is about, and has four.
const GABON: [f64; 4] = [0.4, 0.3, 0.2, 0.1];

/// Service, reports a minute of all countries together on an average day, attempts of beacons.
const SERVICES: [(&str, f64, f64); 5] = [
    ("mbolo", 0.2, 60.0),
    ("whatsapp", 4.0, 900.0),
    ("telegram", 1.0, 0.0),
    ("signal", 0.5, 0.0),
    ("youtube", 2.0, 0.0),
];

/// Where agents measure, by the country's place in the list.
const AGENTS: [usize; 5] = [0, 2, 6, 10, 11];

/// How much of the world's reports a service gets of those who mistake another's outage for its own.
const ECHO: f64 = 0.01;

#[derive(Debug, Clone)]
struct Network {
    cc: Country,
    asn: Asn,
    people: f64,
    ahead_hours: f64,
}

/// Makes minutes.
#[derive(Debug)]
pub(super) struct World {
    random: ChaCha8Rng,
    fact: Fact,
    networks: Vec<Network>,
    services: Vec<(ServiceId, f64, f64)>,
    /// A slow walk that all counts share, so that noise is not independent from minute to minute.
    mood: f64,
}

impl World {
    pub(super) fn new(seed: u64, fact: Fact) -> Self {
        // 64496–64511 and 65536–65551.
        let mut numbers = (64_496..=64_511).chain(65_536..=65_551).map(Asn);
        let mut networks = Vec::new();
        for (code, people, ahead_hours) in COUNTRIES {
            let shares: &[f64] = if code == "GA" { &GABON } else { &NETWORKS };
            for share in shares {
                let (Some(cc), Some(asn)) = (Country::new(code), numbers.next()) else { continue };
                networks.push(Network { cc, asn, people: people * share, ahead_hours });
            }
        }
        let services = SERVICES
            .into_iter()
            .filter_map(|(name, reports, attempts)| Some((ServiceId::new(name)?, reports, attempts)))
            .collect();
        Self { random: ChaCha8Rng::seed_from_u64(seed), fact, networks, services, mood: 0.0 }
    }

    /// All counts of a minute.
    pub(super) fn minute(&mut self, minute: Minute) -> Vec<Count> {
        self.mood = 0.98 * self.mood + 0.02 * self.random.random_range(-1.0..1.0);
        let mut counts = Vec::new();
        let all: f64 = self.networks.iter().map(|network| network.people).sum();
        for network in self.networks.clone() {
            let awake = awake(minute, network.ahead_hours) * (1.0 + self.mood);
            let reached = self.reached(&network, minute);
            for (service, reports, attempts) in self.services.clone() {
                let share = network.people / all * awake * reached;
                let failing = self.failing(service.as_str(), minute);
                self.reports(&mut counts, &network, &service, reports * share, failing, minute);
                self.beacons(&mut counts, &network, &service, attempts * share, failing, minute);
            }
            self.sockets(&mut counts, &network, awake, reached, minute);
        }
        self.measurements(&mut counts, minute);
        self.official(&mut counts, minute);
        counts
    }

    /// The share of a network that is connected to the world.
    fn reached(&self, network: &Network, minute: Minute) -> f64 {
        if self.fact.country != Some(network.cc) {
            return 1.0;
        }
        // Off within three minutes, back within ten.
        let since = |at: Minute| f64::from(minute.0) - f64::from(at.0);
        let down = (since(self.fact.start) / 3.0).clamp(0.0, 1.0);
        let back = (since(self.fact.end) / 10.0).clamp(0.0, 1.0);
        (1.0 - down + back).clamp(0.004, 1.0)
    }

    /// The share of attempts at a service that fail.
    fn failing(&self, service: &str, minute: Minute) -> f64 {
        let usual = 0.01;
        if self.fact.country.is_some() || service != "whatsapp" {
            return usual;
        }
        let since = |at: Minute| f64::from(minute.0) - f64::from(at.0);
        let down = (since(self.fact.start) / 4.0).clamp(0.0, 1.0);
        let back = (since(self.fact.end) / 8.0).clamp(0.0, 1.0);
        usual + 0.85 * (down - back).clamp(0.0, 1.0)
    }

    fn reports(
        &mut self,
        counts: &mut Vec<Count>,
        network: &Network,
        service: &ServiceId,
        usual: f64,
        failing: f64,
        minute: Minute,
    ) {
        let whatsapp_fails = self.failing("whatsapp", minute) - 0.01;
        // People notice after some minutes, and most of those who fail never say so.
        let noticed = if minute > self.fact.start { whatsapp_fails } else { 0.0 };
        let mean = match service.as_str() {
            "whatsapp" => usual * (1.0 + 300.0 * (failing - 0.01)),
            _ => usual * (1.0 + 300.0 * ECHO * noticed),
        };
        // What people said failed on 19 July 2023 in the United States: 59 % sending, 37 % the app.
        for (problem, share) in [(Problem::Send, 0.59), (Problem::ConnectApp, 0.37), (Problem::Other, 0.04)] {
            let n = self.poisson(mean * share);
            if n > 0 {
                let count =
                    Count { problem: Some(problem), n, ..count(network, service, Signal::Reports, minute) };
                counts.push(count);
            }
        }
    }

    fn beacons(
        &mut self,
        counts: &mut Vec<Count>,
        network: &Network,
        service: &ServiceId,
        mean: f64,
        failing: f64,
        minute: Minute,
    ) {
        let attempts = self.poisson(mean);
        if attempts == 0 {
            return;
        }
        let failures = self.poisson(f64::from(attempts) * failing).min(attempts);
        let n = attempts.div_ceil(3);
        counts.push(Count { n, attempts, failures, ..count(network, service, Signal::Beacon, minute) });
    }

    fn sockets(
        &mut self,
        counts: &mut Vec<Count>,
        network: &Network,
        awake: f64,
        reached: f64,
        minute: Minute,
    ) {
        let Some((service, ..)) = self.services.first().cloned() else { return };
        let cell = Some("demo".into());
        // People sleep; most of their phones stay connected.
        let mean = 120.0 * network.people * (0.7 + 0.3 * awake) * reached;
        let n = self.poisson(mean);
        let alive = self.poisson(mean * 0.8).min(n);
        counts.push(Count { n, cell: cell.clone(), ..count(network, &service, Signal::Gauge, minute) });
        counts.push(Count { n: alive, cell, ..count(network, &service, Signal::Heartbeat, minute) });
    }

    fn agents(&self) -> Vec<Network> {
        let first_of = |at: &usize| {
            let cc = Country::new(COUNTRIES.get(*at)?.0)?;
            self.networks.iter().find(|network| network.cc == cc).cloned()
        };
        AGENTS.iter().filter_map(first_of).collect()
    }

    fn measurements(&mut self, counts: &mut Vec<Count>, minute: Minute) {
        for agent in self.agents() {
            // An agent that is cut off abstains.
            if self.reached(&agent, minute) < 0.5 {
                continue;
            }
            for (service, ..) in self.services.clone() {
                let failing = self.failing(service.as_str(), minute);
                let attempts = 4;
                let failures = (0..attempts).filter(|_| self.random.random_bool(failing)).count() as u32;
                counts.push(Count {
                    n: 1,
                    attempts,
                    failures,
                    ..count(&agent, &service, Signal::Probe, minute)
                });
            }
        }
    }

    fn official(&mut self, counts: &mut Vec<Count>, minute: Minute) {
        let (Some(official), Some((service, ..))) = (self.fact.official, self.services.get(1)) else {
            return;
        };
        let admits = minute >= official && minute < self.fact.end;
        let nowhere = Network { cc: Country::UNKNOWN, asn: Asn(0), people: 0.0, ahead_hours: 0.0 };
        counts.push(Count { n: u32::from(admits), ..count(&nowhere, service, Signal::Official, minute) });
    }

    /// What agents measured in a minute, for the page.
    pub(super) fn probes(&mut self, minute: Minute) -> Vec<(ServiceId, Place, ProbeRow)> {
        let mut rows = Vec::new();
        for agent in self.agents() {
            if self.reached(&agent, minute) < 0.5 {
                continue;
            }
            for (service, ..) in self.services.clone() {
                let ok = !self.random.random_bool(self.failing(service.as_str(), minute));
                let row = ProbeRow {
                    target: format!("{service} (reconstruction)"),
                    vantage: format!("{} AS{}", agent.cc, agent.asn.0),
                    at: minute.unix() + 30,
                    ok,
                    failed_phase: (!ok).then(|| "session".to_owned()),
                    took_ms: Some(if ok { self.random.random_range(60..400) } else { 10_000 }),
                };
                rows.push((service, Place { cc: agent.cc, asn: agent.asn }, row));
            }
        }
        rows
    }

    fn poisson(&mut self, mean: f64) -> u32 {
        if mean <= 0.0 {
            return 0;
        }
        if mean > 30.0 {
            // Near enough to a normal distribution; twelve uniform numbers make one.
            let normal: f64 = (0..12).map(|_| self.random.random_range(0.0..1.0)).sum::<f64>() - 6.0;
            return (mean + normal * mean.sqrt()).round().max(0.0) as u32;
        }
        let (limit, mut product, mut n) = ((-mean).exp(), 1.0, 0);
        loop {
            product *= self.random.random_range(0.0..1.0);
            if product <= limit {
                return n;
            }
            n += 1;
        }
    }
}

/// How awake a place is, about 1 on average: least at four in the night, most in the evening; a little less on Sundays.
fn awake(minute: Minute, ahead_hours: f64) -> f64 {
    let local = f64::from(minute.0) / 60.0 + ahead_hours;
    let rhythm = 1.0 - 0.65 * ((local - 4.0) / 24.0 * std::f64::consts::TAU).cos();
    let sunday = if (minute.slot() + 24).div_euclid(24).is_multiple_of(7) { 0.92 } else { 1.0 };
    rhythm * sunday
}

fn count(network: &Network, service: &ServiceId, signal: Signal, minute: Minute) -> Count {
    Count {
        minute,
        service: service.clone(),
        cc: network.cc,
        asn: network.asn,
        signal,
        problem: None,
        cell: None,
        n: 0,
        weight: None,
        attempts: 0,
        failures: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::fact;
    use super::*;

    fn sum(counts: &[Count], service: &str, cc: Option<&str>, signal: Signal) -> (u32, u32, u32) {
        counts
            .iter()
            .filter(|one| one.service.as_str() == service && one.signal == signal)
            .filter(|one| cc.is_none_or(|cc| one.cc.as_str() == cc))
            .fold((0, 0, 0), |(n, a, f), one| (n + one.n, a + one.attempts, f + one.failures))
    }

    #[test]
    fn on_19_july_reports_and_failures_go_up_and_the_service_speaks_late() {
        let fact = fact("wa-2023-07-19");
        let mut world = World::new(1, fact.clone());
        let before = world.minute(Minute(fact.start.0 - 5));
        let during = world.minute(fact.start.plus(20));
        let (calm, ..) = sum(&before, "whatsapp", None, Signal::Reports);
        let (storm, ..) = sum(&during, "whatsapp", None, Signal::Reports);
        assert!(storm > 50 * calm.max(1), "{calm} reports before, {storm} during");
        let (_, attempts, failures) = sum(&during, "whatsapp", None, Signal::Beacon);
        assert!(f64::from(failures) > 0.7 * f64::from(attempts));
        assert_eq!(sum(&during, "whatsapp", None, Signal::Official).0, 0);
        assert_eq!(sum(&world.minute(fact.start.plus(35)), "whatsapp", None, Signal::Official).0, 1);
    }

    #[test]
    fn gabon_falls_silent_and_its_neighbours_do_not() {
        let fact = fact("ga-2023-08-26");
        let mut world = World::new(1, fact.clone());
        let before = world.minute(Minute(fact.start.0 - 5));
        let during = world.minute(fact.start.plus(5));
        let gauge = |counts: &[Count], cc| f64::from(sum(counts, "mbolo", Some(cc), Signal::Gauge).0);
        assert!(gauge(&before, "GA") > 160.0 && gauge(&during, "GA") < 0.2 * gauge(&before, "GA"));
        assert!(gauge(&during, "CM") > 0.7 * gauge(&before, "CM"));
        assert_eq!(sum(&during, "whatsapp", Some("GA"), Signal::Probe), (0, 0, 0));
    }
}
