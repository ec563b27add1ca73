//! 168 hours of a week: what is usual in each, as an average of about six weeks.
//!
//! Minutes of incidents are left out, so a curfew every night is never learnt as normal. An hour that is far from what
//! was expected counts for less (the re-weighting of Noufaily's Farrington). A tracker of the last 24 hours follows
//! growth and decline; it stands still in incidents, too. Memory: 168 numbers for a node that has ever been seen.

use crate::model::Minute;

/// Hours in a week.
const SLOTS: usize = 168;
/// Weeks that are averaged.
const WEEKS: u8 = 6;
/// Kept by the tracker per hour: half is forgotten in about 16 hours, the mean age is 24.
const KEEP: f64 = 0.96;

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    mean: f32,
    weeks: u8,
}

/// What is usual for one number of one node.
#[derive(Debug, Clone)]
pub(crate) struct Season {
    slots: Option<Box<[Slot; SLOTS]>>,
    hour: u32,
    sum: f64,
    minutes: u32,
    seen: f64,
    usual: f64,
    overall: f64,
    hours: u32,
    cv2: f64,
}

impl Default for Season {
    fn default() -> Self {
        Self {
            slots: None,
            hour: 0,
            sum: 0.0,
            minutes: 0,
            seen: 0.0,
            usual: 0.0,
            overall: 0.0,
            hours: 0,
            cv2: 0.0625,
        }
    }
}

impl Season {
    /// One known minute of normal life.
    pub fn learn(&mut self, minute: Minute, value: f64) {
        let hour = minute.0 / 60;
        if hour != self.hour {
            self.close();
            self.hour = hour;
        }
        self.sum += value;
        self.minutes += 1;
    }

    /// A count that came late: as if it had been there. `adds` if it adds to a minute that was zero before, otherwise
    /// the minute was unknown before.
    pub fn correct(&mut self, minute: Minute, value: f64, adds: bool) {
        if minute.0 / 60 == self.hour {
            self.sum += value;
            self.minutes += u32::from(!adds);
            return;
        }
        let Some(slots) = &mut self.slots else { return };
        let slot = &mut slots[minute.slot()];
        if slot.weeks > 0 {
            let share = 1.0 / f64::from(slot.weeks) / 60.0;
            let change = if adds { value } else { value - f64::from(slot.mean) };
            slot.mean = (f64::from(slot.mean) + change * share).max(0.0) as f32;
        }
    }

    fn close(&mut self) {
        let (sum, minutes) = (std::mem::take(&mut self.sum), std::mem::take(&mut self.minutes));
        // A quarter of an hour that was not in an incident is enough to be believed.
        if minutes < 15 {
            return;
        }
        let mean = sum / f64::from(minutes);
        let middle = Minute(self.hour * 60 + 30);
        let expected = self.at(middle, 0.0);
        self.overall += (mean - self.overall) / f64::from((self.hours + 1).min(24 * 7));
        self.hours = self.hours.saturating_add(1);
        let mut trust = 1.0;
        if let Some(bare) = self.bare(middle) {
            self.seen = self.seen * KEEP + sum;
            self.usual = self.usual * KEEP + bare * f64::from(minutes);
            if let Some(expected) = expected.filter(|expected| expected * f64::from(minutes) > 5.0) {
                let off = (mean - expected) / expected;
                let chance = 1.0 / (expected * f64::from(minutes));
                let standardised = off / (self.cv2 + chance).sqrt();
                let bounded = standardised.clamp(-4.0, 4.0) * (self.cv2 + chance).sqrt();
                self.cv2 += (bounded * bounded - chance - self.cv2) / 168.0;
                self.cv2 = self.cv2.clamp(0.0025, 1.0);
                if standardised.abs() > 2.58 {
                    trust = (2.58 / standardised).powi(2);
                }
            }
        }
        if mean == 0.0 && self.slots.is_none() {
            return;
        }
        let slots = self.slots.get_or_insert_with(|| {
            // Hours before the first count were zero, or were not there: both are little.
            Box::new([Slot::default(); SLOTS])
        });
        let slot = &mut slots[middle.slot()];
        let weeks = (slot.weeks + 1).min(WEEKS);
        let share = if slot.weeks == 0 { 1.0 } else { trust / f64::from(weeks) };
        slot.mean = (f64::from(slot.mean) + (mean - f64::from(slot.mean)) * share) as f32;
        slot.weeks = weeks;
    }

