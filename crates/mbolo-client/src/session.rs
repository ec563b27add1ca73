//! The way to the cell: connecting with back-off, greeting, requests and answers, keeping the line alive.
//!
//! Everything here is volatile. What has to survive a lost connection is a row in the database, and
//! [`Client::on_open`] starts it anew.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mbolo_client_api::{Connection, OfflineReason};
use mbolo_proto::signing::{session_ready_bytes, verify};
use mbolo_proto::wire::{self, ErrorCode, client_frame, server_frame};
use mbolo_proto::{
    AccountId, CellId, EntryId, FeedId, Handle, Origin, PROTOCOL_VERSION, RoomId, VersionVector,
    decode_server_frame, encode_frame, limits,
};

use crate::engine::{Client, Fault};
use crate::outbox::Flight;
use crate::room::Room;
use crate::{Effect, TransportFailure, store};

/// Bytes of pushes that may be under way.
pub(crate) const RECEIVE_WINDOW: u32 = 1024 * 1024;

/// How far the way to the cell is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// No transport, and none wanted.
    Idle,
    /// No transport; the next try is at `at`.
    Waiting { at: u64 },
    /// Asked for a transport.
    Connecting,
    /// The transport is open, the session is not. The last frame went out at `since`; not known before the next input,
    /// because what is in it may have taken long to compute.
    Entering { since: Option<u64> },
    /// The session is open.
    Open,
    /// Told the transport to close; afterwards the link is `then`.
    Closing { then: Box<Link> },
    /// The cell refuses this device for good.
    Refused { code: &'static str, message: String },
}

/// Why entries are missing between the cursor and what was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hole {
    /// They were asked for and are coming; this push was under way before.
    Expected,
    /// They were asked for and did not come: the cell no longer keeps them.
    Retention,
    /// Something went wrong: ask again.
    Lost,
}

/// What a request was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    Register,
    Authenticate,
    Ping,
    Subscribe,
    Publish { room: RoomId, outbox: i64 },
    Propose { room: RoomId, entry: EntryId },
    CreateRoom { room: RoomId },
    Submit { room: RoomId, hash: [u8; 32] },
    Join { room: RoomId },
    GroupInfo { room: RoomId },
    Upload { last_resort: bool },
    Claim { room: RoomId, account: AccountId },
    Resolve { call: u64, handle: Handle },
    LookUp { account: AccountId },
    ListRooms,
    Marks,
}

impl Asked {
    fn room(&self) -> Option<RoomId> {
        match self {
            Self::Publish { room, .. }
            | Self::Propose { room, .. }
            | Self::CreateRoom { room }
            | Self::Submit { room, .. }
            | Self::Join { room }
            | Self::GroupInfo { room }
            | Self::Claim { room, .. } => Some(*room),
            _ => None,
        }
    }
}

/// An own entry that the cursor has not come to yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnEntry {
    /// The row of the outbox it was, unless it is a proposal.
    pub outbox: Option<i64>,
    /// When the cell had it.
    pub at_ms: u64,
}

