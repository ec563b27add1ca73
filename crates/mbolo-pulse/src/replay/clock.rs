//! What time is it in a file? The rows say so, and some of them are wrong.
//!
//! Time moves on a step at a time, and only once a good part of a usual minute's rows has moved on: one source whose
//! clock is a minute ahead must not make everybody else late. A row that is further ahead waits: if time goes on there,
//! there was a gap; if the next row is back where time was, the row was from a wrong clock. A wrong row can therefore
//! never move the detector into the future, where everything that is right would be too late.

use crate::counts::Row;
use crate::model::{Count, Minute, ServiceId};

/// Minutes that time moves on at once.
const STEP: u32 = 2;
/// The share of a usual minute's rows that have to be in a later one before it is time.
const MOVED_ON: f64 = 0.25;
/// Minutes, one after the other and none of them back, that make a gap believable in a file with few rows.
const GOES_ON: usize = 5;
/// Minutes that rows may be apart to belong to the same stretch of time.
const STRETCH: u32 = 60;
/// Rows of those that wait that are looked at to see whether time goes on.
const MOST_COMPARED: usize = 1_000;
/// Rows that wait at most.
const MOST_WAITING: usize = 200_000;
/// Minutes by which the very last rows may be ahead.
const LAST_GAP: u32 = 24 * 60;

/// Decides where time is.
#[derive(Debug, Default)]
pub(super) struct Clock {
    now: Option<Minute>,
    waiting: Vec<(u64, Count)>,
    in_minute: f64,
    /// Rows seen of the next minutes.
    ahead: [f64; STEP as usize],
    /// Rows of a usual minute.
    pace: f64,
}

/// What to do with a row.
pub(super) enum Step {
    /// It is of this minute, late, or a little early: take it.
    Now,
    /// Time moves on first.
    To(Minute),
    /// Not yet.
    Wait,
    /// Time leaps to this minute: take these instead, in this order; the last may be a little early.
    Leap(Minute, Vec<(u64, Count)>),
}

/// Rows that waited.
#[derive(Debug, Default)]
pub(super) struct Waited {
    /// By minute.
    pub rows: Vec<(u64, Count)>,
    /// Lines whose minute never came.
    pub refused: Vec<u64>,
}

impl Clock {
    /// Looks at the next row. With the step come the lines that waited in vain.
    pub fn see(&mut self, line: u64, row: &Row<'_>) -> (Step, Vec<u64>) {
        if let Some(now) = self.now {
            if row.minute < now {
                return (Step::Now, Vec::new());
            }
            if row.minute == now {
                self.in_minute += 1.0;
                return (Step::Now, self.give_up_waiting());
            }
            let early = row.minute.since(now);
            if early <= STEP {
                let at = (early - 1) as usize;
                self.ahead[at] += 1.0;
                let moved_on: f64 = self.ahead[at..].iter().sum();
                if moved_on < MOVED_ON * self.pace.max(self.in_minute) {
                    return (Step::Now, Vec::new());
                }
                self.move_on(early);
                return (Step::To(row.minute), self.give_up_waiting());
            }
        }
        let Some(service) = ServiceId::new(row.service) else { return (Step::Now, Vec::new()) };
        self.waiting.push((line, owned(row, service)));
        self.leap(row.minute)
    }

    fn move_on(&mut self, minutes: u32) {
        for _ in 0..minutes {
            self.pace += (self.in_minute - self.pace) * if self.pace == 0.0 { 1.0 } else { 0.05 };
            self.in_minute = self.ahead[0];
            self.ahead.rotate_left(1);
            self.ahead[STEP as usize - 1] = 0.0;
        }
        self.now = self.now.map(|now| now.plus(minutes));
    }

