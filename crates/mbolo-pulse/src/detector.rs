//! The detector's face: counts in, incidents out.

use std::collections::BTreeMap;

use crate::closing::{Closing, WEEK};
use crate::counts::{Hit, Place, Places, Row, Tally};
use crate::fusion::{Node, Thresholds};
use crate::incidents::{Changes, Incidents, Now, Open, Verdict};
use crate::localisation::{Alarm, Fault, View};
use crate::model::{
    Count, Country, Incident, IncidentKind, IncidentState, Level, Minute, Scope, ServiceId, Signal,
    Transition,
};

/// Minutes ahead of the one being counted that are kept until their turn.
const AHEAD: u32 = 5;
/// Minutes that are gone through one by one when the clock moves on; a longer leap is a gap in what is known.
const LONGEST_WALK: u32 = 24 * 60;
/// Minutes by which a clock may be set back before what was counted so far is taken to be from a wrong clock.
const SET_BACK: u32 = 60;

/// How careful it is. All periods are minutes.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorConfig {
    /// False confirmed incidents that may happen in 28 days, over all nodes, if noise were what the tests assume.
    pub false_alarms_per_28_days: f64,
    /// Counts this old still correct history; older ones are refused.
    pub late_minutes: u32,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        // Real noise has heavier tails than the tests assume; the promise is one.
        Self { false_alarms_per_28_days: 0.3, late_minutes: 72 * 60 }
    }
}

/// Why a count was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is more than 72 hours late.
    #[error("more than 72 hours late")]
    Late,
    /// It is from after the minute that is being counted.
    #[error("from the future")]
    Future,
    /// There are too many services already; the operator should list those that matter.
    #[error("too many services, or not the name of one")]
    Service,
}

/// What is usual, for the band on the chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// The mean of one minute.
    pub mean: f64,
    /// The 97.5th percentile of one minute.
    pub high: f64,
}

/// What nodes, and cells in them, counted in a minute whose turn has not come.
type Waiting = BTreeMap<(usize, Option<usize>), (Hit, Tally)>;

/// Minute counts in, incidents out.
#[derive(Debug)]
pub struct Detector {
    config: DetectorConfig,
    places: Places,
    nodes: Vec<Node>,
    /// When each service was seen first and last.
    seen: Vec<(Minute, Minute)>,
    counting: Option<Minute>,
    counted: bool,
    ahead: BTreeMap<Minute, Waiting>,
    incidents: Incidents,
}

impl Detector {
    /// Knows nothing yet.
    pub fn new(config: DetectorConfig) -> Self {
        Self {
            config,
            places: Places::default(),
            nodes: Vec::new(),
            seen: Vec::new(),
            counting: None,
            counted: false,
            ahead: BTreeMap::new(),
            incidents: Incidents::default(),
        }
    }

    /// Takes a count in. Counts of the minute being counted come in any order; late ones correct history, those of the
    /// next five minutes wait for their turn. The first count or the first [`Detector::advance`] sets the clock.
    pub fn push(&mut self, count: &Count) -> Result<(), Refused> {
        self.push_row(&Row::from(count))
    }

    /// See [`Detector::push`].
    pub(crate) fn push_row(&mut self, row: &Row<'_>) -> Result<(), Refused> {
        let counting = *self.counting.get_or_insert(row.minute);
        if counting.since(row.minute) > self.config.late_minutes {
            return Err(Refused::Late);
        }
        if row.minute.since(counting) > AHEAD {
            return Err(Refused::Future);
        }
        let hit = self.places.find(row.service, row.cc, row.asn, row.cell).ok_or(Refused::Service)?;
        if self.nodes.len() < self.places.scopes.len() {
            let new = &self.places.scopes[self.nodes.len()..];
            self.nodes.extend(
                new.iter().map(|(_, scope)| Node { wide: *scope == Scope::World, ..Node::default() }),
            );
            self.seen.resize(self.places.services.len(), (row.minute, row.minute));
        }
        let tally = row.tally();
        if row.minute == counting {
            self.count(hit, &tally, row.minute);
        } else if row.minute > counting {
            let waiting = self.ahead.entry(row.minute).or_default();
            waiting.entry((hit.leaf, hit.cell)).or_insert((hit, Tally::default())).1.add(&tally);
        } else {
            self.correct(hit, &tally, row.minute);
        }
        Ok(())
    }

