//! Everything that is known of one service in one place, and what each family of signals says of it now.

use std::collections::BTreeMap;

use crate::baseline::Rate;
use crate::counts::{Place, Tally};
use crate::detectors::{Agent, Cusum, Failing, Flow, Reported};
use crate::model::{Evidence, Minute, Signal};

/// The numbers that are there in every minute, and whose silence means something.
pub(crate) const FLOWS: [Signal; 3] = [Signal::Gauge, Signal::Heartbeat, Signal::Beacon];

/// One service in one place. Parts appear with the first row that needs them.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// It is the world.
    pub wide: bool,
    /// Some test has left zero: worth a closer look.
    pub stirs: bool,
    /// The minute that is being counted.
    pub tally: Tally,
    /// Live sockets, heartbeats, attempts.
    pub flows: [Option<Box<Flow>>; 3],
    /// Failures of attempts.
    pub failing: Option<Box<Failing>>,
    /// What people say.
    pub reported: Option<Box<Reported>>,
    /// Agents in this network.
    pub agent: Option<Box<Agent>>,
    /// For sums: failures against the sum of what was usual in the parts.
    pub mix: Rate,
    /// For cells: where its sockets usually are.
    pub at_cell: AtCell,
    /// It belongs to a confirmed incident.
    pub frozen: bool,
    /// The minute before was unusual, too: one minute alone never confirms.
    pub unusual: bool,
    /// Something is suspected here: references below are held.
    pub hold: bool,
    /// Votes of agents, as evidence in nats; for countries and the world.
    pub probes: f64,
    /// More agents find it working than not.
    pub probes_well: bool,
    /// As many find it working as not, and some do.
    pub probes_tied: bool,
    /// When the first of the agents that say "down" began to.
    pub probes_since: Minute,
    /// Measurements and failures of the agents that say "down".
    pub probes_seen: (f64, f64),
    /// The service admits a fault.
    pub official: f64,
}

/// How many sockets of each network a cell has, as of the last minute in which all was well.
#[derive(Debug, Default)]
pub(crate) struct AtCell {
    /// Told in the minute that is being counted.
    told: Vec<(Place, u64)>,
    usual: BTreeMap<Place, u64>,
}

impl AtCell {
    /// The cell says how many there are in a network.
    pub fn tell(&mut self, leaf: Place, sockets: u64) {
        self.told.push((leaf, sockets));
    }

    /// The minute is over; `well` if nothing is suspected.
    pub fn close(&mut self, well: bool) {
        if well {
            self.usual.extend(self.told.drain(..));
        }
        self.told.clear();
    }

    /// Sockets of a network that the cell usually has.
    pub fn usual(&self, leaf: Place) -> Option<f64> {
        self.usual.get(&leaf).map(|sockets| *sockets as f64)
    }
}

/// What reports may add to measurements, in nats.
const REPORTS_CAP: f64 = 5.0;
/// The share of attempts that must fail beyond the usual, in the world and in a place.
const LEAST_WORLD: f64 = 0.018;
const LEAST_PLACE: f64 = 0.08;
/// What the service's own word may add, in nats.
const OFFICIAL_CAP: f64 = 2.0;
/// Attempts per minute below which their silence says nothing.
const LEAST_ATTEMPTS: f64 = 3.0;
/// Measured evidence below which nothing is added to it.
const LEAST_MEASURED: f64 = 4.0;

/// The families' evidence for a fault, in nats.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Score {
    /// What was measured.
    pub measured: f64,
    /// With what people and the service say, where something was measured.
    pub fused: f64,
    /// What people say.
    pub reports: f64,
}

impl Score {
    /// Whether it crosses `threshold`: measurements alone, or nearly, with the rest of the way by words.
    pub fn confirms(&self, threshold: f64) -> bool {
        self.measured >= threshold || self.fused >= threshold && self.measured >= threshold - REPORTS_CAP
    }
}

impl Node {
    /// Whether sockets, heartbeats or attempts of a minute are known.
    pub fn is_known(&self, minute: Minute) -> bool {
        self.flows.iter().flatten().any(|flow| flow.ring.get(minute).is_some())
            || self.failing.as_ref().is_some_and(|failing| failing.attempts.get(minute).is_some())
    }

    /// Notes whether anything here is worth a closer look.
    pub fn look(&mut self) {
        self.stirs = self.probes > 0.0
            || self.failing.as_ref().is_some_and(|failing| failing.score() > 1.0)
            || self.flows.iter().flatten().any(|flow| flow.fall.best().score > 1.0);
    }

