//! How much one sender may say. Everyone is heard; nobody is heard as if they were many.
//!
//! * One report per service and reporter in the period; who repeats is told that it is counted already.
//! * The n-th report from one neighbourhood (/24, /48) weighs `full / n` once n is above `full`: a flood from one place
//!   grows with its logarithm. Far above that it is refused.
//! * One network may not outweigh all others: beyond `free` reports in ten minutes, its share of a service's weight is
//!   bounded.
//! * A client's attempts count up to a bound a minute, and a neighbourhood's too.
//!
//! All of it is kept in slices of time under keyed hashes, in memory, bounded; the oldest slice goes first.

use std::collections::{HashMap, VecDeque};

use mbolo_pulse::{Asn, Country, ServiceId};

use crate::config::Limits;
use crate::edge::Sender;

/// Entries of all slices of one memory; about 32 bytes each.
const MOST_REMEMBERED: usize = 4_000_000;

/// How a report came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// With a proof of work.
    Worked,
    /// With a form's token only: cheaper to send, so it weighs half and the cap is lower.
    Form,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Admitted {
    /// It counts, with this weight above 0 and at most 1.
    Counted(f64),
    /// The same reporter has said so within the period.
    Already,
    /// Far too many from this neighbourhood.
    Flood,
}

/// What became of a beacon: how much of it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmittedBeacon {
    /// Attempts that count.
    pub attempts: u32,
    /// Of which failed.
    pub failures: u32,
    /// The sender has not been heard in the period.
    pub new_sender: bool,
}

/// Remembers what was said lately.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    reporters: Slices<(u64, u32)>,
    neighbourhoods: Slices<(u64, u32)>,
    networks: Slices<(u32, Country, Asn)>,
    services: Slices<u32>,
    beacon_senders: Slices<(u64, u32)>,
    beacon_minute: Slices<(u64, u32)>,
    names: HashMap<ServiceId, u32>,
}

impl Admission {
    /// Remembers nothing yet.
    pub fn new(limits: Limits, services: impl Iterator<Item = ServiceId>) -> Self {
        let period = i64::from(limits.report_period_minutes) * 60;
        Self {
            reporters: Slices::new(period),
            neighbourhoods: Slices::new(period),
            networks: Slices::new(600),
            services: Slices::new(600),
            beacon_senders: Slices::new(period),
            beacon_minute: Slices::new(60),
            names: services.zip(0..).collect(),
            limits,
        }
    }

    /// Takes a report at Unix seconds `now`.
    pub fn report(&mut self, sender: &Sender, service: &ServiceId, channel: Channel, now: i64) -> Admitted {
        let service = self.names.get(service).copied().unwrap_or(u32::MAX);
        if self.reporters.sum(&(sender.reporter, service), now) > 0.0 {
            return Admitted::Already;
        }
        let (full, most, part) = match channel {
            Channel::Worked => (self.limits.neighbourhood_full, self.limits.neighbourhood_most, 1.0),
            Channel::Form => (self.limits.neighbourhood_full, self.limits.neighbourhood_most_forms, 0.5),
        };
        let nth = self.neighbourhoods.sum(&(sender.neighbourhood, service), now) + 1.0;
        if nth > f64::from(most) {
            return Admitted::Flood;
        }
        let network = (service, sender.place.cc, sender.place.asn);
        let weight = part * (f64::from(full) / nth).min(1.0) * self.network_part(&network, service, now);
        self.reporters.add((sender.reporter, service), 1.0, now);
        self.neighbourhoods.add((sender.neighbourhood, service), 1.0, now);
        self.networks.add(network, weight, now);
        self.services.add(service, weight, now);
        Admitted::Counted(weight)
    }

    /// Forgets a report that could not be kept, so that its sender can try again.
    pub fn take_back(&mut self, sender: &Sender, service: &ServiceId, now: i64) {
        let service = self.names.get(service).copied().unwrap_or(u32::MAX);
        self.reporters.add((sender.reporter, service), -1.0, now);
        self.neighbourhoods.add((sender.neighbourhood, service), -1.0, now);
    }