    fn count(&mut self, hit: Hit, tally: &Tally, minute: Minute) {
        self.counted = true;
        self.seen[hit.service].1 = minute;
        self.nodes[hit.leaf].tally.add(tally);
        if let Some(cell) = hit.cell {
            self.nodes[cell].tally.add(tally);
            if tally.gauge_rows > 0 {
                self.nodes[cell].at_cell.tell(hit.leaf, tally.gauge);
            }
        }
    }

    /// Corrects what was learnt from a minute that is closed. Tests are not run again: what is late never alerts. For the
    /// same reason the last hour of sockets, heartbeats and attempts stays as it was known when its minutes were closed:
    /// a reference that is completed later would make a fall of every minute that is not.
    fn correct(&mut self, hit: Hit, tally: &Tally, minute: Minute) {
        let places = &self.places.services[hit.service];
        let country = match &self.places.scopes[hit.leaf].1 {
            Scope::Asn { cc, .. } => places.countries.get(cc).copied(),
            _ => None,
        };
        let numbers = [
            (tally.gauge_rows > 0).then_some(tally.gauge),
            (tally.heartbeat_rows > 0).then_some(tally.heartbeats),
            (tally.beacon_rows > 0).then_some(tally.attempts),
        ];
        let node = &mut self.nodes[hit.leaf];
        for (flow, number) in node.flows.iter_mut().zip(numbers) {
            if let (Some(flow), Some(number)) = (flow, number)
                && !node.frozen
                && flow.ring.get(minute).is_none()
            {
                flow.season.correct(minute, number as f64, false);
            }
        }
        for place in [Some(hit.leaf), country, Some(places.world)].into_iter().flatten() {
            let node = &mut self.nodes[place];
            if node.frozen {
                continue;
            }
            if let Some(failing) = &mut node.failing
                && tally.beacon_rows > 0
            {
                let (attempts, failures) = (tally.attempts as f64, tally.failures as f64);
                failing.attempts.correct(minute, attempts);
                failing.failures.correct(minute, failures);
                failing.usual.correct(minute, attempts * failing.rate.usual(0.02));
            }
            if let Some(reported) = &mut node.reported
                && tally.reports_milli > 0
            {
                reported.ring.correct(minute, tally.reports());
                reported.season.correct(minute, tally.reports(), true);
            }
        }
    }

    /// Closes all minutes before `minute` and says what changed, in order. A clock that leaps forward more than a day
    /// leaves a gap; one that was set back more than an hour starts counting there again.
    pub fn advance(&mut self, minute: Minute) -> Vec<Transition> {
        let mut rows = Vec::new();
        let Some(mut counting) = self.counting else {
            self.counting = Some(minute);
            return rows;
        };
        if counting.since(minute) > SET_BACK {
            self.counting = Some(minute);
            self.ahead.clear();
            return rows;
        }
        while counting < minute {
            rows.extend(self.close(counting));
            let next = if self.ahead.is_empty() && minute.since(counting) > LONGEST_WALK {
                minute
            } else {
                counting.plus(1)
            };
            counting = next;
            self.counting = Some(counting);
            if let Some(waiting) = self.ahead.remove(&counting) {
                for (hit, tally) in waiting.into_values() {
                    self.count(hit, &tally, counting);
                }
            }
        }
        rows
    }

