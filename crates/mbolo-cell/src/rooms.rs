//! Rooms: loading them, creating them, and what joiners ask for.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use bytes::Bytes;
use mbolo_engine::{Engine, keys};
use mbolo_proto::policy::Policy;
use mbolo_proto::wire::{self, ErrorCode, server_frame::Body};
use mbolo_proto::{AccountId, FeedId, Origin, RoomId, VersionVector, limits};
use openmls::prelude::PublicGroup;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::Cell;
use crate::failure::{Failure, malformed, refused};
use crate::feed::{FeedIndex, FeedState, Member, Room};
use crate::group::{self, GroupError};
use crate::group_store::{self, GroupStore};
use crate::records::{self, JoinRecord, MemberRecord, RoomRecord};
use crate::session::Slot;

impl<E: Engine> Cell<E> {
    // ------------------------------------------------------------ memory

    /// The feed in memory, loaded if need be; `None` for a room that does not exist.
    pub(crate) fn feed(&mut self, id: FeedId) -> Result<Option<FeedIndex>, Failure> {
        if let Some(index) = self.feeds.index(&id) {
            let loaded = self.feeds.get_mut(index).is_some_and(|feed| {
                feed.used = true;
                feed.state.is_some()
            });
            if loaded {
                return Ok(Some(index));
            }
            let Some(state) = self.load_state(id)? else { return Ok(None) };
            if let Some(feed) = self.feeds.get_mut(index) {
                feed.state = Some(state);
            }
            return Ok(Some(index));
        }
        Ok(self.load_state(id)?.map(|state| self.feeds.insert(id, state)))
    }

    /// The room's feed, or the answer that there is none.
    pub(crate) fn room_feed(&mut self, id: &[u8]) -> Result<(RoomId, FeedIndex), Failure> {
        let room = RoomId::try_from(id).map_err(|e| malformed(e.to_string()))?;
        let feed = self.feed(FeedId::Room(room))?;
        let feed = feed.ok_or_else(|| refused(ErrorCode::NotFound, "there is no such room here"))?;
        Ok((room, feed))
    }

    pub(crate) fn state(&self, feed: FeedIndex) -> Result<&FeedState, Failure> {
        self.feeds.get(feed).and_then(|feed| feed.state.as_deref()).ok_or_else(not_loaded)
    }

    pub(crate) fn room_state(&self, feed: FeedIndex) -> Result<&Room, Failure> {
        self.state(feed)?.room.as_ref().ok_or_else(not_loaded)
    }

    pub(crate) fn room_state_mut(&mut self, feed: FeedIndex) -> Option<&mut Room> {
        self.feeds.get_mut(feed)?.state.as_mut()?.room.as_mut()
    }

    fn load_state(&self, id: FeedId) -> Result<Option<Box<FeedState>>, Failure> {
        let room = match id {
            FeedId::Inbox(_) => None,
            FeedId::Room(room) => match self.load_room(room)? {
                Some(room) => Some(room),
                None => return Ok(None),
            },
        };
        let (mut own, mut others) = (0, Vec::new());
        for (origin, seq) in self.log_ends(id)? {
            if origin == self.origin { own = seq } else { others.push((origin, seq)) }
        }
        let noted_days = [0; 2];
        let mut state = Box::new(FeedState { own, others, recent: VecDeque::new(), noted_days, room });
        if let Some(room) = &mut state.room {
            room.everyone = room.everyone_has();
        }
        Ok(Some(state))
    }

    /// The origins of a feed's logs, commits apart, and how far each goes.
    fn log_ends(&self, id: FeedId) -> Result<Vec<(Origin, u64)>, Failure> {
        let whole = keys::FEED_LOG.within(&(id,));
        let mut ends = Vec::new();
        let mut from = whole.start;
        loop {
            let mut origin = None;
            self.overlay.range(&self.engine, &from, &whole.end, &mut |key, _| {
                origin = keys::FEED_LOG.parse(key).map(|(_, origin, _)| origin);
                ControlFlow::Break(())
            })?;
            let Some(origin) = origin else { return Ok(ends) };
            let log = keys::FEED_LOG.within(&(id, origin));
            let last = self.overlay.last(&self.engine, &log.start, &log.end)?;
            if let Some((_, _, seq)) = last.and_then(|(key, _)| keys::FEED_LOG.parse(&key)) {
                ends.push((origin, seq));
            }
            from = log.end;
        }
    }

