//! What user interfaces ask for.
//!
//! A call that changes something is answered when the change is a row in the database; the cell hears of it
//! later, once, whenever it can be reached. Only what needs the cell's answer (a handle) waits for it.

use std::collections::BTreeSet;

use mbolo_client_api::{ChatKind, Failure, Membership, Reply, Request};
use mbolo_proto::signing::verify_certificate;
use mbolo_proto::wire::{self, ErrorCode, client_frame};
use mbolo_proto::{AccountId, Handle, RoomId, limits};
use rusqlite::OptionalExtension;

use crate::engine::{Client, Fault, failure};
use crate::intents::{Intent, LAST_ADMIN, NOT_ADMIN};
use crate::names;
use crate::room::Room;
use crate::session::{Asked, Link};
use crate::store;

/// A call that waits until its handles are resolved.
pub(crate) struct Lookup {
    purpose: Purpose,
    waiting: usize,
    found: BTreeSet<AccountId>,
    /// Asked for when the session opens.
    parked: Vec<Handle>,
}

enum Purpose {
    Find,
    StartChat,
    CreateGroup { name: String },
    AddMembers { room: RoomId },
}

impl Client {
    pub(crate) fn on_call(&mut self, id: u64, request: Request) -> Result<(), Fault> {
        match request {
            Request::SignUp { handle, name, invite } => return self.sign_up(id, &handle, &name, invite),
            Request::Recover { phrase, name } => return self.recover(id, &phrase, &name),
            Request::GetConnection => {
                let connection = self.connection_now();
                self.reply(id, Ok(Reply::Connection { connection }));
                return Ok(());
            }
            Request::SignOut => return self.sign_out(id),
            _ => {}
        }
        if !self.me.as_ref().is_some_and(|me| me.registered) {
            self.reply(
                id,
                Err(failure("no_account", "this profile has no account yet; create or recover one")),
            );
            return Ok(());
        }
        match request {
            Request::GetAccount => {
                if let Some(account) = self.account() {
                    self.reply(id, Ok(Reply::Account { account }));
                }
                Ok(())
            }
            Request::RecoveryPhrase => {
                let phrase = self.recovery_phrase().unwrap_or_default();
                self.reply(id, Ok(Reply::RecoveryPhrase { phrase }));
                Ok(())
            }
            Request::SetName { name } => self.set_name(id, &name),
            Request::ListChats => {
                let chats = self.chats()?;
                self.reply(id, Ok(Reply::Chats { chats }));
                Ok(())
            }
            Request::GetChat { room } => {
                let Some(room) = self.named_room(id, &room)? else { return Ok(()) };
                self.reply_chat(id, room.id)
            }
            Request::GetMessages { room, before, limit } => {
                let Some(room) = self.named_room(id, &room)? else { return Ok(()) };
                let (messages, more) = self.messages(room.id, before, limit)?;
                self.reply(id, Ok(Reply::Messages { messages, more }));
                Ok(())
            }
            Request::StartChat { handle } => self.resolve(id, Purpose::StartChat, &[handle]),
            Request::FindAccount { handle } => self.resolve(id, Purpose::Find, &[handle]),
            Request::CreateGroup { name, handles } => match names::checked(&name) {
                Ok(name) if handles.is_empty() => self.create_group(id, &name, BTreeSet::new()),
                Ok(name) => self.resolve(id, Purpose::CreateGroup { name }, &handles),
                Err(refusal) => {
                    self.reply(id, Err(refusal));
                    Ok(())
                }
            },
            Request::AddMembers { room, handles } => {
                let Some(room) = self.room_of_admin(id, &room)? else { return Ok(()) };
                if handles.is_empty() {
                    self.reply(id, Err(failure("empty", "name at least one handle")));
                    return Ok(());
                }
                self.resolve(id, Purpose::AddMembers { room: room.id }, &handles)
            }
            Request::RemoveMember { room, account } => {
                let Some(room) = self.room_of_admin(id, &room)? else { return Ok(()) };
                let Some(account) = self.named_member(id, room.id, &account)? else { return Ok(()) };
                if Some(account) == self.me.as_ref().map(|me| me.account) {
                    self.reply(id, Err(failure("yourself", "to go yourself, leave the group")));
                    return Ok(());
                }
                self.intend(id, room.id, &Intent::Remove { account })
            }
            Request::SetAdmin { room, account, admin } => {
                let Some(room) = self.room_of_admin(id, &room)? else { return Ok(()) };
                let Some(account) = self.named_member(id, room.id, &account)? else { return Ok(()) };
                if !admin && self.admins(room.id)? == [account] {
                    self.reply(id, Err(failure(LAST_ADMIN.0, LAST_ADMIN.1)));
                    return Ok(());
                }
                self.intend(id, room.id, &Intent::SetAdmin { account, admin })
            }
            Request::RenameGroup { room, name } => {
                let Some(room) = self.room_of_admin(id, &room)? else { return Ok(()) };
                match names::checked(&name) {
                    Ok(name) => self.rename_group(id, room, name),
                    Err(refusal) => {
                        self.reply(id, Err(refusal));
                        Ok(())
                    }
                }
            }
            Request::LeaveGroup { room } => {
                let Some(room) = self.named_room(id, &room)? else { return Ok(()) };
                self.leave_group(id, room)
            }
            Request::SendText { room, text, reply_to, client_id } => {
                self.send_text(id, &room, text, reply_to, client_id.as_deref())
            }
            Request::React { room, message, emoji } => self.react(id, &room, &message, emoji),
            Request::Edit { room, message, text } => self.edit(id, &room, &message, text),
            Request::Delete { room, message } => self.delete(id, &room, &message),
            Request::Retry { room, message } => self.retry(id, &room, &message),
            Request::MarkRead { room, up_to } => {
                let Some(room) = self.named_room(id, &room)? else { return Ok(()) };
                self.mark_read(room, up_to)?;
                self.reply(id, Ok(Reply::Done));
                Ok(())
            }
            Request::SetTyping { room, active } => {
                let Some(room) = self.named_room(id, &room)? else { return Ok(()) };
                self.set_typing(&room, active)?;
                self.reply(id, Ok(Reply::Done));
                Ok(())
            }
            Request::ListMembers { room } => {
                let Some(room) = self.named_room(id, &room)? else { return Ok(()) };
                let members = self.members(room.id)?;
                self.reply(id, Ok(Reply::Members { members }));
                Ok(())
            }
            Request::GetMessageInfo { room, message } => self.message_info(id, &room, &message),
            // Answered above.
            Request::SignUp { .. } | Request::Recover { .. } | Request::GetConnection | Request::SignOut => {
                Ok(())
            }
        }
    }

