//! The machine itself: one input, one transaction, the effects afterwards.
//!
//! State is of three kinds. What is in the database survives; loaded MLS groups and the account's keys are
//! caches of it; the session is volatile and is thrown away with the connection. So when a transaction fails,
//! everything in memory is dropped, the connection is closed, and the client goes on from the store exactly as
//! after a crash.

use std::collections::{BTreeMap, BTreeSet};

use mbolo_client_api::{Call, Connection, Failure, Output, Reply, Update};
use mbolo_proto::{AccountId, Origin, RoomId};
use openmls::prelude::MlsGroup;
use rusqlite::ErrorCode;

use crate::account::Me;
use crate::calls::Lookup;
use crate::clock::NOTICED_MS;
use crate::marks::Typing;
use crate::mls::{self, Crypto, MlsFault, Provider};
use crate::room::Room;
use crate::session::{Link, Session};
use crate::view::{MessageKey, WAITING_POSITION};
use crate::{Effect, Input, OpenError, Options, Standing, Stats, store};

/// One profile's engine.
pub struct Client {
    pub(crate) db: rusqlite::Connection,
    pub(crate) options: Options,
    pub(crate) crypto: Crypto,
    pub(crate) now: u64,
    pub(crate) me: Option<Me>,
    /// The SignUp or Recover that waits for the cell.
    pub(crate) signing_up: Option<u64>,
    groups: BTreeMap<RoomId, MlsGroup>,
    pub(crate) link: Link,
    pub(crate) session: Session,
    pub(crate) connection: Connection,
    /// Calls that wait for handles to be resolved.
    pub(crate) lookups: BTreeMap<u64, Lookup>,
    /// Rooms to look at before this input is done.
    pub(crate) todo: BTreeSet<RoomId>,
    /// Rooms to look at later.
    pub(crate) wakes: BTreeSet<(u64, RoomId)>,
    pub(crate) typing: BTreeMap<(RoomId, AccountId), Typing>,
    changed: Changed,
    out: Vec<Effect>,
}

/// What user interfaces have to be told at the end of this input.
#[derive(Default)]
struct Changed {
    messages: Vec<(RoomId, MessageKey)>,
    seen: BTreeSet<(RoomId, MessageKey)>,
    chats: BTreeSet<RoomId>,
    members: BTreeSet<RoomId>,
}

