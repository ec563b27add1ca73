//! Closes one minute: sums up what arrived, from the networks to the world, and lets every test take its step.

use crate::counts::{Place, Places, Tally};
use crate::detectors::{Agent, Failing, Flow, FlowSum, Mood, Reported, Vote};
use crate::fusion::{ECHO, FLOWS, Node};
use crate::model::{Country, Minute, Scope};

/// Minutes of history before the season is believed.
pub(crate) const WEEK: u32 = 7 * 1440;
/// Minutes of history before failures are tested in the world, and below it.
const READY_WORLD: u32 = 60;
const READY_BELOW: u32 = 180;
/// Attempts of history before failures are tested, in the world and below it.
const ATTEMPTS_WORLD: f64 = 100.0;
const ATTEMPTS_BELOW: f64 = 200.0;
/// A usual rate of failures before anything is known.
const USUAL_FAILURES: f64 = 0.02;
/// What agents that agree say, in nats: as much as any threshold.
pub(crate) const QUORUM: f64 = 30.0;
/// What one agent alone says, in nats.
const ALONE: f64 = 3.0;

/// One minute of one service.
pub(crate) struct Closing<'a> {
    pub nodes: &'a mut [Node],
    pub places: &'a Places,
    pub service: usize,
    pub minute: Minute,
    /// Minutes since the service was seen first.
    pub age: u32,
}

/// Sums on the way from the networks to the world.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    tally: Tally,
    usual: f64,
    flows: [FlowSum; FLOWS.len()],
    agents: Agents,
}

/// Votes of agents in different networks.
#[derive(Debug, Clone, Copy, Default)]
struct Agents {
    down: u32,
    well: u32,
    since: Option<Minute>,
    attempts: f64,
    failures: f64,
}

