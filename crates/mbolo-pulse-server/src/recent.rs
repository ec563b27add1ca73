//! What the board shows of the last day, kept in memory: five-minute bins of the world, minutes of places, live sockets.
//!
//! It is fed with the same counts as the detector, in any order; what is older than a day is dropped. Distinct reporters
//! are told from counts by a bound that errs towards silence: one reporter counts once in half an hour, so the larger
//! of two half hours' counts is at most the number of people.

use std::collections::{BTreeMap, BTreeSet};

use mbolo_pulse::{Count, LATELY, Minute, Problem, ServiceId, Signal};

use crate::edge::Place;

/// Bins of the chart.
pub const BINS: u32 = 288;

/// Minutes in a bin.
pub const BIN_MINUTES: u32 = 5;

/// Minutes that places are kept in detail.
const DETAIL_MINUTES: u32 = 60;

/// Places of one service that are kept in detail; there are about 80,000 networks in all.
const MOST_PLACES: usize = 20_000;

/// A network with fewer live sockets than this is not said to be measured.
const FEWEST_SOCKETS: f64 = 10.0;

/// Minutes of a day.
const DAY: u32 = 1_440;

/// Days that are remembered as measured: a little more than the page shows.
const KEPT_DAYS: u32 = 92;

/// Counts may be this far ahead of the clock, minutes; beyond it they were written under a clock that was wrong.
pub const MOST_AHEAD: u32 = 10;

/// Whether a signal is a measurement. What people say and what the service says of itself is not.
fn is_measurement(signal: Signal) -> bool {
    match signal {
        Signal::Beacon | Signal::Heartbeat | Signal::Gauge | Signal::Probe => true,
        Signal::Reports | Signal::Official => false,
    }
}

/// What was counted in one place, or everywhere, over some time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// Reports.
    pub reports: u32,
    /// What they weigh.
    pub weight: f64,
    /// Clients whose beacons came, each once in half an hour.
    pub senders: u32,
    /// Attempts of beacons and probes.
    pub attempts: u32,
    /// Of which failed.
    pub failures: u32,
    /// Any measurement came: a beacon, a probe, a gauge that is not empty.
    pub measured: bool,
    /// An agent's round came.
    pub probed: bool,
}

impl Tally {
    fn add(&mut self, count: &Count) {
        match count.signal {
            Signal::Reports => {
                self.reports = self.reports.saturating_add(count.n);
                self.weight += count.weighs();
            }
            Signal::Beacon | Signal::Probe => {
                if count.signal == Signal::Beacon {
                    self.senders = self.senders.saturating_add(count.n);
                }
                self.attempts = self.attempts.saturating_add(count.attempts);
                self.failures = self.failures.saturating_add(count.failures);
                self.measured = true;
                self.probed |= count.signal == Signal::Probe;
            }
            // Nobody there is no sign that it works.
            Signal::Heartbeat | Signal::Gauge => self.measured |= count.n > 0,
            Signal::Official => {}
        }
    }

    /// Adds what was counted elsewhere or later.
    pub fn merge(&mut self, other: &Self) {
        self.reports = self.reports.saturating_add(other.reports);
        self.weight += other.weight;
        self.senders = self.senders.saturating_add(other.senders);
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.failures = self.failures.saturating_add(other.failures);
        self.measured |= other.measured;
        self.probed |= other.probed;
    }

    /// Share of attempts that failed, if there were any.
    pub fn failure_rate(&self) -> Option<f64> {
        (self.attempts > 0).then(|| f64::from(self.failures) / f64::from(self.attempts))
    }
}

/// Five minutes of a service in the world.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bin {
    /// What was counted.
    pub tally: Tally,
    /// The service admitted a fault.
    pub official: bool,
}

/// Live sockets of a network, against what is usual there.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sockets {
    minute: Minute,
    now: f64,
    usual: f64,
}

impl Sockets {
    /// The usual follows within half an hour; a loss is not learnt as usual until it has lasted a week.
    fn observe(&mut self, minute: Minute, sockets: f64) {
        let passed = f64::from(minute.since(self.minute).clamp(1, 60));
        let pace = if sockets < 0.6 * self.usual { passed / 10_080.0 } else { passed / 30.0 };
        self.usual += (sockets - self.usual) * pace.min(1.0);
        self.minute = self.minute.max(minute);
        self.now = sockets;
    }