    /// What is usual in this minute, with growth and decline; at most one event of `parent`'s rate is added for a node
    /// that has seen few. None before this part of the week was seen once.
    pub fn at(&self, minute: Minute, parent: f64) -> Option<f64> {
        let bare = self.bare(minute)?;
        let level = self.level();
        let exposure = 120.0 * f64::from(self.weeks(minute));
        let shrunk =
            if parent > 0.0 { (bare * exposure + 1.0) / (exposure + 1.0 / parent.max(1e-6)) } else { bare };
        Some(shrunk * level)
    }

    /// The mean of what was seen at any hour; for a service that is still being learnt.
    pub fn overall(&self) -> Option<f64> {
        (self.hours >= 6).then_some(self.overall)
    }

    /// The squared coefficient of variation between hours, beyond chance and season.
    pub fn cv2(&self) -> f64 {
        self.cv2
    }

    fn level(&self) -> f64 {
        // A few events as a counterweight, so that nothing is a trend of one.
        ((self.seen + 3.0) / (self.usual + 3.0)).clamp(0.2, 5.0)
    }

    fn weeks(&self, minute: Minute) -> u8 {
        self.slots.as_ref().map_or(0, |slots| slots[minute.slot()].weeks)
    }

    /// Without the tracker: the hour and its neighbours, drawn as a line through the middles of the hours.
    fn bare(&self, minute: Minute) -> Option<f64> {
        let slots = self.slots.as_ref()?;
        let slot = minute.slot();
        let position = f64::from(minute.0 % 60) / 60.0;
        let smooth = |slot: usize| {
            let near = [(slot + SLOTS - 1) % SLOTS, slot % SLOTS, (slot + 1) % SLOTS];
            let mut sum = 0.0;
            let mut weight = 0.0;
            for (near, share) in near.into_iter().zip([0.15, 0.7, 0.15]) {
                if slots[near].weeks > 0 {
                    sum += share * f64::from(slots[near].mean);
                    weight += share;
                }
            }
            (weight > 0.0).then(|| sum / weight)
        };
        if slots[slot].weeks == 0 {
            return None;
        }
        let here = smooth(slot)?;
        let (other, share) = if position < 0.5 {
            (smooth(slot + SLOTS - 1), 0.5 - position)
        } else {
            (smooth(slot + 1), position - 0.5)
        };
        Some(other.map_or(here, |other| here * (1.0 - share) + other * share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rhythm(minute: u32) -> f64 {
        let hour = f64::from(minute % 1440) / 60.0;
        100.0 + 60.0 * (hour / 24.0 * std::f64::consts::TAU).sin()
    }

    #[test]
    fn a_week_is_enough_to_know_the_rhythm() {
        let mut season = Season::default();
        for minute in 0..8 * 1440 {
            season.learn(Minute(minute), rhythm(minute));
        }
        for minute in (8 * 1440..9 * 1440).step_by(37) {
            let expected = season.at(Minute(minute), 0.0).unwrap();
            assert!(
                (expected / rhythm(minute) - 1.0).abs() < 0.06,
                "{minute}: {expected} {}",
                rhythm(minute)
            );
        }
    }

    #[test]
    fn growth_is_followed_within_days() {
        let mut season = Season::default();
        for minute in 0..14 * 1440 {
            let growth = if minute > 10 * 1440 { 1.5 } else { 1.0 };
            season.learn(Minute(minute), growth * rhythm(minute));
        }
        let minute = 14 * 1440 + 600;
        let ratio = season.at(Minute(minute), 0.0).unwrap() / (1.5 * rhythm(minute));
        assert!((0.9..1.1).contains(&ratio), "{ratio}");
    }

    #[test]
    fn one_strange_hour_hardly_moves_what_is_usual() {
        let mut season = Season::default();
        for minute in 0..21 * 1440 {
            let strange = (20 * 1440 + 600..20 * 1440 + 660).contains(&minute);
            season.learn(Minute(minute), if strange { 10.0 } else { 1.0 } * rhythm(minute));
        }
        let minute = 27 * 1440 + 630;
        assert!(season.bare(Minute(minute)).unwrap() < 1.3 * rhythm(minute));
    }
}
