//! What the cell has promised, as seen on the wire between it and the devices.
//!
//! The ledger reads every frame in both directions. From the answers and pushes it knows which entries and
//! commits are acknowledged, who is in which room since when, and how far the marks have come; and it
//! notices at once when the cell contradicts itself.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mbolo_cell::SessionId;
use mbolo_engine::{Engine, SimDisk, keys};
use mbolo_proto::wire::{self, ErrorCode, client_frame, server_frame};
use mbolo_proto::{AccountId, FeedId, Origin, RoomId, VersionVector};

use crate::failure::Oracle;

/// A broken promise.
pub type Breach = (Oracle, String);

/// What the cell has said so far.
#[derive(Default)]
pub struct Ledger {
    asked: BTreeMap<(SessionId, u64), Asked>,
    entries: BTreeMap<(FeedId, Origin, u64), Bytes>,
    commits: BTreeMap<(RoomId, u64), Bytes>,
    rooms: BTreeSet<RoomId>,
    accounts: BTreeSet<AccountId>,
    membership: BTreeMap<(RoomId, AccountId), Vec<Stay>>,
    marks: BTreeMap<(RoomId, AccountId), VersionVector>,
    acknowledged: usize,
}

/// An account's time in a room, in virtual time at the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// When the commit that added it was accepted.
    pub from_ms: u64,
    /// When the one that removed it was.
    pub until_ms: Option<u64>,
}

enum Asked {
    Register { account: AccountId },
    Publish { room: RoomId, payload: Bytes },
    Create { room: RoomId },
    Commit { room: RoomId, epoch: u64, bundle: Bytes },
}

impl Ledger {
    /// A device's frame reaches the cell.
    pub fn asked(&mut self, session: SessionId, frame: &wire::ClientFrame) {
        let room = |id: &Bytes| RoomId::try_from(id.as_ref()).ok();
        let asked = match &frame.body {
            Some(client_frame::Body::Register(register)) => {
                register.certificate.as_ref().map(|certificate| Asked::Register {
                    account: AccountId::of_root_key(&certificate.root_key),
                })
            }
            Some(client_frame::Body::Publish(publish)) => {
                room(&publish.room_id).map(|room| Asked::Publish { room, payload: publish.payload.clone() })
            }
            Some(client_frame::Body::CreateRoom(create)) => {
                room(&create.room_id).map(|room| Asked::Create { room })
            }
            Some(client_frame::Body::SubmitCommit(submit)) => room(&submit.room_id)
                .map(|room| Asked::Commit { room, epoch: submit.epoch, bundle: submit.bundle.clone() }),
            _ => None,
        };
        if let Some(asked) = asked {
            self.asked.insert((session, frame.request_id), asked);
        }
    }

    /// The cell sends a frame.
    pub fn said(
        &mut self,
        now_ms: u64,
        session: SessionId,
        frame: &wire::ServerFrame,
        disk: &SimDisk,
    ) -> Result<(), Breach> {
        let asked =
            if frame.request_id == 0 { None } else { self.asked.remove(&(session, frame.request_id)) };
        match (&frame.body, asked) {
            (Some(server_frame::Body::Published(published)), Some(Asked::Publish { room, payload })) => {
                let origin = origin(&published.origin)?;
                self.acknowledged += 1;
                self.entry(FeedId::Room(room), origin, published.seq, payload)
            }
            (Some(server_frame::Body::CommitAccepted(_)), Some(Asked::Commit { room, epoch, bundle })) => {
                self.commits.insert((room, epoch), bundle);
                self.look_who_is_in(now_ms, room, disk);
                Ok(())
            }
            (Some(server_frame::Body::Done(_)), Some(Asked::Create { room })) => {
                self.rooms.insert(room);
                self.look_who_is_in(now_ms, room, disk);
                Ok(())
            }
            (
                Some(server_frame::Body::SessionReady(_) | server_frame::Body::Done(_)),
                Some(Asked::Register { account }),
            ) => {
                self.accounts.insert(account);
                Ok(())
            }
            (Some(server_frame::Body::FeedPush(push)), _) => self.pushed(push),
            (Some(server_frame::Body::Marks(marks)), _) => self.marks(marks, frame.request_id == 0),
            (Some(server_frame::Body::Error(error)), asked) => refused(error, asked.is_some()),
            _ => Ok(()),
        }
    }

