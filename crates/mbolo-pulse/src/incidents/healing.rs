//! Is it over? The same tests the other way round: usual life against half of the worst that was seen.

use super::Now;
use crate::detectors::log_ratio;
use crate::localisation::Effect;
use crate::model::{Incident, IncidentKind};

/// The most that one minute says, in nats.
const STEP: f64 = 2.0;
/// Evidence from which it is well, and the most that is kept, so that a relapse is seen soon.
const WELL: f64 = 5.0;
const MOST: f64 = 8.0;

/// Evidence in nats that it is over.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Healing {
    evidence: f64,
}

impl Healing {
    /// One minute. False if nothing was measured in it.
    pub fn step(&mut self, now: &Now<'_>, services: &[usize], incident: &Incident, worst: Effect) -> bool {
        let mut sum = 0.0;
        let mut known = false;
        for service in services {
            let Some(node) = now.node(*service, &incident.scope) else { continue };
            let mut take = |evidence: f64| {
                sum += evidence.clamp(-STEP, STEP);
                known = true;
            };
            if incident.kind == IncidentKind::ReportsOnly || incident.confirmed_at.is_none() {
                if let Some(reported) = &node.reported
                    && let (Some(seen), Some(usual)) = (reported.ring.get(now.minute), reported.expected())
                {
                    let usual = usual + 0.1;
                    take(-log_ratio(seen, usual, 2.0 * usual, reported.dispersion().max(1.0)).max(-0.7));
                }
                if incident.kind == IncidentKind::ReportsOnly {
                    continue;
                }
            }
            if worst.failing >= 0.01
                && let Some(failing) = &node.failing
                && let (Some(attempts), Some(failures), Some(usual)) = (
                    failing.attempts.get(now.minute),
                    failing.failures.get(now.minute),
                    failing.usual.get(now.minute),
                )
                && attempts > 0.0
            {
                let half = usual + 0.5 * worst.failing * attempts;
                take(-log_ratio(failures, usual + 0.02, half + 0.02, failing.dispersion()));
            }
            if worst.silence >= 0.2 {
                for flow in node.flows.iter().flatten() {
                    if let (Some(seen), Some(usual)) =
                        (flow.ring.get(now.minute), flow.references.get(now.minute))
                    {
                        let half = (1.0 - 0.5 * worst.silence) * usual;
                        take(-log_ratio(seen, usual, half, flow.fall.dispersion()));
                    }
                }
            }
            if incident.evidence.iter().any(|row| row.signal == crate::model::Signal::Probe) {
                if node.probes > 0.0 {
                    take(-STEP);
                } else if node.probes_well {
                    // Agents that have fallen silent say nothing.
                    take(1.0);
                } else if node.probes_tied {
                    // As many that find it well as do not: too few to say that it is broken.
                    take(0.3);
                }
            }
        }
        self.evidence = (self.evidence + sum.clamp(-STEP, STEP)).clamp(0.0, MOST);
        known
    }

    /// Enough to say that it gets better.
    pub fn is_well(&self) -> bool {
        self.evidence >= WELL
    }

    /// Nothing is left of it.
    pub fn is_ill(&self) -> bool {
        self.evidence <= 0.0
    }
}
