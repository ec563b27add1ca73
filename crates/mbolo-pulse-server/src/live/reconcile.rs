//! After a restart: what the store knows as open, and what the detector finds again, are one list of incidents.
//!
//! The history is read in order, with all that came late, so the detector may find the same fault a little earlier, wider
//! or under another name than it did live; a renamed service alone changes an incident's name. The store's name stays, for
//! people know it: the detector's leads to it. Nothing that is open in either is lost, and nothing is told twice.

use std::collections::{BTreeMap, BTreeSet};

use mbolo_pulse::board::UpdateBoard;
use mbolo_pulse::{Incident, IncidentId, IncidentState, MERGE, Minute, Transition};

use super::Live;
use crate::store::IncidentRow;

/// Names that the detector gives, and the names by which the store knows the same incidents.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<String, String>);

impl Known {
    /// The store's name.
    pub fn name<'a>(&'a self, found: &'a IncidentId) -> &'a str {
        self.0.get(&found.0).map_or(found.0.as_str(), String::as_str)
    }

    /// Leads each incident that the detector found to the one of the store that it is: open, or over so lately that it may
    /// return.
    fn learn<'a>(
        &mut self,
        stored: &BTreeMap<String, IncidentRow>,
        found: impl Iterator<Item = &'a Incident> + Clone,
        now: Minute,
    ) {
        let mut taken: BTreeSet<&str> = found.clone().map(|incident| incident.id.0.as_str()).collect();
        for incident in found.filter(|incident| !stored.contains_key(&incident.id.0)) {
            let candidates = stored.iter().filter(|(name, row)| {
                row.incident.resolved_at.is_none_or(|at| now.since(at) <= MERGE)
                    && !taken.contains(name.as_str())
                    && is_same(&row.incident, incident)
            });
            let best = candidates.max_by_key(|(_, row)| {
                (row.incident.state != IncidentState::Resolved, row.incident.scope == incident.scope)
            });
            if let Some((name, _)) = best {
                taken.insert(name);
                self.0.insert(incident.id.0.clone(), name.clone());
            }
        }
    }
}

/// Two that are open at the same time, of a service, in places of which one lies in the other.
fn is_same(stored: &Incident, found: &Incident) -> bool {
    stored.services.iter().any(|service| found.services.contains(service))
        && (stored.scope.contains(&found.scope) || found.scope.contains(&stored.scope))
}

/// Whether what was found changes what people know. The order of what came late may make a thing look weaker than it was
/// live: that is no news, the detector says soon how it goes on.
fn is_more(stored: &Incident, found: &Incident) -> bool {
    let is_known = found.state == stored.state && found.scope == stored.scope;
    let is_weaker = match stored.state {
        IncidentState::Resolved => found.state != IncidentState::Confirmed,
        IncidentState::Confirmed | IncidentState::Recovering => found.state < IncidentState::Confirmed,
        IncidentState::Suspected | IncidentState::Reported => false,
    };
    !is_known && !is_weaker
}

impl Live {
    /// Takes in what the detector said while it read the history and what it knows now. `news` are those transitions that
    /// nobody was told of.
    pub(super) fn reconcile(&mut self, news: Vec<Transition>, now: Minute) {
        let open: Vec<Incident> = self.detector.open().cloned().collect();
        let found = open.iter().chain(news.iter().map(|transition| &transition.incident));
        self.known.learn(&self.incidents, found, now);
        news.into_iter().for_each(|transition| self.take(transition));
        for incident in &open {
            let row = self.incidents.get(self.known.name(&incident.id));
            if row.is_none_or(|row| is_more(&row.incident, incident)) {
                // Whatever was found in order, it was seen now.
                let confirmed_at = incident.confirmed_at.map(|_| now);
                let incident = Incident { detected_at: now, confirmed_at, ..incident.clone() };
                self.take(Transition { at: now, incident });
            }
        }
        self.close_forgotten(&open, now);
    }

    /// An incident that is open in the store and that the detector does not know any more would stay open for ever.
    fn close_forgotten(&mut self, open: &[Incident], now: Minute) {
        let open: BTreeSet<&str> = open.iter().map(|incident| self.known.name(&incident.id)).collect();
        let forgotten = self.incidents.iter_mut().filter(|(name, row)| {
            row.incident.state != IncidentState::Resolved && !open.contains(name.as_str())
        });
        for (name, row) in forgotten {
            row.incident.state = IncidentState::Resolved;
            row.incident.resolved_at = Some(now);
            let state = Some(IncidentState::Resolved);
            row.updates.push(UpdateBoard { at: now, state, scope: None, text: None });
            self.unsaved.insert(name.clone());
        }
    }
}
