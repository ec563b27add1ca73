//! The world, minute by minute: who is awake, what they try, what fails, and what an observatory would count of it.
//!
//! The gauge is a stock, not a flow: sockets come and go, and noise in their coming is smoothed by how long they live.
//! Everything else is counted fresh each minute. A cut takes people's reports with it; a failing service makes them. A
//! cell that is down says nothing: its rows are missing, not zero.

use std::sync::Arc;

use mbolo_pulse::{Asn, Count, Minute, Problem, ServiceId, Signal};

use crate::assumptions::{
    BAD_AGENT, BLOCKED_SHARE, COMMON_CV, CUT_OFF_BUT_HEARD, FAILURE_DRIFT, FAULT_REPORTS,
    HEARTBEAT_PERIOD_MINUTES, LEAK_OF_A_CUT, LOSS_NOTICED_PER_MINUTE, NETWORK_CV, NEW_YEAR, NOTICE_MINUTES,
    OTHER_BEACONS, OWN_BEACONS, PANIC_ATTEMPTS, PANIC_REPORTS, PROBE_ATTEMPTS, PROBE_FAILURES,
    REPORT_FATIGUE_MINUTES, RETRIES, RETURN_PER_MINUTE, SOCKET_LIFE_MINUTES, SOCKETS_AT_NIGHT,
    SOCKETS_AT_PEAK, TOLD_A_MINUTE_LATER, USUAL_FAILURES, USUAL_REPORTS,
};
use crate::fault::{Fault, What};
use crate::noise::{Drift, Noise, NoiseFamily};
use crate::places::Places;
use crate::random::Random;
use crate::rhythm;
use crate::schedule::{DAY, START, Schedule};
use crate::services::{CARRIER, CELLS, OTHERS, OWN, SERVICES, ids};

/// Streams of chance of one seed.
const NOISE_STREAM: u64 = 3;

/// The world of one run.
pub(crate) struct World<'a> {
    places: &'a Places,
    schedule: &'a Schedule,
    random: Random,
    service_ids: [ServiceId; SERVICES.len()],
    cell_names: [Arc<str>; CELLS.len()],
    /// Of a place's traffic, and of its reports about each service.
    place_noise: Vec<(Noise, [Noise; SERVICES.len()])>,
    /// What the world's reports about a service have in common.
    common: [Noise; SERVICES.len()],
    network_noise: Vec<(Noise, Drift)>,
    /// By network and home.
    sockets: Vec<Vec<Sockets>>,
    agents: Vec<Agent>,
    effects: Effects,
    /// Attempts and failures of the minute before that are told in this one, by service and network, and of our own
    /// service by cell.
    late: Vec<[(u32, u32); CELLS.len()]>,
    /// Reports of this minute, by service and network, and which of them are not zero.
    reports: Vec<u32>,
    reported: Vec<usize>,
}

/// The sockets of one network with one cell: `lost` of `pool` are cut off by a fault.
#[derive(Debug, Clone, Copy, Default)]
struct Sockets {
    pool: u32,
    lost: u32,
}

struct Agent {
    network: usize,
    /// Its own network is bad until then, and it does not know.
    bad_until: Minute,
    /// It is one of those that lie that a service is down.
    lies: bool,
}

/// What the faults that are on do to each network, as shares.
struct Effects {
    calm: bool,
    cut: Vec<f64>,
    /// By service and network.
    failing: Vec<f64>,
    cell_failing: [f64; CELLS.len()],
    /// More attempts, by service.
    attempts: [f64; SERVICES.len()],
    /// Reports that the faults cause, per minute, by service and network, in units of active users.
    reports: Vec<f64>,
    /// Reports of bots, per minute, by service and network.
    bots: Vec<(usize, f64)>,
    /// What agents lie about a service: that it is down, or that it is not.
    lies: [Option<bool>; SERVICES.len()],
    /// Minutes by which clocks are ahead: cells', and every third agent's.
    cell_clock: [i32; CELLS.len()],
    agent_clock: i32,
}

/// What a network does in this minute.
struct Activity {
    social: f64,
    business: f64,
    /// The share of users that would have a socket if arrivals went on like this.
    sockets: f64,
    failures: f64,
}