    /// What a network's next report weighs, so that it does not outweigh the others.
    fn network_part(&mut self, network: &(u32, Country, Asn), service: u32, now: i64) -> f64 {
        let own = self.networks.sum(network, now);
        let free = f64::from(self.limits.network_free);
        // Where nothing is known of the sender, the unknown network is everyone.
        if own < free || network.2 == Asn(0) {
            return 1.0;
        }
        let others = (self.services.sum(&service, now) - own).max(0.0);
        let share = self.limits.network_share.clamp(0.05, 0.95);
        let allowed = free.max(others * share / (1.0 - share));
        (allowed / own).powi(2).min(1.0)
    }

    /// Takes a client's own attempts at Unix seconds `now`.
    pub fn beacon(
        &mut self,
        sender: &Sender,
        service: &ServiceId,
        attempts: u32,
        failures: u32,
        now: i64,
    ) -> AdmittedBeacon {
        let service = self.names.get(service).copied().unwrap_or(u32::MAX);
        let failures = failures.min(attempts);
        let one = (sender.reporter, service);
        let all = (sender.neighbourhood ^ u64::MAX, service);
        let left_one = f64::from(self.limits.beacon_attempts_per_minute) - self.beacon_minute.sum(&one, now);
        let left_all =
            f64::from(self.limits.beacon_attempts_per_neighbourhood) - self.beacon_minute.sum(&all, now);
        let counted = f64::from(attempts).min(left_one).min(left_all).max(0.0).floor();
        if counted < 1.0 {
            return AdmittedBeacon { attempts: 0, failures: 0, new_sender: false };
        }
        // Cutting keeps the share that failed.
        let failed = (f64::from(failures) * counted / f64::from(attempts)).round();
        self.beacon_minute.add(one, counted, now);
        self.beacon_minute.add(all, counted, now);
        let new_sender = self.beacon_senders.sum(&one, now) == 0.0;
        self.beacon_senders.add(one, 1.0, now);
        AdmittedBeacon { attempts: counted as u32, failures: failed as u32, new_sender }
    }
}

/// Sums per key over a sliding period, in six slices.
#[derive(Debug)]
struct Slices<K> {
    period: i64,
    slices: VecDeque<(i64, HashMap<K, f32>)>,
    held: usize,
}

impl<K: std::hash::Hash + Eq> Slices<K> {
    fn new(period: i64) -> Self {
        Self { period: period.max(6), slices: VecDeque::new(), held: 0 }
    }

    fn forget_old(&mut self, now: i64) {
        while let Some((started, slice)) = self.slices.front() {
            // A slice goes when its youngest entry is old enough. What comes from later than now is from before a clock
            // was set back, and goes as well.
            let width = self.period / 6;
            if started + width + self.period > now && *started <= now && self.held <= MOST_REMEMBERED {
                break;
            }
            self.held -= slice.len();
            self.slices.pop_front();
        }
    }

    fn sum(&mut self, key: &K, now: i64) -> f64 {
        self.forget_old(now);
        self.slices.iter().filter_map(|(_, slice)| slice.get(key)).map(|n| f64::from(*n)).sum()
    }

