//! What became of it: faults of single minutes become incidents that begin, widen, heal and end.
//!
//! `suspected → reported → confirmed → recovering → resolved`, with hysteresis at every step. An incident that returns
//! within 30 minutes is the same one. Nothing here measures; it decides by what the diagnosis and the healing tests say.

mod healing;
mod kind;

use crate::counts::Places;
use crate::fusion::Node;
use crate::localisation::Effect;
use crate::model::{
    Evidence, Incident, IncidentId, IncidentKind, IncidentState, MERGE, Minute, Scope, Transition,
};

use healing::Healing;
pub(crate) use kind::Verdict;

/// Minutes after its beginning in which the scope may still become narrower, or the kind another one.
const SETTLING: u32 = 20;
/// Minutes without any sign before a suspicion is dropped.
const DROP: u32 = 5;
/// Minutes that it must be well before it is over.
const WELL: u32 = 10;
/// Minutes without any measurement after which an incident is closed: what nobody sees cannot be said to last.
const UNSEEN: u32 = 6 * 60;
/// The same for a place that was cut off: that nothing is heard from there is how it looks, for days.
const UNSEEN_CUT_OFF: u32 = 7 * 24 * 60;

/// An incident with what is needed to see its end.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub incident: Incident,
    /// The services' numbers, in the order of `incident.services`.
    pub services: Vec<usize>,
    /// The worst that was seen.
    pub effect: Effect,
    healing: Healing,
    /// The last minute with a sign of it.
    seen: Minute,
    well_since: Option<Minute>,
    /// The minute that was judged last, and another scope or kind that was found in it.
    judged: Minute,
    other: Option<(Scope, IncidentKind)>,
}

/// All incidents that are not over, and those that may return.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    open: Vec<Open>,
    ended: Vec<Open>,
}

/// The minute that is judged.
pub(crate) struct Now<'a> {
    pub minute: Minute,
    pub places: &'a Places,
    pub nodes: &'a [Node],
}

impl Now<'_> {
    /// A minute is judged when it is over.
    fn at(&self) -> Minute {
        self.minute.plus(1)
    }

    fn node(&self, service: usize, scope: &Scope) -> Option<&Node> {
        Some(&self.nodes[self.places.services[service].of(scope)?])
    }

    /// The strongest row of each signal in a place; where the place itself shows too little, of the places in it that
    /// gave the alarm, or of the world.
    fn evidence(&self, services: &[usize], scope: &Scope) -> Vec<Evidence> {
        let own = strongest(services.iter().filter_map(|service| self.node(*service, scope)));
        if !own.is_empty() {
            return own;
        }
        let inside = services.iter().flat_map(|service| {
            let places = &self.places.services[*service];
            let networks = scope.country().map_or(&[][..], |cc| places.networks_of(cc));
            networks.iter().map(|(_, place)| &self.nodes[*place])
        });
        let inside = strongest(inside);
        if !inside.is_empty() {
            return inside;
        }
        strongest(services.iter().filter_map(|service| self.node(*service, &Scope::World)))
    }
}

fn strongest<'a>(nodes: impl Iterator<Item = &'a Node>) -> Vec<Evidence> {
    let mut best: Vec<Evidence> = Vec::new();
    for row in nodes.flat_map(Node::evidence) {
        match best.iter_mut().find(|held| held.signal == row.signal) {
            Some(held) if held.llr < row.llr => *held = row,
            Some(_) => {}
            None => best.push(row),
        }
    }
    best.sort_by(|a, b| b.llr.total_cmp(&a.llr));
    best
}

impl Incidents {
    /// Those that are not over.
    pub fn open(&self) -> impl Iterator<Item = &Open> {
        self.open.iter()
    }

    /// Takes in what was found in this minute, and sees how those that were found before are doing.
    pub fn step(&mut self, now: &Now<'_>, verdicts: Vec<Verdict>, reports: Vec<(usize, Scope)>) -> Changes {
        let mut changes = Changes::default();
        for verdict in verdicts {
            self.take_in(now, verdict, &mut changes);
        }
        for (service, scope) in reports {
            self.take_in_reports(now, service, scope, &mut changes);
        }
        self.heal(now, &mut changes);
        changes
    }

    /// Forgets what ended too long ago to return.
    pub fn forget(&mut self, minute: Minute) {
        self.ended.retain(|ended| minute.since(ended.incident.resolved_at.unwrap_or_default()) <= MERGE);
    }