    /// Whether all that was promised is in the store.
    pub fn check_store(&self, disk: &SimDisk) -> Result<(), Breach> {
        let lost =
            |what: String| Err((Oracle::Durable, format!("{what} is acknowledged and not in the store")));
        disk.peek(|store| {
            let holds = |key: &[u8], content: &Bytes| {
                store.get(key).ok().flatten().is_some_and(|stored| contains(&stored, content))
            };
            for ((feed, origin, seq), payload) in &self.entries {
                let stored = match feed {
                    FeedId::Room(room) if *origin == Origin::COMMITS => {
                        // What is stored is the decision, from which the pushed payload is made.
                        let bundle = wire_bundle(payload);
                        seq.checked_sub(1)
                            .is_some_and(|epoch| holds(&keys::ROOM_COMMIT.key(&(*room, epoch)), &bundle))
                    }
                    _ => holds(&keys::FEED_LOG.key(&(*feed, *origin, *seq)), payload),
                };
                if !stored {
                    return lost(format!("entry {seq} of {origin:?} in {feed:?}"));
                }
            }
            for ((room, epoch), bundle) in &self.commits {
                if !holds(&keys::ROOM_COMMIT.key(&(*room, *epoch)), bundle) {
                    return lost(format!("the commit of epoch {epoch} in {room:?}"));
                }
            }
            for account in &self.accounts {
                if store.get(&keys::ACCOUNT.key(&(*account,))).ok().flatten().is_none() {
                    return lost(format!("{account:?}"));
                }
            }
            for room in &self.rooms {
                if store.get(&keys::ROOM.key(&(*room,))).ok().flatten().is_none() {
                    return lost(format!("{room:?}"));
                }
            }
            Ok(())
        })
    }

    /// The times an account spent in a room.
    pub fn stays(&self, room: RoomId, account: AccountId) -> &[Stay] {
        self.membership.get(&(room, account)).map_or(&[], Vec::as_slice)
    }

    /// Who is in a room now.
    pub fn members(&self, room: RoomId) -> Vec<AccountId> {
        let stays = self.membership.range((room, AccountId([0; 32]))..=(room, AccountId([0xFF; 32])));
        stays.filter(|(_, stays)| is_in(stays)).map(|((_, account), _)| *account).collect()
    }