    fn load_room(&self, room: RoomId) -> Result<Option<Room>, Failure> {
        let Some(record) = self.room_record(room)? else { return Ok(None) };
        let mut members = Vec::with_capacity(record.accounts as usize);
        let mut failure = None;
        let range = keys::ACCOUNT_OF_ROOM.within(&(room,));
        self.overlay.range(&self.engine, &range.start, &range.end, &mut |key, value| {
            match read_member(key, value) {
                Ok(Some(member)) => members.push(member),
                Ok(None) => {}
                Err(error) => {
                    failure = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        let range = keys::DELIVERED_MARK.within(&(room,));
        self.overlay.range(&self.engine, &range.start, &range.end, &mut |key, value| {
            let account = keys::DELIVERED_MARK.parse(key).map(|(_, account)| account);
            let at = account.and_then(|a| members.binary_search_by_key(&a, |m: &Member| m.account).ok());
            let Some(at) = at else { return ControlFlow::Continue(()) };
            match records::read("mark", value).and_then(|mark| records::vector("mark", Some(&mark))) {
                Ok(mark) => {
                    members[at].delivered.join(&mark);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let policy = record.policy.as_ref().map(Policy::from_wire);
        let Some(Ok(policy)) = policy else {
            return Err(Failure::Damaged("a room's policy does not decode".into()));
        };
        let parent = if record.parent.is_empty() { [0; 32] } else { fixed("room", &record.parent)? };
        Ok(Some(Room {
            epoch: record.epoch,
            policy,
            parent,
            creation: record.creation,
            members,
            everyone: VersionVector::new(),
            marks_due_ms: None,
        }))
    }

    fn room_record(&self, room: RoomId) -> Result<Option<RoomRecord>, Failure> {
        match self.load(&keys::ROOM.key(&(room,)))? {
            Some(stored) => records::read("room", &stored).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn put_room_record(&mut self, id: RoomId, feed: FeedIndex) -> Result<(), Failure> {
        let room = self.room_state(feed)?;
        let record = RoomRecord {
            epoch: room.epoch,
            policy: Some(room.policy.to_wire()),
            parent: if room.epoch == 0 { Bytes::new() } else { room.parent.to_vec().into() },
            creation: room.creation.clone(),
            accounts: room.members.len() as u32,
        };
        self.overlay.put(keys::ROOM.key(&(id,)), record.encode_to_vec());
        Ok(())
    }

    pub(crate) fn member_record(
        &self,
        room: RoomId,
        account: AccountId,
    ) -> Result<Option<MemberRecord>, Failure> {
        match self.load(&keys::ACCOUNT_OF_ROOM.key(&(room, account)))? {
            Some(stored) => records::read("member", &stored).map(Some),
            None => Ok(None),
        }
    }

    /// The public group, taken out of memory or loaded; to be put back if it is still good.
    pub(crate) fn take_group(&mut self, room: RoomId) -> Result<PublicGroup, Failure> {
        if let Some(group) = self.groups.take(room) {
            return Ok(group);
        }
        let store = GroupStore::default();
        for name in group_store::NAMES {
            if let Some(value) = self.load(&keys::PUBLIC_GROUP.key(&(room, name.into())))? {
                store.insert(name, value.into());
            }
        }
        match group::load(room, &store) {
            Ok(Some(group)) => Ok(group),
            Ok(None) => Err(Failure::Damaged("a room's public group is missing".into())),
            Err(error) => Err(Failure::Damaged(error.to_string())),
        }
    }

    pub(crate) fn put_group(&mut self, room: RoomId, store: GroupStore, group_info: &Bytes) {
        for (name, value) in store.into_values() {
            self.overlay.put(keys::PUBLIC_GROUP.key(&(room, name.into())), value);
        }
        self.overlay.put(keys::PUBLIC_GROUP.key(&(room, GROUP_INFO.into())), group_info.clone());
        self.groups.touch(room);
    }

    // ------------------------------------------------------------ requests

    pub(crate) fn create_room(&mut self, slot: Slot, create: &wire::CreateRoom) -> Result<Body, Failure> {
        let (account, device) = self.identity(slot)?;
        let room = RoomId::try_from(create.room_id.as_ref()).map_err(|e| malformed(e.to_string()))?;
        let creation: Bytes = Sha256::new_with_prefix(b"mbolo/create-room/v1")
            .chain_update(account.0)
            .chain_update(room.0)
            .chain_update((create.group_info.len() as u64).to_be_bytes())
            .chain_update(&create.group_info)
            .chain_update(&create.ratchet_tree)
            .finalize()
            .to_vec()
            .into();
        if let Some(record) = self.room_record(room)? {
            return if record.creation == creation {
                Ok(Body::Done(wire::Done {}))
            } else {
                Err(refused(ErrorCode::AlreadyExists, "there is a room with this id already"))
            };
        }
        if create.group_info.len() + create.ratchet_tree.len()
            > limits::RECEIVE_WINDOW_BYTES.start().to_owned() as usize
        {
            return Err(refused(ErrorCode::TooLarge, "a room with one member is smaller than that"));
        }
        if self.count_rooms(account)? >= limits::MAX_ROOMS_PER_ACCOUNT {
            return Err(refused(ErrorCode::Limit, "the account is in as many rooms as it may be"));
        }
        self.check_writable()?;
        let (group, store, policy) =
            group::create(&self.crypto, &[self.origin], room, (account, device), create).map_err(invalid)?;
        self.put_group(room, store, &create.group_info);
        self.groups.put(room, group);
        let state = Box::new(FeedState {
            own: 0,
            others: Vec::new(),
            recent: VecDeque::new(),
            noted_days: [0; 2],
            room: Some(Room {
                epoch: 0,
                policy,
                parent: [0; 32],
                creation,
                members: Vec::new(),
                everyone: VersionVector::new(),
                marks_due_ms: None,
            }),
        });
        let feed = match self.feeds.index(&FeedId::Room(room)) {
            Some(index) => {
                if let Some(feed) = self.feeds.get_mut(index) {
                    feed.state = Some(state);
                }
                index
            }
            None => self.feeds.insert(FeedId::Room(room), state),
        };
        self.feeds.touch(feed);
        self.feeds.dirty.push(feed);
        self.add_member(room, feed, account, VersionVector::new())?;
        self.put_room_record(room, feed)?;
        Ok(Body::Done(wire::Done {}))
    }

    /// Makes an account a member whose history begins at `start`.
    pub(crate) fn add_member(
        &mut self,
        room: RoomId,
        feed: FeedIndex,
        account: AccountId,
        start: VersionVector,
    ) -> Result<(), Failure> {
        let record = MemberRecord { start: Some((&start).into()), end: None };
        self.overlay.put(keys::ACCOUNT_OF_ROOM.key(&(room, account)), record.encode_to_vec());
        self.overlay.put(keys::ROOM_OF_ACCOUNT.key(&(account, room)), Bytes::new());
        self.overlay.delete(keys::DELIVERED_MARK.key(&(room, account)));
        self.overlay.delete(keys::READ_MARK.key(&(room, account)));
        let state = self.room_state_mut(feed).ok_or_else(not_loaded)?;
        if let Err(at) = state.members.binary_search_by_key(&account, |member| member.account) {
            let delivered = start.clone();
            let member = Member { account, start, delivered, mark_moved: false, mark_unsaved: false };
            state.members.insert(at, member);
        }
        Ok(())
    }

    pub(crate) fn get_join(&mut self, slot: Slot, get: &wire::GetJoin) -> Result<Body, Failure> {
        let (account, _) = self.identity(slot)?;
        let (room, feed) = self.room_feed(&get.room_id)?;
        if !self.room_state(feed)?.is_member(account) {
            return Err(refused(ErrorCode::NotAMember, "the account is not in the room"));
        }
        let stored = self.load(&keys::JOIN_INFO.key(&(room, get.epoch)))?;
        let stored =
            stored.ok_or_else(|| refused(ErrorCode::NotFound, "there is no Welcome for that epoch"))?;
        let record: JoinRecord = records::read("join info", &stored)?;
        record.join.map(Body::Join).ok_or_else(|| Failure::Damaged("a stored Welcome is empty".into()))
    }

    pub(crate) fn get_group_info(&mut self, slot: Slot, get: &wire::GetGroupInfo) -> Result<Body, Failure> {
        let (account, _) = self.identity(slot)?;
        let (room, feed) = self.room_feed(&get.room_id)?;
        let state = self.room_state(feed)?;
        if !state.is_member(account) && !state.policy.awaits(account) {
            return Err(refused(ErrorCode::NotAMember, "the account is not in the room"));
        }
        let epoch = state.epoch;
        let head = self.state(feed)?.head(self.origin);
        let receipt = match epoch.checked_sub(1) {
            Some(before) => Some(self.receipt(room, before)?),
            None => None,
        };
        let group_info = self
            .load(&keys::PUBLIC_GROUP.key(&(room, GROUP_INFO.into())))?
            .ok_or_else(|| Failure::Damaged("a room's GroupInfo is missing".into()))?;
        let group = self.take_group(room)?;
        let ratchet_tree = group::ratchet_tree(&group).map_err(damaged);
        self.groups.put(room, group);
        Ok(Body::RoomGroupInfo(wire::RoomGroupInfo {
            epoch,
            group_info,
            ratchet_tree: ratchet_tree?,
            receipt,
            head: Some((&head).into()),
        }))
    }

    pub(crate) fn list_rooms(&mut self, slot: Slot) -> Result<Body, Failure> {
        let (account, _) = self.identity(slot)?;
        let range = keys::ROOM_OF_ACCOUNT.within(&(account,));
        let mut ids = Vec::new();
        self.overlay.range(&self.engine, &range.start, &range.end, &mut |key, _| {
            ids.extend(keys::ROOM_OF_ACCOUNT.parse(key).map(|(_, room)| room));
            ControlFlow::Continue(())
        })?;
        self.allowances.charge(account, ids.len() as u64);
        let mut rooms = Vec::with_capacity(ids.len());
        for room in ids {
            let (Some(record), Some(member)) = (self.room_record(room)?, self.member_record(room, account)?)
            else {
                return Err(Failure::Damaged("a room of an account is missing".into()));
            };
            rooms.push(wire::RoomSummary {
                room_id: room.to_bytes(),
                epoch: record.epoch,
                kind: record.policy.map_or(0, |policy| policy.kind),
                accounts: record.accounts,
                start: member.start,
            });
        }
        Ok(Body::Rooms(wire::Rooms { rooms }))
    }
}

fn read_member(key: &[u8], value: &[u8]) -> Result<Option<Member>, Failure> {
    let Some((_, account)) = keys::ACCOUNT_OF_ROOM.parse(key) else {
        return Err(Failure::Damaged("a member's key does not parse".into()));
    };
    let record: MemberRecord = records::read("member", value)?;
    if record.end.is_some() {
        return Ok(None);
    }
    let start = records::vector("member", record.start.as_ref())?;
    let delivered = start.clone();
    Ok(Some(Member { account, start, delivered, mark_moved: false, mark_unsaved: false }))
}

pub(crate) fn fixed(what: &'static str, bytes: &[u8]) -> Result<[u8; 32], Failure> {
    bytes.try_into().map_err(|_| Failure::Damaged(format!("{what}: a hash of another length")))
}

pub(crate) fn not_loaded() -> Failure {
    Failure::Damaged("a feed that was loaded is gone from memory".into())
}

pub(crate) fn invalid(error: GroupError) -> Failure {
    refused(ErrorCode::InvalidCommit, error.to_string())
}

pub(crate) fn damaged(error: GroupError) -> Failure {
    Failure::Damaged(error.to_string())
}

/// Beside the group's own values: the GroupInfo of its present epoch.
const GROUP_INFO: &str = "group info";