    fn take_in(&mut self, now: &Now<'_>, verdict: Verdict, changes: &mut Changes) {
        let state = if verdict.fault.sure { IncidentState::Confirmed } else { IncidentState::Suspected };
        if let Some(at) = self.open.iter().position(|open| open.is_same(&verdict, now.minute)) {
            // The incident of a narrower place that turns out to be wider takes in the others that lie in it.
            let before = self.open[at].incident.clone();
            self.open[at].absorb(now, &verdict, state);
            let open = self.open[at].clone();
            if open.incident.state == IncidentState::Confirmed {
                self.end_those_inside(now, &open, changes);
            }
            changes.note(now, &before, &open.incident);
            return;
        }
        let returns =
            |ended: &Open| ended.incident.scope == verdict.fault.scope && ended.is_same(&verdict, now.minute);
        if let Some(at) = self.ended.iter().position(returns) {
            // A mere suspicion does not wake what was confirmed.
            if state == IncidentState::Confirmed || self.ended[at].incident.confirmed_at.is_none() {
                let mut open = self.ended.remove(at);
                open.reopen(now, &verdict, state);
                changes.rows.push(Transition { at: now.at(), incident: open.incident.clone() });
                self.open.push(open);
            }
            return;
        }
        let open = Open::new(now, &verdict, state);
        if open.incident.state == IncidentState::Confirmed {
            self.end_those_inside(now, &open, changes);
        }
        changes.rows.push(Transition { at: now.at(), incident: open.incident.clone() });
        self.open.push(open);
    }

    fn end_those_inside(&mut self, now: &Now<'_>, wide: &Open, changes: &mut Changes) {
        let swallowed = |open: &Open| {
            open.incident.id != wide.incident.id
                && wide.incident.scope.contains(&open.incident.scope)
                && open.services.iter().all(|service| wide.services.contains(service))
                && (open.incident.kind != IncidentKind::Connectivity
                    || wide.incident.kind == IncidentKind::Connectivity)
        };
        let (inside, rest) = std::mem::take(&mut self.open).into_iter().partition(swallowed);
        self.open = rest;
        let inside: Vec<Open> = inside;
        for mut open in inside {
            open.incident.state = IncidentState::Resolved;
            open.incident.resolved_at = Some(now.at());
            changes.rows.push(Transition { at: now.at(), incident: open.incident });
        }
    }

    fn take_in_reports(&mut self, now: &Now<'_>, service: usize, scope: Scope, changes: &mut Changes) {
        let related = |open: &Open| {
            open.services.contains(&service)
                && (open.incident.scope.contains(&scope) || scope.contains(&open.incident.scope))
        };
        if let Some(open) = self.open.iter_mut().find(|open| related(open)) {
            open.seen = now.minute;
            if open.incident.state == IncidentState::Suspected {
                open.incident.state = IncidentState::Reported;
                open.incident.evidence = now.evidence(&open.services, &open.incident.scope);
                changes.rows.push(Transition { at: now.at(), incident: open.incident.clone() });
            }
            return;
        }
        if let Some(at) = self.ended.iter().position(related) {
            // People go on to report for a while after the end of what was measured.
            if self.ended[at].incident.confirmed_at.is_none() {
                let mut open = self.ended.remove(at);
                open.incident.resolved_at = None;
                open.incident.state = IncidentState::Reported;
                open.seen = now.minute;
                open.well_since = None;
                open.healing = Healing::default();
                changes.rows.push(Transition { at: now.at(), incident: open.incident.clone() });
                self.open.push(open);
            }
            return;
        }
        let Some(node) = now.node(service, &scope) else { return };
        let Some(reported) = &node.reported else { return };
        let since = reported.best().since;
        let id = &now.places.services[service].id;
        let incident = Incident {
            id: IncidentId(format!("{id}-{scope}-{}", since.0)),
            services: vec![id.clone()],
            kind: IncidentKind::ReportsOnly,
            scope: scope.clone(),
            scope_uncertain: false,
            state: IncidentState::Reported,
            started_at: since,
            detected_at: now.at(),
            confirmed_at: None,
            resolved_at: None,
            impact: None,
            evidence: now.evidence(&[service], &scope),
        };
        changes.rows.push(Transition { at: now.at(), incident: incident.clone() });
        self.open.push(Open {
            incident,
            services: vec![service],
            effect: Effect::default(),
            healing: Healing::default(),
            seen: now.minute,
            well_since: None,
            judged: now.minute,
            other: None,
        });
    }