impl<'a> World<'a> {
    pub(crate) fn new(places: &'a Places, schedule: &'a Schedule, family: NoiseFamily, seed: u64) -> Self {
        let mut random = Random::new(seed, NOISE_STREAM);
        let place_noise = places.places.iter().map(|place| {
            let of_reports = std::array::from_fn(|_| Noise::new(family, place.cv, &mut random));
            (Noise::new(family, place.cv, &mut random), of_reports)
        });
        let place_noise = place_noise.collect();
        let common = std::array::from_fn(|_| Noise::new(family, COMMON_CV, &mut random));
        // A network's share is not a rate that could burst.
        let calm = if family == NoiseFamily::Bursts { NoiseFamily::LogNormal } else { family };
        let network_noise = places
            .networks
            .iter()
            .map(|_| (Noise::new(calm, NETWORK_CV, &mut random), Drift::new(FAILURE_DRIFT, &mut random)));
        let network_noise = network_noise.collect();
        let sockets = places.networks.iter().map(|network| {
            let rhythm = rhythm::at(START, places.places[network.place].offset);
            let of_home = |(_, share): &(usize, f64)| {
                let pool = random.poisson(network.users * share * sockets_share(rhythm.social));
                Sockets { pool, lost: 0 }
            };
            network.homes.iter().map(of_home).collect()
        });
        let sockets = sockets.collect();
        let agents = agents(places, &mut random);
        let size = places.networks.len() * SERVICES.len();
        Self {
            places,
            schedule,
            random,
            service_ids: ids(),
            cell_names: CELLS.map(Into::into),
            place_noise,
            common,
            network_noise,
            sockets,
            agents,
            effects: Effects {
                calm: true,
                cut: vec![0.0; places.networks.len()],
                failing: vec![0.0; size],
                cell_failing: [0.0; CELLS.len()],
                attempts: [1.0; SERVICES.len()],
                reports: vec![0.0; size],
                bots: Vec::new(),
                lies: [None; SERVICES.len()],
                cell_clock: [0; CELLS.len()],
                agent_clock: 0,
            },
            late: vec![[(0, 0); CELLS.len()]; size],
            reports: vec![0; size],
            reported: Vec::new(),
        }
    }

    /// Lives one minute and adds what is counted of it to `rows`. Minutes have to come one after the other.
    pub(crate) fn live(&mut self, minute: Minute, rows: &mut Vec<Count>) {
        self.effects.update(minute, self.schedule, self.places);
        let common: [f64; SERVICES.len()] = std::array::from_fn(|at| self.common[at].next(&mut self.random));
        for place in 0..self.places.places.len() {
            self.live_in(place, minute, &common, rows);
        }
        self.bots_report();
        self.write_reports(minute, rows);
        self.probe(minute, rows);
    }

    fn live_in(
        &mut self,
        number: usize,
        minute: Minute,
        common: &[f64; SERVICES.len()],
        rows: &mut Vec<Count>,
    ) {
        let place = &self.places.places[number];
        let changed = place.summer_time && minute >= self.schedule.clock_change;
        let offset = place.offset + if changed { 60 } else { 0 };
        let rhythm = rhythm::at(minute, offset);
        let trend = place.trend.factor(f64::from(minute.since(START)) / f64::from(DAY));
        let (party, congestion) = new_year(minute, offset, self.schedule.new_year);
        let (noise, report_noise) = &mut self.place_noise[number];
        let traffic = trend * noise.next(&mut self.random);
        let report_noise: [f64; SERVICES.len()] =
            std::array::from_fn(|at| report_noise[at].next(&mut self.random) * common[at]);
        let mut active = [0.0; SERVICES.len()];
        for network in place.networks.clone() {
            let (noise, drift) = &mut self.network_noise[network];
            let share = traffic * noise.next(&mut self.random);
            let activity = Activity {
                social: share * party * rhythm.social,
                business: share * rhythm.business,
                sockets: share * sockets_share(rhythm.social),
                failures: (USUAL_FAILURES * congestion * drift.next(&mut self.random)).min(0.5),
            };
            self.live_on(network, &activity, minute, rows);
            for (service, active) in active.iter_mut().enumerate() {
                let of_network = self.active(network, service, &activity);
                *active += of_network;
                let caused = self.effects.reports[service * self.places.networks.len() + network];
                if caused > 0.0 {
                    let n = self.random.poisson(of_network * caused);
                    self.report(service, network, n);
                }
            }
        }
        for (service, active) in active.into_iter().enumerate() {
            let n = self.random.poisson(active * USUAL_REPORTS * report_noise[service]);
            for _ in 0..n {
                let network = self.somebodys_network(number);
                if self.random.uniform() >= self.effects.cut[network] {
                    self.report(service, network, 1);
                }
            }
        }
    }

