//! Replays: newline-delimited counts in, incident transitions out, as fast as the machine allows. The same detector as
//! in the running observatory, with the rows' minutes for a clock.

mod clock;
mod line;

use std::collections::BTreeSet;
use std::io::{self, BufRead, Read, Write};

use serde::Serialize;

use crate::detector::{Detector, DetectorConfig};
use crate::model::{
    Evidence, Incident, IncidentId, IncidentKind, IncidentState, Scope, ServiceId, Transition,
};

use clock::{Clock, Step};

/// The longest line in bytes; a row has about a hundred.
const LONGEST_LINE: u64 = 64 * 1024;

/// What a replay did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines that were not empty.
    pub rows: u64,
    /// Of which were malformed, too late or from the future.
    pub skipped: u64,
    /// Incidents that came, whatever became of them.
    pub incidents: u64,
}

/// Reads rows until the end and writes one line of JSON for each transition of an incident. A row that cannot be taken
/// is told to `on_bad` with its line, counted from 1, and what is wrong with it; the next row goes on.
///
/// # Errors
/// Only what reading and writing give.
pub fn replay(
    mut input: impl BufRead,
    output: impl Write,
    config: DetectorConfig,
    mut on_bad: impl FnMut(u64, &str),
) -> io::Result<Summary> {
    let mut output = Output { to: output, ids: BTreeSet::new() };
    let mut detector = Detector::new(config);
    let mut clock = Clock::default();
    let mut summary = Summary::default();
    let mut bytes = Vec::with_capacity(256);
    let mut number = 0;
    loop {
        bytes.clear();
        if (&mut input).take(LONGEST_LINE).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        number += 1;
        let too_long = bytes.len() as u64 == LONGEST_LINE && bytes.last() != Some(&b'\n');
        if too_long {
            skip_line(&mut input)?;
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        summary.rows += 1;
        let mut refuse = |line: u64, why: &str| {
            summary.skipped += 1;
            on_bad(line, why);
        };
        if too_long {
            refuse(number, "longer than 64 KiB");
            continue;
        }
        let parsed = match line::parse(&bytes) {
            Ok(parsed) => parsed,
            Err(why) => {
                refuse(number, &why);
                continue;
            }
        };
        let row = parsed.row();
        let (step, in_vain) = clock.see(number, &row);
        in_vain.into_iter().for_each(|line| refuse(line, OUT_OF_TIME));
        match step {
            Step::Now => {}
            Step::To(minute) => output.write(detector.advance(minute))?,
            Step::Wait => continue,
            Step::Leap(now, rows) => {
                for (line, row) in rows {
                    output.write(detector.advance(row.minute.min(now)))?;
                    if let Err(why) = detector.push(&row) {
                        refuse(line, &why.to_string());
                    }
                }
                continue;
            }
        }
        if let Err(why) = detector.push_row(&row) {
            refuse(number, &why.to_string());
        }
    }
    let rest = clock.finish();
    for (line, row) in rest.rows {
        output.write(detector.advance(row.minute))?;
        if let Err(why) = detector.push(&row) {
            summary.skipped += 1;
            on_bad(line, &why.to_string());
        }
    }
    for line in rest.refused {
        summary.skipped += 1;
        on_bad(line, OUT_OF_TIME);
    }
    if let Some(minute) = detector.newest() {
        output.write(detector.advance(minute.plus(1)))?;
    }
    output.to.flush()?;
    summary.incidents = output.ids.len() as u64;
    Ok(summary)
}

/// Why a row was not taken whose minute never came.
const OUT_OF_TIME: &str = "its minute is far from those of the rows around it";

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let held = input.fill_buf()?;
        if held.is_empty() {
            return Ok(());
        }
        let (used, done) = match held.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (held.len(), false),
        };
        input.consume(used);
        if done {
            return Ok(());
        }
    }
}

struct Output<W> {
    to: W,
    ids: BTreeSet<IncidentId>,
}

impl<W: Write> Output<W> {
    fn write(&mut self, transitions: Vec<Transition>) -> io::Result<()> {
        for transition in transitions {
            serde_json::to_writer(&mut self.to, &TransitionRow::from(&transition))?;
            self.to.write_all(b"\n")?;
            self.ids.insert(transition.incident.id);
        }
        Ok(())
    }
}

/// One line of the result. Times are RFC 3339 in UTC.
#[derive(Debug, Serialize)]
struct TransitionRow<'a> {
    id: &'a IncidentId,
    services: &'a [ServiceId],
    kind: IncidentKind,
    scope: &'a Scope,
    scope_uncertain: bool,
    state: IncidentState,
    at: String,
    started_at: String,
    detected_at: String,
    confirmed_at: Option<String>,
    resolved_at: Option<String>,
    impact: Option<f64>,
    evidence: &'a [Evidence],
}

impl<'a> From<&'a Transition> for TransitionRow<'a> {
    fn from(transition: &'a Transition) -> Self {
        let Incident { id, services, kind, scope, scope_uncertain, state, impact, evidence, .. } =
            &transition.incident;
        let incident = &transition.incident;
        Self {
            id,
            services,
            kind: *kind,
            scope,
            scope_uncertain: *scope_uncertain,
            state: *state,
            at: transition.at.rfc3339(),
            started_at: incident.started_at.rfc3339(),
            detected_at: incident.detected_at.rfc3339(),
            confirmed_at: incident.confirmed_at.map(|at| at.rfc3339()),
            resolved_at: incident.resolved_at.map(|at| at.rfc3339()),
            impact: *impact,
            evidence,
        }
    }
}
