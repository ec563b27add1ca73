//! What time is it in a file? The rows say so, and some of them are wrong.
//!
//! Time moves on by itself only a step at a time. A row that is further ahead waits: if time goes on there, at the pace
//! of the file so far, there was a gap; if the next row is back where time was, the row was from a wrong clock. A wrong
//! row can therefore never move the detector into the future, where everything that is right would be too late.

use crate::counts::Row;
use crate::model::{Count, Minute, ServiceId};

/// Minutes that time moves on by one row's word.
const STEP: u32 = 2;
/// Minutes that rows may be apart to belong to the same stretch of time.
const STRETCH: u32 = 60;
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
    /// Rows of a usual minute.
    pace: f64,
}

/// What to do with a row.
pub(super) enum Step {
    /// It is of this minute, or late: take it.
    Now,
    /// Time moves on first.
    To(Minute),
    /// Not yet.
    Wait,
    /// Time leapt: take these instead, in this order.
    Leap(Vec<(u64, Count)>),
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
            if row.minute.since(now) <= STEP {
                self.pace += (self.in_minute - self.pace) * if self.pace == 0.0 { 1.0 } else { 0.05 };
                self.in_minute = 1.0;
                self.now = Some(row.minute);
                return (Step::To(row.minute), self.give_up_waiting());
            }
        }
        let Some(service) = ServiceId::new(row.service) else { return (Step::Now, Vec::new()) };
        self.waiting.push((line, owned(row, service)));
        self.leap(row.minute)
    }

    /// Time goes on where it was, so what waited was wrong.
    fn give_up_waiting(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.waiting).into_iter().map(|(line, _)| line).collect()
    }

    /// What waits when the file ends.
    pub fn finish(self) -> Waited {
        let newest = self.now.map(|now| now.plus(LAST_GAP));
        let mut waited = Waited::default();
        for (line, row) in self.waiting {
            // Without any time so far there is nothing to compare with.
            if newest.is_none_or(|newest| row.minute <= newest) {
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
        let goes_on = stretch().any(|(_, row)| row.minute != newest);
        if !full && (!goes_on || (stretch().count() as f64) < (2.0 * self.pace).max(3.0)) {
            return (Step::Wait, Vec::new());
        }
        let started = self.now.is_some();
        let keep = |row: &Count| near(row.minute) || started && row.minute <= newest;
        let (mut rows, refused): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(_, row)| keep(row));
        rows.sort_by_key(|(_, row)| row.minute);
        self.now = Some(newest);
        self.in_minute = 1.0;
        (Step::Leap(rows), refused.into_iter().map(|(line, _)| line).collect())
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
    fn a_gap_of_a_day_is_crossed() {
        assert_eq!(read(&[100, 100, 101, 102, 1600, 1600, 1601, 1602, 1603]), (Some(1603), vec![]));
    }
}