/// What is known about the present connection.
#[derive(Default)]
pub(crate) struct Session {
    cell: Option<CellId>,
    nonce: [u8; 32],
    pub login_signature: Bytes,
    pub origin: Option<Origin>,
    next_request: u64,
    requests: BTreeMap<u64, Asked>,
    last_frame: u64,
    pinged: Option<u64>,
    /// The cell's clock minus the own one, as of its last answer.
    pub cell_ahead_ms: Option<i64>,
    consumed: u32,
    /// Where feeds ended when they were subscribed, until that is reached.
    catching: BTreeMap<FeedId, VersionVector>,
    subscribing: usize,
    /// From where feeds were subscribed, and whether the cell has answered.
    subscribed: BTreeMap<FeedId, (VersionVector, bool)>,
    /// Entries of own publishes that lie beyond the cursor: not pushed, so the cursor steps over them.
    pub ahead: BTreeMap<RoomId, BTreeMap<(Origin, u64), OwnEntry>>,
    pub flights: BTreeMap<RoomId, Flight>,
    /// Rooms with a request about their group under way.
    pub busy: BTreeSet<RoomId>,
    pub gathering: BTreeMap<RoomId, crate::intents::Gathering>,
    /// Epoch in which leaving was proposed.
    pub proposed: BTreeMap<RoomId, u64>,
    /// Accounts whose handle was asked for.
    pub looked_up: BTreeSet<AccountId>,
    /// What the cell said last of the KeyPackages it has left.
    key_packages: Vec<wire::SuiteCount>,
    /// An upload of KeyPackages was refused for now, and when it is tried again.
    replenish_due: Option<u64>,
    pub marks_due: Option<u64>,
    /// Rooms whose marks are to be sent.
    pub marks_changed: BTreeSet<RoomId>,
    /// Rooms whose marks were sent in this session.
    pub marks_sent: BTreeSet<RoomId>,
    /// Of these, those sent before the ping that is under way.
    pub marks_confirming: BTreeSet<RoomId>,
    last_ping: u64,
    opened: Option<u64>,
    /// Connections lost in a row; survives the connection.
    pub failures: u32,
    retry_after: Option<u64>,
    reason: Option<OfflineReason>,
}

impl Session {
    /// The device's clock was set back by `by_ms` to `now`: what is due is due now, and silence is counted from now.
    pub fn set_back(&mut self, now: u64, by_ms: u64) {
        self.cell_ahead_ms = self.cell_ahead_ms.map(|ahead| ahead.saturating_add_unsigned(by_ms));
        self.last_frame = self.last_frame.min(now);
        self.last_ping = self.last_ping.min(now);
        for time in [&mut self.pinged, &mut self.opened, &mut self.replenish_due, &mut self.marks_due]
            .into_iter()
            .flatten()
        {
            *time = now.min(*time);
        }
    }

    /// Whether a ping may be sent to learn that marks have arrived; not more often than every few seconds.
    pub fn may_confirm(&self, now: u64) -> bool {
        self.pinged.is_none() && self.last_ping + CONFIRM_MS <= now
    }
}

impl Client {
    pub(crate) fn is_open(&self) -> bool {
        self.link == Link::Open
    }

    /// Whether a session is about to open: the program has just started, or the transport is being made.
    pub(crate) fn is_opening(&self) -> bool {
        match self.link {
            Link::Connecting | Link::Entering { .. } => true,
            Link::Waiting { .. } => self.session.failures == 0,
            _ => false,
        }
    }

    // ------------------------------------------------------------ the transport

    /// Asks for a transport.
    pub(crate) fn connect(&mut self) {
        let (failures, reason) = (self.session.failures, self.session.reason);
        self.session = Session { failures, reason, ..Session::default() };
        self.link = Link::Connecting;
        self.effect(Effect::Connect);
    }

    pub(crate) fn on_connected(&mut self) -> Result<(), Fault> {
        if self.link == Link::Connecting {
            self.link = Link::Entering { since: Some(self.now) };
            self.session.last_frame = self.now;
        }
        Ok(())
    }

    pub(crate) fn on_disconnected(&mut self, failure: TransportFailure) -> Result<(), Fault> {
        let then = match std::mem::replace(&mut self.link, Link::Idle) {
            Link::Closing { then } => Some(*then),
            Link::Refused { code, message } => Some(Link::Refused { code, message }),
            _ => None,
        };
        self.session.reason = Some(match failure {
            TransportFailure::NotMbolo => OfflineReason::NotMbolo,
            _ if self.session.retry_after.is_some() => OfflineReason::Busy,
            _ => OfflineReason::Unreachable,
        });
        let lasted = self.session.opened.is_some_and(|at| self.now.saturating_sub(at) > STABLE_MS);
        self.session.failures = if lasted { 1 } else { self.session.failures.saturating_add(1) };
        self.fail_lookups("offline", "the connection to the cell was lost; try again when it is back");
        let registered = self.me.as_ref().is_some_and(|me| me.registered);
        self.link = match then {
            // A new account was made while the old connection was closing.
            Some(Link::Idle) if self.signing_up.is_some() => Link::Waiting { at: self.now },
            // A cell that sheds load said when to come back; anything else a person has to look at.
            Some(link @ Link::Waiting { .. }) if self.session.reason == Some(OfflineReason::Busy) => link,
            Some(link @ Link::Refused { .. }) => link,
            Some(link) if registered => link,
            None if registered => Link::Waiting { at: self.now + self.back_off() },
            _ => Link::Idle,
        };
        if self.link == Link::Idle {
            self.fail_sign_up();
        }
        self.wakes.clear();
        self.forget_session();
        Ok(())
    }