    fn add(&mut self, key: K, n: f64, now: i64) {
        self.forget_old(now);
        let started = now - now.rem_euclid(self.period / 6);
        if self.slices.back().is_none_or(|(newest, _)| *newest != started) {
            self.slices.push_back((started, HashMap::new()));
        }
        let Some((_, slice)) = self.slices.back_mut() else { return };
        let before = slice.len();
        *slice.entry(key).or_default() += n as f32;
        self.held += slice.len() - before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::Place;

    const NOW: i64 = 1_700_000_000;

    fn whatsapp() -> ServiceId {
        ServiceId::new("whatsapp").unwrap()
    }

    fn admission() -> Admission {
        Admission::new(Limits::default(), [whatsapp()].into_iter())
    }

    fn sender(reporter: u64, neighbourhood: u64, asn: u32) -> Sender {
        let place = Place { cc: Country::new("GA").unwrap(), asn: Asn(asn) };
        Sender { place, reporter, neighbourhood }
    }

    fn weight(admitted: Admitted) -> f64 {
        if let Admitted::Counted(weight) = admitted { weight } else { 0.0 }
    }

    #[test]
    fn a_person_is_counted_once_in_half_an_hour_and_again_later() {
        let mut admission = admission();
        let awa = sender(1, 1, 16058);
        assert_eq!(admission.report(&awa, &whatsapp(), Channel::Worked, NOW), Admitted::Counted(1.0));
        assert_eq!(admission.report(&awa, &whatsapp(), Channel::Worked, NOW + 29 * 60), Admitted::Already);
        assert_eq!(
            admission.report(&awa, &whatsapp(), Channel::Worked, NOW + 36 * 60),
            Admitted::Counted(1.0)
        );
    }

    #[test]
    fn a_flood_from_one_neighbourhood_weighs_little_and_ends() {
        let mut admission = admission();
        let answers: Vec<Admitted> = (0..1_000)
            .map(|n| admission.report(&sender(n, 1, 16058), &whatsapp(), Channel::Worked, NOW))
            .collect();
        let total: f64 = answers.iter().map(|one| weight(*one)).sum();
        assert!(total < 50.0, "a thousand reports from one /24 weighed {total}");
        assert_eq!(answers.last(), Some(&Admitted::Flood));
    }

    #[test]
    fn forms_without_work_weigh_less_and_are_capped_sooner() {
        let mut admission = admission();
        assert_eq!(
            admission.report(&sender(0, 1, 1), &whatsapp(), Channel::Form, NOW),
            Admitted::Counted(0.5)
        );
        let last =
            (1..100).map(|n| admission.report(&sender(n, 1, 1), &whatsapp(), Channel::Form, NOW)).last();
        assert_eq!(last, Some(Admitted::Flood));
        let worked = admission.report(&sender(100, 1, 1), &whatsapp(), Channel::Worked, NOW);
        assert!(matches!(worked, Admitted::Counted(_)));
    }

    #[test]
    fn one_network_does_not_outweigh_the_others() {
        let mut admission = admission();
        let mut total = 0.0;
        for n in 0..20_000 {
            total += weight(admission.report(&sender(n, n, 64_500), &whatsapp(), Channel::Worked, NOW));
        }
        assert!(total < 2_500.0, "20,000 bots of one network weighed {total}");
        // A real outage is seen by many networks; none of them is cut.
        let mut spread = self::admission();
        let spread: f64 = (0..20_000)
            .map(|n| {
                weight(spread.report(&sender(n, n, (n % 400) as u32 + 1), &whatsapp(), Channel::Worked, NOW))
            })
            .sum();
        assert!(spread > 19_999.0, "20,000 people of 400 networks weighed {spread}");
    }

    #[test]
    fn a_client_that_boasts_is_cut_to_size_and_its_share_of_failures_stays() {
        let mut admission = admission();
        let liar = sender(1, 1, 16058);
        let first = admission.beacon(&liar, &whatsapp(), 1_000_000, 500_000, NOW);
        let most = Limits::default().beacon_attempts_per_minute;
        assert_eq!(first, AdmittedBeacon { attempts: most, failures: most / 2, new_sender: true });
        assert_eq!(admission.beacon(&liar, &whatsapp(), 10, 10, NOW).attempts, 0);
        let later = admission.beacon(&liar, &whatsapp(), 10, 20, NOW + 120);
        assert_eq!(later, AdmittedBeacon { attempts: 10, failures: 10, new_sender: false });
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_silence_anyone() {
        let mut admission = admission();
        let awa = sender(1, 1, 16058);
        admission.report(&awa, &whatsapp(), Channel::Worked, NOW);
        assert_eq!(
            admission.report(&awa, &whatsapp(), Channel::Worked, NOW - 86_400),
            Admitted::Counted(1.0)
        );
    }
}
