//! Sessions: who is connected, and what each may still receive.
//!
//! Kept in a slab with small fixed records, because ten thousand of them idle. Whatever an event changes here
//! is either idempotent or noted in the undo list, so that a batch that found the disk full can be applied again.

use std::collections::HashMap;

use mbolo_proto::{AccountId, DeviceKey, RoomId, VersionVector};

use crate::SessionId;
use crate::bucket::Bucket;

/// Where a session is in the slab.
pub(crate) type Slot = u32;

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub id: SessionId,
    pub phase: Phase,
    /// Set when it was authenticated; kept to its end.
    pub device: Option<DeviceKey>,
    /// Bytes of FeedPush frames that may still be sent; may go below zero by one large frame.
    pub credit: i64,
    /// The credit with nothing under way.
    pub window: i64,
    /// Feeds it follows.
    pub feeds: Vec<u32>,
    /// Feeds in which it stands before the end, and where.
    pub behind: Vec<Behind>,
    /// Waits in line to be sent more of what it is behind with.
    pub in_line: bool,
    /// Rooms in which a publish was refused and none came with `resume` since.
    pub blocked: Vec<RoomId>,
    pub publishes: Bucket,
    /// Apart from publishes: a mark that is dropped might be the last.
    pub marks: Bucket,
    pub claims: Bucket,
    pub signals: Bucket,
    /// Large answers, in KiB.
    pub answers: Bucket,
}

/// How far a connection has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Has been sent a challenge.
    Challenged { nonce: [u8; 32], attempts: u8 },
    /// Authenticated.
    Ready { account: AccountId, device: DeviceKey },
    /// Gets what was queued for it, then its end; nothing more is taken from it.
    Closing,
    /// The connection is gone.
    Gone,
}

/// A feed in which a session stands before the end.
#[derive(Debug)]
pub(crate) struct Behind {
    pub feed: u32,
    pub at: VersionVector,
    /// A removed member's last position.
    pub until: Option<VersionVector>,
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    slots: Vec<Option<Session>>,
    free: Vec<Slot>,
    by_id: HashMap<SessionId, Slot>,
    by_device: HashMap<DeviceKey, Slot>,
    undo: Vec<Undo>,
}

#[derive(Debug)]
enum Undo {
    Opened(Slot),
    Phase(Slot, Phase),
    Device(DeviceKey, Option<Slot>),
}

impl Session {
    /// Account and device of an authenticated session.
    pub fn identity(&self) -> Option<(AccountId, DeviceKey)> {
        match self.phase {
            Phase::Ready { account, device } => Some((account, device)),
            _ => None,
        }
    }

    /// Whether a FeedPush of this size may be sent now.
    pub fn has_credit(&self, bytes: usize) -> bool {
        self.credit >= bytes as i64
    }

    /// Whether one frame may be sent though it is larger than the credit: with half of the window open, so that
    /// neither a commit larger than the window nor a client that gives credit back in lumps stops a session.
    pub fn may_overdraw(&self) -> bool {
        self.credit > 0 && self.credit * 2 >= self.window
    }
}

impl Sessions {
    pub fn open(&mut self, id: SessionId, nonce: [u8; 32]) -> Slot {
        let session = Session {
            id,
            phase: Phase::Challenged { nonce, attempts: 0 },
            device: None,
            credit: 0,
            window: 0,
            feeds: Vec::new(),
            behind: Vec::new(),
            in_line: false,
            blocked: Vec::new(),
            publishes: Bucket::new(),
            marks: Bucket::new(),
            claims: Bucket::new(),
            signals: Bucket::new(),
            answers: Bucket::new(),
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(session);
                slot
            }
            None => {
                self.slots.push(Some(session));
                (self.slots.len() - 1) as Slot
            }
        };
        self.by_id.insert(id, slot);
        self.undo.push(Undo::Opened(slot));
        slot
    }

    pub fn slot(&self, id: SessionId) -> Option<Slot> {
        self.by_id.get(&id).copied()
    }

    pub fn get(&self, slot: Slot) -> Option<&Session> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Session> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// How many are authenticated.
    pub fn authenticated(&self) -> usize {
        self.by_device.len()
    }

    pub fn set_phase(&mut self, slot: Slot, phase: Phase) {
        let Some(session) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        let before = std::mem::replace(&mut session.phase, phase);
        self.undo.push(Undo::Phase(slot, before));
    }

    /// Makes `slot` the session of `device`; returns the one before.
    pub fn take_device(&mut self, device: DeviceKey, slot: Slot) -> Option<Slot> {
        if let Some(session) = self.get_mut(slot) {
            session.device = Some(device);
        }
        let before = self.by_device.insert(device, slot);
        self.undo.push(Undo::Device(device, before));
        before
    }

    /// The batch is durable: what it changed stays.
    pub fn keep(&mut self) {
        self.undo.clear();
    }

    /// Puts everything back as it was before the batch; returns the sessions that did not exist then.
    pub fn roll_back(&mut self) -> Vec<Slot> {
        let mut opened = Vec::new();
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Opened(slot) => opened.push(slot),
                Undo::Phase(slot, phase) => {
                    if let Some(session) = self.get_mut(slot) {
                        session.phase = phase;
                    }
                }
                Undo::Device(device, Some(slot)) => drop(self.by_device.insert(device, slot)),
                Undo::Device(device, None) => drop(self.by_device.remove(&device)),
            }
        }
        opened
    }

    /// Forgets a session.
    pub fn remove(&mut self, slot: Slot) -> Option<Session> {
        let session = self.slots.get_mut(slot as usize)?.take()?;
        self.by_id.remove(&session.id);
        // Unless a newer session of the device took its place.
        if let Some(device) = session.device
            && self.by_device.get(&device) == Some(&slot)
        {
            self.by_device.remove(&device);
        }
        self.free.push(slot);
        Some(session)
    }
}