    fn is_measured(&self, now: Minute) -> bool {
        self.usual >= FEWEST_SOCKETS && now.since(self.minute) <= LATELY
    }

    fn is_down(&self) -> bool {
        self.now < 0.5 * self.usual
    }
}

/// What is kept of one service.
#[derive(Debug, Clone, Default)]
struct OfService {
    bins: BTreeMap<Minute, Bin>,
    places: BTreeMap<Minute, BTreeMap<Place, Tally>>,
    problems: BTreeMap<Minute, [u32; 8]>,
    sockets: BTreeMap<Place, Sockets>,
    /// Sockets of the minute that is being added up: several cells may serve one network.
    adding: BTreeMap<Place, (Minute, f64)>,
    measured: Option<Minute>,
    /// Days, counted from 1970, with any measurement.
    days: BTreeSet<u32>,
    official: Option<(Minute, bool)>,
}

/// The last day of every service.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    services: BTreeMap<ServiceId, OfService>,
}

impl Recent {
    /// Takes a count in; `now` is the newest minute. Of what is older than a day only the day is kept on which something
    /// was measured; what is from ahead of the clock was written under a wrong one, and is not looked at.
    pub fn push(&mut self, count: &Count, now: Minute) {
        if count.minute.since(now) > MOST_AHEAD {
            return;
        }
        let service = self.services.entry(count.service.clone()).or_default();
        if is_measurement(count.signal) {
            service.days.insert(count.minute.0 / DAY);
        }
        if now.since(count.minute) <= BINS * BIN_MINUTES {
            service.push(count, now);
        }
    }

    /// Takes in that something was measured on a day, counted from 1970.
    pub fn push_day(&mut self, service: &ServiceId, day: u32) {
        self.services.entry(service.clone()).or_default().days.insert(day);
    }

    /// Days with any measurement of a service, counted from 1970.
    pub fn measured_days(&self, service: &ServiceId) -> impl Iterator<Item = u32> {
        self.services.get(service).into_iter().flat_map(|one| one.days.iter().copied())
    }

    /// Whether anything was measured of a service on a day, counted from 1970.
    pub fn is_measured_on(&self, service: &ServiceId, day: u32) -> bool {
        self.services.get(service).is_some_and(|one| one.days.contains(&day))
    }

    /// Drops what is too old for `now`.
    pub fn forget(&mut self, now: Minute) {
        let day = Minute(now.0.saturating_sub(BINS * BIN_MINUTES));
        let detail = Minute(now.0.saturating_sub(DETAIL_MINUTES));
        for service in self.services.values_mut() {
            service.bins = service.bins.split_off(&day);
            service.places = service.places.split_off(&detail);
            service.problems = service.problems.split_off(&detail);
            service.days = service.days.split_off(&(now.0 / DAY).saturating_sub(KEPT_DAYS));
            service.sockets.retain(|_, sockets| now.since(sockets.minute) <= 7 * 1_440);
        }
    }

    /// The bin that begins at `minute`, a multiple of [`BIN_MINUTES`].
    pub fn bin(&self, service: &ServiceId, minute: Minute) -> Option<Bin> {
        self.services.get(service)?.bins.get(&minute).copied()
    }

    /// Sums of each known place over the minutes from `from` on.
    pub fn places(&self, service: &ServiceId, from: Minute) -> BTreeMap<Place, Tally> {
        let mut sums: BTreeMap<Place, Tally> = BTreeMap::new();
        for minute in self.services.get(service).into_iter().flat_map(|one| one.places.range(from..)) {
            for (place, tally) in minute.1 {
                sums.entry(*place).or_default().merge(tally);
            }
        }
        sums
    }

    /// At least this many different people reported, and had beacons, in each place in the hour before `now`.
    pub fn people(&self, service: &ServiceId, now: Minute) -> BTreeMap<Place, (u32, u32)> {
        let half = Minute(now.0.saturating_sub(30));
        let newer = self.places(service, half);
        let mut people: BTreeMap<Place, (u32, u32)> = BTreeMap::new();
        for (place, whole) in self.places(service, Minute(now.0.saturating_sub(DETAIL_MINUTES))) {
            let new = newer.get(&place).copied().unwrap_or_default();
            let reporters = new.reports.max(whole.reports.saturating_sub(new.reports));
            let senders = new.senders.max(whole.senders.saturating_sub(new.senders));
            people.insert(place, (reporters, senders));
        }
        people
    }

