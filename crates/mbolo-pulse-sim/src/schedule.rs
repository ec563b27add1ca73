//! When what happens: days to learn from, days of stress, then one fault every two hours, then two at a time and with
//! somebody who misleads.
//!
//! Faults are spaced so that each can be found, judged and over before the next; their order is shuffled in every round,
//! and a round is not a whole number of days, so that each class meets every hour of the day.

use mbolo_pulse::Minute;

use crate::assumptions::{ECHO, FLOOD_REPORTS};
use crate::fault::{Class, Fault, What};
use crate::options::Options;
use crate::places::{Places, gabon};
use crate::random::Random;
use crate::rhythm;
use crate::services::{CARRIER, CELLS, OTHERS, OWN, SERVICES};

/// A Monday at 00:00 UTC.
pub(crate) const START: Minute = Minute(20_003 * DAY);
pub(crate) const DAY: u32 = 1440;

const SPACING: u32 = 120;
const LASTS: u32 = 40;
/// By how much a wrong clock is off.
const CLOCK_OFF: i32 = 60;
const BROWN_OUT_LASTS: u32 = 60;
const BROWN_OUT_RAMP: u32 = 40;
/// In September 2016 it was 23 nights.
const CURFEW_NIGHTS: u32 = 23;
const CURFEW_HOURS: (u32, u32) = (18, 6);

/// The calendar of one run.
pub(crate) struct Schedule {
    /// The first minute that counts.
    pub(crate) stress_from: Minute,
    /// The first minute of the part with faults.
    pub(crate) faults_from: Minute,
    /// The minute after the last.
    pub(crate) end: Minute,
    /// Clocks are put forward by an hour in the countries that do so.
    pub(crate) clock_change: Minute,
    /// Midnight UTC of the new year.
    pub(crate) new_year: Minute,
    /// In the order they begin.
    pub(crate) faults: Vec<Fault>,
}

impl Schedule {
    pub(crate) fn new(options: &Options, places: &Places, random: &mut Random) -> Self {
        let stress_from = START.plus(options.warm_up_days * DAY);
        // Half a day more lets the last night of the curfew end.
        let faults_from = stress_from.plus(options.days * DAY + DAY / 2);
        let mut faults = curfew(options, places, stress_from);
        let mut at = faults_from;
        for _ in 0..options.rounds {
            let mut classes: Vec<Class> = Class::ALL
                .into_iter()
                .filter(|class| class.comes_alone() && *class != Class::Curfew)
                .collect();
            for last in (1..classes.len()).rev() {
                classes.swap(last, random.below(last + 1));
            }
            for class in classes {
                let from = at.plus(random.below(20) as u32);
                faults.push(fault(class, from, places, random));
                at = at.plus(SPACING);
            }
        }
        for round in 0..options.rounds {
            for class in Class::TWISTED {
                let from = at.plus(random.below(20) as u32);
                faults.extend(twisted(class, round, from, places, random));
                at = at.plus(SPACING);
            }
        }
        faults.sort_by_key(|fault| fault.from);
        Self {
            stress_from,
            faults_from,
            end: at.plus(SPACING / 2),
            clock_change: stress_from.plus(options.days / 3 * DAY + 60),
            new_year: stress_from.plus(options.days * 2 / 3 * DAY),
            faults,
        }
    }
}

fn curfew(options: &Options, places: &Places, stress_from: Minute) -> Vec<Fault> {
    let Some(place) = places.find(gabon()) else { return Vec::new() };
    let ahead = rhythm::local(Minute(0), places.places[place].offset);
    let nights = CURFEW_NIGHTS.min(options.days);
    let first = stress_from.plus((options.days - nights) / 2 * DAY);
    let begins = first.plus((i64::from(CURFEW_HOURS.0 * 60) - ahead).max(0) as u32);
    let lasts = (24 + CURFEW_HOURS.1 - CURFEW_HOURS.0) * 60;
    (0..nights)
        .map(|night| {
            let from = begins.plus(night * DAY);
            let what = What::Cut { place, network: None };
            Fault { class: Class::Curfew, from, until: from.plus(lasts), what, echo: 0.0 }
        })
        .collect()
}

