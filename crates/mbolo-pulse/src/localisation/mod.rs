//! Where it is: the smallest place that explains what is seen.
//!
//! From the top down, by complement: is the rest of the world hit without the country that is hit most? The rest of the
//! country without the network that is hit most? Where the rest has too little traffic to say yes or no, that is said.

mod measured;

pub(crate) use measured::{Effect, Measured};

use crate::closing::QUORUM;
use crate::counts::{Place, Places, ServicePlaces};
use crate::detectors::{Flow, Vote};
use crate::fusion::Node;
use crate::model::{Country, Minute, Scope};

/// Evidence, in nats, from which the rest is said to be hit too, or to be well.
const SURE: f64 = 2.0;
/// The most that a diagnosis looks back.
const WINDOW: u32 = 15;

/// Windows in which a fault's beginning is looked for, in minutes.
const SCAN: std::ops::RangeInclusive<u32> = 1..=60;

/// A longer silence counts if it is as unlikely as a shorter one, up to this share.
const AS_UNLIKELY: f64 = 0.9;

/// What a place must show to be said to have a fault: shares, and evidence in nats.
const LEAST_FAILING: f64 = 0.08;
const LEAST_SILENCE: f64 = 0.3;
const LEAST_STRENGTH: f64 = 4.0;
/// Sockets outside of a failing cell that a country must have had, to say that it has a fault of its own.
const LEAST_SOCKETS: f64 = 40.0;
/// The share of a part's loss that must be missing from the whole as well.
const MOVED: f64 = 0.4;
/// The share of the world that must be hit.
const LEAST_WORLD: f64 = 0.005;

/// Something is wrong with one service somewhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    pub service: usize,
    pub scope: Scope,
    pub place: Place,
    /// A place went silent, as opposed to attempts that fail.
    pub silent: bool,
    /// What went silent are attempts alone.
    pub only_attempts: bool,
    /// The rest has too little traffic to say whether it is hit.
    pub uncertain: bool,
    /// Enough evidence to say so, as opposed to a suspicion.
    pub sure: bool,
    /// It is there besides a cell's fault, which does not explain it.
    pub besides_cell: bool,
    /// Whether there is a rest of the world that is known to be well.
    pub elsewhere_well: bool,
    pub since: Minute,
    pub effect: Effect,
    /// The strength of its evidence in nats.
    pub strength: f64,
}

/// A node whose evidence crossed a threshold.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    pub place: Place,
    pub scope: Scope,
    /// It crossed the threshold to confirm.
    pub sure: bool,
    /// Its evidence in nats.
    pub score: f64,
}

/// What a diagnosis looks at.
pub(crate) struct View<'a> {
    nodes: &'a [Node],
    all: &'a Places,
    places: &'a ServicePlaces,
    service: usize,
    now: Minute,
}

impl<'a> View<'a> {
    /// Looks at one service; `now` is the newest closed minute.
    pub fn new(nodes: &'a [Node], all: &'a Places, service: usize, now: Minute) -> Self {
        Self { nodes, all, places: &all.services[service], service, now }
    }

    /// Finds what explains the alarms. No two of them overlap.
    pub fn diagnose(&self, alarms: &[Alarm]) -> Vec<Fault> {
        let any_sure = alarms.iter().any(|alarm| alarm.sure);
        let Some(since) = self.since(alarms.iter().filter(|alarm| alarm.sure || !any_sure)) else {
            return Vec::new();
        };
        let from = Minute(since.0.max(self.now.0.saturating_sub(WINDOW - 1)));
        if let Some(fault) = self.one_cell(alarms, from) {
            let besides = self.besides_cell(&fault, alarms, from, since);
            return std::iter::once(fault).chain(besides).collect();
        }
        let world = self.measure(&Scope::World, from);
        let countries: Vec<(Country, Measured)> = (self.places.countries.keys())
            .map(|cc| (*cc, self.measure(&Scope::Country { cc: *cc }, from)))
            .collect();
        let elsewhere = Measured::of(&self.nodes[self.places.elsewhere], from, self.now);
        // Where there are alarms, the place that is hit most is one of them: a large place always has some noise.
        let world_sure = alarms.iter().any(|alarm| alarm.sure && alarm.scope == Scope::World);
        // What a cell alone shows, and is not a cell's fault, shows in a place soon.
        if alarms.iter().all(|alarm| matches!(alarm.scope, Scope::Cell { .. })) {
            return Vec::new();
        }
        let local = |cc: &Country| alarms.iter().any(|alarm| alarm.scope.country() == Some(*cc));
        let any_local = alarms.iter().any(|alarm| alarm.scope.country().is_some());
        let top = (countries.iter().filter(|(cc, _)| !any_local || local(cc)))
            .max_by(|a, b| a.1.strength().total_cmp(&b.1.strength()));
        let Some((top_country, top)) = top.filter(|(_, top)| top.strength() > 0.5 * elsewhere.strength())
        else {
            return self.fault(Scope::World, world, since, world_sure).into_iter().collect();
        };
        let spread = world.without(top).speaks_for(shared(&world, top));
        if spread > SURE {
            return self.fault(Scope::World, world, since, any_sure).into_iter().collect();
        }
        let mut faults = Vec::new();
        for (cc, country) in &countries {
            let inside: Vec<&Alarm> =
                alarms.iter().filter(|alarm| alarm.scope.country() == Some(*cc)).collect();
            // The world's alarm is that of the country that is hit most.
            let explains_world = cc == top_country && country.strength() >= 0.5 * world.strength();
            let sure = inside.iter().any(|alarm| alarm.sure) || explains_world && world_sure;
            let Some(since) = self.since(inside.iter().copied()).or(explains_world.then_some(since)) else {
                continue;
            };
            let found = self.inside(*cc, country, &inside, from, since, sure);
            faults.extend(found.into_iter().map(|fault| Fault { elsewhere_well: spread < -SURE, ..fault }));
        }
        // Agents that agree, no two of them in one country.
        if faults.is_empty() && spread >= -SURE && self.nodes[self.places.world].probes >= QUORUM {
            faults.extend(self.fault(Scope::World, world, since, world_sure));
        }
        faults
    }