    /// Time goes on where it was, so what waited was wrong.
    fn give_up_waiting(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.waiting).into_iter().map(|(line, _)| line).collect()
    }

    /// What waits when the file ends.
    pub fn finish(self) -> Waited {
        let newest = self.now.map(|now| now.plus(LAST_GAP));
        let goes_on = self.waits_in_order() >= 3;
        let mut waited = Waited::default();
        for (line, row) in self.waiting {
            // Without any time so far there is nothing to compare with.
            if goes_on || newest.is_none_or(|newest| row.minute <= newest) {
                waited.rows.push((line, row));
            } else {
                waited.refused.push(line);
            }
        }
        waited.rows.sort_by_key(|(_, row)| row.minute);
        waited
    }

    fn leap(&mut self, newest: Minute) -> (Step, Vec<u64>) {
        let near = |minute: Minute| minute <= newest && newest.since(minute) <= STRETCH;
        let full = self.waiting.len() >= MOST_WAITING;
        let stretch = || self.waiting.iter().filter(|(_, row)| near(row.minute));
        let is_many = || (stretch().count() as f64) >= (2.0 * self.pace).max(3.0);
        let goes_on = stretch().any(|(_, row)| row.minute != newest) && is_many();
        if !full && !goes_on && self.waits_in_order() < GOES_ON {
            return (Step::Wait, Vec::new());
        }
        let believed = self.now.is_some() || self.waits_in_order() >= GOES_ON;
        let keep = |row: &Count| near(row.minute) || believed && row.minute <= newest;
        let (mut rows, refused): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(_, row)| keep(row));
        rows.sort_by_key(|(_, row)| row.minute);
        // The newest may be of a clock that is ahead: most are where time is.
        let now = rows.get(rows.len() / 2).map_or(newest, |(_, row)| row.minute);
        let taken = rows.partition_point(|(_, row)| row.minute <= now.plus(STEP));
        self.waiting = rows.split_off(taken);
        self.now = Some(now);
        self.ahead = Default::default();
        self.in_minute = rows.iter().filter(|(_, row)| row.minute == now).count() as f64;
        for early in rows.iter().filter_map(|(_, row)| row.minute.since(now).checked_sub(1)) {
            self.ahead[early as usize] += 1.0;
        }
        (Step::Leap(now, rows), refused.into_iter().map(|(line, _)| line).collect())
    }
}

impl Clock {
    /// How many minutes wait, if none of them is before another that came first; else none.
    fn waits_in_order(&self) -> usize {
        let newest = &self.waiting[self.waiting.len().saturating_sub(MOST_COMPARED)..];
        if !newest.is_sorted_by_key(|(_, row)| row.minute) {
            return 0;
        }
        newest.chunk_by(|a, b| a.1.minute == b.1.minute).count()
    }
}

fn owned(row: &Row<'_>, service: ServiceId) -> Count {
    Count {
        minute: row.minute,
        service,
        cc: row.cc,
        asn: row.asn,
        signal: row.signal,
        problem: None,
        cell: row.cell.map(Into::into),
        n: row.n,
        weight: row.weight,
        attempts: row.attempts,
        failures: row.failures,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Asn, Country, Signal};

    fn row(minute: u32) -> Row<'static> {
        Row {
            minute: Minute(minute),
            service: "whatsapp",
            cc: Country::UNKNOWN,
            asn: Asn(0),
            signal: Signal::Reports,
            cell: None,
            n: 1,
            weight: None,
            attempts: 0,
            failures: 0,
        }
    }

    /// What became of a file with these minutes: the last time, and the lines that were refused.
    fn read(minutes: &[u32]) -> (Option<u32>, Vec<u64>) {
        let mut clock = Clock::default();
        let mut refused = Vec::new();
        for (line, minute) in minutes.iter().enumerate() {
            refused.extend(clock.see(line as u64, &row(*minute)).1);
        }
        let now = clock.now.map(|now| now.0);
        refused.extend(clock.finish().refused);
        (now, refused)
    }

    #[test]
    fn a_row_from_the_year_9000_does_not_move_time() {
        assert_eq!(read(&[100, 100, 101, 102, 3_000_000_000, 103, 104]), (Some(104), vec![4]));
        assert_eq!(read(&[3_000_000_000, 100, 100, 101, 102, 103]), (Some(103), vec![0]));
        assert_eq!(read(&[100, 100, 101, 102, 3_000_000_000]), (Some(102), vec![4]));
    }

    #[test]
    fn rows_may_become_few() {
        let dense = (0..20).flat_map(|minute| [100 + minute; 50]);
        let few: Vec<u32> = (0..40).map(|hour| 2_000 + 60 * hour).collect();
        let (now, refused) = read(&dense.chain(few).collect::<Vec<_>>());
        assert_eq!(refused.len(), 0);
        assert!(now > Some(2_000 + 60 * 30), "{now:?}");
    }

    #[test]
    fn one_source_whose_clock_is_ahead_does_not_make_time() {
        let mut clock = Clock::default();
        for minute in 100..140 {
            for source in 0..20 {
                let told = if source == 7 { minute + 2 } else { minute };
                assert!(clock.see(0, &row(told)).1.is_empty());
            }
            // The first minutes say what is usual.
            assert!(minute < 103 || clock.now == Some(Minute(minute)), "{minute}: {:?}", clock.now);
        }
    }

    #[test]
    fn a_gap_of_a_day_is_crossed() {
        assert_eq!(read(&[100, 100, 101, 102, 1600, 1600, 1601, 1602, 1603]), (Some(1603), vec![]));
    }
}