    /// Reports of the hour before `now` by problem, most first, none left out.
    pub fn problems(&self, service: &ServiceId, now: Minute) -> Vec<(Problem, u32)> {
        let from = Minute(now.0.saturating_sub(DETAIL_MINUTES));
        let mut sums = [0_u32; 8];
        for (_, minute) in self.services.get(service).into_iter().flat_map(|one| one.problems.range(from..)) {
            for (sum, n) in sums.iter_mut().zip(minute) {
                *sum = sum.saturating_add(*n);
            }
        }
        let mut problems: Vec<_> = Problem::ALL.into_iter().zip(sums).filter(|(_, n)| *n > 0).collect();
        problems.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        problems
    }

    /// Networks whose live sockets are measured, and whether most of them are gone.
    pub fn gauges(&self, service: &ServiceId, now: Minute) -> BTreeMap<Place, bool> {
        let of = self.services.get(service).into_iter().flat_map(|one| &one.sockets);
        of.filter(|(_, sockets)| sockets.is_measured(now))
            .map(|(place, one)| (*place, one.is_down()))
            .collect()
    }

    /// The newest minute in which anything was measured. What people report measures nothing.
    pub fn measured(&self, service: &ServiceId) -> Option<Minute> {
        self.services.get(service)?.measured
    }

    /// Since when the service has been admitting a fault, if its newest word is that.
    pub fn official(&self, service: &ServiceId) -> bool {
        self.services.get(service).and_then(|one| one.official).is_some_and(|(_, admits)| admits)
    }
}

impl OfService {
    fn push(&mut self, count: &Count, now: Minute) {
        let begin = Minute(count.minute.0 - count.minute.0 % BIN_MINUTES);
        let bin = self.bins.entry(begin).or_default();
        bin.tally.add(count);
        match count.signal {
            Signal::Official => {
                bin.official |= count.n > 0;
                if self.official.is_none_or(|(minute, _)| minute <= count.minute) {
                    self.official = Some((count.minute, count.n > 0));
                }
                return;
            }
            Signal::Heartbeat | Signal::Gauge if count.n == 0 => {}
            _ if is_measurement(count.signal) => {
                self.measured = self.measured.max(Some(count.minute));
            }
            _ => {}
        }
        let place = Place { cc: count.cc, asn: count.asn };
        if count.signal == Signal::Gauge {
            self.observe_sockets(place, count.minute, f64::from(count.n));
        }
        if now.since(count.minute) > DETAIL_MINUTES {
            return;
        }
        let minute = self.places.entry(count.minute).or_default();
        if minute.len() < MOST_PLACES || minute.contains_key(&place) {
            minute.entry(place).or_default().add(count);
        }
        if count.signal == Signal::Reports {
            let problem = count.problem.unwrap_or(Problem::Other);
            let at = Problem::ALL.iter().position(|one| *one == problem).unwrap_or(7);
            let problems = self.problems.entry(count.minute).or_default();
            problems[at] = problems[at].saturating_add(count.n);
        }
    }

    fn observe_sockets(&mut self, place: Place, minute: Minute, n: f64) {
        // Nowhere in particular is no network that could be cut off.
        if place.asn.0 == 0 || (self.sockets.len() >= MOST_PLACES && !self.sockets.contains_key(&place)) {
            return;
        }
        let (at, sum) = self.adding.get(&place).copied().unwrap_or((minute, 0.0));
        let sum = if at == minute { sum + n } else { n };
        if minute < at {
            return;
        }
        self.adding.insert(place, (minute, sum));
        match self.sockets.get_mut(&place) {
            None => {
                self.sockets.insert(place, Sockets { minute, now: sum, usual: sum });
            }
            Some(sockets) if sockets.minute == minute => sockets.now = sum,
            Some(sockets) => sockets.observe(minute, sum),
        }
    }
}

#[cfg(test)]
mod tests {
    use mbolo_pulse::{Asn, Country};

    use super::*;

    const NOW: Minute = Minute(28_000_020);

    fn whatsapp() -> ServiceId {
        ServiceId::new("whatsapp").unwrap()
    }

    fn place() -> Place {
        Place { cc: Country::new("GA").unwrap(), asn: Asn(16_058) }
    }

