//! How many different people were heard in a place: what decides whether its numbers may be public.
//!
//! Counts alone cannot tell: one machine with many addresses counts many times. So one neighbourhood speaks for at most two
//! people per service and hour. It is known in memory only, because neighbourhoods are never stored: after a restart it
//! begins at nobody, and a place is private again until enough people were heard.

use std::collections::BTreeMap;

use crate::edge::{Place, Sender};
use crate::slices::Slices;

/// People that one neighbourhood can be, per service and hour.
const OF_A_NEIGHBOURHOOD: f64 = 2.0;

/// Seconds.
const HOUR: i64 = 3_600;

/// At least so many different people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct People {
    /// Who reported.
    pub reporters: u32,
    /// Whose clients sent beacons.
    pub senders: u32,
}

/// Who was heard in the last hour, by service and place.
#[derive(Debug)]
pub struct Voices {
    reports: Heard,
    beacons: Heard,
}

#[derive(Debug)]
struct Heard {
    /// One beacon a minute is one person all the same.
    reporters: Slices<(u64, u32)>,
    neighbourhoods: Slices<(u64, u32)>,
    places: Slices<(u32, Place)>,
}

impl Default for Voices {
    fn default() -> Self {
        Self { reports: Heard::new(), beacons: Heard::new() }
    }
}

impl Voices {
    /// Somebody reported; `service` is its number.
    pub fn reported(&mut self, sender: &Sender, service: u32, now: i64) {
        self.reports.hear(sender, service, now);
    }

    /// Somebody's client sent a beacon.
    pub fn beaconed(&mut self, sender: &Sender, service: u32, now: i64) {
        self.beacons.hear(sender, service, now);
    }

    /// By service's number and place.
    pub fn people(&mut self, now: i64) -> BTreeMap<u32, BTreeMap<Place, People>> {
        let mut people: BTreeMap<u32, BTreeMap<Place, People>> = BTreeMap::new();
        self.reports.places.each(now, |(service, place), n| {
            people.entry(*service).or_default().entry(*place).or_default().reporters += n as u32;
        });
        self.beacons.places.each(now, |(service, place), n| {
            people.entry(*service).or_default().entry(*place).or_default().senders += n as u32;
        });
        people
    }
}

impl Heard {
    fn new() -> Self {
        Self { reporters: Slices::new(HOUR), neighbourhoods: Slices::new(HOUR), places: Slices::new(HOUR) }
    }

    fn hear(&mut self, sender: &Sender, service: u32, now: i64) {
        let (reporter, neighbourhood) = ((sender.reporter, service), (sender.neighbourhood, service));
        if self.reporters.sum(&reporter, now) > 0.0
            || self.neighbourhoods.sum(&neighbourhood, now) >= OF_A_NEIGHBOURHOOD
        {
            return;
        }
        self.reporters.add(reporter, 1.0, now);
        self.neighbourhoods.add(neighbourhood, 1.0, now);
        self.places.add((service, sender.place), 1.0, now);
    }
}

#[cfg(test)]
mod tests {
    use mbolo_pulse::{Asn, Country};

    use super::*;

    const NOW: i64 = 1_700_000_000;

    #[test]
    fn a_neighbourhood_speaks_for_two_people_however_many_addresses_it_has() {
        let place = Place { cc: Country::new("GA").unwrap(), asn: Asn(16_058) };
        let sender = |reporter, neighbourhood| Sender { place, reporter, neighbourhood };
        let mut voices = Voices::default();
        (0..200).for_each(|n| voices.reported(&sender(n, 1), 7, NOW));
        assert_eq!(voices.people(NOW)[&7][&place], People { reporters: 2, senders: 0 });
        (2..5).for_each(|n| voices.reported(&sender(n, n), 7, NOW));
        (0..30).for_each(|minute| voices.beaconed(&sender(9, 9), 7, NOW + minute * 60));
        assert_eq!(voices.people(NOW + 1_800)[&7][&place], People { reporters: 5, senders: 1 });
        assert!(!voices.people(NOW).contains_key(&8), "another service");
        assert!(voices.people(NOW + 3 * 3_600).is_empty(), "hours later");
    }
}
