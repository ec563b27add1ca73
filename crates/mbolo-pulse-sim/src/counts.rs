//! A simulated scenario as a file for `mbolo pulse replay`, with the truth beside it.

use std::io::{self, Write};

use mbolo_pulse::{IncidentKind, Scope, ServiceId};
use serde::Serialize;

use crate::fault::Class;
use crate::options::{Options, OptionsWrong};
use crate::run::{live, prepare};

/// What really happened, one row for each fault.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TruthRow {
    /// Its class.
    pub class: Class,
    /// When it began, RFC 3339 UTC.
    pub from: String,
    /// When it was over, RFC 3339 UTC.
    pub until: String,
    /// Where; absent if nothing failed.
    pub scope: Option<Scope>,
    /// What an observatory should call it; absent if nothing failed.
    pub kind: Option<IncidentKind>,
    /// What failed.
    pub services: Vec<ServiceId>,
    /// The same for people.
    pub text: String,
}

/// A scenario that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteFailed {
    /// See there.
    #[error(transparent)]
    Options(#[from] OptionsWrong),
    /// Nothing to play.
    #[error("give one number of users and one family of noise")]
    Empty,
    /// The file could not be written; make room or choose another place.
    #[error("could not write: {0}; make room or choose another place")]
    Io(#[from] io::Error),
}

/// Writes the rows of the first number of users and the first family of noise to `counts`, what was done to `truth`, both
/// as newline-delimited JSON, and returns the number of rows.
pub fn write_counts(
    options: &Options,
    mut counts: impl Write,
    mut truth: impl Write,
) -> Result<u64, WriteFailed> {
    options.check()?;
    let (Some(users), Some(family)) = (options.users.first(), options.families.first()) else {
        return Err(WriteFailed::Empty);
    };
    let (places, schedule) = prepare(options, *users);
    for fault in &schedule.faults {
        let said = fault.truth(&places);
        let row = TruthRow {
            class: fault.class,
            from: fault.from.rfc3339(),
            until: fault.until.rfc3339(),
            scope: said.as_ref().map(|said| said.scope.clone()),
            kind: said.as_ref().map(|said| said.kind),
            services: said.map(|said| said.services).unwrap_or_default(),
            text: fault.describe(&places),
        };
        write_row(&mut truth, &row)?;
    }
    let mut written = 0;
    live(options, *family, &places, &schedule, |_, rows| {
        for row in rows {
            write_row(&mut counts, row)?;
        }
        written += rows.len() as u64;
        Ok::<(), io::Error>(())
    })?;
    counts.flush()?;
    truth.flush()?;
    Ok(written)
}

fn write_row(out: &mut impl Write, row: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, row)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use mbolo_pulse::Count;

    use super::*;

    /// A disk that is full after so many bytes.
    struct Disk<'a> {
        holds: usize,
        written: &'a mut Vec<u8>,
    }

    impl Write for Disk<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.written.len() + bytes.len() > self.holds {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn rows_can_be_replayed_and_a_full_disk_is_said() {
        let (mut counts, mut truth) = (Vec::new(), Vec::new());
        let options = Options::quick();
        let written = write_counts(&options, Disk { holds: 400_000, written: &mut counts }, &mut truth);
        assert!(matches!(written, Err(WriteFailed::Io(_))), "{written:?}");
        let lines = std::str::from_utf8(&counts).unwrap().lines();
        let rows: Vec<Count> = lines.map_while(|line| serde_json::from_str(line).ok()).collect();
        assert!(rows.len() > 1000 && rows.is_sorted_by_key(|row| row.minute));
        let faults = std::str::from_utf8(&truth).unwrap().lines().count();
        // Two nights; of those that come in company, two are pairs.
        assert_eq!(faults as u32, 2 + options.rounds * (Class::ALL.len() as u32 - 1 + 2));
    }

    #[test]
    fn options_that_cannot_be_played_are_refused() {
        let options = Options { warm_up_days: 3, ..Options::quick() };
        let written = write_counts(&options, io::sink(), io::sink());
        assert!(matches!(written, Err(WriteFailed::Options(OptionsWrong::WarmUp))));
    }
}