    fn count(minute: Minute, signal: Signal, n: u32) -> Count {
        Count {
            minute,
            service: whatsapp(),
            cc: place().cc,
            asn: place().asn,
            signal,
            problem: None,
            cell: None,
            n,
            weight: None,
            attempts: 0,
            failures: 0,
        }
    }

    #[test]
    fn one_person_who_reports_every_half_hour_is_one_person() {
        let mut recent = Recent::default();
        recent.push(&count(Minute(NOW.0 - 50), Signal::Reports, 1), NOW);
        recent.push(&count(Minute(NOW.0 - 15), Signal::Reports, 1), NOW);
        assert_eq!(recent.people(&whatsapp(), NOW)[&place()], (1, 0));
        assert_eq!(recent.places(&whatsapp(), Minute(NOW.0 - 60))[&place()].reports, 2);
    }

    #[test]
    fn a_network_that_loses_its_sockets_is_down_for_days_and_not_the_new_normal() {
        let mut recent = Recent::default();
        let end = Minute(NOW.0 + 3 * 1_440);
        for minute in NOW.0..end.0 {
            let sockets = if minute < NOW.0 + 60 { 100 } else { 5 };
            recent.push(&count(Minute(minute), Signal::Gauge, sockets), Minute(minute));
        }
        recent.forget(end);
        assert!(recent.gauges(&whatsapp(), end)[&place()]);
        assert!(
            recent.gauges(&whatsapp(), Minute(end.0 + 60)).is_empty(),
            "what is not measured is not said"
        );
    }

    #[test]
    fn two_cells_of_one_network_are_added_up() {
        let mut recent = Recent::default();
        for minute in NOW.0..NOW.0 + 40 {
            recent.push(&count(Minute(minute), Signal::Gauge, 30), Minute(minute));
            recent.push(&count(Minute(minute), Signal::Gauge, 30), Minute(minute));
        }
        // One of the two cells is empty: half of the sockets is not a network that is down.
        recent.push(&count(Minute(NOW.0 + 40), Signal::Gauge, 30), Minute(NOW.0 + 40));
        recent.push(&count(Minute(NOW.0 + 40), Signal::Gauge, 0), Minute(NOW.0 + 40));
        assert!(!recent.gauges(&whatsapp(), Minute(NOW.0 + 40))[&place()]);
    }

    #[test]
    fn what_was_written_under_a_clock_that_ran_ahead_is_no_measurement_of_now() {
        let mut recent = Recent::default();
        recent.push(&count(NOW.plus(500_000), Signal::Probe, 1), NOW);
        assert_eq!(recent.measured(&whatsapp()), None);
        recent.push(&count(NOW, Signal::Reports, 1), NOW);
        assert_eq!(recent.measured(&whatsapp()), None, "people measure nothing");
        recent.push(&count(NOW, Signal::Probe, 1), NOW);
        assert_eq!(recent.measured(&whatsapp()), Some(NOW));
    }

    #[test]
    fn a_day_is_measured_if_anything_was_measured_on_it() {
        let mut recent = Recent::default();
        let day = |minute: Minute| minute.0 / DAY;
        recent.push(&count(Minute(NOW.0 - 10 * DAY), Signal::Beacon, 1), NOW);
        recent.push(&count(Minute(NOW.0 - 5 * DAY), Signal::Reports, 1), NOW);
        recent.push_day(&whatsapp(), day(NOW) - 60);
        recent.forget(NOW);
        let measured: Vec<u32> = recent.measured_days(&whatsapp()).collect();
        assert_eq!(measured, [day(NOW) - 60, day(NOW) - 10]);
        recent.forget(NOW.plus(40 * DAY));
        assert!(!recent.is_measured_on(&whatsapp(), day(NOW) - 60));
    }

    #[test]
    fn what_is_older_than_a_day_is_dropped_and_memory_stays_bounded() {
        let mut recent = Recent::default();
        for minute in 0..3_000 {
            let now = Minute(NOW.0 + minute);
            recent.push(&count(now, Signal::Reports, 1), now);
            recent.forget(now);
        }
        let kept = &recent.services[&whatsapp()];
        assert!(kept.bins.len() <= 289 && kept.places.len() <= 61 && kept.problems.len() <= 61);
        let end = Minute(NOW.0 + 3_000);
        recent.push(&count(NOW, Signal::Reports, 1), end);
        assert_eq!(recent.bin(&whatsapp(), NOW), None);
    }
}