    fn heal(&mut self, now: &Now<'_>, changes: &mut Changes) {
        for open in &mut self.open {
            let before = open.incident.clone();
            open.heal(now);
            changes.note(now, &before, &open.incident);
        }
        let (ended, open) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|open| open.incident.state == IncidentState::Resolved);
        self.open = open;
        let ended: Vec<Open> = ended;
        for ended in ended {
            changes.ended.push((ended.services.clone(), ended.incident.scope.clone()));
            self.ended.push(ended);
        }
    }
}

/// What a minute changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub rows: Vec<Transition>,
    /// Services and scopes whose incident is over: their suspicions are forgotten.
    pub ended: Vec<(Vec<usize>, Scope)>,
}

impl Changes {
    /// A row if something changed that a reader acts on; numbers alone are no news.
    fn note(&mut self, now: &Now<'_>, before: &Incident, after: &Incident) {
        let same = before.state == after.state
            && before.scope == after.scope
            && before.kind == after.kind
            && before.services == after.services
            && before.scope_uncertain == after.scope_uncertain;
        if !same {
            self.rows.push(Transition { at: now.at(), incident: after.clone() });
        }
    }
}

impl Open {
    fn new(now: &Now<'_>, verdict: &Verdict, state: IncidentState) -> Self {
        let fault = &verdict.fault;
        let names: Vec<_> =
            verdict.services.iter().map(|service| now.places.services[*service].id.clone()).collect();
        let own = &now.places.services[fault.service].id;
        Self {
            incident: Incident {
                id: IncidentId(format!("{own}-{}-{}", fault.scope, fault.since.0)),
                services: names,
                kind: verdict.kind,
                scope: fault.scope.clone(),
                scope_uncertain: fault.uncertain,
                state,
                started_at: fault.since,
                detected_at: now.at(),
                confirmed_at: (state == IncidentState::Confirmed).then(|| now.at()),
                resolved_at: None,
                impact: Some(fault.effect.worst()),
                evidence: now.evidence(&verdict.services, &fault.scope),
            },
            services: verdict.services.clone(),
            effect: fault.effect,
            healing: Healing::default(),
            seen: now.minute,
            well_since: None,
            judged: now.minute,
            other: None,
        }
    }

    /// Whether what was found now is this incident.
    fn is_same(&self, verdict: &Verdict, minute: Minute) -> bool {
        let fault = &verdict.fault;
        let (mine, found) = (&self.incident.scope, &fault.scope);
        let nested =
            mine.contains(found) || found.contains(mine) || mine.level() == crate::model::Level::Cell;
        let shared = self.services.iter().any(|service| verdict.services.contains(service));
        // Nor does a cell of ours explain what another service shows.
        let besides = mine.level() == crate::model::Level::Cell
            && (fault.besides_cell || !self.services.contains(&fault.service));
        if !nested || besides {
            return false;
        }
        let narrower = mine.contains(found) && mine != found;
        // People who report everywhere, and a place where something was measured, are two things; so are a service that
        // fails everywhere and a place that fell silent.
        if narrower && self.incident.kind == IncidentKind::ReportsOnly {
            return false;
        }
        if narrower
            && *mine == Scope::World
            && fault.silent
            && self.effect.silence < 0.5 * fault.effect.silence
        {
            return false;
        }
        let connectivity = self.incident.kind == IncidentKind::Connectivity;
        let settling = minute.since(self.incident.started_at) <= 3 * SETTLING;
        // A place that was cut off is one thing, a service that fails everywhere later is another.
        if found.level() < mine.level() && !settling {
            return false;
        }
        if connectivity && verdict.kind == IncidentKind::Connectivity {
            return true;
        }
        if connectivity && *found == Scope::World {
            return false;
        }
        shared
    }