    fn since<'b>(&self, alarms: impl Iterator<Item = &'b Alarm>) -> Option<Minute> {
        let since = alarms.filter_map(|alarm| Some((alarm.score, self.nodes[alarm.place].since()?)));
        since.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1))).map(|(_, since)| since)
    }

    /// A country or networks of it.
    fn inside(
        &self,
        cc: Country,
        country: &Measured,
        alarms: &[&Alarm],
        from: Minute,
        since: Minute,
        sure: bool,
    ) -> Vec<Fault> {
        let networks: Vec<(Scope, Measured)> = (self.places.networks_of(cc).iter())
            .filter(|(asn, _)| asn.0 != 0)
            .map(|(asn, place)| {
                (Scope::Asn { cc, asn: *asn }, Measured::of(&self.nodes[*place], from, self.now))
            })
            .collect();
        let whole = Scope::Country { cc };
        let alarmed = |scope: &Scope| alarms.iter().any(|alarm| alarm.scope == *scope);
        let any_alarmed = networks.iter().any(|(scope, _)| alarmed(scope));
        let top = (networks.iter().filter(|(scope, _)| !any_alarmed || alarmed(scope)))
            .max_by(|a, b| a.1.strength().total_cmp(&b.1.strength()));
        let Some((top_scope, top)) = top else {
            return self.fault(whole, *country, since, sure).into_iter().collect();
        };
        let effect = shared(country, top);
        let spread =
            country.without(top).speaks_for(effect) + self.silence_of_others(&whole, top_scope, effect, from);
        if spread > -SURE {
            // Too little is known of the rest: what crossed its threshold itself is what can be said.
            let (scope, measured) = match alarms.iter().any(|alarm| alarm.scope == whole) {
                false if spread <= SURE => (top_scope.clone(), top),
                _ => (whole, country),
            };
            let fault = self.fault(scope, *measured, since, sure);
            return fault.map(|fault| Fault { uncertain: spread <= SURE, ..fault }).into_iter().collect();
        }
        // Agents of several networks that agree speak for the country; alone, none of them speaks for its network.
        let by_agents = self.places.of(&whole).is_some_and(|place| self.nodes[place].probes >= QUORUM);
        let sure = sure && !by_agents;
        // Sockets that are in another network of the country now are not lost.
        let moved = |scope: &Scope, measured: &Measured| {
            let places = (self.places.of(scope), self.places.of(&whole));
            measured.silence_strength() > measured.failing_strength()
                && matches!(places, (Some(part), Some(whole)) if self.have_moved(part, whole, since))
        };
        (networks.iter())
            .filter(|(scope, measured)| !moved(scope, measured))
            .filter_map(|(scope, measured)| {
                let alarm = alarms.iter().find(|alarm| alarm.scope == *scope);
                let sure = alarm.is_some_and(|alarm| alarm.sure) || scope == top_scope && sure;
                let since = alarm.and_then(|alarm| self.nodes[alarm.place].since()).unwrap_or(since);
                (alarm.is_some() || scope == top_scope)
                    .then(|| self.fault(scope.clone(), *measured, since, sure))
                    .flatten()
            })
            .collect()
    }

    /// What other services that fell silent in the same `part` say of the rest of the `whole`: a network carries all of
    /// them, and where one has few sockets another may have many.
    fn silence_of_others(&self, whole: &Scope, part: &Scope, effect: Effect, from: Minute) -> f64 {
        let effect = Effect { silence: effect.silence, ..Effect::default() };
        let others = (self.all.services.iter().enumerate()).filter(|(service, _)| *service != self.service);
        let evidence = others.filter_map(|(_, places)| {
            let measured = |scope| Some(Measured::of(&self.nodes[places.of(scope)?], from, self.now));
            let (whole, part) = (measured(whole)?, measured(part)?);
            (part.speaks_for(effect) > SURE).then(|| whole.without(&part).speaks_for(effect))
        });
        // Services are numbered as they came; sums must not depend on that.
        let mut evidence: Vec<f64> = evidence.collect();
        evidence.sort_by(f64::total_cmp);
        evidence.into_iter().sum()
    }

    /// A loss that groups by cell rather than by place is ours.
    fn one_cell(&self, alarms: &[Alarm], from: Minute) -> Option<Fault> {
        if self.places.cells.len() < 2 {
            return None;
        }
        let sure =
            alarms.iter().filter(|alarm| matches!(alarm.scope, Scope::Cell { .. })).map(|alarm| alarm.sure);
        let sure = sure.max()?;
        let cells: Vec<(Scope, Measured)> = (self.places.cells.iter())
            .map(|(cell, place)| {
                (Scope::Cell { cell: cell.clone() }, Measured::of(&self.nodes[*place], from, self.now))
            })
            .collect();
        let (scope, top) = cells.iter().max_by(|a, b| a.1.strength().total_cmp(&b.1.strength()))?;
        let rest = (cells.iter().filter(|(other, _)| other != scope))
            .fold(Measured::default(), |sum, (_, cell)| sum.with(cell));
        if rest.speaks_for(top.effect().scaled(0.5)) > -SURE {
            return None;
        }
        // A place that lost as much as the cell did, and more of itself, explains it better.
        let silent = top.silence_strength() > top.failing_strength() && top.attempts_arrive() != Some(true);
        let part = |effect: Effect| if silent { effect.silence } else { effect.failing };
        let place = self.places.countries.keys().map(|cc| self.measure(&Scope::Country { cc: *cc }, from));
        let explained_by_place = place.into_iter().any(|place| {
            let as_much = part(place.lost()) >= 0.7 * part(top.lost());
            let (here, there) = (part(place.effect()), part(top.effect()));
            as_much && if silent { here >= there - 0.1 } else { here > 1.2 * there }
        });
        let place = self.places.of(scope)?;
        let since = self.nodes[place].since()?;
        // People who are at another cell now are not lost.
        let moved = silent && self.have_moved(place, self.places.world, since);
        if explained_by_place || moved {
            return None;
        }
        self.fault(scope.clone(), *top, since, sure)
    }

    /// Whether what a part has lost since then is not missing from the whole.
    fn have_moved(&self, part: Place, whole: Place, since: Minute) -> bool {
        let before = Minute(since.0.saturating_sub(1));
        let flows = self.nodes[part].flows.iter().zip(&self.nodes[whole].flows);
        let fell = |flow: &Flow| Some(flow.ring.middle(before)? - flow.ring.get(self.now)?);
        let falls = flows.filter_map(|(part, whole)| Some((fell(part.as_ref()?)?, fell(whole.as_ref()?)?)));
        let most = falls.max_by(|a, b| a.0.total_cmp(&b.0));
        most.is_some_and(|(part, whole)| part > 0.0 && whole < MOVED * part)
    }

    /// Countries that lost far more sockets than they had at the cell that has a fault.
    fn besides_cell(&self, cell: &Fault, alarms: &[Alarm], from: Minute, since: Minute) -> Vec<Fault> {
        let at_cell = &self.nodes[cell.place].at_cell;
        let mut faults = Vec::new();
        for (cc, place) in &self.places.countries {
            let inside: Vec<&Alarm> =
                alarms.iter().filter(|alarm| alarm.scope.country() == Some(*cc)).collect();
            let (now, usual) = Measured::of(&self.nodes[*place], from, self.now).sockets();
            let leaves = self.places.networks_of(*cc).iter();
            let explained: f64 = leaves.filter_map(|(_, leaf)| at_cell.usual(*leaf)).sum();
            let rest = usual - explained;
            let is_explained = usual - now <= explained + LEAST_SILENCE * rest;
            if inside.is_empty() || rest < LEAST_SOCKETS || is_explained {
                continue;
            }
            let country = self.measure(&Scope::Country { cc: *cc }, from);
            let sure = inside.iter().any(|alarm| alarm.sure);
            let since = self.since(inside.iter().copied()).unwrap_or(since);
            let found = self.inside(*cc, &country, &inside, from, since, sure);
            faults.extend(found.into_iter().map(|fault| Fault { besides_cell: true, ..fault }));
        }
        faults
    }

    fn fault(&self, scope: Scope, measured: Measured, since: Minute, sure: bool) -> Option<Fault> {
        let place = self.places.of(&scope)?;
        let effect = measured.effect();
        // Failures that arrive show that the place is connected.
        let failing = effect.fails() >= 0.01
            && (measured.failing_strength() >= measured.silence_strength()
                || effect.failing >= 0.1 && measured.attempts_arrive() == Some(true));
        // What raised the world's alarm is explained by a place only if it is bad there.
        let bad = if failing {
            effect.fails() >= LEAST_FAILING && measured.failing_strength() >= LEAST_STRENGTH
        } else {
            effect.silence >= LEAST_SILENCE && measured.silence_strength() >= LEAST_STRENGTH
        };
        let begun = self.begun(place);
        let something = effect.worst() >= LEAST_WORLD && measured.strength() >= LEAST_STRENGTH
            || begun.is_some_and(|(_, strength)| strength >= 1.5 * LEAST_STRENGTH);
        let shows_it = if scope == Scope::World { something } else { bad };
        if !shows_it {
            return None;
        }
        let strength = measured.strength();
        let only_attempts = !failing && measured.only_attempts_fell();
        let (since, effect) = match begun {
            Some((begun, _)) => (begun, self.measure(&scope, begun).effect()),
            None => (since, effect),
        };
        Some(Fault {
            service: self.service,
            scope,
            place,
            silent: !failing,
            only_attempts,
            uncertain: false,
            sure,
            besides_cell: false,
            elsewhere_well: false,
            since,
            effect,
            strength,
        })
    }

    /// When it began: the window of up to an hour that is most unlikely without a fault (a generalised likelihood ratio
    /// over all sizes of fault). The tests that gave the alarm may have left zero long before, for noise. None where no
    /// counts speak of a fault, but agents alone; else with the window's strength in nats.
    fn begun(&self, place: Place) -> Option<(Minute, f64)> {
        let node = &self.nodes[place];
        let (mut most, mut begun) = (0.0_f64, self.now);
        for minutes in SCAN {
            let from = Minute(self.now.0.saturating_sub(minutes - 1));
            // It cannot be known to have begun before anything was.
            if minutes > 1 && !node.is_known(from) {
                continue;
            }
            let measured = Measured::of(node, from, self.now);
            let strength = measured.strength();
            // Sockets that are gone are as unlikely over two minutes as over twenty; failures are not.
            let silent = measured.silence_strength() > measured.failing_strength();
            if strength >= if silent { AS_UNLIKELY * most } else { most } {
                begun = from;
            }
            most = most.max(strength);
        }
        (most >= LEAST_STRENGTH).then_some((begun, most))
    }

    /// What a place measured since `from`.
    pub fn measure(&self, scope: &Scope, from: Minute) -> Measured {
        let Some(place) = self.places.of(scope) else { return Measured::default() };
        let measured = Measured::of(&self.nodes[place], from, self.now);
        let mut down = 0.0;
        let mut well = 0.0;
        let countries =
            self.places.countries.keys().filter(|cc| scope.contains(&Scope::Country { cc: **cc }));
        for (_, leaf) in countries.flat_map(|cc| self.places.networks_of(*cc)) {
            match self.nodes[*leaf].agent.as_ref().map(|agent| agent.vote(self.now)) {
                Some(Vote::Down) => down += 1.0,
                Some(Vote::Well) => well += 1.0,
                Some(Vote::Abstains) | None => {}
            }
        }
        if matches!(scope, Scope::World | Scope::Country { .. }) {
            measured.with_votes(down, well, *scope == Scope::World)
        } else {
            measured
        }
    }
}

/// What the rest would show if it were hit like the whole, or a third as badly as the worst part; in what the worst part
/// is hit by, since the rest is always a little noisy in something.
fn shared(whole: &Measured, worst: &Measured) -> Effect {
    let (failing, silence) = (worst.failing_strength(), worst.silence_strength());
    let (whole, worst) = (whole.effect(), worst.effect());
    let share = |whole: f64, worst: f64| (0.7 * whole).max(0.3 * worst);
    let fails = failing >= 0.3 * silence;
    Effect {
        failing: if fails { share(whole.failing, worst.failing) } else { 0.0 },
        voted: if fails { share(whole.voted, worst.voted) } else { 0.0 },
        silence: if silence >= 0.3 * failing { share(whole.silence, worst.silence) } else { 0.0 },
    }
}