fn fault(class: Class, from: Minute, places: &Places, random: &mut Random) -> Fault {
    let other = OTHERS[random.below(OTHERS.len())];
    let outage = |service, share| What::Outage { service, share, ramp: 0 };
    let what = match class {
        Class::OwnSlight => outage(OWN, random.log_between((0.03, 0.10))),
        Class::OwnLarge => outage(OWN, random.log_between((0.10, 0.90))),
        Class::OtherSlight => outage(other, random.log_between((0.03, 0.10))),
        Class::OtherLarge => outage(other, random.log_between((0.10, 0.90))),
        Class::BrownOut => {
            let service = if random.uniform() < 0.5 { OWN } else { other };
            What::Outage { service, share: random.between((0.2, 0.6)), ramp: BROWN_OUT_RAMP }
        }
        Class::BlockedOwn => What::Block { service: OWN, place: place_of(10..=60, places, random) },
        Class::BlockedOther => What::Block { service: other, place: place_of(10..=60, places, random) },
        // Gabon is 133rd of 180.
        Class::ShutdownSmall => What::Cut { place: place_of(118..=148, places, random), network: None },
        Class::ShutdownLarge | Class::Curfew => {
            What::Cut { place: place_of(15..=60, places, random), network: None }
        }
        Class::Provider => {
            let place = place_of(5..=40, places, random);
            What::Cut { place, network: Some(places.places[place].networks.start) }
        }
        Class::Cell => What::Cell { cell: random.below(CELLS.len()) },
        Class::Flood => {
            let networks = (0..1 + random.below(3)).map(|_| random.below(places.networks.len())).collect();
            let service = random.below(SERVICES.len());
            What::Flood { service, networks, per_minute: random.log_between(FLOOD_REPORTS) }
        }
        Class::Panic => What::Panic { service: random.below(SERVICES.len()) },
        Class::Together | Class::Denied => outage(other, random.log_between((0.10, 0.90))),
        Class::Liars => What::Lies { service: random.below(CARRIER), down: true },
        Class::WrongClock => {
            let ahead = if random.uniform() < 0.5 { CLOCK_OFF } else { -CLOCK_OFF };
            What::Clock { cell: random.below(CELLS.len()), ahead }
        }
    };
    let lasts = if class == Class::BrownOut { BROWN_OUT_LASTS } else { LASTS };
    Fault { class, from, until: from.plus(lasts), what, echo: random.between(ECHO) }
}

/// What comes in company: the second fault begins within ten minutes after the first.
fn twisted(class: Class, round: u32, from: Minute, places: &Places, random: &mut Random) -> Vec<Fault> {
    let later = from.plus(random.below(10) as u32);
    let mut first = fault(class, from, places, random);
    let mut second = fault(class, later, places, random);
    match class {
        Class::Denied => {
            let What::Outage { service, .. } = second.what else { return vec![second] };
            first = Fault { class: Class::Liars, what: What::Lies { service, down: false }, ..first };
        }
        Class::Together => {
            // A provider while a cell is down where it has nobody; a country while a service fails everywhere; two
            // countries of which one is cut off and one is blocked.
            let classes = [
                (Class::Cell, Class::Provider),
                (Class::OtherLarge, Class::ShutdownLarge),
                (Class::ShutdownLarge, Class::BlockedOther),
            ];
            let (one, other) = classes[round as usize % classes.len()];
            second.what = fault(other, later, places, random).what;
            loop {
                first.what = fault(one, from, places, random).what;
                if are_apart(&first.what, &second.what, places) {
                    break;
                }
            }
        }
        _ => return vec![first],
    }
    vec![first, second]
}

/// Whether no network has both.
fn are_apart(one: &What, other: &What, places: &Places) -> bool {
    let place = |what: &What| match what {
        What::Block { place, .. } | What::Cut { place, .. } => Some(*place),
        _ => None,
    };
    match (one, other) {
        (What::Cell { cell }, What::Cut { network: Some(network), .. }) => {
            places.networks[*network].homes.iter().all(|(home, _)| home != cell)
        }
        _ => place(one).is_none() || place(one) != place(other),
    }
}

/// One of the played countries of this size.
fn place_of(ranks: std::ops::RangeInclusive<usize>, places: &Places, random: &mut Random) -> usize {
    let fitting: Vec<usize> =
        (0..places.places.len()).filter(|at| ranks.contains(&places.places[*at].rank)).collect();
    fitting.get(random.below(fitting.len())).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_happens_as_often_as_asked_and_only_the_last_overlap() {
        let options = Options { rounds: 3, ..Options::default() };
        let places = Places::new(&options, 200_000, &mut Random::new(1, 1));
        let schedule = Schedule::new(&options, &places, &mut Random::new(1, 2));
        for class in Class::ALL {
            let expected = match class {
                Class::Curfew => 23,
                // Each denial is a lie, too.
                Class::Together | Class::Liars => 6,
                _ => 3,
            };
            let happens = schedule.faults.iter().filter(|fault| fault.class == class).count();
            assert_eq!(happens, expected, "{class}");
        }
        let apart = |one: &Fault, next: &Fault| one.until.plus(30) <= next.from;
        let pairs = schedule.faults.windows(2).filter(|pair| !apart(&pair[0], &pair[1]));
        let pairs: Vec<_> = pairs.map(|pair| (pair[0].class, pair[1].class)).collect();
        assert!(pairs.iter().all(
            |pair| *pair == (Class::Together, Class::Together) || *pair == (Class::Liars, Class::Denied)
        ));
        assert_eq!(pairs.len(), 6);
        assert!(schedule.faults.last().unwrap().until < schedule.end);
        let nights = schedule.faults.iter().filter(|fault| fault.class == Class::Curfew);
        assert!(nights.clone().all(|night| night.from.0 % DAY == 17 * 60), "18 h in Libreville");
        assert!(nights.clone().all(|night| night.until <= schedule.faults_from));
    }
}
