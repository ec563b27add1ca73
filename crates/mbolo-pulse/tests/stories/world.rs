//! A small world for stories: countries with networks, people with a daily rhythm, and noise from a seed.

use mbolo_pulse::{
    Asn, Count, Country, Detector, DetectorConfig, Incident, IncidentState, Minute, ServiceId, Signal,
    Transition,
};

/// A Monday.
pub const MONDAY: Minute = Minute(28_080_000 - 28_080_000 % 10_080 + 4 * 1440);

/// What happens in one minute to one service in one network.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Share of people who are still connected.
    pub connected: f64,
    /// Share of attempts that fail for the fault.
    pub failing: f64,
    /// Reports for each report of a normal minute.
    pub reports: f64,
}

pub const FINE: Weather = Weather { connected: 1.0, failing: 0.0, reports: 1.0 };

/// One network.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    pub cc: &'static str,
    pub asn: u32,
    /// People with a socket open at noon.
    pub people: f64,
}

/// A world, its detector and what the detector has said.
pub struct World {
    pub networks: Vec<Network>,
    pub services: Vec<&'static str>,
    pub minute: Minute,
    pub detector: Detector,
    pub said: Vec<Transition>,
    random: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut networks = Vec::new();
        for (cc, size) in
            [("US", 3000.0), ("IN", 2500.0), ("FR", 1200.0), ("NG", 700.0), ("GA", 240.0), ("CM", 300.0)]
        {
            for (number, share) in [0.55, 0.25, 0.2].into_iter().enumerate() {
                networks.push(Network {
                    cc,
                    asn: 1000 + number as u32 + 10 * size as u32,
                    people: size * share,
                });
            }
        }
        Self {
            networks,
            services: vec!["whatsapp", "mbolo", "bank"],
            minute: MONDAY,
            detector: Detector::new(DetectorConfig::default()),
            said: Vec::new(),
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    /// Normal life for so many minutes.
    pub fn fine(&mut self, minutes: u32) {
        self.run(minutes, |_, _, _| FINE);
    }

    /// So many minutes in which `weather` says what happens to each service in each network.
    pub fn run(&mut self, minutes: u32, weather: impl Fn(Minute, &str, &Network) -> Weather) {
        self.run_through(minutes, weather, |rows| rows);
    }

    /// The same with something between what happens and what is counted: it may change rows and keep some for later.
    pub fn run_through(
        &mut self,
        minutes: u32,
        weather: impl Fn(Minute, &str, &Network) -> Weather,
        mut between: impl FnMut(Vec<Count>) -> Vec<Count>,
    ) {
        for _ in 0..minutes {
            let rows = self.counts(&weather);
            for count in between(rows) {
                self.detector.push(&count).unwrap();
            }
            self.minute = self.minute.plus(1);
            let said = self.detector.advance(self.minute);
            self.said.extend(said);
        }
    }

    /// The rows of the next minute.
    pub fn counts(&mut self, weather: &impl Fn(Minute, &str, &Network) -> Weather) -> Vec<Count> {
        let minute = self.minute;
        let hour = f64::from(minute.0 % 1440) / 60.0;
        let rhythm = 1.0 + 0.5 * ((hour - 6.0) / 24.0 * std::f64::consts::TAU).sin();
        let mut rows = Vec::new();
        for service in self.services.clone() {
            for network in self.networks.clone() {
                let now = weather(minute, service, &network);
                let online = network.people * rhythm * (1.0 + 0.1 * self.normal());
                let there = online * now.connected;
                let attempts = self.poisson(0.1 * there);
                let failures = self.poisson(f64::from(attempts) * (0.01 + now.failing)).min(attempts);
                let reports = self.poisson(0.0005 * there * now.reports);
                let gauge = self.poisson(there);
                let mut row = |signal: Signal, n: u32, attempts: u32, failures: u32| {
                    rows.push(Count {
                        minute,
                        service: ServiceId::new(service).unwrap(),
                        cc: Country::new(network.cc).unwrap(),
                        asn: Asn(network.asn),
                        signal,
                        problem: None,
                        cell: None,
                        n,
                        weight: None,
                        attempts,
                        failures,
                    });
                };
                row(Signal::Gauge, gauge, 0, 0);
                if attempts > 0 {
                    row(Signal::Beacon, 0, attempts, failures);
                }
                if reports > 0 {
                    row(Signal::Reports, reports, 0, 0);
                }
            }
        }
        rows
    }

    /// All that was said, a line each, for the message of a test that fails.
    pub fn told(&self) -> String {
        let line = |said: &Transition| {
            let one = &said.incident;
            let evidence: Vec<String> = (one.evidence.iter())
                .map(|row| {
                    format!(
                        "{:?} {}/{} {} in {}",
                        row.signal, row.observed, row.expected, row.llr, row.window
                    )
                })
                .collect();
            let services: Vec<&str> = one.services.iter().map(|service| service.as_str()).collect();
            let (at, from) = (said.at.since(MONDAY), one.started_at.since(MONDAY));
            format!(
                "{at} {:?} {:?} {} {} from {from} {:?} {:?} {evidence:?}\n",
                one.state,
                one.kind,
                one.scope,
                services.join("+"),
                one.scope_uncertain,
                one.impact
            )
        };
        self.said.iter().map(line).collect()
    }

    /// What was said since a minute, as far as it was confirmed.
    pub fn confirmed_since(&self, since: Minute) -> Vec<&Incident> {
        let said = self.said.iter().filter(|said| said.at > since);
        said.filter(|said| said.incident.state == IncidentState::Confirmed)
            .map(|said| &said.incident)
            .collect()
    }

    pub fn uniform(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    fn poisson(&mut self, mean: f64) -> u32 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u32;
        }
        let limit = (-mean).exp();
        let mut product = self.uniform();
        let mut n = 0;
        while product > limit {
            product *= self.uniform();
            n += 1;
        }
        n
    }
}
