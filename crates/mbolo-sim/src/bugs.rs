//! Planted bugs: a disk, a network or a runtime that breaks what it promises to the cores.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use mbolo_proto::wire::{self, server_frame::Body};

use crate::plan::Bug;
use crate::world::World;

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

    /// The disk of a dead device goes back to what it was some time ago.
    pub(crate) fn forget(&mut self, person: usize) {
        let someone = &mut self.people[person];
        let earlier = someone.snapshot.take();
        let copied = someone.disk().and_then(|disk| copy(disk).ok());
        someone.snapshot = copied;
        if let Some(earlier) = earlier {
            someone.replace_disk(earlier);
        }
    }
}

fn copy(disk: &rusqlite::Connection) -> rusqlite::Result<rusqlite::Connection> {
    // A database in shared memory lives as long as a connection to it; its name is used once in this process.
    static COPIES: AtomicU64 = AtomicU64::new(0);
    let name = format!("file:copy{}?mode=memory&cache=shared", COPIES.fetch_add(1, Ordering::Relaxed));
    let copy = rusqlite::Connection::open(&name)?;
    disk.execute("VACUUM INTO ?1", [&name])?;
    Ok(copy)
}