    /// Incidents that are not over.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.open().map(|open| &open.incident)
    }

    /// What is usual for a node at `minute`, if enough is known.
    pub fn expected(
        &self,
        service: &ServiceId,
        scope: &Scope,
        signal: Signal,
        minute: Minute,
    ) -> Option<Expected> {
        let index = self.places.service_index(service.as_str())?;
        let node = &self.nodes[self.places.services[index].of(scope)?];
        let (mean, cv2) = match signal {
            Signal::Reports => {
                let season = &node.reported.as_ref()?.season;
                (season.at(minute, 0.0).or(season.overall())?, season.cv2())
            }
            Signal::Gauge | Signal::Heartbeat | Signal::Beacon => {
                let at = crate::fusion::FLOWS.iter().position(|flow| *flow == signal)?;
                let season = &node.flows[at].as_ref()?.season;
                (season.at(minute, 0.0).or(season.overall())?, season.cv2())
            }
            Signal::Probe | Signal::Official => return None,
        };
        Some(Expected { mean, high: mean + 1.96 * (mean + cv2 * mean * mean).sqrt() })
    }

    /// The service has less than a week of history: only the world is watched by what needs a season.
    pub fn is_learning(&self, service: &ServiceId) -> bool {
        self.places.service_index(service.as_str()).is_none_or(|index| self.age(index) < WEEK)
    }

    /// The newest minute of which anything was pushed.
    pub(crate) fn newest(&self) -> Option<Minute> {
        self.ahead.keys().next_back().copied().or(self.counting)
    }

    fn age(&self, service: usize) -> u32 {
        let (first, last) = self.seen[service];
        last.since(first)
    }

    fn close(&mut self, minute: Minute) -> Vec<Transition> {
        if !std::mem::take(&mut self.counted) {
            // Nothing at all arrived: it is the observatory that was blind.
            return self.judge(minute, Vec::new(), Vec::new());
        }
        self.step(minute);
        let alarms = self.alarms();
        let reports = self.reports();
        self.judge(minute, alarms, reports)
    }

    /// Lets all tests of all services take their step.
    fn step(&mut self, minute: Minute) {
        let services = self.places.services.len();
        let mut excess: Vec<BTreeMap<Option<Country>, f64>> = Vec::with_capacity(services);
        for service in 0..services {
            let age = self.age(service);
            let mut closing = Closing { nodes: &mut self.nodes, places: &self.places, service, minute, age };
            closing.gather();
            let mut excesses = BTreeMap::new();
            let places = &self.places.services[service];
            let countries = places.countries.iter().map(|(cc, place)| (Some(*cc), *place));
            for (cc, place) in countries.chain([(None, places.world)]) {
                let reports = closing.nodes[place].tally.reports();
                if reports >= 1.0 && services > 1 {
                    // Before a place is known, all that is reported there may be what echoes.
                    let usual = closing.usual_reports(place).unwrap_or(0.0);
                    excesses.insert(cc, (reports - usual).max(0.0));
                }
            }
            excess.push(excesses);
        }
        for service in 0..services {
            let age = self.age(service);
            let echo = |cc: Option<Country>| {
                let others = excess.iter().enumerate().filter(|(other, _)| *other != service);
                others.filter_map(|(_, excess)| excess.get(&cc)).fold(0.0, |most: f64, one| most.max(*one))
            };
            Closing { nodes: &mut self.nodes, places: &self.places, service, minute, age }.step(echo);
        }
    }

    fn thresholds(&self) -> Thresholds {
        let count = |level: Level| {
            let of = |places: &crate::counts::ServicePlaces| match level {
                Level::World => 1,
                Level::Country => places.countries.len(),
                Level::Asn => places.networks.len(),
                Level::Cell => places.cells.len(),
            };
            self.places.services.iter().map(of).sum()
        };
        Thresholds::new(count, self.config.false_alarms_per_28_days)
    }

    /// Nodes whose measurements are unusual, by service.
    fn alarms(&mut self) -> Vec<(usize, Vec<Alarm>)> {
        let thresholds = self.thresholds();
        let mut falling: BTreeMap<&Scope, Vec<f64>> = BTreeMap::new();
        for (node, (_, scope)) in self.nodes.iter().zip(&self.places.scopes).filter(|(node, _)| node.stirs) {
            let evidence = node.falling();
            if evidence >= 2.0 && scope.country().is_some() {
                falling.entry(scope).or_default().push(evidence);
            }
        }
        // Services are numbered as they came; sums must not depend on that.
        falling.values_mut().for_each(|evidence| evidence.sort_by(f64::total_cmp));
        let mut alarms: BTreeMap<usize, Vec<Alarm>> = BTreeMap::new();
        let mut unusual = Vec::with_capacity(self.nodes.len());
        for (place, (node, (service, scope))) in self.nodes.iter().zip(&self.places.scopes).enumerate() {
            if !node.stirs || !scope.is_a_place() {
                unusual.push(false);
                continue;
            }
            let elsewhere = falling.get(scope).map_or(0.0, |all| all.iter().sum::<f64>() - node.falling());
            let score = node.score(elsewhere);
            let suspected = score.fused >= thresholds.suspect(scope.level());
            if suspected {
                let sure = node.unusual && score.confirms(thresholds.confirm(scope.level()));
                let alarm = Alarm { place, scope: scope.clone(), sure, score: score.fused };
                alarms.entry(*service).or_default().push(alarm);
            }
            // Half of a suspicion is enough for the minute before.
            unusual.push(score.measured >= 0.4 * thresholds.suspect(scope.level()));
        }
        for (node, unusual) in self.nodes.iter_mut().zip(unusual) {
            node.unusual = unusual;
        }
        alarms.into_iter().collect()
    }

    /// Places from which more people report than usual, the widest that explains it for each service.
    fn reports(&self) -> Vec<(usize, Scope)> {
        let thresholds = self.thresholds();
        let mut found = Vec::new();
        for (service, places) in self.places.services.iter().enumerate() {
            let alarm = |place: &Place| {
                let level = self.places.scopes[*place].1.level();
                self.nodes[*place]
                    .reported
                    .as_ref()
                    .is_some_and(|reported| reported.alarm() >= thresholds.confirm(level))
            };
            let countries: Vec<Scope> = (places.countries.iter())
                .filter(|(_, place)| alarm(place))
                .map(|(cc, _)| Scope::Country { cc: *cc })
                .collect();
            match (alarm(&places.world), countries.len()) {
                (false, _) | (true, 1) => found.extend(countries.into_iter().map(|scope| (service, scope))),
                (true, _) => found.push((service, Scope::World)),
            }
        }
        found.sort_by(|a, b| {
            self.places.services[a.0].id.cmp(&self.places.services[b.0].id).then(a.1.cmp(&b.1))
        });
        found
    }

    fn judge(
        &mut self,
        minute: Minute,
        alarms: Vec<(usize, Vec<Alarm>)>,
        reports: Vec<(usize, Scope)>,
    ) -> Vec<Transition> {
        let now = Now { minute, places: &self.places, nodes: &self.nodes };
        let mut verdicts = Vec::new();
        for (service, alarms) in alarms {
            let view = View::new(&self.nodes, &self.places, service, minute);
            verdicts.extend(view.diagnose(&alarms).into_iter().filter_map(|fault| now.judge(fault)));
        }
        self.incidents.forget(minute);
        let quiet = verdicts.is_empty() && reports.is_empty() && self.incidents.open().next().is_none();
        if quiet {
            return Vec::new();
        }
        // The surest first: what is certain takes in what is suspected.
        verdicts.sort_by(|a: &Verdict, b: &Verdict| {
            let (a, b) = (&a.fault, &b.fault);
            let name = |fault: &Fault| &self.places.services[fault.service].id;
            b.sure.cmp(&a.sure).then(b.strength.total_cmp(&a.strength)).then_with(|| name(a).cmp(name(b)))
        });
        let Changes { rows, ended } = self.incidents.step(&now, verdicts, reports);
        self.freeze(&ended);
        rows
    }

    /// Nodes of confirmed incidents learn nothing; those of ended ones forget their suspicions.
    fn freeze(&mut self, ended: &[(Vec<usize>, Scope)]) {
        let open: Vec<&Open> = self.incidents.open().collect();
        for (node, (service, scope)) in self.nodes.iter_mut().zip(&self.places.scopes) {
            let parent = |of: &Scope| {
                scope.level() == Level::Country && scope.contains(of) || scope.level() == Level::Cell
            };
            let concerns = |of: &Scope| of.contains(scope) || parent(of);
            let frozen = open.iter().any(|open| {
                let connectivity = open.incident.kind == IncidentKind::Connectivity;
                open.incident.state >= IncidentState::Confirmed
                    && (connectivity || open.services.contains(service))
                    && concerns(&open.incident.scope)
            });
            node.frozen = frozen;
            let over = |(services, of): &(Vec<usize>, Scope)| {
                // A cell has people everywhere, so what ended there was seen here, and the other way round.
                let everywhere = of.level() == Level::Cell || scope.level() == Level::Cell;
                services.contains(service) && (everywhere || of.contains(scope) || scope.contains(of))
            };
            if !frozen && ended.iter().any(over) {
                node.release();
            }
        }
    }
}
