//! Bounds on what comes from outside, with their defaults.

use serde::Deserialize;

/// See `docs/pulse.example.toml` for what each one protects from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Leading zero bits of a report's proof of work.
    pub pow_bits: u32,
    /// How long a challenge can be answered, seconds.
    pub challenge_seconds: u32,
    /// How long a form without scripts can be sent, seconds.
    pub form_seconds: u32,
    /// One report per service and reporter in this time, minutes.
    pub report_period_minutes: u32,
    /// Reports of one service from one /24 or /48 in that time that weigh 1; the n-th beyond weighs `full / n`.
    pub neighbourhood_full: u32,
    /// Reports of one service from one /24 or /48 in that time that are taken at all.
    pub neighbourhood_most: u32,
    /// The same for forms without proof of work.
    pub neighbourhood_most_forms: u32,
    /// Reports of one network in ten minutes that are never cut.
    pub network_free: u32,
    /// The share of a service's weight that one network may have beyond that, 0 to 1.
    pub network_share: f64,
    /// A client's attempts that count in a minute.
    pub beacon_attempts_per_minute: u32,
    /// The attempts of a /24 or /48 that count in a minute.
    pub beacon_attempts_per_neighbourhood: u32,
    /// Attempts of a /24 or /48 in ten minutes that are taken whatever others say.
    pub beacon_neighbourhood_free: u32,
    /// The share of a service's attempts of ten minutes that a /24 or /48 may have beyond that, 0 to 1.
    pub beacon_neighbourhood_share: f64,
    /// A cell's batch holds at most this many rows.
    pub gauge_rows: u32,
    /// An agent's batch holds at most this many results.
    pub agent_results: u32,
    /// The body of a request, bytes.
    pub body_bytes: u32,
    /// Connections at once.
    pub connections: u32,
    /// Comments that wait for a moderator; beyond it new ones are refused.
    pub comments_waiting: u32,
    /// Comments of one /24 or /48 in an hour.
    pub comments_per_hour: u32,
    /// Subscriptions, by mail or webhook, of one /24 or /48 in an hour.
    pub subscriptions_per_hour: u32,
    /// Letters in a day, in all, that ask for a confirmation.
    pub letters_per_day: u32,
    /// The store's size; above it reports are refused as on a full disk. 0: as large as the disk allows. Megabytes.
    pub store_megabytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pow_bits: 16,
            challenge_seconds: 300,
            form_seconds: 3_600,
            report_period_minutes: 30,
            neighbourhood_full: 10,
            neighbourhood_most: 200,
            neighbourhood_most_forms: 20,
            network_free: 200,
            network_share: 0.5,
            beacon_attempts_per_minute: 60,
            beacon_attempts_per_neighbourhood: 120,
            beacon_neighbourhood_free: 60,
            beacon_neighbourhood_share: 0.05,
            gauge_rows: 20_000,
            agent_results: 2_000,
            body_bytes: 1 << 21,
            connections: 10_000,
            comments_waiting: 1_000,
            comments_per_hour: 3,
            subscriptions_per_hour: 3,
            letters_per_day: 500,
            store_megabytes: 0,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), String> {
        let bounds = [
            ("pow_bits", self.pow_bits, 0, 26),
            ("challenge_seconds", self.challenge_seconds, 10, 3_600),
            ("form_seconds", self.form_seconds, 60, 86_400),
            ("report_period_minutes", self.report_period_minutes, 1, 1_440),
            ("neighbourhood_full", self.neighbourhood_full, 1, 1_000_000),
            ("neighbourhood_most", self.neighbourhood_most, 1, 1_000_000),
            ("beacon_attempts_per_minute", self.beacon_attempts_per_minute, 1, 100_000),
            ("beacon_attempts_per_neighbourhood", self.beacon_attempts_per_neighbourhood, 1, 1_000_000),
            ("gauge_rows", self.gauge_rows, 1, 100_000),
            ("agent_results", self.agent_results, 1, 100_000),
            ("body_bytes", self.body_bytes, 1_024, 1 << 24),
            ("connections", self.connections, 1, 1_000_000),
        ];
        for (key, value, least, most) in bounds {
            if !(least..=most).contains(&value) {
                return Err(format!("limits.{key}: between {least} and {most}"));
            }
        }
        if !(0.05..=1.0).contains(&self.network_share) {
            return Err("limits.network_share: between 0.05 and 1".to_owned());
        }
        if !(0.001..=1.0).contains(&self.beacon_neighbourhood_share) {
            return Err("limits.beacon_neighbourhood_share: between 0.001 and 1".to_owned());
        }
        Ok(())
    }
}