    /// Users of a service who do something with it in this minute.
    fn active(&self, network: usize, service: usize, activity: &Activity) -> f64 {
        let service = &SERVICES[service];
        let rhythm = if service.business { activity.business } else { activity.social };
        self.places.networks[network].users * service.used_by * rhythm
    }

    fn live_on(&mut self, number: usize, activity: &Activity, minute: Minute, rows: &mut Vec<Count>) {
        let network = &self.places.networks[number];
        let cut = self.effects.cut[number];
        let failing = self.effects.failing(OWN, number, self.places);
        let active = self.active(number, OWN, activity) * self.effects.attempts[OWN] * (1.0 - cut);
        for (home, (cell, share)) in network.homes.iter().enumerate() {
            let failing = 1.0 - (1.0 - failing) * (1.0 - self.effects.cell_failing[*cell]);
            let lost = 1.0 - (1.0 - failing) * (1.0 - cut);
            let sockets = &mut self.sockets[number][home];
            sockets.live(network.users * share * activity.sockets, lost, &mut self.random);
            let live = sockets.pool - sockets.lost;
            if self.effects.cell_failing[*cell] < 1.0 {
                let heard = self.random.poisson(f64::from(live) / HEARTBEAT_PERIOD_MINUTES);
                for (signal, n) in [(Signal::Gauge, live), (Signal::Heartbeat, heard)] {
                    let told_for = by_clock(minute, self.effects.cell_clock[*cell]);
                    let mut row = self.row(told_for, OWN, number, signal);
                    row.cell = Some(self.cell_names[*cell].clone());
                    row.n = n;
                    rows.push(row);
                }
            }
            let mean = active * share * OWN_BEACONS;
            let usual = activity.failures;
            if let Some(mut beacon) = self.beacon(minute, (OWN, number, *cell), mean, failing, usual) {
                beacon.cell = Some(self.cell_names[*cell].clone());
                rows.push(beacon);
            }
        }
        for service in OTHERS {
            let failing = self.effects.failing(service, number, self.places);
            let active = self.active(number, service, activity) * self.effects.attempts[service];
            let mean = active * (1.0 - cut) * OTHER_BEACONS;
            rows.extend(self.beacon(minute, (service, number, 0), mean, failing, activity.failures));
        }
    }

    /// What one network tells in this minute about a service (and a cell of ours); nothing if there were no attempts.
    fn beacon(
        &mut self,
        minute: Minute,
        (service, network, cell): (usize, usize, usize),
        mean: f64,
        failing: f64,
        usual: f64,
    ) -> Option<Count> {
        let attempts = self.random.poisson(mean * (1.0 + RETRIES * failing));
        let failures = self.random.binomial(attempts, usual + failing * (1.0 - usual));
        let later = (
            self.random.binomial(attempts - failures, TOLD_A_MINUTE_LATER),
            self.random.binomial(failures, TOLD_A_MINUTE_LATER),
        );
        let late = &mut self.late[service * self.places.networks.len() + network][cell];
        let before = std::mem::replace(late, (later.0 + later.1, later.1));
        let mut row = self.row(minute, service, network, Signal::Beacon);
        row.attempts = attempts - later.0 - later.1 + before.0;
        row.failures = failures - later.1 + before.1;
        (row.attempts > 0).then_some(row)
    }

    fn row(&self, minute: Minute, service: usize, network: usize, signal: Signal) -> Count {
        let network = &self.places.networks[network];
        Count {
            minute,
            service: self.service_ids[service].clone(),
            cc: self.places.places[network.place].cc,
            asn: network.asn,
            signal,
            problem: None,
            cell: None,
            n: 0,
            weight: None,
            attempts: 0,
            failures: 0,
        }
    }