    fn sign_out(&mut self, id: u64) -> Result<(), Fault> {
        for room in Room::all(&self.db)? {
            self.forget_group(room.id);
        }
        store::wipe(&self.db)?;
        self.me = None;
        self.typing.clear();
        self.wakes.clear();
        self.hang_up(Link::Idle);
        self.reply(id, Ok(Reply::Done));
        Ok(())
    }

    fn reply_chat(&mut self, id: u64, room: RoomId) -> Result<(), Fault> {
        match self.chat(room)? {
            Some(chat) => self.reply(id, Ok(Reply::Chat { chat })),
            None => self.reply(id, Err(failure("unknown_room", "there is no such chat on this device"))),
        }
        Ok(())
    }

    /// The room with this id, or a refusal.
    pub(crate) fn named_room(&mut self, id: u64, room: &str) -> Result<Option<Room>, Fault> {
        let found = match room.parse::<RoomId>() {
            Ok(room) => Room::load(&self.db, room)?,
            Err(_) => None,
        };
        if found.is_none() {
            self.reply(id, Err(failure("unknown_room", "there is no such chat on this device")));
        }
        Ok(found)
    }

    /// The room, if this account may write in it.
    pub(crate) fn room_of_member(&mut self, id: u64, room: &str) -> Result<Option<Room>, Fault> {
        let Some(room) = self.named_room(id, room)? else { return Ok(None) };
        if room.leaving || matches!(room.membership, Membership::Left | Membership::Removed) {
            self.reply(id, Err(failure("not_a_member", "you are not a member of this group any more")));
            return Ok(None);
        }
        Ok(Some(room))
    }

