//! The day and the week of people, by their own clocks.

use mbolo_pulse::Minute;

/// Activity by the local hour, of people who write to each other: least before dawn, most in the evening.
const SOCIAL: [f64; 24] = [
    0.55, 0.34, 0.21, 0.14, 0.12, 0.14, 0.23, 0.38, 0.52, 0.60, 0.64, 0.67, 0.70, 0.70, 0.68, 0.68, 0.70,
    0.75, 0.82, 0.90, 0.97, 1.00, 0.90, 0.74,
];
/// Of people who go to a bank.
const BUSINESS: [f64; 24] = [
    0.12, 0.08, 0.06, 0.05, 0.05, 0.08, 0.20, 0.45, 0.75, 0.95, 1.00, 0.98, 0.90, 0.88, 0.92, 0.90, 0.82,
    0.70, 0.58, 0.48, 0.40, 0.34, 0.25, 0.17,
];
/// From Monday.
const SOCIAL_WEEK: [f64; 7] = [0.96, 0.96, 0.97, 0.98, 1.02, 1.08, 1.05];
const BUSINESS_WEEK: [f64; 7] = [1.05, 1.0, 1.0, 1.0, 1.1, 0.45, 0.3];

/// What people do at a place now, each as a share of its busiest minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rhythm {
    pub(crate) social: f64,
    pub(crate) business: f64,
}

/// The rhythm where clocks are `offset` minutes ahead of UTC.
pub(crate) fn at(minute: Minute, offset: i32) -> Rhythm {
    let local = local(minute, offset);
    let day = weekday(local);
    Rhythm {
        social: by_hour(&SOCIAL, local) * SOCIAL_WEEK[day],
        business: by_hour(&BUSINESS, local) * BUSINESS_WEEK[day],
    }
}

/// Minutes of the local clock since the beginning of time.
pub(crate) fn local(minute: Minute, offset: i32) -> i64 {
    i64::from(minute.0) + i64::from(offset)
}

fn weekday(local: i64) -> usize {
    // 1970-01-01 was a Thursday.
    (local.div_euclid(1440) + 3).rem_euclid(7) as usize
}

fn by_hour(curve: &[f64; 24], local: i64) -> f64 {
    let minute = local.rem_euclid(1440) as usize;
    let (hour, part) = (minute / 60, (minute % 60) as f64 / 60.0);
    curve[hour] * (1.0 - part) + curve[(hour + 1) % 24] * part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evening_comes_by_time_zone() {
        let noon_utc = Minute(20_000 * 1440 + 720);
        assert!(at(noon_utc, 9 * 60).social > at(noon_utc, 0).social, "21 h in Tokyo");
        assert!(at(noon_utc, -8 * 60).social < 0.2, "4 h in San Francisco");
    }

    #[test]
    fn the_bank_is_quiet_on_sundays() {
        let monday = Minute(20_003 * 1440 + 600);
        assert_eq!(monday.slot(), 10);
        let sunday = monday.plus(6 * 1440);
        assert!(at(sunday, 0).business < 0.4 * at(monday, 0).business);
        assert!(at(sunday, 0).social > at(monday, 0).social);
    }
}