    /// A sign-up that cannot reach the cell fails at once; the keys stay for a repetition.
    fn fail_sign_up(&mut self) {
        if let Some(id) = self.signing_up.take() {
            let message = "the cell cannot be reached; check the address and the network, then try again";
            self.reply(id, Err(crate::engine::failure("offline", message)));
        }
    }

    fn forget_session(&mut self) {
        let session = std::mem::take(&mut self.session);
        self.session.failures = session.failures;
        self.session.reason = session.reason;
    }

    /// Closes the transport, if there is one, and goes on as `then`.
    pub(crate) fn hang_up(&mut self, then: Link) {
        self.link = match self.link {
            Link::Connecting | Link::Entering { .. } | Link::Open => {
                self.effect(Effect::Disconnect);
                Link::Closing { then: Box::new(then) }
            }
            Link::Closing { .. } => Link::Closing { then: Box::new(then) },
            _ => then,
        };
    }

    /// The transaction failed: whatever the session believed is void.
    pub(crate) fn abandon_session(&mut self, asked_to_connect: bool) {
        self.session.failures = self.session.failures.saturating_add(1).max(3);
        let retry = Link::Waiting { at: self.now + self.back_off() };
        if asked_to_connect {
            // The effect was dropped with the transaction, so no transport is coming.
            self.link = retry;
        } else if self.me.is_some() {
            self.hang_up(retry);
        } else {
            self.hang_up(Link::Idle);
        }
        self.forget_session();
    }

    fn back_off(&mut self) -> u64 {
        let doubled = FIRST_RETRY_MS << self.session.failures.saturating_sub(1).min(10);
        let base = doubled.min(LAST_RETRY_MS);
        let jittered = base / 2 + self.crypto.below(base / 2 + 1);
        self.session.retry_after.take().map_or(jittered, |after| after + self.crypto.below(1_000))
    }

    // ------------------------------------------------------------ time

    pub(crate) fn next_link_tick(&self) -> Option<u64> {
        match &self.link {
            Link::Waiting { at } => Some(*at),
            Link::Entering { since } => Some(since.map_or(self.now, |since| since + ANSWER_MS)),
            Link::Open => {
                let silence = match self.session.pinged {
                    Some(at) => at + ANSWER_MS,
                    None => self.session.last_frame + SILENCE_MS,
                };
                [self.session.marks_due, self.session.replenish_due]
                    .into_iter()
                    .flatten()
                    .chain([silence])
                    .min()
            }
            _ => None,
        }
    }

    /// An input comes, so what was sent before it is out by now.
    pub(crate) fn frames_are_out(&mut self) {
        if let Link::Entering { since } = &mut self.link {
            since.get_or_insert(self.now);
        }
    }

