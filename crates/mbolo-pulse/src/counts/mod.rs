//! What arrived: rows are added up per place for the minute they belong to, and the last hour of each place is kept.
//!
//! Sums are whole numbers (weights in thousandths), so the order of a minute's rows never changes a result.

mod places;
mod ring;

pub(crate) use places::{Hit, Place, Places, ServicePlaces};
pub(crate) use ring::Ring;

use crate::model::{Asn, Count, Country, Minute, Signal};

/// A count with borrowed words: what the detector takes in, whether it comes from a store or from a line of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub minute: Minute,
    pub service: &'a str,
    pub cc: Country,
    pub asn: Asn,
    pub signal: Signal,
    pub cell: Option<&'a str>,
    pub n: u32,
    pub weight: Option<f64>,
    pub attempts: u32,
    pub failures: u32,
}

impl<'a> From<&'a Count> for Row<'a> {
    fn from(count: &'a Count) -> Self {
        Self {
            minute: count.minute,
            service: count.service.as_str(),
            cc: count.cc,
            asn: count.asn,
            signal: count.signal,
            cell: count.cell.as_deref(),
            n: count.n,
            weight: count.weight,
            attempts: count.attempts,
            failures: count.failures,
        }
    }
}

impl Row<'_> {
    /// What this row adds to its place.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        // More failures than attempts would be a measurement of nothing.
        let failures = self.failures.min(self.attempts);
        match self.signal {
            Signal::Reports => tally.reports_milli = self.weight_milli(),
            Signal::Beacon => {
                tally.beacon_rows = 1;
                tally.attempts = self.attempts.into();
                tally.failures = failures.into();
            }
            Signal::Heartbeat => {
                tally.heartbeat_rows = 1;
                tally.heartbeats = self.n.into();
            }
            Signal::Gauge => {
                tally.gauge_rows = 1;
                tally.gauge = self.n.into();
            }
            Signal::Probe => {
                tally.probe_attempts = self.attempts.into();
                tally.probe_failures = failures.into();
            }
            Signal::Official => tally.official = self.n.into(),
        }
        tally
    }

    fn weight_milli(&self) -> u64 {
        let weight = self.weight.filter(|weight| weight.is_finite()).unwrap_or(f64::from(self.n));
        (weight.clamp(0.0, 1e9) * 1000.0).round() as u64
    }
}

/// One place in one minute. A gauge or a heartbeat without a row is unknown; the rest without a row is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub reports_milli: u64,
    pub beacon_rows: u32,
    pub attempts: u64,
    pub failures: u64,
    pub gauge_rows: u32,
    pub gauge: u64,
    pub heartbeat_rows: u32,
    pub heartbeats: u64,
    pub probe_attempts: u64,
    pub probe_failures: u64,
    pub official: u64,
}

impl Tally {
    /// Adds another one of the same minute.
    pub fn add(&mut self, other: &Self) {
        self.reports_milli += other.reports_milli;
        self.beacon_rows += other.beacon_rows;
        self.attempts += other.attempts;
        self.failures += other.failures;
        self.gauge_rows += other.gauge_rows;
        self.gauge += other.gauge;
        self.heartbeat_rows += other.heartbeat_rows;
        self.heartbeats += other.heartbeats;
        self.probe_attempts += other.probe_attempts;
        self.probe_failures += other.probe_failures;
        self.official += other.official;
    }

    /// Weighted reports.
    pub fn reports(&self) -> f64 {
        self.reports_milli as f64 / 1000.0
    }
}
