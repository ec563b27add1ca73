//! Times for people: in UTC as text, and machine-readable beside it, so that a script can show the reader's own clock.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use maud::{Markup, html};

use crate::texts::Texts;

/// RFC 3339 in UTC to the second; empty outside the years that have four digits.
pub(crate) fn rfc3339(unix: i64) -> String {
    Timestamp::from_second(unix).map_or_else(|_| String::new(), |at| at.to_string())
}

/// RFC 3339 with milliseconds, as status documents have it: `2023-07-19T20:11:00.000Z`.
pub(crate) fn rfc3339_millis(unix: i64) -> String {
    Timestamp::from_second(unix).map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}

/// RFC 2822 in UTC, as RSS has it.
pub(crate) fn rfc2822(unix: i64) -> String {
    utc(unix).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// `17:02 UTC`.
pub(crate) fn clock(texts: &Texts, unix: i64) -> String {
    let at = utc(unix);
    let hour = format!("{:02}", at.hour());
    let minute = format!("{:02}", at.minute());
    texts.with("time-clock", &[("hour", hour.into()), ("minute", minute.into())])
}

/// `19 July 2023`.
pub(crate) fn date(texts: &Texts, unix: i64) -> String {
    let at = utc(unix);
    let args = [
        ("day", f64::from(at.day()).into()),
        ("month", f64::from(at.month()).into()),
        // As text: a year is not a count and has no group separator.
        ("year", at.year().to_string().into()),
    ];
    texts.with("time-date", &args)
}

/// The clock alone for today, with the date for other days.
pub(crate) fn moment(texts: &Texts, unix: i64, now: i64) -> String {
    if same_day(unix, now) {
        return clock(texts, unix);
    }
    let args = [("date", date(texts, unix).into()), ("clock", clock(texts, unix).into())];
    texts.with("time-moment", &args)
}

/// [`moment`] as an element that scripts turn into local time.
pub(crate) fn moment_element(texts: &Texts, unix: i64, now: i64) -> Markup {
    let form = if same_day(unix, now) { "t" } else { "d" };
    html! { time datetime=(rfc3339(unix)) data-l=(form) { (moment(texts, unix, now)) } }
}

/// `40 seconds ago`; what lies ahead counts as now.
pub(crate) fn ago(texts: &Texts, unix: i64, now: i64) -> String {
    let seconds = (now - unix).max(0);
    let (key, n) = match seconds {
        0..=89 => ("ago-seconds", seconds),
        90..=5399 => ("ago-minutes", (seconds + 30) / 60),
        5400..=172_799 => ("ago-hours", (seconds + 1800) / 3600),
        _ => ("ago-days", seconds / 86_400),
    };
    texts.with(key, &[("n", (n as f64).into())])
}

/// [`ago`] as an element that scripts keep up to date.
pub(crate) fn ago_element(texts: &Texts, unix: i64, now: i64) -> Markup {
    html! { time datetime=(rfc3339(unix)) data-r { (ago(texts, unix, now)) } }
}

/// `3 min`, `2 h 5 min`, `3 d 2 h`.
pub(crate) fn duration(texts: &Texts, minutes: u32) -> String {
    match minutes {
        0..=119 => texts.with("duration-minutes", &[("n", minutes.into())]),
        120..=2879 => {
            texts.with("duration-hours", &[("h", (minutes / 60).into()), ("m", (minutes % 60).into())])
        }
        _ => texts
            .with("duration-days", &[("d", (minutes / 1440).into()), ("h", (minutes % 1440 / 60).into())]),
    }
}

fn same_day(one: i64, other: i64) -> bool {
    one.div_euclid(86_400) == other.div_euclid(86_400)
}

fn utc(unix: i64) -> Zoned {
    Timestamp::from_second(unix).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    /// 2023-07-19T20:11:00Z.
    const AT: i64 = 1_689_797_460;

    #[test]
    fn times_are_said_as_each_language_says_them() {
        let (en, fr) = (Language::En.texts(), Language::Fr.texts());
        assert_eq!(clock(en, AT), "20:11 UTC");
        assert_eq!(moment(en, AT, AT + 60), "20:11 UTC");
        assert_eq!(moment(en, AT, AT + 86_400), "19 July 2023, 20:11 UTC");
        assert_eq!(moment(fr, AT, AT + 86_400), "le 19 juillet 2023 à 20:11 UTC");
        assert_eq!(date(fr, AT - 18 * 86_400), "1er juillet 2023");
    }

    #[test]
    fn what_is_recent_is_said_in_seconds_and_what_is_old_in_days() {
        let (en, fr) = (Language::En.texts(), Language::Fr.texts());
        assert_eq!(ago(en, AT, AT + 40), "40 seconds ago");
        assert_eq!(ago(en, AT, AT + 60), "60 seconds ago");
        assert_eq!(ago(en, AT, AT + 240), "4 minutes ago");
        assert_eq!(ago(fr, AT, AT + 7200), "il y a 2 heures");
        assert_eq!(ago(fr, AT, AT + 5 * 86_400), "il y a 5 jours");
        assert_eq!(ago(en, AT + 30, AT), "0 seconds ago");
    }

    #[test]
    fn durations_have_at_most_two_parts() {
        let en = Language::En.texts();
        assert_eq!(duration(en, 3).replace('\u{a0}', " "), "3 min");
        assert_eq!(duration(en, 125).replace('\u{a0}', " "), "2 h 5 min");
        assert_eq!(duration(en, 5040).replace('\u{a0}', " "), "3 d 12 h");
    }

    #[test]
    fn machines_get_their_own_forms() {
        assert_eq!(rfc3339(AT), "2023-07-19T20:11:00Z");
        assert_eq!(rfc3339_millis(AT), "2023-07-19T20:11:00.000Z");
        assert_eq!(rfc2822(AT), "Wed, 19 Jul 2023 20:11:00 +0000");
    }
}