    /// The rooms that were ever made.
    pub fn rooms(&self) -> impl Iterator<Item = RoomId> + '_ {
        self.rooms.iter().copied()
    }

    /// How many entries the cell acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// How many commits the cell acknowledged.
    pub fn commits(&self) -> usize {
        self.commits.len()
    }

    /// Looks at every room again: an acknowledgement may have been lost in a crash of the cell.
    pub fn look_into_rooms(&mut self, now_ms: u64, disk: &SimDisk) {
        let rooms = disk.peek(|store| {
            let mut rooms = Vec::new();
            let table = keys::ROOM.within(&());
            let visited = store.range(&table.start, &table.end, &mut |key, _| {
                rooms.extend(keys::ROOM.parse(key).map(|(room,)| room));
                std::ops::ControlFlow::Continue(())
            });
            debug_assert!(visited.is_ok());
            rooms
        });
        for room in rooms {
            self.rooms.insert(room);
            self.look_who_is_in(now_ms, room, disk);
        }
    }

    fn entry(&mut self, feed: FeedId, origin: Origin, seq: u64, payload: Bytes) -> Result<(), Breach> {
        match self.entries.get(&(feed, origin, seq)) {
            Some(known) if *known != payload => Err((
                Oracle::Durable,
                format!("entry {seq} of {origin:?} in {feed:?} was one thing first and is another now"),
            )),
            Some(_) => Ok(()),
            None => {
                self.entries.insert((feed, origin, seq), payload);
                Ok(())
            }
        }
    }

    fn pushed(&mut self, push: &wire::FeedPush) -> Result<(), Breach> {
        let feed = push.feed.as_ref().and_then(|feed| FeedId::try_from(feed).ok());
        let feed = feed.ok_or((Oracle::Sound, "the cell pushes a feed without a name".to_owned()))?;
        let origin = origin(&push.origin)?;
        for (entry, seq) in push.entries.iter().zip(push.first_seq..) {
            self.entry(feed, origin, seq, entry.payload.clone())?;
        }
        Ok(())
    }

    fn marks(&mut self, marks: &wire::Marks, pushed: bool) -> Result<(), Breach> {
        let Ok(room) = RoomId::try_from(marks.room_id.as_ref()) else {
            return Err((Oracle::Sound, "the cell pushes marks of no room".to_owned()));
        };
        for mark in &marks.marks {
            let (Ok(account), Ok(vector)) = (
                AccountId::try_from(mark.account_id.as_ref()),
                VersionVector::try_from(mark.delivered.as_ref()),
            ) else {
                return Err((Oracle::Sound, "the cell pushes a mark that does not read".to_owned()));
            };
            let known = self.marks.entry((room, account)).or_default();
            if !vector.covers(known) {
                return Err((
                    Oracle::Monotone,
                    format!(
                        "the delivered mark of {account:?} in {room:?} goes back from {known:?} to {vector:?}"
                    ),
                ));
            }
            // Only what is pushed is stored first. An answer may count a sender's own entries ahead of that, which
            // the sender's next session counts again after a crash.
            if pushed {
                *known = vector;
            }
        }
        Ok(())
    }

    fn look_who_is_in(&mut self, now_ms: u64, room: RoomId, disk: &SimDisk) {
        let accounts: Vec<AccountId> = self.accounts.iter().copied().collect();
        for account in accounts {
            let inside = disk.peek(|store| {
                store.get(&keys::ROOM_OF_ACCOUNT.key(&(account, room))).ok().flatten().is_some()
            });
            let stays = self.membership.entry((room, account)).or_default();
            match (inside, is_in(stays)) {
                (true, false) => {
                    stays.push(Stay { from_ms: now_ms, until_ms: None });
                    self.marks.remove(&(room, account));
                }
                (false, true) => {
                    if let Some(stay) = stays.last_mut() {
                        stay.until_ms = Some(now_ms);
                    }
                }
                _ => {}
            }
        }
    }
}

/// What no honest device may ever be told.
fn refused(error: &wire::Error, was_asked: bool) -> Result<(), Breach> {
    match error.code() {
        ErrorCode::Malformed
        | ErrorCode::UnsupportedVersion
        | ErrorCode::NotAuthenticated
        | ErrorCode::BadSignature
        | ErrorCode::TooLarge
        | ErrorCode::Internal
        | ErrorCode::Unspecified => {
            let what = format!(
                "the cell answers an honest device with {}: {} (asked: {was_asked})",
                error.code().as_str_name(),
                error.message
            );
            Err((Oracle::Sound, what))
        }
        _ => Ok(()),
    }
}

fn is_in(stays: &[Stay]) -> bool {
    stays.last().is_some_and(|stay| stay.until_ms.is_none())
}

fn origin(bytes: &Bytes) -> Result<Origin, Breach> {
    Origin::try_from(bytes.as_ref()).map_err(|_| (Oracle::Sound, "the cell names no origin".to_owned()))
}

fn wire_bundle(decided: &Bytes) -> Bytes {
    use prost::Message;
    wire::DecidedCommit::decode(decided.clone()).map(|decided| decided.bundle).unwrap_or_default()
}

fn contains(stored: &[u8], content: &[u8]) -> bool {
    !content.is_empty() && stored.windows(content.len()).any(|window| window == content)
}