    /// The evidence of this minute. `elsewhere` is what the same place's silence in other services adds.
    pub fn score(&self, elsewhere: f64) -> Score {
        let falling = self.falling();
        let falling = if falling >= 2.0 { falling + 0.5 * elsewhere } else { falling };
        let measured = self.failing() + falling + self.probes;
        let reports = self.reported.as_ref().map_or(0.0, |reported| reported.alarm());
        let words = reports.min(REPORTS_CAP) + self.official.min(OFFICIAL_CAP);
        let fused = if measured >= LEAST_MEASURED { measured + words } else { measured };
        Score { measured, fused, reports }
    }

    /// Evidence for failures. A network's usual failures drift by several of a hundred within hours; the world's do not.
    fn failing(&self) -> f64 {
        let least = if self.wide { LEAST_WORLD } else { LEAST_PLACE };
        self.failing.as_ref().map_or(0.0, |failing| failing.alarm(least))
    }

    /// Evidence for silence. Sockets, heartbeats and attempts come from the same people: the second and third of them
    /// count half.
    pub fn falling(&self) -> f64 {
        let (sum, best) = self
            .falls()
            .map(|(_, _, alarm)| alarm)
            .fold((0.0, 0.0_f64), |(sum, best), alarm| (sum + alarm, best.max(alarm)));
        best + 0.5 * (sum - best)
    }

    /// Since when the strongest evidence points to a fault.
    pub fn since(&self) -> Option<Minute> {
        let tests = self.cusums().map(|(_, test)| (test.score, test.since));
        let probes = (self.probes > 0.0).then_some((self.probes, self.probes_since));
        tests.chain(probes).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, since)| since)
    }

    fn cusums(&self) -> impl Iterator<Item = (Signal, &Cusum)> {
        let failing = self.failing.as_ref().filter(|_| self.failing() > 0.0);
        failing
            .map(|failing| (Signal::Beacon, failing.best()))
            .into_iter()
            .chain(self.falls().filter(|(_, _, alarm)| *alarm > 0.0).map(|(signal, test, _)| (signal, test)))
    }

    fn falls(&self) -> impl Iterator<Item = (Signal, &Cusum, f64)> {
        let flows = self.flows.iter().zip(FLOWS).filter_map(|(flow, signal)| Some((flow.as_ref()?, signal)));
        flows
            .map(|(flow, signal)| (signal, flow.fall.best(), flow.fall.alarm(signal != Signal::Beacon)))
            .filter(
                // Few attempts come and go with single people.
                |(signal, test, _)| {
                    *signal != Signal::Beacon || test.expected >= LEAST_ATTEMPTS * f64::from(test.minutes)
                },
            )
    }

    /// The evidence for the page: one row of each family that says something, strongest first.
    pub fn evidence(&self) -> Vec<Evidence> {
        let mut rows: Vec<Evidence> = Vec::new();
        let reports = self.reported.as_ref().filter(|reported| reported.alarm() > 0.0);
        for (signal, test) in self.cusums().chain(reports.map(|reported| (Signal::Reports, reported.best())))
        {
            if rows.iter().any(|row| row.signal == signal) {
                continue;
            }
            // Sockets are a level, not a sum.
            let per = if matches!(signal, Signal::Gauge) { f64::from(test.minutes.max(1)) } else { 1.0 };
            rows.push(Evidence {
                signal,
                observed: round(test.observed / per),
                expected: round(test.expected / per),
                llr: round(test.score),
                window: test.minutes,
            });
        }
        if self.probes > 0.0 {
            let (attempts, failures) = self.probes_seen;
            rows.push(Evidence {
                signal: Signal::Probe,
                observed: failures,
                expected: round(0.02 * attempts),
                llr: round(self.probes),
                window: 15,
            });
        }
        if self.official > 0.0 {
            rows.push(Evidence {
                signal: Signal::Official,
                observed: self.official,
                expected: 0.0,
                llr: OFFICIAL_CAP,
                window: 1,
            });
        }
        rows.sort_by(|a, b| b.llr.total_cmp(&a.llr));
        rows
    }

    /// An incident here is over: suspicions are forgotten, what is usual stays.
    pub fn release(&mut self) {
        self.hold = false;
        for flow in self.flows.iter_mut().flatten() {
            flow.release();
        }
        if let Some(failing) = &mut self.failing {
            failing.reset();
        }
        if let Some(reported) = &mut self.reported {
            reported.reset();
        }
    }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
