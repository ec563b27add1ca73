//! Planted bugs: a disk, a network or a runtime that breaks what it promises to the cores.

use bytes::Bytes;
use mbolo_cell::Event;
use mbolo_client_api::Update;
use mbolo_proto::wire::{self, client_frame, server_frame::Body};

use crate::ledger::Breach;
use crate::plan::Bug;
use crate::world::{What, World};

impl World {
    /// What a planted bug makes of a frame: `None` leaves it, `Some(None)` swallows it.
    pub(crate) fn tamper(&mut self, index: usize, frame: wire::ServerFrame) -> Option<Option<Bytes>> {
        let person = self.connections[index].person;
        match (self.options.bug?, frame.body?) {
            (Bug::LostEntry, Body::FeedPush(push)) => {
                let feed = push.feed.clone()?;
                let is_text = push.entries.iter().any(|entry| entry.kind() == wire::EntryKind::Application);
                if self.stolen.is_none() && is_text && self.dice.chance(0.2) {
                    self.stolen = Some((person, feed.clone(), push.origin.clone(), push.first_seq));
                }
                let (victim, of, origin, seq) = self.stolen.as_ref()?;
                let end = push.first_seq + push.entries.len() as u64;
                let hit = *victim == person && *of == feed && *origin == push.origin;
                (hit && end > *seq).then_some(None)
            }
            (Bug::InventedMarks, Body::Marks(mut marks)) => {
                for mark in &mut marks.marks {
                    for position in mark.delivered.iter_mut().flat_map(|vector| &mut vector.positions) {
                        position.seq += 1_000;
                    }
                }
                for position in marks.everyone.iter_mut().flat_map(|vector| &mut vector.positions) {
                    position.seq += 1_000;
                }
                let frame =
                    wire::ServerFrame { request_id: frame.request_id, body: Some(Body::Marks(marks)) };
                Some(Some(mbolo_proto::encode_frame(&frame)))
            }
            _ => None,
        }
    }

    /// From a batch with a commit on, the cell's disk only pretends to sync, and soon the cell dies.
    pub(crate) fn plan_to_forget(&mut self) {
        let commits = |event: &Event| match event {
            Event::Frame { frame, .. } => matches!(frame.body, Some(client_frame::Body::SubmitCommit(_))),
            _ => false,
        };
        if self.options.bug == Some(Bug::ForgottenCommit)
            && self.cell.inbox.iter().any(commits)
            && self.dice.chance(0.3)
        {
            self.cell.disk.set_lying(true);
            self.queue.after(2_000, What::CellForgets);
        }
    }

    /// What was planned there comes to pass.
    pub(crate) fn forget_commit(&mut self) -> Result<(), Breach> {
        self.observe()?;
        self.kill_cell(1_000);
        self.cell.disk.set_lying(false);
        Ok(())
    }

    /// Two messages of a log change places on the disk of a device that is down.
    pub(crate) fn swap_rows(&mut self, person: usize) {
        if self.options.bug != Some(Bug::SwappedRows) {
            return;
        }
        let Some(disk) = self.people[person].disk() else { return };
        let pair = "SELECT one.room, one.key, one.position, two.key, two.position
                    FROM messages one JOIN messages two ON two.room = one.room AND two.origin = one.origin
                    WHERE one.seq > 0 AND two.seq > one.seq AND two.position < 1 << 52 LIMIT 1";
        let swapped = disk.query_row(pair, [], |row| {
            let (room, one, other): ([u8; 32], [u8; 16], [u8; 16]) = (row.get(0)?, row.get(1)?, row.get(3)?);
            let (first, second): (i64, i64) = (row.get(2)?, row.get(4)?);
            let place = "UPDATE messages SET position = ?3 WHERE room = ?1 AND key = ?2";
            disk.execute(place, (room, one, second))?;
            disk.execute(place, (room, other, first))
        });
        debug_assert!(matches!(swapped, Ok(_) | Err(rusqlite::Error::QueryReturnedNoRows)));
    }

    /// What reaches the screen instead of this update: it is held back until after the next one of its message.
    pub(crate) fn delay_update(&mut self, person: usize, update: Update) -> Vec<Update> {
        if self.options.bug != Some(Bug::LateUpdate) || !matches!(update, Update::Message { .. }) {
            return vec![update];
        }
        match self.late.take() {
            None => {
                self.late = Some((person, update));
                Vec::new()
            }
            Some((of, late)) if of == person && same_message(&late, &update) => vec![update, late],
            other => {
                self.late = other;
                vec![update]
            }
        }
    }
}

fn same_message(one: &Update, other: &Update) -> bool {
    match (one, other) {
        (Update::Message { message: one, .. }, Update::Message { message: other, .. }) => one.id == other.id,
        _ => false,
    }
}
