//! How much one sender may say. Everyone is heard; nobody is heard as if they were many.
//!
//! * One report per service and reporter in the period; who repeats is told that it is counted already.
//! * The n-th report from one neighbourhood (/24, /48) weighs `full / n` once n is above `full`: a flood from one place
//!   grows with its logarithm. Far above that it is refused.
//! * One network may not outweigh all others: beyond `free` reports in ten minutes, its share of a service's weight is
//!   bounded.
//! * A client's attempts count up to a bound a minute, and a neighbourhood's too. Beacons cost nothing to send, so beyond a
//!   little a neighbourhood's attempts are also bounded to a share of the service's.
//! * Comments, which a person has to read, and subscriptions, which send letters, are taken from one neighbourhood a few
//!   times an hour; letters are bounded in all.
//!
//! All of it is kept in slices of time under keyed hashes, in memory, bounded. The keys change daily (see `edge`), so a
//! sender may be heard twice around midnight.

use std::collections::{BTreeMap, HashMap};

use mbolo_pulse::{Asn, Country, ServiceId};

use crate::config::Limits;
use crate::edge::{Place, Sender};
use crate::slices::Slices;
use crate::voices::{People, Voices};

/// Failures of one service in an hour that one neighbourhood is believed without others: fewer than it takes for an alarm.
const FAILURES_OF_ONE: f64 = 4.0;