    fn room_of_admin(&mut self, id: u64, room: &str) -> Result<Option<Room>, Fault> {
        let Some(room) = self.room_of_member(id, room)? else { return Ok(None) };
        if room.kind == ChatKind::Direct {
            let message =
                "this is a chat of two, which nobody joins and which has no name of its own; make a group";
            self.reply(id, Err(failure("not_a_group", message)));
            return Ok(None);
        }
        let me = self.my_account()?;
        if !self.member(room.id, me)?.admin {
            self.reply(id, Err(failure(NOT_ADMIN.0, NOT_ADMIN.1)));
            return Ok(None);
        }
        Ok(Some(room))
    }

    fn admins(&self, room: RoomId) -> Result<Vec<AccountId>, Fault> {
        let mut statement = self
            .db
            .prepare_cached("SELECT account FROM members WHERE room = ?1 AND present = 1 AND admin = 1")?;
        Ok(statement.query_map([room.0], |row| row.get(0).map(AccountId))?.collect::<Result<_, _>>()?)
    }

    fn named_member(&mut self, id: u64, room: RoomId, account: &str) -> Result<Option<AccountId>, Fault> {
        let account = account.parse::<AccountId>().ok();
        let found = match account {
            Some(account) if self.is_present(room, account)? => Some(account),
            _ => None,
        };
        if found.is_none() {
            self.reply(id, Err(failure("not_a_member", "this account is not in the group")));
        }
        Ok(found)
    }

    pub(crate) fn is_present(&self, room: RoomId, account: AccountId) -> Result<bool, Fault> {
        Ok(self
            .db
            .prepare_cached("SELECT 1 FROM members WHERE room = ?1 AND account = ?2 AND present = 1")?
            .exists((room.0, account.0))?)
    }

    /// Notes what the user wants of a room, and answers.
    fn intend(&mut self, id: u64, room: RoomId, intent: &Intent) -> Result<(), Fault> {
        self.add_intent(room, intent)?;
        self.reply(id, Ok(Reply::Done));
        Ok(())
    }

    // ------------------------------------------------------------ handles

    fn resolve(&mut self, id: u64, purpose: Purpose, handles: &[String]) -> Result<(), Fault> {
        let mut wanted = BTreeSet::new();
        for text in handles {
            match handle_in(text) {
                Some(handle) => wanted.insert(handle),
                None => {
                    let message = format!("{text} is no handle; a handle looks like @awa.ndong");
                    self.reply(id, Err(failure("handle_invalid", &message)));
                    return Ok(());
                }
            };
        }
        if wanted.len() >= limits::MAX_ROOM_ACCOUNTS {
            self.reply(id, Err(failure("room_full", "a group has at most 1,024 members")));
            return Ok(());
        }
        let mut lookup = Lookup { purpose, waiting: 0, found: BTreeSet::new(), parked: Vec::new() };
        let mut unknown = Vec::new();
        for handle in wanted {
            // A handle can change hands, so the cell is asked whenever it can be.
            match self.known_by(handle.as_str())? {
                Some(account) if !self.is_open() && !self.is_opening() => {
                    lookup.found.insert(account);
                }
                _ => unknown.push(handle),
            }
        }
        if unknown.is_empty() {
            return self.resolved(id, lookup);
        }
        lookup.waiting = unknown.len();
        if self.is_open() {
            self.lookups.insert(id, lookup);
            self.ask_handles(id, unknown);
        } else if self.is_opening() {
            lookup.parked = unknown;
            self.lookups.insert(id, lookup);
        } else {
            let message =
                "the cell has to be asked for this handle and cannot be reached; try again when it is back";
            self.reply(id, Err(failure("offline", message)));
        }
        Ok(())
    }