    pub(crate) fn on_tick(&mut self) -> Result<(), Fault> {
        match self.link.clone() {
            Link::Waiting { at } if at <= self.now => {
                if self.me.is_some() {
                    self.connect();
                } else {
                    self.link = Link::Idle;
                }
            }
            Link::Entering { since: Some(since) } if since + ANSWER_MS <= self.now => self.drop_line(),
            Link::Open => {
                if self.session.marks_due.is_some_and(|due| due <= self.now) {
                    self.send_marks()?;
                }
                if self.session.replenish_due.is_some_and(|due| due <= self.now) {
                    self.session.replenish_due = None;
                    let counts = self.session.key_packages.clone();
                    self.replenish_key_packages(&counts)?;
                }
                match self.session.pinged {
                    Some(at) if at + ANSWER_MS <= self.now => self.drop_line(),
                    None if self.session.last_frame + SILENCE_MS <= self.now => self.ping(),
                    _ => {}
                }
            }
            _ => {}
        }
        if self.is_open() {
            while let Some((at, room)) = self.wakes.first().copied().filter(|(at, _)| *at <= self.now) {
                self.wakes.remove(&(at, room));
                self.todo.insert(room);
            }
        }
        self.expire_typing()
    }

    /// The cell is silent for too long.
    fn drop_line(&mut self) {
        let retry = Link::Waiting { at: self.now + self.back_off() };
        self.session.reason = Some(OfflineReason::Unreachable);
        self.hang_up(retry);
    }

    pub(crate) fn ping(&mut self) {
        self.session.pinged = Some(self.now);
        self.session.last_ping = self.now;
        self.request(Asked::Ping, client_frame::Body::Ping(wire::Ping {}));
    }

    // ------------------------------------------------------------ frames

    /// Sends a request that will be answered.
    pub(crate) fn request(&mut self, asked: Asked, body: client_frame::Body) {
        self.session.next_request += 1;
        let request_id = self.session.next_request;
        self.session.requests.insert(request_id, asked);
        if let Link::Entering { since } = &mut self.link {
            *since = None;
        }
        self.effect(Effect::Send(encode_frame(&wire::ClientFrame { request_id, body: Some(body) })));
    }

    /// Sends a frame that is not answered.
    pub(crate) fn tell(&mut self, body: client_frame::Body) {
        self.effect(Effect::Send(encode_frame(&wire::ClientFrame { request_id: 0, body: Some(body) })));
    }