impl Closing<'_> {
    /// Sums up the tallies of the minute, so that echoes can be computed before the tests.
    pub fn gather(&mut self) {
        let places = &self.places.services[self.service];
        let mut world = self.nodes[places.elsewhere].tally;
        for (cc, country) in &places.countries {
            let mut sum = Tally::default();
            for (_, network) in places.networks_of(*cc) {
                sum.add(&self.nodes[*network].tally);
            }
            self.nodes[*country].tally = sum;
            world.add(&sum);
        }
        self.nodes[places.world].tally = world;
    }

    /// What is usual and what was reported in a place in this minute.
    pub fn usual_reports(&self, place: Place) -> Option<f64> {
        let places = &self.places.services[self.service];
        let reported = self.nodes[place].reported.as_ref()?;
        if place == places.world {
            let seasonal = reported.season.at(self.minute, 0.0).filter(|_| self.age >= WEEK);
            // Without a week the hour of the day is not known: the busiest may be three times the mean.
            return seasonal.or_else(|| Some(3.0 * reported.season.overall()?));
        }
        if self.age < WEEK {
            return None;
        }
        let world = self.nodes[places.world].reported.as_ref()?;
        let share = (reported.season.overall()? / world.season.overall()?.max(1e-9)).clamp(0.0, 1.0);
        let parent = share * world.season.at(self.minute, 0.0)?;
        // A place without a single report has no season of its own yet.
        Some(reported.season.at(self.minute, parent).unwrap_or(parent))
    }

    /// Lets every test take its step. `echo` is what other services' faults make people report here: by country, and in
    /// the world.
    pub fn step(&mut self, echo: impl Fn(Option<Country>) -> f64) {
        let places = &self.places.services[self.service];
        let world_node = &self.nodes[places.world];
        let world_hold = world_node.hold;
        let world_rate =
            world_node.failing.as_ref().map_or(USUAL_FAILURES, |failing| failing.rate.usual(USUAL_FAILURES));
        let attempts_known = world_node.tally.beacon_rows > 0;
        let mut world = Sum::default();
        for (cc, country) in &places.countries {
            let node = &self.nodes[*country];
            let hold = world_hold || node.hold;
            let rate = node.failing.as_ref().map_or(world_rate, |failing| failing.rate.usual(world_rate));
            let mut sum = Sum::default();
            for (_, network) in places.networks_of(*cc).iter().copied() {
                let before = sum.agents;
                self.step_leaf(network, rate, hold, attempts_known, &mut sum);
                if sum.agents.since != before.since || sum.agents.down != before.down {
                    self.nodes[network].probes = ALONE;
                    self.nodes[network].probes_since = sum.agents.since.unwrap_or(self.minute);
                    self.nodes[network].probes_seen =
                        (sum.agents.attempts - before.attempts, sum.agents.failures - before.failures);
                } else {
                    self.nodes[network].probes = 0.0;
                }
                self.nodes[network].probes_well = sum.agents.well != before.well;
            }
            sum.tally = self.nodes[*country].tally;
            self.step_reports(*country, echo(Some(*cc)));
            self.step_sum(*country, &sum, 2);
            world.add(&sum);
        }
        self.step_leaf(places.elsewhere, world_rate, world_hold, attempts_known, &mut world);
        world.tally = self.nodes[places.world].tally;
        // Attempts that stop everywhere are beacons that are not read any more: nothing is known.
        world.flows[2] = FlowSum::default();
        self.step_reports(places.world, echo(None));
        self.step_sum(places.world, &world, 3);
        self.nodes[places.world].official = world.tally.official as f64;
        for cell in places.cells.values() {
            self.step_leaf(*cell, world_rate, world_hold, false, &mut Sum::default());
        }
    }

    fn step_leaf(&mut self, place: Place, parent_rate: f64, hold: bool, attempts_known: bool, sum: &mut Sum) {
        let is_cell = matches!(self.places.scopes[place].1, Scope::Cell { .. });
        let ready = self.ready(place, is_cell);
        let (minute, mature) = (self.minute, self.age >= WEEK);
        let node = &mut self.nodes[place];
        let tally = node.tally;
        let mood = Mood { hold, frozen: node.frozen, mature };
        // A cell tells all of its places at once; a place is told by each cell for itself.
        let sources = |rows: u32| if is_cell { None } else { Some(rows) };
        let numbers = [
            ((tally.gauge_rows > 0).then_some(tally.gauge as f64), sources(tally.gauge_rows)),
            ((tally.heartbeat_rows > 0).then_some(tally.heartbeats as f64), sources(tally.heartbeat_rows)),
            (attempts_known.then_some(tally.attempts as f64), None),
        ];
        for ((flow, (number, sources)), sum) in node.flows.iter_mut().zip(numbers).zip(&mut sum.flows) {
            if flow.is_none() && number.is_some_and(|number| number > 0.0) {
                *flow = Some(Box::default());
            }
            if let Some(flow) = flow {
                flow.step(minute, number, sources, mood);
                flow.add_to(sum);
            }
        }
        if is_cell {
            let well = !node.frozen && node.flows[0].as_ref().is_some_and(|flow| flow.is_well());
            node.at_cell.close(well);
        }
        if node.failing.is_none() && tally.beacon_rows > 0 {
            node.failing = Some(Box::default());
        }
        if let Some(failing) = &mut node.failing {
            let (attempts, failures) = (tally.attempts as f64, tally.failures as f64);
            let usual = attempts * failing.rate.usual(parent_rate);
            failing.step(minute, attempts, failures, usual, ready, node.frozen);
            if !node.frozen && attempts > 0.0 && failing.score() < 4.0 {
                failing.rate.learn(minute, attempts, failures);
            }
            sum.usual += usual;
        }
        if node.agent.is_none() && tally.probe_attempts > 0 {
            node.agent = Some(Box::<Agent>::default());
        }
        if let Some(agent) = &mut node.agent {
            agent.step(minute, tally.probe_attempts as f64, tally.probe_failures as f64, node.frozen);
            sum.agents.count(agent, minute);
        }
        node.look();
        node.tally = Tally::default();
    }

    fn ready(&self, place: Place, sum: bool) -> bool {
        let Some(failing) = &self.nodes[place].failing else { return false };
        let history = failing.rate.attempts();
        if sum && matches!(self.places.scopes[place].1, Scope::World) {
            self.age >= READY_WORLD && history >= ATTEMPTS_WORLD
        } else {
            self.age >= READY_BELOW && history >= ATTEMPTS_BELOW
        }
    }

    fn step_sum(&mut self, place: Place, sum: &Sum, agents_needed: u32) {
        let ready = self.ready(place, true);
        let (minute, mature) = (self.minute, self.age >= WEEK);
        let node = &mut self.nodes[place];
        let mood = Mood { hold: node.hold, frozen: node.frozen, mature };
        for (flow, sum) in node.flows.iter_mut().zip(&sum.flows) {
            if flow.is_none() && sum.reference > 0.0 {
                *flow = Some(Box::<Flow>::default());
            }
            if let Some(flow) = flow {
                flow.step_sum(minute, *sum, mood);
            }
        }
        if node.failing.is_none() && sum.tally.beacon_rows > 0 {
            node.failing = Some(Box::<Failing>::default());
        }
        if let Some(failing) = &mut node.failing {
            let (attempts, failures) = (sum.tally.attempts as f64, sum.tally.failures as f64);
            let usual = sum.usual * node.mix.ratio();
            failing.step(minute, attempts, failures, usual, ready, node.frozen);
            if !node.frozen && attempts > 0.0 && failing.score() < 4.0 {
                failing.rate.learn(minute, attempts, failures);
                node.mix.learn(minute, sum.usual, failures);
            }
        }
        let agents = &sum.agents;
        node.probes = agents.say(agents_needed);
        node.probes_well = agents.are_well();
        node.probes_tied = agents.well > 0 && agents.well == agents.down;
        node.probes_since = agents.since.unwrap_or(minute);
        node.probes_seen = (agents.attempts, agents.failures);
        let falling = node.flows.iter().flatten().any(|flow| flow.fall.score() >= 2.0);
        node.hold = falling;
        node.look();
        node.tally = Tally::default();
    }

    fn step_reports(&mut self, place: Place, echo: f64) {
        let usual = self.usual_reports(place);
        let reports = self.nodes[place].tally.reports();
        let node = &mut self.nodes[place];
        if node.reported.is_none() && reports > 0.0 {
            node.reported = Some(Box::<Reported>::default());
        }
        if let Some(reported) = &mut node.reported {
            reported.step(self.minute, reports, usual, ECHO * echo, node.frozen);
        }
    }
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.usual += other.usual;
        for (sum, other) in self.flows.iter_mut().zip(&other.flows) {
            sum.now += other.now;
            sum.reference += other.reference;
            sum.missing += other.missing;
            sum.forgotten += other.forgotten;
        }
        self.agents.down += other.agents.down;
        self.agents.well += other.agents.well;
        self.agents.attempts += other.agents.attempts;
        self.agents.failures += other.agents.failures;
        self.agents.since = [self.agents.since, other.agents.since].into_iter().flatten().min();
    }
}

impl Agents {
    fn count(&mut self, agent: &Agent, minute: Minute) {
        match agent.vote(minute) {
            Vote::Down => {
                self.down += 1;
                self.attempts += agent.attempts;
                self.failures += agent.failures;
                self.since = Some(self.since.map_or(agent.since, |since| since.min(agent.since)));
            }
            Vote::Well => self.well += 1,
            Vote::Abstains => {}
        }
    }

    /// Whether more say the opposite than still say "down". Those that have fallen silent since it broke have no say, else
    /// one that went away would keep it broken.
    fn are_well(&self) -> bool {
        self.well > self.down
    }

    /// Evidence in nats: a quorum in different networks that is not outvoted, or single voices.
    fn say(&self, needed: u32) -> f64 {
        if self.down >= needed && self.down > self.well {
            QUORUM
        } else if self.down > self.well {
            ALONE
        } else {
            0.0
        }
    }
}
