//! What goes wrong, until the heal phase.

use mbolo_engine::EngineError;

use crate::failure::Oracle;
use crate::ledger::Breach;
use crate::person::Crash;
use crate::plan::Fault;
use crate::world::{What, World};

impl World {
    /// The next fault of the plan.
    pub(crate) fn fault(&mut self) -> Result<(), Breach> {
        if self.healing {
            return Ok(());
        }
        let next = 1 + self.dice.around(self.plan.fault_ms);
        self.queue.after(next, What::Fault);
        let Some(fault) = self.dice.pick(&self.plan.faults).copied() else { return Ok(()) };
        let now = self.now();
        let person = self.dice.below(self.people.len() as u64) as usize;
        self.trace.line(now, format_args!("fault {fault:?} (p{person})"));
        match fault {
            Fault::CellKill => {
                let down = self.dice.around(5_000);
                self.kill_cell(down);
            }
            Fault::CellCommit => {
                let fault = match self.dice.below(3) {
                    0 => mbolo_engine::Fault::CrashBefore,
                    1 => mbolo_engine::Fault::CrashAfter,
                    _ => mbolo_engine::Fault::Torn { written: self.dice.below(2_000) as usize },
                };
                let later = self.dice.below(4);
                self.cell.disk.fail_commit(later, fault);
            }
            Fault::CellFull => {
                self.cell.disk.set_full(true);
                let full = self.dice.between(1_000, 60_000);
                self.queue.after(full, What::CellRoom);
            }
            Fault::SecondCell => {
                if self.cell.is_running() && !matches!(self.cell.disk.open(), Err(EngineError::Locked { .. }))
                {
                    let what = "a second cell starts on the same disk".to_owned();
                    return self.check(Err((Oracle::Sound, what)));
                }
            }
            Fault::DeviceKill => {
                let crash = Crash { inputs: self.dice.below(6) as u32, durable: self.dice.chance(0.5) };
                self.people[person].crash = Some(crash);
            }
            Fault::DeviceFull => self.fill_device(person)?,
            Fault::Reset => {
                if let Some(index) = self.people[person].connection {
                    self.reset(index);
                }
            }
            Fault::HalfOpen => {
                if let Some(index) = self.people[person].connection {
                    self.half_open(index);
                }
            }
            Fault::NoNetwork => self.take_network(person),
        }
        Ok(())
    }

    /// The device starts anew with room for a few pages only; later it has room again.
    fn fill_device(&mut self, person: usize) -> Result<(), Breach> {
        // Without room for its first tables a profile does not come into being, and there is nothing to lose.
        if self.people[person].run == 0 {
            return Ok(());
        }
        self.kill_person(person);
        let pages_left = self.dice.below(8);
        if let Some(disk) = self.people[person].disk() {
            let limited = disk
                .query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0))
                .and_then(|pages| disk.pragma_update(None, "max_page_count", pages + pages_left as i64));
            limited.map_err(|error| (Oracle::Sound, error.to_string()))?;
        }
        self.people[person].full = true;
        let full = self.dice.between(1_000, 60_000);
        self.queue.after(full, What::DeviceRoom { person });
        self.start_person(person)
    }

    /// No network for seconds, minutes, hours or days.
    fn take_network(&mut self, person: usize) {
        let lengths: &[u64] =
            if self.plan.absences { &[5_000, 60_000, 3_600_000, 24 * 3_600_000] } else { &[2_000, 20_000] };
        let usual = self.dice.pick(lengths).copied().unwrap_or(5_000);
        let away = 1_000 + self.dice.around(usual);
        self.people[person].online = false;
        if let Some(index) = self.people[person].connection {
            self.half_open(index);
        }
        self.queue.after(away, What::Online { person });
    }
}