/// Why an input could not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The database refuses.
    #[error("storage: {0}")]
    Storage(#[from] rusqlite::Error),
    /// An MLS operation failed where the engine cannot go on without it.
    #[error(transparent)]
    Mls(#[from] MlsFault),
    /// A stored value does not read back.
    #[error("the profile is damaged: {0}")]
    Damaged(&'static str),
}

impl Client {
    /// Opens the profile in `store`, makes or migrates its tables, and loads its state.
    pub fn open(store: rusqlite::Connection, options: Options, now_ms: u64) -> Result<Self, OpenError> {
        store::prepare(&store)?;
        let mut client = Self {
            crypto: Crypto::new(options.seed),
            db: store,
            options,
            now: now_ms,
            me: None,
            signing_up: None,
            groups: BTreeMap::new(),
            link: Link::Idle,
            session: Session::default(),
            connection: Connection::Idle,
            lookups: BTreeMap::new(),
            todo: BTreeSet::new(),
            wakes: BTreeSet::new(),
            typing: BTreeMap::new(),
            changed: Changed::default(),
            out: Vec::new(),
        };
        client.end_far_pauses()?;
        client.load_account().map_err(|fault| match fault {
            Fault::Storage(error) => OpenError::Storage(error),
            fault => OpenError::Damaged(fault.to_string()),
        })?;
        if client.me.as_ref().is_some_and(|me| me.registered) {
            client.link = Link::Waiting { at: now_ms };
        }
        Ok(client)
    }

    /// Takes one input. One storage transaction; effects leave only after it is committed.
    ///
    /// After [`Client::open`], [`Client::next_tick_ms`] is due at once if the profile has an account; the tick
    /// asks for the first transport.
    pub fn handle(&mut self, now_ms: u64, input: Input) -> Vec<Effect> {
        let set_back_ms = self.now.saturating_sub(now_ms);
        self.now = now_ms;
        self.frames_are_out();
        let call = match &input {
            Input::Call(call) => Some(call.id),
            _ => None,
        };
        match self.in_transaction(input, set_back_ms) {
            Ok(()) => std::mem::take(&mut self.out),
            Err(fault) => self.start_over(call, &fault),
        }
    }

    /// When [`Input::Tick`] is due, in Unix milliseconds.
    pub fn next_tick_ms(&self) -> Option<u64> {
        let typing = self.typing.values().map(|typing| typing.until).min();
        let wake = self.is_open().then(|| self.wakes.first().map(|(at, _)| *at)).flatten();
        [self.next_link_tick(), wake, typing].into_iter().flatten().min()
    }

    /// The store, as a crash would leave it.
    pub fn into_store(self) -> rusqlite::Connection {
        self.db
    }

    /// Epoch and MLS epoch authenticator of every room this device is a member of, by room id. Rooms that are
    /// being repaired are left out.
    pub fn epoch_authenticators(&self) -> Vec<(RoomId, u64, Vec<u8>)> {
        let provider = Provider::new(&self.crypto, &self.db);
        let rooms = Room::all(&self.db).unwrap_or_default();
        rooms
            .into_iter()
            .filter(Room::is_usable)
            .filter_map(|room| {
                let group = mls::load(&provider, room.id).ok()?;
                let authenticator = group.epoch_authenticator().as_slice().to_vec();
                group.is_active().then(|| (room.id, group.epoch().as_u64(), authenticator))
            })
            .collect()
    }

    /// Where every message of every room stands: for tests and the simulator.
    pub fn places(&self) -> rusqlite::Result<Vec<Standing>> {
        let mut statement = self.db.prepare(
            "SELECT room, origin, seq, position FROM messages ORDER BY room, origin, seq, position",
        )?;
        statement
            .query_map([], |row| {
                let (origin, seq): (Option<[u8; 32]>, i64) = (row.get(1)?, row.get(2)?);
                let position: i64 = row.get(3)?;
                let position = position.unsigned_abs();
                let is_placed = seq > 0 && position < WAITING_POSITION;
                Ok(Standing {
                    room: RoomId(row.get(0)?),
                    entry: origin.filter(|_| is_placed).map(|origin| (Origin(origin), seq.unsigned_abs())),
                    position,
                })
            })?
            .collect()
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        let count = |sql: &str| {
            self.db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap_or_default().unsigned_abs()
        };
        Stats {
            outbox: count("SELECT count(*) FROM outbox WHERE failed = 0"),
            intents: count("SELECT count(*) FROM intents")
                + count("SELECT count(*) FROM pending WHERE intent = 0"),
            healing: count("SELECT count(*) FROM rooms WHERE healing > 0 OR membership = 0"),
            undecryptable: count("SELECT (SELECT count(*) FROM broken) + (SELECT count(*) FROM held)"),
            rooms: count("SELECT count(*) FROM rooms"),
        }
    }

    // ------------------------------------------------------------ the transaction

    fn in_transaction(&mut self, input: Input, set_back_ms: u64) -> Result<(), Fault> {
        self.db.execute_batch("BEGIN")?;
        let ready = if set_back_ms > NOTICED_MS { self.clock_was_set_back(set_back_ms) } else { Ok(()) };
        let result = ready.and_then(|()| self.take(input)).and_then(|()| self.finish());
        // The MLS library reports a refused write as its own error: what the user can do something about counts.
        if self.crypto.take_storage_failure() {
            return Err(match result {
                Err(Fault::Storage(error)) => Fault::Storage(error),
                _ => full_disk(),
            });
        }
        result?;
        self.db.execute_batch("COMMIT")?;
        Ok(())
    }

    fn take(&mut self, input: Input) -> Result<(), Fault> {
        match input {
            Input::Call(Call { id, request }) => self.on_call(id, request),
            Input::Connected => self.on_connected(),
            Input::Frame(frame) => self.on_frame(frame),
            Input::Disconnected(failure) => self.on_disconnected(failure),
            Input::Tick => Ok(()),
        }?;
        self.on_tick()
    }

    fn finish(&mut self) -> Result<(), Fault> {
        while let Some(room) = self.todo.pop_first() {
            self.guarded(room, |client| client.drive(room))?;
        }
        self.update_connection();
        let changed = std::mem::take(&mut self.changed);
        for (room, key) in changed.messages {
            let update = match self.message(room, key)? {
                Some(message) => Update::Message { room: room.to_string(), message },
                None => Update::Removed { room: room.to_string(), message: key.to_string() },
            };
            self.update(update);
        }
        for room in changed.members {
            let members = self.members(room)?;
            self.update(Update::Members { room: room.to_string(), members });
        }
        for room in changed.chats {
            if let Some(chat) = self.chat(room)? {
                self.update(Update::Chat { chat });
            }
        }
        if self.groups.len() > MAX_LOADED_GROUPS {
            self.groups.clear();
        }
        Ok(())
    }

    /// A transaction failed: everything in memory goes, and the client goes on as after a crash.
    fn start_over(&mut self, call: Option<u64>, fault: &Fault) -> Vec<Effect> {
        if !self.db.is_autocommit() {
            // Nothing more can be done if this fails too; the next BEGIN reports it.
            let _ = self.db.execute_batch("ROLLBACK");
        }
        self.crypto.take_storage_failure();
        let dropped = std::mem::take(&mut self.out);
        self.groups.clear();
        self.todo.clear();
        self.wakes.clear();
        self.changed = Changed::default();
        let failure = storage_failure(fault);
        let waiting = std::mem::take(&mut self.lookups);
        for id in call.into_iter().chain(waiting.into_keys()).chain(self.signing_up.take()) {
            self.reply(id, Err(failure.clone()));
        }
        // If not even this can be read, what is in memory is as good as anything.
        let _ = self.load_account();
        let asked_to_connect = dropped.iter().any(|effect| matches!(effect, Effect::Connect));
        self.abandon_session(asked_to_connect);
        self.update_connection();
        std::mem::take(&mut self.out)
    }

    /// Runs `operation` in a savepoint: if it fails for a reason other than storage, what it wrote is undone and
    /// the room's group is loaded anew, and the rest of the transaction goes on.
    pub(crate) fn attempt<T>(
        &mut self,
        room: RoomId,
        operation: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<Result<T, MlsFault>, Fault> {
        self.db.prepare_cached("SAVEPOINT attempt")?.execute([])?;
        let effects = self.out.len();
        match operation(self) {
            Ok(value) => {
                self.db.prepare_cached("RELEASE attempt")?.execute([])?;
                Ok(Ok(value))
            }
            // A full disk may have ended the whole transaction, and the savepoint with it.
            Err(Fault::Mls(_)) if self.db.is_autocommit() => Err(full_disk()),
            Err(Fault::Mls(fault)) => {
                self.groups.remove(&room);
                self.out.truncate(effects);
                self.db.execute_batch("ROLLBACK TO attempt; RELEASE attempt")?;
                Ok(Err(fault))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Runs `operation` on behalf of a room. If the room's group fails in a way that nobody foresaw, only this
    /// room is repaired and all others go on.
    pub(crate) fn guarded(
        &mut self,
        room: RoomId,
        operation: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.attempt(room, operation)?.is_err() {
            // What was prepared for the cell was taken back with the rest, so nothing of it is under way.
            self.session.busy.remove(&room);
            self.session.gathering.remove(&room);
            self.session.flights.remove(&room);
            if let Some(mut row) = Room::load(&self.db, room)? {
                self.drop_pending(room)?;
                self.heal(&mut row)?;
                row.save(&self.db)?;
            }
        }
        Ok(())
    }

    // ------------------------------------------------------------ groups

    /// Runs `operation` on a room's group. After a failure the group is loaded anew by whoever wants it next.
    pub(crate) fn with_group<T>(
        &mut self,
        room: RoomId,
        operation: impl FnOnce(&mut MlsGroup, &Provider<'_>, &Me) -> Result<T, MlsFault>,
    ) -> Result<T, Fault> {
        let provider = Provider::new(&self.crypto, &self.db);
        let me = self.me.as_ref().ok_or(Fault::Damaged("no account"))?;
        let mut group = match self.groups.remove(&room) {
            Some(group) => group,
            None => mls::load(&provider, room)?,
        };
        let result = operation(&mut group, &provider, me)?;
        self.groups.insert(room, group);
        Ok(result)
    }

    /// Puts a new group into the cache.
    pub(crate) fn keep_group(&mut self, room: RoomId, group: MlsGroup) {
        self.groups.insert(room, group);
    }

    /// Forgets a loaded group, because the stored one changed or is gone.
    pub(crate) fn forget_group(&mut self, room: RoomId) {
        self.groups.remove(&room);
    }

    pub(crate) fn provider(&self) -> Provider<'_> {
        Provider::new(&self.crypto, &self.db)
    }

    /// A room that must be there.
    pub(crate) fn room(&self, id: RoomId) -> Result<Room, Fault> {
        Room::load(&self.db, id)?.ok_or(Fault::Damaged("a room is missing"))
    }

    // ------------------------------------------------------------ effects

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.out.push(effect);
    }

    pub(crate) fn reply(&mut self, id: u64, result: Result<Reply, Failure>) {
        self.out.push(Effect::Output(Output::Reply { id, result }));
    }

    pub(crate) fn update(&mut self, update: Update) {
        self.out.push(Effect::Output(Output::Update { update }));
    }

    /// A message is new, changed or removed; so is its chat.
    pub(crate) fn message_changed(&mut self, room: RoomId, key: MessageKey) {
        if self.changed.seen.insert((room, key)) {
            self.changed.messages.push((room, key));
        }
        self.changed.chats.insert(room);
    }

    pub(crate) fn chat_changed(&mut self, room: RoomId) {
        self.changed.chats.insert(room);
    }

    pub(crate) fn members_changed(&mut self, room: RoomId) {
        self.changed.members.insert(room);
        self.changed.chats.insert(room);
    }

    /// Looks at `room` again at `at`.
    pub(crate) fn wake(&mut self, room: RoomId, at: u64) {
        self.wakes.insert((at, room));
    }
}

/// Loaded groups are a cache; this bounds its memory.
const MAX_LOADED_GROUPS: usize = 64;

/// A refusal for a user interface.
pub(crate) fn failure(code: &str, message: &str) -> Failure {
    Failure { code: code.into(), message: message.into() }
}

fn full_disk() -> Fault {
    let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
    Fault::Storage(rusqlite::Error::SqliteFailure(full, None))
}

fn storage_failure(fault: &Fault) -> Failure {
    let is_full = match fault {
        Fault::Storage(error) => matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::CannotOpen
                    | ErrorCode::ReadOnly
                    | ErrorCode::PermissionDenied
                    | ErrorCode::SystemIoFailure
            )
        ),
        _ => false,
    };
    if is_full {
        failure(
            "storage_full",
            "this device has no room left, or does not let Mbolo write; free some space and try again",
        )
    } else {
        Failure { code: "internal".into(), message: fault.to_string() }
    }
}