    fn report(&mut self, service: usize, network: usize, n: u32) {
        if n == 0 {
            return;
        }
        let at = service * self.places.networks.len() + network;
        if self.reports[at] == 0 {
            self.reported.push(at);
        }
        self.reports[at] += n;
    }

    fn somebodys_network(&mut self, place: usize) -> usize {
        let place = &self.places.places[place];
        let mut left = self.random.uniform() * place.users;
        for network in place.networks.clone() {
            left -= self.places.networks[network].users;
            if left < 0.0 {
                return network;
            }
        }
        place.networks.start
    }

    fn bots_report(&mut self) {
        for bot in 0..self.effects.bots.len() {
            let (at, mean) = self.effects.bots[bot];
            let n = self.random.poisson(mean);
            let networks = self.places.networks.len();
            self.report(at / networks, at % networks, n);
        }
    }

    fn write_reports(&mut self, minute: Minute, rows: &mut Vec<Count>) {
        for at in std::mem::take(&mut self.reported) {
            let networks = self.places.networks.len();
            let (service, network) = (at / networks, at % networks);
            let mut left = std::mem::take(&mut self.reports[at]);
            // As in the United States on 19 July 2023: 59 % sending, 37 % the app.
            for (problem, of_rest) in
                [(Problem::Send, 0.59), (Problem::ConnectApp, 0.9), (Problem::Other, 1.0)]
            {
                let n = self.random.binomial(left, of_rest);
                left -= n;
                if n > 0 {
                    let mut row = self.row(minute, service, network, Signal::Reports);
                    row.problem = Some(problem);
                    row.n = n;
                    rows.push(row);
                }
            }
        }
    }

    fn probe(&mut self, minute: Minute, rows: &mut Vec<Count>) {
        let (times_a_day, lasts, bad_share) = BAD_AGENT;
        for agent in 0..self.agents.len() {
            let network = self.agents[agent].network;
            // Its anchors fail too, so it abstains.
            if self.effects.cut[network] > 0.0 {
                continue;
            }
            if self.random.uniform() < times_a_day / f64::from(DAY) {
                self.agents[agent].bad_until = minute.plus(self.random.poisson(lasts));
            }
            let bad = if minute < self.agents[agent].bad_until { bad_share } else { PROBE_FAILURES };
            let lies_down = self.agents[agent].lies;
            let told = |effects: &Effects, service: usize, measured: u32| match effects.lies[service] {
                Some(true) if lies_down => PROBE_ATTEMPTS,
                Some(false) => 0,
                _ => measured,
            };
            let told_for = if agent % 3 == 0 { by_clock(minute, self.effects.agent_clock) } else { minute };
            for service in OTHERS {
                let failing = self.effects.failing(service, network, self.places);
                let mut row = self.row(told_for, service, network, Signal::Probe);
                row.attempts = PROBE_ATTEMPTS;
                let failures = self.random.binomial(PROBE_ATTEMPTS, 1.0 - (1.0 - bad) * (1.0 - failing));
                row.failures = told(&self.effects, service, failures);
                rows.push(row);
            }
            let failing = self.effects.failing(OWN, network, self.places);
            for cell in 0..CELLS.len() {
                let failing = 1.0 - (1.0 - failing) * (1.0 - self.effects.cell_failing[cell]) * (1.0 - bad);
                let mut row = self.row(told_for, OWN, network, Signal::Probe);
                row.cell = Some(self.cell_names[cell].clone());
                row.attempts = PROBE_ATTEMPTS;
                let failures = self.random.binomial(PROBE_ATTEMPTS, failing);
                row.failures = told(&self.effects, OWN, failures);
                rows.push(row);
            }
        }
    }
}