    fn absorb(&mut self, now: &Now<'_>, verdict: &Verdict, state: IncidentState) {
        let fault = &verdict.fault;
        // The tests' sums outlast the fault; once it heals, only the healing test can say that it is back.
        if self.incident.state == IncidentState::Recovering {
            return;
        }
        self.seen = now.minute;
        // Several services can say something of one incident in a minute: the strongest came first.
        let first = std::mem::replace(&mut self.judged, now.minute) != now.minute;
        let found = (fault.scope.clone(), verdict.kind);
        let changes = found.0 != self.incident.scope || found.1 != self.incident.kind;
        if changes && self.incident.confirmed_at.is_some() {
            // Once it is announced, it changes when two minutes agree.
            let agreed = self.other.as_ref() == Some(&found);
            if first {
                self.other = Some(found);
            }
            if !first || !agreed {
                return;
            }
        }
        if first {
            self.other = None;
        }
        let incident = &mut self.incident;
        let settling = now.minute.since(incident.detected_at) <= SETTLING;
        let wider = fault.scope.level() < incident.scope.level() && fault.scope.contains(&incident.scope);
        let narrower = incident.scope.contains(&fault.scope) && fault.scope != incident.scope;
        let weak = incident.confirmed_at.is_none();
        if fault.scope == incident.scope
            || weak
            || wider && fault.sure
            || narrower && settling && fault.sure && !fault.uncertain
        {
            self.effect = self.effect.max(&fault.effect);
            if settling || weak || wider {
                incident.scope = fault.scope.clone();
                incident.scope_uncertain = fault.uncertain;
                incident.kind = verdict.kind;
                for service in &verdict.services {
                    if !self.services.contains(service) {
                        self.services.push(*service);
                    }
                }
                if verdict.kind != IncidentKind::Connectivity {
                    self.services.clone_from(&verdict.services);
                }
                self.services.sort_by_key(|service| &now.places.services[*service].id);
                incident.services =
                    self.services.iter().map(|service| now.places.services[*service].id.clone()).collect();
            }
        }
        incident.impact = Some(self.effect.worst());
        if state == IncidentState::Confirmed && incident.state < IncidentState::Confirmed {
            incident.state = IncidentState::Confirmed;
            incident.confirmed_at = Some(now.at());
            incident.started_at = fault.since;
        }
        let evidence = now.evidence(&self.services, &incident.scope);
        if !evidence.is_empty() {
            incident.evidence = evidence;
        }
    }

    fn reopen(&mut self, now: &Now<'_>, verdict: &Verdict, state: IncidentState) {
        self.incident.resolved_at = None;
        self.incident.state = if self.incident.confirmed_at.is_some() {
            IncidentState::Confirmed
        } else {
            IncidentState::Suspected
        };
        self.healing = Healing::default();
        self.well_since = None;
        self.absorb(now, verdict, state);
    }

    fn heal(&mut self, now: &Now<'_>) {
        let known = self.healing.step(now, &self.services, &self.incident, self.effect);
        if known {
            self.seen = if self.healing.is_well() { self.seen } else { now.minute };
        }
        let unseen = now.minute.since(self.seen);
        let most_unseen = match self.incident.kind {
            IncidentKind::Connectivity => UNSEEN_CUT_OFF,
            _ => UNSEEN,
        };
        match self.incident.state {
            IncidentState::Suspected => {
                if unseen >= DROP && (self.healing.is_well() || !known || unseen >= 3 * DROP) {
                    self.resolve(now);
                }
            }
            // Nothing was measured, so there is nothing whose recovery could be measured.
            IncidentState::Reported => {
                if self.healing.is_well() {
                    let since = *self.well_since.get_or_insert(now.minute);
                    if now.minute.since(since) >= WELL {
                        self.resolve(now);
                    }
                } else {
                    self.well_since = None;
                    if unseen >= UNSEEN {
                        self.resolve(now);
                    }
                }
            }
            IncidentState::Confirmed => {
                if self.healing.is_well() {
                    self.incident.state = IncidentState::Recovering;
                    self.well_since = Some(now.minute);
                } else if unseen >= most_unseen {
                    self.resolve(now);
                }
            }
            IncidentState::Recovering => {
                if self.healing.is_ill() {
                    self.incident.state = IncidentState::Confirmed;
                    self.well_since = None;
                } else if self.well_since.is_some_and(|since| now.minute.since(since) >= WELL)
                    && self.healing.is_well()
                    || unseen >= most_unseen
                {
                    self.resolve(now);
                }
            }
            IncidentState::Resolved => {}
        }
    }

    fn resolve(&mut self, now: &Now<'_>) {
        self.incident.state = IncidentState::Resolved;
        self.incident.resolved_at = Some(now.at());
    }
}