/// How a report came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// With a proof of work.
    Worked,
    /// With a form's token only: cheaper to send, so it weighs half and the cap is lower.
    Form,
    /// Signed by a device of the account that this stands for. Keys cost nothing, so it is worth as much as a form.
    Signed(u64),
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
    beacon_neighbourhoods: Slices<(u64, u32)>,
    beacon_services: Slices<u32>,
    failures_of_neighbourhoods: Slices<(u64, u32)>,
    failures_of_services: Slices<u32>,
    comments: Slices<u64>,
    subscriptions: Slices<u64>,
    letters: Slices<()>,
    voices: Voices,
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
            beacon_neighbourhoods: Slices::new(600),
            beacon_services: Slices::new(600),
            failures_of_neighbourhoods: Slices::new(3_600),
            failures_of_services: Slices::new(3_600),
            comments: Slices::new(3_600),
            subscriptions: Slices::new(3_600),
            letters: Slices::new(86_400),
            voices: Voices::default(),
            names: services.zip(0..).collect(),
            limits,
        }
    }

    /// Takes a report at Unix seconds `now`.
    pub fn report(&mut self, sender: &Sender, service: &ServiceId, channel: Channel, now: i64) -> Admitted {
        let service = self.names.get(service).copied().unwrap_or(u32::MAX);
        if reporters(sender, channel).any(|one| self.reporters.sum(&(one, service), now) > 0.0) {
            return Admitted::Already;
        }
        let (full, most, part) = match channel {
            Channel::Worked => (self.limits.neighbourhood_full, self.limits.neighbourhood_most, 1.0),
            Channel::Form | Channel::Signed(_) => {
                (self.limits.neighbourhood_full, self.limits.neighbourhood_most_forms, 0.5)
            }
        };
        let nth = self.neighbourhoods.sum(&(sender.neighbourhood, service), now) + 1.0;
        if nth > f64::from(most) {
            return Admitted::Flood;
        }
        let network = (service, sender.place.cc, sender.place.asn);
        let weight = part * (f64::from(full) / nth).min(1.0) * self.network_part(&network, service, now);
        reporters(sender, channel).for_each(|one| self.reporters.add((one, service), 1.0, now));
        self.neighbourhoods.add((sender.neighbourhood, service), 1.0, now);
        self.networks.add(network, weight, now);
        self.services.add(service, weight, now);
        self.voices.reported(sender, service, now);
        Admitted::Counted(weight)
    }

    /// Forgets a report that could not be kept, so that its sender can try again.
    pub fn take_back(&mut self, sender: &Sender, service: &ServiceId, channel: Channel, now: i64) {
        let service = self.names.get(service).copied().unwrap_or(u32::MAX);
        reporters(sender, channel).for_each(|one| self.reporters.add((one, service), -1.0, now));
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
        let left_share = self.neighbourhoods_share(&all, service, now);
        let counted = f64::from(attempts).min(left_one).min(left_all).min(left_share).max(0.0).floor();
        if counted < 1.0 {
            return AdmittedBeacon { attempts: 0, failures: 0, new_sender: false };
        }
        // Cutting keeps the share that failed.
        let failed = (f64::from(failures) * counted / f64::from(attempts)).round();
        let believed = failed.min(self.failures_left(&all, service, now)).floor();
        // An attempt whose failure is not believed is none, not one that worked.
        let counted = counted - (failed - believed);
        let failed = believed;
        if counted < 1.0 {
            return AdmittedBeacon { attempts: 0, failures: 0, new_sender: false };
        }
        self.failures_of_neighbourhoods.add(all, failed, now);
        self.failures_of_services.add(service, failed, now);
        self.beacon_minute.add(one, counted, now);
        self.beacon_minute.add(all, counted, now);
        self.beacon_neighbourhoods.add(all, counted, now);
        self.beacon_services.add(service, counted, now);
        self.voices.beaconed(sender, service, now);
        let new_sender = self.beacon_senders.sum(&one, now) == 0.0;
        self.beacon_senders.add(one, 1.0, now);
        AdmittedBeacon { attempts: counted as u32, failures: failed as u32, new_sender }
    }

    /// The failures that a neighbourhood can still tell of: a few, and then half as many as all others have told of. A
    /// machine that lies cannot make an outage, and a house that has lost its own way is none.
    fn failures_left(&mut self, all: &(u64, u32), service: u32, now: i64) -> f64 {
        let own = self.failures_of_neighbourhoods.sum(all, now);
        let others = self.failures_of_services.sum(&service, now) - own;
        (FAILURES_OF_ONE.max(others / 2.0) - own).max(0.0)
    }

    /// The attempts that a neighbourhood has left of its share of a service's.
    fn neighbourhoods_share(&mut self, all: &(u64, u32), service: u32, now: i64) -> f64 {
        let share = self.limits.beacon_neighbourhood_share * self.beacon_services.sum(&service, now);
        let allowed = share.max(f64::from(self.limits.beacon_neighbourhood_free));
        allowed - self.beacon_neighbourhoods.sum(all, now)
    }

    /// Whether a comment from here may wait for a moderator.
    pub fn comment(&mut self, sender: &Sender, now: i64) -> bool {
        let most = f64::from(self.limits.comments_per_hour);
        within(&mut self.comments, sender.neighbourhood, most, now)
    }

    /// Whether somebody here may subscribe, by whichever way.
    pub fn subscription(&mut self, sender: &Sender, now: i64) -> bool {
        let most = f64::from(self.limits.subscriptions_per_hour);
        within(&mut self.subscriptions, sender.neighbourhood, most, now)
    }

    /// Whether one more letter may ask an address for its owner's word today.
    pub fn letter(&mut self, now: i64) -> bool {
        within(&mut self.letters, (), f64::from(self.limits.letters_per_day), now)
    }

    /// How many different people were heard of each service in each place in the last hour, at least; see [`Voices`].
    pub fn people(&mut self, now: i64) -> BTreeMap<ServiceId, BTreeMap<Place, People>> {
        let mut people = self.voices.people(now);
        let mut named = BTreeMap::new();
        // In no order, into a map that has one.
        #[allow(clippy::iter_over_hash_type)]
        for (name, number) in &self.names {
            if let Some(places) = people.remove(number) {
                named.insert(name.clone(), places);
            }
        }
        named
    }
}

/// Whom a report counts for, once in the period: the address, and the account if one has signed.
fn reporters(sender: &Sender, channel: Channel) -> impl Iterator<Item = u64> + use<> {
    let account = if let Channel::Signed(account) = channel { Some(account) } else { None };
    std::iter::once(sender.reporter).chain(account)
}