impl Sockets {
    /// One minute of coming and going towards `usual` sockets, while a fault takes the share `lost` of them.
    fn live(&mut self, usual: f64, lost: f64, random: &mut Random) {
        let leave = random.binomial(self.pool, 1.0 / SOCKET_LIFE_MINUTES);
        let lost_that_leave = if self.lost == 0 {
            0
        } else {
            random.binomial(leave, f64::from(self.lost) / f64::from(self.pool)).min(self.lost)
        };
        self.lost -= lost_that_leave;
        self.pool = self.pool - leave + random.poisson(usual / SOCKET_LIFE_MINUTES);
        self.lost = self.lost.min(self.pool);
        let target = (f64::from(self.pool) * lost).round() as u32;
        if target > self.lost {
            self.lost += random.binomial(target - self.lost, LOSS_NOTICED_PER_MINUTE);
        } else if target < self.lost {
            self.lost -= random.binomial(self.lost - target, RETURN_PER_MINUTE);
        }
    }
}

impl Effects {
    fn failing(&self, service: usize, network: usize, places: &Places) -> f64 {
        self.failing[service * places.networks.len() + network]
    }

    fn update(&mut self, minute: Minute, schedule: &Schedule, places: &Places) {
        if !self.calm {
            self.cut.fill(0.0);
            self.failing.fill(0.0);
            self.cell_failing = [0.0; CELLS.len()];
            self.attempts = [1.0; SERVICES.len()];
            self.reports.fill(0.0);
            self.bots.clear();
            self.lies = [None; SERVICES.len()];
            self.cell_clock = [0; CELLS.len()];
            self.agent_clock = 0;
            self.calm = true;
        }
        // Faults begin in order, and the longest lasts a night.
        let past = schedule.faults.partition_point(|fault| fault.from.plus(DAY) < minute);
        for fault in schedule.faults[past..].iter().take_while(|fault| fault.from <= minute) {
            if fault.is_on(minute) {
                self.calm = false;
                self.add(fault, minute, places);
            }
        }
    }

    fn add(&mut self, fault: &Fault, minute: Minute, places: &Places) {
        let count = places.networks.len();
        let age = f64::from(minute.since(fault.from));
        let rise = 1.0 - (-(age + 1.0) / NOTICE_MINUTES).exp();
        let reporting = rise * (-(age - 20.0).max(0.0) / REPORT_FATIGUE_MINUTES).exp();
        match &fault.what {
            What::Outage { service, .. } => {
                let share = fault.share_at(minute);
                for network in 0..count {
                    self.fail(*service, network, share, share * reporting, fault.echo, count);
                }
            }
            What::Block { service, place } => {
                for network in places.places[*place].networks.clone() {
                    self.fail(*service, network, BLOCKED_SHARE, BLOCKED_SHARE * reporting, fault.echo, count);
                }
            }
            What::Cut { place, network } => {
                let of_place = places.places[*place].networks.clone();
                for cut in of_place.clone().filter(|at| network.is_none_or(|network| network == *at)) {
                    self.cut[cut] = 1.0 - LEAK_OF_A_CUT;
                }
                let Some(network) = network else { return };
                // Who is cut off borrows a neighbour's network, in proportion to who has one.
                let users: f64 = of_place.clone().map(|at| places.networks[at].users).sum();
                let borrowed =
                    places.networks[*network].users / (users - places.networks[*network].users).max(1.0);
                for at in of_place.filter(|at| at != network) {
                    let heard = borrowed * CUT_OFF_BUT_HEARD * reporting;
                    self.complain(CARRIER, at, heard, fault.echo, count);
                }
            }
            What::Cell { cell } => {
                self.cell_failing[*cell] = 1.0;
                for (at, network) in places.networks.iter().enumerate() {
                    let share: f64 =
                        network.homes.iter().filter(|home| home.0 == *cell).map(|home| home.1).sum();
                    self.complain(OWN, at, share * reporting, fault.echo, count);
                }
            }
            What::Flood { service, networks, per_minute } => {
                let each = per_minute / networks.len() as f64;
                self.bots.extend(networks.iter().map(|network| (service * count + network, each)));
            }
            What::Panic { service } => {
                self.attempts[*service] = 1.0 + PANIC_ATTEMPTS * rise;
                for network in 0..count {
                    self.reports[service * count + network] += PANIC_REPORTS * reporting;
                }
            }
            What::Lies { service, down } => self.lies[*service] = Some(*down),
            What::Clock { cell, ahead } => {
                self.cell_clock[*cell] = *ahead;
                self.agent_clock = *ahead;
            }
        }
    }