    fn ask_handles(&mut self, call: u64, handles: Vec<Handle>) {
        for handle in handles {
            let body = wire::ResolveHandle { handle: handle.to_string() };
            self.request(Asked::Resolve { call, handle }, client_frame::Body::ResolveHandle(body));
        }
    }

    /// The session is open: calls that waited for it go on.
    pub(crate) fn unpark_lookups(&mut self) {
        let parked: Vec<(u64, Vec<Handle>)> = self
            .lookups
            .iter_mut()
            .map(|(call, lookup)| (*call, std::mem::take(&mut lookup.parked)))
            .collect();
        for (call, handles) in parked {
            self.ask_handles(call, handles);
        }
    }

    /// The account that is known by a handle: the first one that had it when it was looked up.
    fn known_by(&self, handle: &str) -> Result<Option<AccountId>, Fault> {
        Ok(self
            .db
            .prepare_cached("SELECT id FROM accounts WHERE handle = ?1")?
            .query_row([handle], |row| row.get(0).map(AccountId))
            .optional()?)
    }

    pub(crate) fn on_resolved(
        &mut self,
        call: u64,
        handle: &Handle,
        account: &wire::Account,
    ) -> Result<(), Fault> {
        let Some(id) = proven_account(account).filter(|_| account.handle == handle.as_str()) else {
            self.fail_lookup(call, failure("internal", "the cell's answer about this handle does not hold"));
            return Ok(());
        };
        if self.known_by(handle.as_str())?.is_some_and(|known| known != id) {
            let message = format!(
                "@{handle} was another person's account when you met it, so nothing is done. If they have a new \
                 account, they tell you so in another way and write to you first; the chat with the old account stays"
            );
            self.fail_lookup(call, failure("handle_moved", &message));
            return Ok(());
        }
        self.learn_account(id, handle.as_str())?;
        let Some(mut lookup) = self.lookups.remove(&call) else { return Ok(()) };
        lookup.found.insert(id);
        lookup.waiting -= 1;
        if lookup.waiting > 0 {
            self.lookups.insert(call, lookup);
            return Ok(());
        }
        self.resolved(call, lookup)
    }

    pub(crate) fn on_resolve_refused(&mut self, call: u64, error: &wire::Error) -> Result<(), Fault> {
        let refusal = match error.code() {
            ErrorCode::NotFound | ErrorCode::UnknownAccount => {
                failure("handle_unknown", "nobody has this handle on this cell; check the spelling")
            }
            ErrorCode::HandleInvalid => failure("handle_invalid", &error.message),
            _ => failure("busy", "the cell is busy; try again in a moment"),
        };
        self.fail_lookup(call, refusal);
        Ok(())
    }

    fn fail_lookup(&mut self, call: u64, refusal: Failure) {
        if self.lookups.remove(&call).is_some() {
            self.reply(call, Err(refusal));
        }
    }

    pub(crate) fn fail_lookups(&mut self, code: &str, message: &str) {
        for id in std::mem::take(&mut self.lookups).into_keys() {
            self.reply(id, Err(failure(code, message)));
        }
    }

    fn resolved(&mut self, id: u64, lookup: Lookup) -> Result<(), Fault> {
        let me = self.my_account()?;
        match lookup.purpose {
            Purpose::Find => {
                if let Some(account) = lookup.found.first() {
                    self.reply(id, Ok(Reply::Found { account: account.to_string() }));
                }
                Ok(())
            }
            Purpose::StartChat => match lookup.found.first() {
                Some(peer) if *peer == me => {
                    self.reply(id, Err(failure("yourself", "this is your own handle")));
                    Ok(())
                }
                Some(peer) => {
                    let room = self.open_direct_room(*peer)?;
                    self.reply_chat(id, room)
                }
                None => Ok(()),
            },
            Purpose::CreateGroup { name } => {
                let mut members = lookup.found;
                members.remove(&me);
                self.create_group(id, &name, members)
            }
            Purpose::AddMembers { room } => {
                // Looking up took time: this account may have left meanwhile, or be no admin any more.
                if self.room_of_admin(id, &room.to_string())?.is_none() {
                    return Ok(());
                }
                let mut wanted = Vec::new();
                for account in lookup.found {
                    if !self.is_present(room, account)? {
                        wanted.push(account);
                    }
                }
                let present = self.members(room)?.len();
                if wanted.is_empty() {
                    self.reply(id, Err(failure("already_member", "everybody named is in the group already")));
                } else if present + wanted.len() > limits::MAX_ROOM_ACCOUNTS {
                    self.reply(id, Err(failure("room_full", "a group has at most 1,024 members")));
                } else {
                    self.intend(id, room, &Intent::Add { accounts: wanted })?;
                }
                Ok(())
            }
        }
    }