    pub(crate) fn on_frame(&mut self, bytes: Bytes) -> Result<(), Fault> {
        if !matches!(self.link, Link::Entering { .. } | Link::Open) {
            return Ok(()); // it was on its way when we hung up
        }
        self.session.last_frame = self.now;
        let size = bytes.len() as u32;
        let Ok(frame) = decode_server_frame(bytes) else {
            self.session.reason = Some(OfflineReason::NotMbolo);
            let retry = Link::Waiting { at: self.now + self.back_off() };
            self.hang_up(retry);
            return Ok(());
        };
        let Some(body) = frame.body else { return Ok(()) };
        match body {
            server_frame::Body::Challenge(challenge) => self.on_challenge(&challenge),
            server_frame::Body::GoingAway(going) => self.on_going_away(&going),
            _ if frame.request_id > 0 => match self.session.requests.remove(&frame.request_id) {
                Some(asked) => match asked.room() {
                    Some(room) => self.guarded(room, |client| client.on_answer(asked, body)),
                    None => self.on_answer(asked, body),
                },
                None => Ok(()),
            },
            _ if !self.is_open() => Ok(()),
            server_frame::Body::FeedPush(push) => {
                self.give_credit(size);
                self.on_push(push)
            }
            server_frame::Body::Marks(marks) => self.on_marks(&marks),
            server_frame::Body::ReadMarkPush(mark) => self.on_read_mark(&mark),
            server_frame::Body::EphemeralPush(frame) => self.on_ephemeral(&frame),
            server_frame::Body::Error(error) => {
                // Not the answer to anything: the cell is about to close the connection, and says why.
                self.session.retry_after = (error.retry_after_ms > 0).then_some(error.retry_after_ms.into());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn give_credit(&mut self, bytes: u32) {
        self.session.consumed += bytes;
        if self.session.consumed >= RECEIVE_WINDOW / 2 {
            let bytes = std::mem::take(&mut self.session.consumed);
            self.tell(client_frame::Body::Credit(wire::Credit { bytes }));
        }
    }

    fn on_challenge(&mut self, challenge: &wire::Challenge) -> Result<(), Fault> {
        if !matches!(self.link, Link::Entering { .. }) || self.session.cell.is_some() {
            return Ok(());
        }
        let (Ok(cell), Ok(nonce)) =
            (CellId::try_from(challenge.cell_id.as_ref()), <[u8; 32]>::try_from(challenge.nonce.as_ref()))
        else {
            self.session.reason = Some(OfflineReason::NotMbolo);
            self.drop_line();
            return Ok(());
        };
        if !challenge.versions.contains(&PROTOCOL_VERSION) {
            let message =
                "the cell speaks another version of the protocol; update Mbolo, or ask the cell's operator";
            self.refuse("other_version", message.into());
            return Ok(());
        }
        // A registered profile belongs to the cell it first met: another one under the same address would be
        // somebody in the middle, or a cell that lost its identity.
        match store::profile(&self.db, "cell")? {
            Some(known) if known != cell.0 && self.me.as_ref().is_some_and(|me| me.registered) => {
                let message = format!(
                    "{} is not the cell this profile belongs to (its id is {cell}); \
                     somebody may be in the middle. Ask its operator, or use another profile",
                    self.options.cell_name
                );
                self.refuse("other_cell", message);
                return Ok(());
            }
            _ => {}
        }
        self.session.cell = Some(cell);
        self.session.nonce = nonce;
        let policy = challenge.signup.unwrap_or_default();
        self.enter(cell, nonce, &policy)
    }

    fn refuse(&mut self, code: &'static str, message: String) {
        if let Some(id) = self.signing_up.take() {
            self.reply(id, Err(crate::engine::failure(code, &message)));
        }
        self.hang_up(Link::Refused { code, message });
    }

    fn on_going_away(&mut self, going: &wire::GoingAway) -> Result<(), Fault> {
        let after = match going.code() {
            // Two programs on one profile would chase each other away for ever if both came back at once.
            ErrorCode::Replaced => REPLACED_RETRY_MS,
            _ => going.retry_after_ms.into(),
        };
        self.session.retry_after = Some(after);
        let retry = Link::Waiting { at: self.now + self.back_off() };
        self.session.retry_after = Some(after);
        self.hang_up(retry);
        self.session.reason = Some(OfflineReason::Busy);
        Ok(())
    }

    fn on_answer(&mut self, asked: Asked, body: server_frame::Body) -> Result<(), Fault> {
        if let server_frame::Body::Error(error) = body {
            return self.on_refusal(asked, &error);
        }
        use server_frame::Body;
        match (asked, body) {
            (Asked::Register, _) => {
                self.registered()?;
                match self.session.cell {
                    Some(cell) => self.authenticate(cell, self.session.nonce),
                    None => Ok(()),
                }
            }
            (Asked::Authenticate, Body::SessionReady(ready)) => self.on_ready(&ready),
            (Asked::Ping, _) => {
                self.session.pinged = None;
                self.marks_are_known()
            }
            (Asked::Subscribe, Body::Subscribed(answer)) => self.on_subscribed(&answer),
            (Asked::Publish { room, outbox }, Body::Published(at)) => self.on_published(room, outbox, &at),
            (Asked::Propose { room, entry: _ }, Body::Published(at)) => self.step_over(room, &at, None),
            (Asked::CreateRoom { room }, _) => self.room_created(room),
            (Asked::Submit { room, hash }, _) if self.is_superseded(room, hash)? => Ok(()),
            (Asked::Submit { room, .. }, Body::CommitAccepted(accepted)) => {
                self.submission_answered(room);
                self.on_accepted(room, &accepted)
            }
            (Asked::Submit { room, .. }, Body::CommitStale(stale)) => {
                self.submission_answered(room);
                self.on_stale(room, &stale)
            }
            (Asked::Join { room }, Body::Join(join)) => {
                self.session.busy.remove(&room);
                self.on_join(room, &join)
            }
            (Asked::GroupInfo { room }, Body::RoomGroupInfo(info)) => {
                self.session.busy.remove(&room);
                self.on_group_info(room, &info)
            }
            (Asked::Upload { last_resort }, Body::KeyPackageCount(count)) => {
                self.session.key_packages = count.counts;
                // The first suite's upload may have been refused.
                if last_resort && self.session.replenish_due.is_none() {
                    store::set_profile(&self.db, "last_resort", &[1])?;
                }
                Ok(())
            }
            (Asked::Claim { room, account }, Body::KeyPackages(packages)) => {
                self.on_claimed(room, account, packages.key_packages)
            }
            (Asked::Resolve { call, handle }, Body::Account(account)) => {
                self.on_resolved(call, &handle, &account)
            }
            (Asked::LookUp { account: asked }, Body::Account(account)) => self.on_looked_up(asked, &account),
            (Asked::ListRooms, Body::Rooms(rooms)) => self.on_rooms(&rooms),
            (Asked::Marks, Body::Marks(marks)) => self.on_marks(&marks),
            _ => Ok(()), // an answer of the wrong kind: the cell's fault, and nothing was promised
        }
    }

    fn on_refusal(&mut self, asked: Asked, error: &wire::Error) -> Result<(), Fault> {
        match asked {
            Asked::Register => {
                let recovering = self.me.as_ref().is_some_and(|me| me.recovering);
                let code = match error.code() {
                    ErrorCode::HandleTaken => "handle_taken",
                    ErrorCode::HandleInvalid | ErrorCode::UnknownAccount if recovering => "account_unknown",
                    ErrorCode::Limit if recovering => "too_many_devices",
                    ErrorCode::HandleInvalid => "handle_invalid",
                    ErrorCode::InviteInvalid => "invite_invalid",
                    ErrorCode::SignupClosed => "signup_closed",
                    ErrorCode::AlreadyExists => "already_signed_up",
                    ErrorCode::Busy | ErrorCode::StorageFull | ErrorCode::Limit => "busy",
                    _ => "internal",
                };
                let message = match code {
                    "account_unknown" => {
                        "the words are a recovery phrase, but this cell knows no account with them; \
                         use the cell on which the account was made"
                    }
                    "too_many_devices" => {
                        "the account is on as many devices as it may be; use one that it is on already"
                    }
                    _ => error.message.as_str(),
                };
                self.registration_refused(code, message)
            }
            Asked::Authenticate => match error.code() {
                ErrorCode::UnknownAccount | ErrorCode::UnknownDevice | ErrorCode::BadSignature => {
                    let message = format!(
                        "the cell does not know this device any more ({}); recover the account with its phrase",
                        error.message
                    );
                    self.refuse("unknown_device", message);
                    Ok(())
                }
                _ => {
                    self.session.retry_after = Some(u64::from(error.retry_after_ms).max(1_000));
                    self.session.reason = Some(OfflineReason::Busy);
                    self.drop_line();
                    Ok(())
                }
            },
            Asked::Upload { .. } => {
                // Without any, nobody could add this device to a room until it comes back the next time.
                if matches!(error.code(), ErrorCode::StorageFull | ErrorCode::Busy) {
                    let pause = u64::from(error.retry_after_ms).max(UPLOAD_RETRY_MS);
                    self.session.replenish_due = Some(self.now + pause);
                }
                Ok(())
            }
            Asked::Ping | Asked::LookUp { .. } | Asked::Marks => Ok(()),
            Asked::Subscribe | Asked::ListRooms => {
                self.session.retry_after = Some(u64::from(error.retry_after_ms).max(2_000));
                self.drop_line();
                Ok(())
            }
            Asked::Publish { room, outbox } => self.on_publish_refused(room, outbox, error),
            Asked::Propose { room, .. } => self.on_proposal_refused(room, error),
            Asked::CreateRoom { room } => {
                self.session.busy.remove(&room);
                self.on_creation_refused(room, error)
            }
            Asked::Submit { room, hash } if self.is_superseded(room, hash)? => Ok(()),
            Asked::Submit { room, .. } => {
                self.session.busy.remove(&room);
                self.on_submit_refused(room, error)
            }
            Asked::Join { room } => {
                self.session.busy.remove(&room);
                self.on_join_refused(room, error)
            }
            Asked::GroupInfo { room } => {
                self.session.busy.remove(&room);
                self.on_group_info_refused(room, error)
            }
            Asked::Claim { room, account } => self.on_claim_refused(room, account, error),
            Asked::Resolve { call, .. } => self.on_resolve_refused(call, error),
        }
    }

    // ------------------------------------------------------------ opening

    fn on_ready(&mut self, ready: &wire::SessionReady) -> Result<(), Fault> {
        let Some(cell) = self.session.cell else { return Ok(()) };
        self.forget_sent()?;
        let signed = session_ready_bytes(&self.session.nonce, &self.session.login_signature);
        if verify(&cell.0, &signed, &ready.cell_signature).is_err() {
            let message = "the cell could not prove who it is; somebody may be in the middle".to_owned();
            self.refuse("other_cell", message);
            return Ok(());
        }
        store::set_profile(&self.db, "cell", &cell.0)?;
        self.session.origin = Origin::try_from(ready.origin.as_ref()).ok();
        self.session.opened = Some(self.now);
        self.session.reason = None;
        self.link = Link::Open;
        self.learn_handle(&ready.handle)?;
        self.on_open(ready)
    }

    /// A session begins: everything durable that waits is started.
    fn on_open(&mut self, ready: &wire::SessionReady) -> Result<(), Fault> {
        let Some(account) = self.me.as_ref().map(|me| me.account) else { return Ok(()) };
        let inbox = store::profile(&self.db, "inbox")?.unwrap_or_default();
        let mut feeds = vec![(FeedId::Inbox(account), crate::room::decode_vector(&inbox))];
        let rooms = Room::all(&self.db)?;
        for room in &rooms {
            if room.created && room.is_usable() {
                feeds.push((FeedId::Room(room.id), room.vector.clone()));
            }
            self.todo.insert(room.id);
        }
        for chunk in feeds.chunks(limits::MAX_FEEDS_PER_SUBSCRIBE) {
            self.subscribe(chunk);
        }
        self.session.key_packages.clone_from(&ready.key_packages);
        self.replenish_key_packages(&ready.key_packages)?;
        self.unpark_lookups();
        if self.me.as_ref().is_some_and(|me| me.recovering) {
            self.request(Asked::ListRooms, client_frame::Body::ListRooms(wire::ListRooms {}));
        }
        let dirty = rooms.iter().filter(|room| room.marks_dirty || room.read_dirty).map(|room| room.id);
        self.session.marks_changed.extend(dirty);
        if !self.session.marks_changed.is_empty() {
            self.session.marks_due = Some(self.now);
        }
        Ok(())
    }

    /// Follows feeds from the given positions.
    pub(crate) fn subscribe(&mut self, feeds: &[(FeedId, VersionVector)]) {
        for (feed, after) in feeds {
            self.session.subscribed.insert(*feed, (after.clone(), false));
        }
        let feeds = feeds
            .iter()
            .map(|(feed, after)| wire::FeedPosition { feed: Some((*feed).into()), after: Some(after.into()) })
            .collect();
        self.session.subscribing += 1;
        self.request(Asked::Subscribe, client_frame::Body::Subscribe(wire::Subscribe { feeds }));
    }

    fn on_subscribed(&mut self, answer: &wire::Subscribed) -> Result<(), Fault> {
        self.session.subscribing = self.session.subscribing.saturating_sub(1);
        for head in &answer.heads {
            let Some(feed) = head.feed.as_ref().and_then(|feed| FeedId::try_from(feed).ok()) else {
                continue;
            };
            if head.refused() != ErrorCode::Unspecified {
                self.session.catching.remove(&feed);
                if let FeedId::Room(room) = feed {
                    self.on_feed_refused(room)?;
                }
                continue;
            }
            if let Some((_, answered)) = self.session.subscribed.get_mut(&feed) {
                *answered = true;
            }
            let head = VersionVector::try_from(head.head.as_ref()).unwrap_or_default();
            self.session.catching.insert(feed, head);
            match feed {
                FeedId::Room(room) => {
                    if let Some(mut room) = Room::load(&self.db, room)? {
                        self.absorb(&mut room)?;
                        self.caught_up(feed, &room.vector);
                        room.save(&self.db)?;
                    }
                    self.ask_marks(room)?;
                }
                FeedId::Inbox(_) => {
                    let inbox = store::profile(&self.db, "inbox")?.unwrap_or_default();
                    self.caught_up(feed, &crate::room::decode_vector(&inbox));
                }
            }
        }
        Ok(())
    }

    /// What a hole after `vector` in the log of `origin` means.
    pub(crate) fn judge_hole(&self, feed: FeedId, origin: Origin, vector: &VersionVector) -> Hole {
        match self.session.subscribed.get(&feed) {
            Some((_, false)) => Hole::Expected,
            Some((asked, true)) if asked.get(origin) == vector.get(origin) => Hole::Retention,
            _ => Hole::Lost,
        }
    }

    /// Whether commits that were there when the feed was subscribed have not come yet.
    pub(crate) fn commits_are_coming(&self, feed: FeedId, vector: &VersionVector) -> bool {
        let end = |of: &VersionVector| of.get(Origin::COMMITS);
        matches!(self.session.subscribed.get(&feed), Some((_, false)))
            || self.session.catching.get(&feed).is_some_and(|head| end(head) > end(vector))
    }

    /// The cursor of a feed moved: perhaps it has reached what was missed.
    pub(crate) fn caught_up(&mut self, feed: FeedId, vector: &VersionVector) {
        if self.session.catching.get(&feed).is_some_and(|head| vector.covers(head)) {
            self.session.catching.remove(&feed);
        }
    }

    /// Nothing more is to be expected of a feed.
    pub(crate) fn stop_catching(&mut self, room: RoomId) {
        self.session.catching.remove(&FeedId::Room(room));
    }

    // ------------------------------------------------------------ what people see of it

    pub(crate) fn connection_now(&self) -> Connection {
        let offline = |retry_at_ms| Connection::Offline {
            reason: self.session.reason.unwrap_or(OfflineReason::Unreachable),
            retry_at_ms,
        };
        match &self.link {
            Link::Idle => Connection::Idle,
            Link::Waiting { at } if self.session.failures == 0 && *at <= self.now => Connection::Connecting,
            Link::Waiting { at } => offline(*at),
            Link::Connecting | Link::Entering { .. } => Connection::Connecting,
            Link::Open if self.session.catching.is_empty() && self.session.subscribing == 0 => {
                Connection::Online
            }
            Link::Open => Connection::CatchingUp,
            Link::Closing { then } => match then.as_ref() {
                Link::Waiting { at } => offline(*at),
                Link::Refused { code, message } => refused(code, message),
                _ => Connection::Idle,
            },
            Link::Refused { code, message } => refused(code, message),
        }
    }

    pub(crate) fn update_connection(&mut self) {
        let connection = self.connection_now();
        if connection != self.connection {
            self.connection = connection.clone();
            self.update(mbolo_client_api::Update::Connection { connection });
        }
    }
}

fn refused(code: &str, message: &str) -> Connection {
    Connection::Refused { code: code.to_owned(), message: message.to_owned() }
}

/// A cell that says nothing for this long is asked whether it is there.
const SILENCE_MS: u64 = 30_000;
/// How long an upload of KeyPackages waits after the cell could not keep it.
const UPLOAD_RETRY_MS: u64 = 15_000;
/// How long it may take to answer.
const ANSWER_MS: u64 = 15_000;
/// A session that lasted this long was a good one: the back-off begins anew.
const STABLE_MS: u64 = 10_000;
const CONFIRM_MS: u64 = 10_000;
const FIRST_RETRY_MS: u64 = 500;
const LAST_RETRY_MS: u64 = 60_000;
const REPLACED_RETRY_MS: u64 = 15_000;