    fn fail(&mut self, service: usize, network: usize, share: f64, reporting: f64, echo: f64, count: usize) {
        self.failing[service * count + network] = share;
        self.complain(service, network, reporting, echo, count);
    }

    /// The share `reporting` of a service's active users report as often as in a fault; the others hear of it.
    fn complain(&mut self, service: usize, network: usize, reporting: f64, echo: f64, count: usize) {
        let reports = reporting * FAULT_REPORTS;
        self.reports[service * count + network] += reports;
        for other in (0..SERVICES.len()).filter(|other| *other != service) {
            // In reports, not in users: a small service gets as many.
            let relative = SERVICES[service].used_by / SERVICES[other].used_by;
            self.reports[other * count + network] += reports * echo * relative;
        }
    }
}

fn by_clock(minute: Minute, ahead: i32) -> Minute {
    Minute(minute.0.saturating_add_signed(ahead))
}

fn sockets_share(social: f64) -> f64 {
    SOCKETS_AT_PEAK * (SOCKETS_AT_NIGHT + (1.0 - SOCKETS_AT_NIGHT) * social)
}

/// How much more people write and how many more attempts fail around the local midnight of the new year.
fn new_year(minute: Minute, offset: i32, midnight_utc: Minute) -> (f64, f64) {
    let after = rhythm::local(minute, offset) - i64::from(midnight_utc.0);
    // From a quarter of an hour before until three quarters after, highest at midnight.
    let near = match after {
        -15..0 => (after + 15) as f64 / 15.0,
        0..45 => 1.0 - after as f64 / 45.0,
        _ => 0.0,
    };
    (1.0 + (NEW_YEAR.0 - 1.0) * near, 1.0 + (NEW_YEAR.1 - 1.0) * near)
}

