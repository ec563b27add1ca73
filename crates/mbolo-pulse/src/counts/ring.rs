//! The last hour of one number, minute by minute; a minute may be unknown.

use crate::model::Minute;

/// Minutes a ring remembers.
const LENGTH: u32 = 64;

/// 64 minutes, the newest overwrites the oldest.
#[derive(Debug, Clone)]
pub(crate) struct Ring {
    values: [f32; LENGTH as usize],
    /// The minute after the newest one; 0 if there is none.
    end: u32,
}

impl Default for Ring {
    fn default() -> Self {
        Self { values: [f32::NAN; LENGTH as usize], end: 0 }
    }
}

impl Ring {
    /// Sets the newest minute; minutes that were left out are unknown.
    pub fn push(&mut self, minute: Minute, value: Option<f64>) {
        // A clock that was set back starts anew.
        if minute.0.saturating_sub(self.end) >= LENGTH || minute.0 + 1 < self.end {
            self.values = [f32::NAN; LENGTH as usize];
        } else {
            for skipped in self.end..minute.0 {
                self.values[(skipped % LENGTH) as usize] = f32::NAN;
            }
        }
        self.values[(minute.0 % LENGTH) as usize] = value.map_or(f32::NAN, |value| value as f32);
        self.end = minute.0 + 1;
    }

    /// Adds what came late to a minute that is still remembered.
    pub fn correct(&mut self, minute: Minute, value: f64) {
        if minute.0 < self.end && self.end - minute.0 <= LENGTH {
            let held = &mut self.values[(minute.0 % LENGTH) as usize];
            *held = if held.is_nan() { value as f32 } else { *held + value as f32 };
        }
    }

    /// The value of a minute, if it is remembered and known.
    pub fn get(&self, minute: Minute) -> Option<f64> {
        if minute.0 >= self.end || self.end - minute.0 > LENGTH {
            return None;
        }
        let value = self.values[(minute.0 % LENGTH) as usize];
        (!value.is_nan()).then(|| f64::from(value))
    }

    /// Sum and number of the known minutes from `from` to `to`, both included.
    pub fn sum(&self, from: Minute, to: Minute) -> (f64, u32) {
        let mut sum = 0.0;
        let mut known = 0;
        let first = from.0.max(self.end.saturating_sub(LENGTH));
        for minute in first..(to.0.saturating_add(1)).min(self.end) {
            let value = self.values[(minute % LENGTH) as usize];
            if !value.is_nan() {
                sum += f64::from(value);
                known += 1;
            }
        }
        (sum, known)
    }

    /// The mean of the middle half of 11 minutes that end with `to`: as steady as a median, and not biased for small
    /// counts. None if fewer than six are known.
    pub fn middle(&self, to: Minute) -> Option<f64> {
        let mut sorted = [0.0_f32; 11];
        let mut known = 0;
        let oldest = self.end.saturating_sub(LENGTH);
        for minute in to.0.saturating_sub(10).max(oldest)..=to.0 {
            if minute >= self.end {
                break;
            }
            let value = self.values[(minute % LENGTH) as usize];
            if value.is_nan() {
                continue;
            }
            let mut at = known;
            while at > 0 && sorted[at - 1] > value {
                sorted[at] = sorted[at - 1];
                at -= 1;
            }
            sorted[at] = value;
            known += 1;
        }
        if known < 6 {
            return None;
        }
        let cut = known / 4;
        let middle = &sorted[cut..known - cut];
        Some(f64::from(middle.iter().sum::<f32>()) / middle.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_that_was_left_out_is_unknown_and_not_zero() {
        let mut ring = Ring::default();
        ring.push(Minute(100), Some(5.0));
        ring.push(Minute(102), Some(7.0));
        assert_eq!(ring.get(Minute(101)), None);
        assert_eq!(ring.sum(Minute(100), Minute(102)), (12.0, 2));
        ring.correct(Minute(101), 6.0);
        assert_eq!(ring.get(Minute(101)), Some(6.0));
    }

    #[test]
    fn one_spike_does_not_move_the_middle() {
        let mut ring = Ring::default();
        for minute in 0..11 {
            ring.push(Minute(minute), Some(if minute == 5 { 1000.0 } else { 10.0 }));
        }
        assert_eq!(ring.middle(Minute(10)), Some(10.0));
        assert_eq!(Ring::default().middle(Minute(10)), None);
    }

    #[test]
    fn a_long_silence_forgets_everything() {
        let mut ring = Ring::default();
        ring.push(Minute(10), Some(1.0));
        ring.push(Minute(10_000), Some(2.0));
        assert_eq!(ring.sum(Minute(0), Minute(10_000)), (2.0, 1));
    }
}
