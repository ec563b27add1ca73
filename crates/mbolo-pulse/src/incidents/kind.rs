//! What kind of fault it is, by how the other services do in the same place.

use super::Now;
use crate::localisation::{Effect, Fault, Measured};
use crate::model::{IncidentKind, Level, Minute, Scope};

/// Evidence, in nats, from which another service is said to be down, or well.
const SURE: f64 = 2.0;
/// The most that is looked back.
const WINDOW: u32 = 15;

/// A fault with its kind and everything that it concerns.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub fault: Fault,
    pub kind: IncidentKind,
    /// Sorted by name.
    pub services: Vec<usize>,
}

impl Now<'_> {
    /// Judges a fault. None if it is not one: when attempts stop and nothing else does, then beacons are not read any
    /// more, as where the observatory's own address is blocked.
    pub fn judge(&self, fault: Fault) -> Option<Verdict> {
        let (down, well) = match fault.scope.level() {
            Level::World | Level::Cell => (Vec::new(), false),
            Level::Country | Level::Asn => self.others(&fault),
        };
        let local = matches!(fault.scope, Scope::Country { .. } | Scope::Asn { .. });
        let kind = if !local {
            IncidentKind::Service
        } else if well {
            IncidentKind::Blocked
        } else if fault.silent || !down.is_empty() {
            IncidentKind::Connectivity
        } else if fault.elsewhere_well {
            // What fails arrives here, so the place is connected.
            IncidentKind::Blocked
        } else {
            IncidentKind::Service
        };
        let is_unread =
            fault.only_attempts && (kind == IncidentKind::Blocked || self.sockets_are_there(&fault));
        if is_unread {
            return None;
        }
        let mut services = vec![fault.service];
        if kind == IncidentKind::Connectivity {
            services.extend(down);
        }
        services.sort_by_key(|service| &self.places.services[*service].id);
        Some(Verdict { fault, kind, services })
    }

    /// Whether some service's sockets or heartbeats in the place are as they were.
    fn sockets_are_there(&self, fault: &Fault) -> bool {
        let from = Minute(fault.since.0.max(self.minute.0.saturating_sub(WINDOW - 1)));
        let silence = (0.5 * fault.effect.silence).max(0.3);
        let nodes = (0..self.places.services.len()).filter_map(|service| self.node(service, &fault.scope));
        nodes
            .map(|node| Measured::of(node, from, self.minute))
            .any(|measured| measured.sockets_speak_for(silence) < -SURE)
    }

    /// Other services that are down in the same place, and whether one is well.
    fn others(&self, fault: &Fault) -> (Vec<usize>, bool) {
        let from = Minute(fault.since.0.max(self.minute.0.saturating_sub(WINDOW - 1)));
        let hypothesis = Effect {
            failing: (0.3 * fault.effect.worst()).max(0.05),
            voted: 0.0,
            silence: (0.5 * fault.effect.worst()).max(0.3),
        };
        // Few attempts without a failure do not speak against silence.
        let hypothesis = if fault.silent { Effect { failing: 0.0, ..hypothesis } } else { hypothesis };
        let mut down = Vec::new();
        let mut well = false;
        for service in (0..self.places.services.len()).filter(|service| *service != fault.service) {
            let Some(node) = self.node(service, &fault.scope) else { continue };
            let evidence = Measured::of(node, from, self.minute).speaks_for(hypothesis);
            if evidence > SURE {
                down.push(service);
            } else if evidence < -SURE {
                well = true;
            }
        }
        (down, well)
    }
}