/// Half of the agents sit in the largest networks, half anywhere, and one in Gabon; never two in one network.
fn agents(places: &Places, random: &mut Random) -> Vec<Agent> {
    let users: f64 = places.places.iter().map(|place| place.users).sum();
    // Volunteers: a dozen for 20,000 users, 26 for 200,000, 120 for 20 million; fewer in a part of the world.
    let part = (places.places.len() as f64 / 180.0).min(1.0);
    let wanted = (12.0 * (users / 20_000.0).cbrt() * part).round().max(10.0) as usize;
    let named: Vec<usize> =
        (0..places.networks.len()).filter(|at| places.networks[*at].asn != Asn(0)).collect();
    let mut by_size = named.clone();
    by_size.sort_by(|one, other| places.networks[*other].users.total_cmp(&places.networks[*one].users));
    let mut chosen: Vec<usize> = by_size.into_iter().take(wanted / 2).collect();
    if let Some(gabon) = places.find(crate::places::gabon()) {
        chosen.push(places.places[gabon].networks.start);
    }
    // A world with fewer networks than wanted agents has fewer agents.
    for _ in 0..wanted * 20 {
        if chosen.len() >= wanted || named.is_empty() {
            break;
        }
        let network = named[random.below(named.len())];
        if !chosen.contains(&network) {
            chosen.push(network);
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    let mut agents: Vec<Agent> =
        chosen.into_iter().map(|network| Agent { network, bad_until: Minute(0), lies: false }).collect();
    // As many liars as can be outvoted: one that is alone in its country, half of those that are not, and fewer than
    // half of all.
    let mut may_lie = agents.len().saturating_sub(1) / 2;
    for of_place in agents
        .chunk_by_mut(|one, next| places.networks[one.network].place == places.networks[next.network].place)
    {
        let liars = (of_place.len() / 2).max(1).min(may_lie);
        may_lie -= liars;
        of_place[..liars].iter_mut().for_each(|agent| agent.lies = true);
    }
    agents
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mbolo_pulse::Country;

    use super::*;
    use crate::fault::Class;
    use crate::options::Options;
    use crate::places::gabon;

    /// A small world with one fault, six hours after the beginning.
    fn lived(users: u64, what: Option<What>, minutes: u32, family: NoiseFamily) -> Vec<Count> {
        let options = Options { rounds: 0, ..Options::quick() };
        let places = Places::new(&options, users, &mut Random::new(4, 1));
        let mut schedule = Schedule::new(&options, &places, &mut Random::new(4, 2));
        let from = START.plus(FAULT_AT);
        schedule.faults = what
            .into_iter()
            .map(|what| Fault { class: Class::OwnLarge, from, until: from.plus(60), what, echo: 0.03 })
            .collect();
        let mut world = World::new(&places, &schedule, family, 4);
        let mut rows = Vec::new();
        for minute in 0..minutes {
            world.live(START.plus(minute), &mut rows);
        }
        rows
    }

    const FAULT_AT: u32 = 360;

    fn place_of(cc: &str) -> usize {
        let options = Options::quick();
        let places = Places::new(&options, 200_000, &mut Random::new(4, 1));
        places.find(Country::new(cc).unwrap()).unwrap()
    }

    /// The sum of a figure between two minutes after the beginning.
    fn sum(
        rows: &[Count],
        (from, until): (u32, u32),
        which: impl Fn(&Count) -> bool,
        figure: impl Fn(&Count) -> u32,
    ) -> f64 {
        let inside = |row: &&Count| (from..until).contains(&row.minute.since(START)) && which(row);
        rows.iter().filter(inside).map(|row| f64::from(figure(row))).sum()
    }

    #[test]
    fn the_same_seed_gives_the_same_world() {
        let once = || lived(200_000, Some(What::Panic { service: OWN }), 400, NoiseFamily::Bursts);
        assert_eq!(once(), once());
    }

    #[test]
    fn sockets_follow_the_evening_of_their_own_country() {
        let rows = lived(2_000_000, None, 1440, NoiseFamily::NegativeBinomial);
        let at_hour = |cc: &str, hour: u32| {
            let cc = Country::new(cc).unwrap();
            let which = |row: &Count| row.cc == cc && row.signal == Signal::Gauge;
            sum(&rows, (hour * 60, hour * 60 + 30), which, |row| row.n)
        };
        // The first of the list keeps clocks eight hours ahead: 21 h there is 13 h in UTC, 4 h is 20 h the day before.
        assert!(at_hour("CN", 13) > 1.25 * at_hour("CN", 20));
        assert!(at_hour("GA", 20) > 1.25 * at_hour("GA", 3));
    }

    #[test]
    fn a_shutdown_takes_sockets_beacons_and_reports_away() {
        let what = What::Cut { place: place_of("GA"), network: None };
        let rows = lived(20_000_000, Some(what), FAULT_AT + 60, NoiseFamily::LogNormal);
        let before = (FAULT_AT - 50, FAULT_AT);
        let during = (FAULT_AT + 10, FAULT_AT + 60);
        let here = |signal| move |row: &Count| row.cc == gabon() && row.signal == signal;
        for signal in [Signal::Gauge, Signal::Heartbeat] {
            let ratio =
                sum(&rows, during, here(signal), |row| row.n) / sum(&rows, before, here(signal), |row| row.n);
            assert!(ratio < 0.08, "{signal:?} {ratio}");
        }
        let attempts = |when| sum(&rows, when, here(Signal::Beacon), |row| row.attempts);
        assert!(attempts(during) < 0.08 * attempts(before));
        assert_eq!(sum(&rows, during, here(Signal::Probe), |row| row.attempts), 0.0, "agents there abstain");
        let reports = |when| sum(&rows, when, here(Signal::Reports), |row| row.n);
        assert!(reports(before) > 0.0);
        assert!(reports(during) <= 0.2 * reports(before), "{} {}", reports(before), reports(during));
    }

    #[test]
    fn an_outage_makes_failures_and_reports_and_an_echo_at_services_that_work() {
        let what = What::Outage { service: 1, share: 0.5, ramp: 0 };
        let rows = lived(20_000_000, Some(what), FAULT_AT + 60, NoiseFamily::LogNormal);
        let during = (FAULT_AT + 5, FAULT_AT + 60);
        let of = |service: &'static str, signal| {
            move |row: &Count| row.service.as_str() == service && row.signal == signal
        };
        let rate = |service, signal| {
            sum(&rows, during, of(service, signal), |row| row.failures)
                / sum(&rows, during, of(service, signal), |row| row.attempts)
        };
        for signal in [Signal::Beacon, Signal::Probe] {
            assert!((0.45..0.57).contains(&rate("whatsapp", signal)), "{signal:?}");
            assert!(rate("instagram", signal) < 0.1, "{signal:?}");
        }
        let reports = |service, when| sum(&rows, when, of(service, Signal::Reports), |row| row.n);
        let before = (FAULT_AT - 55, FAULT_AT);
        let real = reports("whatsapp", during) - reports("whatsapp", before);
        let echo = reports("carrier", during) - reports("carrier", before);
        assert!((0.005..0.06).contains(&(echo / real)), "echo {echo} of {real}");
    }

    #[test]
    fn a_providers_cut_leaves_the_other_networks_alone() {
        let options = Options::quick();
        let places = Places::new(&options, 2_000_000, &mut Random::new(4, 1));
        let place = 1;
        let network = places.places[place].networks.start;
        let (cc, asn) = (places.places[place].cc, places.networks[network].asn);
        let what = What::Cut { place, network: Some(network) };
        let rows = lived(2_000_000, Some(what), FAULT_AT + 60, NoiseFamily::LogNormal);
        let ratio = |theirs: bool| {
            let which =
                |row: &Count| row.cc == cc && row.signal == Signal::Gauge && (row.asn == asn) == theirs;
            let live = |when| sum(&rows, when, which, |row| row.n);
            live((FAULT_AT + 10, FAULT_AT + 20)) / live((FAULT_AT - 10, FAULT_AT))
        };
        assert!(ratio(true) < 0.1 && ratio(false) > 0.7, "{} {}", ratio(true), ratio(false));
    }

    #[test]
    fn agents_that_lie_are_fewer_than_half_and_lie_of_one_service() {
        let rows = lived(
            200_000,
            Some(What::Lies { service: 1, down: true }),
            FAULT_AT + 60,
            NoiseFamily::LogNormal,
        );
        let failed = |service: &'static str, when| {
            let of = move |row: &Count| row.service.as_str() == service && row.signal == Signal::Probe;
            sum(&rows, when, of, |row| row.failures) / sum(&rows, when, of, |row| row.attempts)
        };
        let (before, during) = ((0, FAULT_AT), (FAULT_AT, FAULT_AT + 60));
        assert!((0.25..0.5).contains(&failed("whatsapp", during)), "{}", failed("whatsapp", during));
        assert!(failed("whatsapp", before) < 0.1 && failed("instagram", during) < 0.1);
    }

    #[test]
    fn a_wrong_clock_tells_of_another_hour() {
        let what = What::Clock { cell: 0, ahead: -60 };
        let rows = lived(200_000, Some(what), FAULT_AT + 60, NoiseFamily::LogNormal);
        let of = |row: &Count| row.signal == Signal::Gauge && row.cell.as_deref() == Some(CELLS[0]);
        let told = |when| sum(&rows, when, of, |_| 1);
        assert_eq!(told((FAULT_AT, FAULT_AT + 60)), 0.0);
        assert_eq!(told((FAULT_AT - 60, FAULT_AT)), 2.0 * told((0, 60)));
    }

    #[test]
    fn every_network_has_a_gauge_row_for_each_home_in_every_minute() {
        let rows = lived(200_000, None, 30, NoiseFamily::LogNormal);
        let mut per_minute: BTreeMap<Minute, usize> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.signal == Signal::Gauge) {
            *per_minute.entry(row.minute).or_default() += 1;
        }
        let first = per_minute[&START];
        assert_eq!(per_minute.len(), 30);
        assert!(per_minute.values().all(|count| *count == first));
        assert!(rows.iter().all(|row| row.signal != Signal::Reports || row.n > 0));
    }

    #[test]
    fn about_as_many_report_as_assumed() {
        let rows = lived(20_000_000, None, 1440, NoiseFamily::NegativeBinomial);
        let which = |row: &Count| row.service.as_str() == "mbolo" && row.signal == Signal::Reports;
        let reports = sum(&rows, (0, 1440), which, |row| row.n);
        // Six users of ten are active in an average minute.
        let expected = 20e6 * USUAL_REPORTS * 0.6 * 1440.0;
        assert!((0.7..1.3).contains(&(reports / expected)), "{reports} {expected}");
    }
}
