//! The cell's side of the run: its process starts, dies, takes what arrives and sends what it says.

use bytes::Bytes;
use mbolo_cell::{Effect, Event, SessionId};
use mbolo_client::TransportFailure;
use mbolo_proto::{decode_client_frame, decode_server_frame};

use crate::failure::Oracle;
use crate::ledger::Breach;
use crate::world::{Down, Up, What, World};

impl World {
    pub(crate) fn start_cell(&mut self) -> Result<(), Breach> {
        if self.cell.is_running() {
            return Ok(());
        }
        let now = self.now();
        self.trace.line(now, format_args!("cell starts"));
        self.cell.start(now).map_err(|why| (Oracle::Durable, format!("the cell does not start: {why}")))?;
        self.ledger.look_into_rooms(now, &self.cell.disk);
        let kept = self.ledger.check_store(&self.cell.disk);
        self.check(kept)?;
        self.plan_cell_tick();
        Ok(())
    }

    /// The cell's process dies. Its connections end, some at once and some without a word.
    pub(crate) fn kill_cell(&mut self, down_ms: u64) {
        if !self.cell.is_running() {
            return;
        }
        let now = self.now();
        self.trace.line(now, format_args!("cell dies"));
        self.cell.kill();
        self.report.cell_crashes += 1;
        let run = self.cell.run;
        for index in 0..self.connections.len() {
            let connection = &mut self.connections[index];
            if connection.cell_run == run && connection.cell_open {
                connection.cell_open = false;
                connection.down.lose_from(now + self.net.below(20));
                let silent = !self.healing && self.net.chance(0.2);
                let hears = if silent { self.net.between(5_000, 60_000) } else { self.net.between(1, 200) };
                let packet = Down::Closed(TransportFailure::Closed);
                self.queue.after(hears, What::ToPerson { connection: index, packet });
            }
        }
        self.queue.after(down_ms, What::CellStart);
    }

    pub(crate) fn reaches_cell(&mut self, index: usize, packet: Up) {
        let now = self.now();
        let connection = &mut self.connections[index];
        let session = connection.session;
        if let Up::Opened = packet {
            if !self.cell.is_running() {
                let packet = Down::Closed(TransportFailure::Unreachable);
                self.queue.after(10, What::ToPerson { connection: index, packet });
                return;
            }
            connection.cell_run = self.cell.run;
            connection.cell_open = true;
            let nonce = self.nonces.bytes32();
            self.cell.inbox.push(Event::Opened { session, nonce });
            if let Some(at) = connection.down.send(now, &self.network, &mut self.net) {
                self.queue.at(at, What::ToPerson { connection: index, packet: Down::Connected });
            }
            return self.plan_batch();
        }
        if !connection.cell_open || connection.cell_run != self.cell.run || !self.cell.is_running() {
            return;
        }
        match packet {
            Up::Opened => {}
            Up::Frame(_) if connection.up.is_lost(now) => return,
            Up::Frame(bytes) => {
                self.trace.bytes(now, format_args!("s{} to cell", session.0), &bytes);
                match decode_client_frame(bytes) {
                    Ok(frame) => {
                        self.ledger.asked(session, &frame);
                        if self.options.print {
                            self.trace.detail(format_args!("{}", crate::name_of_request(&frame)));
                        }
                        self.cell.inbox.push(Event::Frame { session, frame });
                    }
                    Err(error) => self.cell.inbox.push(Event::Malformed { session, error }),
                }
            }
            Up::Closed => {
                connection.cell_open = false;
                self.trace.line(now, format_args!("s{} closed at cell", session.0));
                self.cell.inbox.push(Event::Closed { session });
            }
        }
        self.plan_batch();
    }

    pub(crate) fn plan_batch(&mut self) {
        if !self.cell.batch_planned {
            self.cell.batch_planned = true;
            let wait = self.net.below(4);
            self.queue.after(wait, What::CellBatch);
        }
    }

    pub(crate) fn cell_batch(&mut self) -> Result<(), Breach> {
        if !self.cell.is_running() {
            return Ok(());
        }
        let now = self.now();
        self.plan_to_forget();
        let effects = match self.cell.run_batch(now) {
            Ok(effects) => effects,
            Err(why) => {
                self.trace.line(now, format_args!("cell stops: {why}"));
                if !why.contains("halfway") {
                    return self.check(Err((Oracle::Sound, format!("the cell gives up: {why}"))));
                }
                let down = self.dice.between(500, 20_000);
                self.kill_cell(down);
                return Ok(());
            }
        };
        let sync_ms = self.net.between(1, 5);
        for effect in effects {
            match effect {
                Effect::Send { session, frame } => self.cell_sends(session, frame, sync_ms)?,
                Effect::Broadcast { sessions, frame } => {
                    for session in sessions {
                        self.cell_sends(session, frame.clone(), sync_ms)?;
                    }
                }
                Effect::Close { session } => self.cell_closes(session),
            }
        }
        self.plan_cell_tick();
        Ok(())
    }

    pub(crate) fn cell_sends(
        &mut self,
        session: SessionId,
        frame: Bytes,
        sync_ms: u64,
    ) -> Result<(), Breach> {
        let now = self.now();
        let index = session.0 as usize;
        self.trace.bytes(now, format_args!("cell to s{}", session.0), &frame);
        let decoded = decode_server_frame(frame.clone())
            .map_err(|error| (Oracle::Sound, format!("the cell sends what does not decode: {error}")))?;
        if self.options.print {
            self.trace.detail(format_args!("{}", crate::name_of_answer(&decoded)));
        }
        let said = self.ledger.said(now, session, &decoded, &self.cell.disk);
        self.check(said)?;
        let frame = match self.tamper(index, decoded) {
            Some(Some(changed)) => changed,
            Some(None) => return Ok(()),
            None => frame,
        };
        let connection = &mut self.connections[index];
        if let Some(at) = connection.down.send(now + sync_ms, &self.network, &mut self.net) {
            self.queue.at(at, What::ToPerson { connection: index, packet: Down::Frame(frame) });
        }
        if !self.healing && self.net.chance(self.network.resets) {
            self.reset(index);
        }
        Ok(())
    }

    pub(crate) fn cell_closes(&mut self, session: SessionId) {
        let now = self.now();
        let index = session.0 as usize;
        self.trace.line(now, format_args!("cell closes s{}", session.0));
        let connection = &mut self.connections[index];
        connection.cell_open = false;
        let at = connection.down.send(now + 5, &self.network, &mut self.net).unwrap_or(now + 5_000);
        let packet = Down::Closed(TransportFailure::Closed);
        self.queue.at(at, What::ToPerson { connection: index, packet });
    }

    pub(crate) fn plan_cell_tick(&mut self) {
        let Some(due) = self.cell.next_tick_ms() else { return };
        let due = due.max(self.now() + 1);
        if self.cell.tick_due.is_none_or(|planned| due < planned || planned < self.now()) {
            self.cell.tick_due = Some(due);
            self.queue.at(due, What::CellTick);
        }
    }
}