    fn create_group(&mut self, id: u64, name: &str, members: BTreeSet<AccountId>) -> Result<(), Fault> {
        match self.make_group(name, members)? {
            Some(room) => self.reply_chat(id, room),
            None => {
                let message =
                    "the cell has to be reached once before groups can be made; try again when it is back";
                self.reply(id, Err(failure("offline", message)));
                Ok(())
            }
        }
    }

    // ------------------------------------------------------------ accounts of members

    /// Asks for the handles of accounts that have no name here yet; bounded per room and session.
    pub(crate) fn look_up_members(&mut self, room: RoomId) -> Result<(), Fault> {
        if !self.is_open() {
            return Ok(());
        }
        let unknown: Vec<AccountId> = {
            let mut statement = self.db.prepare_cached(
                "SELECT m.account FROM members m LEFT JOIN accounts a ON a.id = m.account
                 WHERE m.room = ?1 AND m.present = 1 AND a.id IS NULL ORDER BY m.account LIMIT 64",
            )?;
            statement.query_map([room.0], |row| row.get(0).map(AccountId))?.collect::<Result<_, _>>()?
        };
        for account in unknown {
            if self.session.looked_up.len() < MAX_LOOK_UPS && self.session.looked_up.insert(account) {
                let body = wire::GetAccount { account_id: account.to_bytes() };
                self.request(Asked::LookUp { account }, client_frame::Body::GetAccount(body));
            }
        }
        Ok(())
    }

    pub(crate) fn on_looked_up(&mut self, asked: AccountId, account: &wire::Account) -> Result<(), Fault> {
        let Some(id) = proven_account(account).filter(|id| *id == asked) else { return Ok(()) };
        // Somebody known has this handle: who comes with it now is shown without it.
        if self.known_by(&account.handle)?.is_some_and(|known| known != id) {
            return Ok(());
        }
        self.learn_account(id, &account.handle)?;
        let rooms: Vec<RoomId> = {
            let mut statement =
                self.db.prepare_cached("SELECT room FROM members WHERE account = ?1 AND present = 1")?;
            statement.query_map([id.0], |row| row.get(0).map(RoomId))?.collect::<Result<_, _>>()?
        };
        for room in rooms {
            self.members_changed(room);
        }
        Ok(())
    }
}

/// The account that an answer is about, if the certificates of all its devices are signed by that account's root key.
fn proven_account(account: &wire::Account) -> Option<AccountId> {
    let id = AccountId::try_from(account.account_id.as_ref()).ok()?;
    let holds = |certificate| verify_certificate(certificate).is_ok_and(|device| device.account == id);
    account.devices.iter().all(holds).then_some(id)
}

/// The handle in what a person typed or a link they got: `awa`, `@awa`, `https://cell/@awa`, `…#@awa`.
fn handle_in(text: &str) -> Option<Handle> {
    let text = text.trim();
    let tail = text.rsplit(['/', '#']).next().unwrap_or(text);
    tail.parse().ok()
}

/// Accounts asked for by id in one session.
const MAX_LOOK_UPS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_found_in_what_people_paste() {
        for text in ["awa", " @Awa", "https://cell.example/@awa", "https://cell.example/#@awa"] {
            assert_eq!(handle_in(text).map(|handle| handle.to_string()), Some("awa".into()), "{text}");
        }
        assert_eq!(handle_in("https://cell.example/"), None);
    }
}