/// Adds one under a key unless there are `most` already.
fn within<K: std::hash::Hash + Eq>(slices: &mut Slices<K>, key: K, most: f64, now: i64) -> bool {
    let has_room = slices.sum(&key, now) < most;
    if has_room {
        slices.add(key, 1.0, now);
    }
    has_room
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn an_account_is_counted_once_wherever_it_is_and_an_address_once_whatever_accounts_it_has() {
        let mut admission = admission();
        let mut report = |address: u64, account: u64, now: i64| {
            let sender = sender(address, address / 100, 16_058);
            admission.report(&sender, &whatsapp(), Channel::Signed(account), now)
        };
        assert_eq!(report(100, 7, NOW), Admitted::Counted(0.5), "not more than a form");
        assert_eq!(report(200, 7, NOW + 60), Admitted::Already, "the phone is in another network now");
        assert_eq!(report(100, 8, NOW + 60), Admitted::Already, "keys cost nothing");
        assert_eq!(report(200, 7, NOW + 36 * 60), Admitted::Counted(0.5));
        let minted = (0..1_000).filter(|n| report(300 + n % 100, 1_000 + n, NOW) == Admitted::Flood).count();
        assert!(minted > 0, "a neighbourhood that makes keys is capped");
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
        let first = admission.beacon(&liar, &whatsapp(), 1_000_000, 50_000, NOW);
        let most = Limits::default().beacon_attempts_per_minute;
        assert_eq!(first, AdmittedBeacon { attempts: most, failures: most / 20, new_sender: true });
        assert_eq!(admission.beacon(&liar, &whatsapp(), 10, 10, NOW).attempts, 0);
        let later = admission.beacon(&liar, &whatsapp(), 10, 1, NOW + 1_200);
        assert_eq!(later, AdmittedBeacon { attempts: 10, failures: 1, new_sender: false });
    }

    #[test]
    fn the_failures_of_one_neighbourhood_make_no_outage_and_those_of_many_do() {
        let mut admission = admission();
        let mut failures_of = |reporter: u64, neighbourhood: u64, now: i64| -> u32 {
            admission.beacon(&sender(reporter, neighbourhood, 1), &whatsapp(), 1, 1, now).failures
        };
        let alone: u32 = (0..600).map(|n| failures_of(n, 1, NOW + i64::try_from(n).unwrap())).sum();
        assert_eq!(f64::from(alone), FAILURES_OF_ONE);
        let outage = NOW + 7_200;
        let many: u32 =
            (0..600).map(|n| failures_of(n, n % 20, outage + i64::try_from(n / 60).unwrap() * 60)).sum();
        assert!(many > 550, "{many} of 600");
    }

    #[test]
    fn one_neighbourhood_does_not_outweigh_the_beacons_of_all_others() {
        let mut admission = admission();
        let mut attempts_of = |reporter: u64, neighbourhood: u64, now: i64| -> u32 {
            admission.beacon(&sender(reporter, neighbourhood, 1), &whatsapp(), 60, 0, now).attempts
        };
        // A hundred machines of one /24, for ten minutes, while nobody else says anything.
        let alone: u32 =
            (0..1_000).map(|n| attempts_of(n, 1, NOW + i64::try_from(n / 100).unwrap() * 60)).sum();
        assert_eq!(alone, Limits::default().beacon_neighbourhood_free);
        // Where two hundred neighbourhoods speak, one has a twentieth of it, and a bound for each minute.
        let later = NOW + 3_600;
        let others: u32 = (0..200).map(|n| attempts_of(5_000 + n, 100 + n, later)).sum();
        assert_eq!(others, 12_000);
        let one: u32 =
            (0..1_000).map(|n| attempts_of(n, 1, later + i64::try_from(n / 100).unwrap() * 60)).sum();
        assert!((500..=700).contains(&one), "{one} of {others}");
    }

    #[test]
    fn comments_and_subscriptions_of_one_neighbourhood_are_few_and_letters_are_bounded_in_all() {
        let mut admission = admission();
        let limits = Limits::default();
        let comments = (0..10).filter(|n| admission.comment(&sender(*n, 1, 1), NOW)).count();
        assert_eq!(comments, limits.comments_per_hour as usize);
        assert!(admission.comment(&sender(1, 2, 1), NOW), "others are still heard");
        let subscriptions = (0..10).filter(|n| admission.subscription(&sender(*n, 1, 1), NOW)).count();
        assert_eq!(subscriptions, limits.subscriptions_per_hour as usize);
        assert!(admission.subscription(&sender(1, 1, 1), NOW + 2 * 3_600));
        assert_eq!((0..1_000).filter(|_| admission.letter(NOW)).count(), limits.letters_per_day as usize);
        assert!(admission.letter(NOW + 2 * 86_400));
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
