//! What is usual at this hour: the median of the same hour on earlier days.
//!
//! A median, so that yesterday's incident is not today's expectation. Only days before today count: what began ten
//! minutes ago must not become usual within the hour.

use std::collections::VecDeque;

/// The recent values of each hour of the day.
#[derive(Debug, Clone)]
pub(super) struct Season {
    hours: Vec<Hour>,
}

impl Season {
    pub(super) fn new() -> Self {
        Self { hours: vec![Hour::default(); HOURS as usize] }
    }

    /// How far `value` is above what is usual at its hour of the day (in UTC), then keeps it. `None` before two values of
    /// that hour are known from earlier days.
    pub(super) fn residual(&mut self, unix_seconds: i64, value: f64) -> Option<f64> {
        let day = unix_seconds.div_euclid(DAY_SECONDS);
        let hour = &mut self.hours[(unix_seconds.rem_euclid(DAY_SECONDS) / HOUR_SECONDS) as usize];
        hour.forget_before(day);
        let usual = hour.usual();
        push_limited(&mut hour.today, value);
        Some(value - usual?)
    }
}

#[derive(Debug, Clone, Default)]
struct Hour {
    /// With their days, oldest first.
    earlier: VecDeque<(i64, f64)>,
    day: i64,
    today: VecDeque<f64>,
}

impl Hour {
    fn forget_before(&mut self, day: i64) {
        // A clock that steps back stays within the day that was reached.
        if day > self.day {
            for value in self.today.drain(..) {
                push_limited(&mut self.earlier, (self.day, value));
            }
            self.day = day;
        }
        while self.earlier.front().is_some_and(|(of, _)| *of < self.day - MOST_DAYS) {
            self.earlier.pop_front();
        }
    }

    fn usual(&self) -> Option<f64> {
        if self.earlier.len() < FEWEST {
            return None;
        }
        let mut values: Vec<f64> = self.earlier.iter().map(|(_, value)| *value).collect();
        let middle = values.len() / 2;
        Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
    }
}

fn push_limited<T>(values: &mut VecDeque<T>, value: T) {
    if values.len() == MOST_VALUES {
        values.pop_front();
    }
    values.push_back(value);
}

const HOUR_SECONDS: i64 = 3600;
const HOURS: i64 = 24;
const DAY_SECONDS: i64 = HOURS * HOUR_SECONDS;
/// Values of an hour, at most: five days of one every five minutes.
const MOST_VALUES: usize = 60;
/// Days after which a value says nothing any more.
const MOST_DAYS: i64 = 21;
/// With fewer values nothing is usual.
const FEWEST: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// One value every ten minutes, higher by day than by night.
    fn rhythm(row: i64) -> f64 {
        if (48..120).contains(&(row % 144)) { 100.0 } else { 10.0 }
    }

    #[test]
    fn a_daily_rhythm_is_usual_from_the_second_day() {
        let mut season = Season::new();
        let residuals: Vec<_> = (0..1000).map(|row| season.residual(row * 600, rhythm(row))).collect();
        assert!(residuals[..144].iter().all(Option::is_none));
        assert!(residuals[144..].iter().all(|residual| *residual == Some(0.0)));
    }

    #[test]
    fn an_incident_stays_unusual_all_day_and_does_not_change_tomorrow() {
        let mut season = Season::new();
        (0..720).for_each(|row| _ = season.residual(row * 600, rhythm(row)));
        assert!((720..864).all(|row| season.residual(row * 600, 0.0) == Some(-rhythm(row))));
        assert!((864..1008).all(|row| season.residual(row * 600, rhythm(row)) == Some(0.0)));
    }

    #[test]
    fn what_is_kept_has_a_limit_also_when_values_come_every_second() {
        let mut season = Season::new();
        (0..3 * DAY_SECONDS).for_each(|second| _ = season.residual(second, 1.0));
        assert!(season.hours.iter().all(|hour| hour.earlier.len() + hour.today.len() <= 2 * MOST_VALUES));
    }

    #[test]
    fn after_a_month_of_silence_nothing_is_known() {
        let mut season = Season::new();
        (0..720).for_each(|row| _ = season.residual(row * 600, rhythm(row)));
        assert_eq!(season.residual(40 * DAY_SECONDS, 10.0), None);
    }
}
