//! How much evidence is enough: the budget of false alarms divided by the chances there are for one.

use crate::model::Level;

/// Minutes in 28 days.
const BINS: f64 = 28.0 * 1440.0;
/// Families that can each give a false alarm.
const SIGNALS: f64 = 4.0;
/// Levels that share the budget.
const LEVELS: f64 = 4.0;
/// How much less makes a suspicion.
const SUSPICION: f64 = 6.0;

/// The thresholds of a minute, in nats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Thresholds {
    world: f64,
    country: f64,
    network: f64,
    cell: f64,
}

impl Thresholds {
    /// For so many nodes of each level, and so many false confirmed incidents in 28 days.
    pub fn new(nodes: impl Fn(Level) -> usize, false_alarms_per_28_days: f64) -> Self {
        let of = |level: Level| {
            let chances = nodes(level).max(1) as f64 * BINS * SIGNALS * LEVELS;
            (chances / false_alarms_per_28_days.max(1e-6)).ln()
        };
        Self {
            world: of(Level::World),
            country: of(Level::Country),
            network: of(Level::Asn),
            cell: of(Level::Cell),
        }
    }

    /// Enough to confirm.
    pub fn confirm(&self, level: Level) -> f64 {
        match level {
            Level::World => self.world,
            Level::Country => self.country,
            Level::Asn => self.network,
            Level::Cell => self.cell,
        }
    }

    /// Enough to suspect.
    pub fn suspect(&self, level: Level) -> f64 {
        self.confirm(level) - SUSPICION
    }
}
