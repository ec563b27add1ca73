//! What a user interface says to the client engine, and what it hears back: plain data, no logic.
//!
//! The browser's UI and engine are two WASM files that talk in these types (as JSON between a page and its
//! worker); the terminal uses the same types in one process, and `mbolo listen --json` prints [`Update`]s.
//! The UI sends a [`Request`] and gets exactly one [`Reply`]; in between and afterwards the engine sends
//! [`Update`]s, each of which says that something shown may have changed and carries its new state.
//! Ids are strings in base32 (accounts, rooms) or hex (messages), opaque to a UI.

pub mod tabs;

use serde::{Deserialize, Serialize};

/// A request with the number under which it is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Chosen by the UI, unique while unanswered.
    pub id: u64,
    /// What is wanted.
    pub request: Request,
}

/// Everything the engine sends to a UI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Output {
    /// The answer to the call with this id.
    Reply {
        /// The call's id.
        id: u64,
        /// What came of it.
        result: Result<Reply, Failure>,
    },
    /// Something changed.
    Update {
        /// What it is now.
        update: Update,
    },
}

/// What a UI can ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Creates an account on the cell. Answered with [`Reply::Account`] when the cell has accepted it.
    SignUp {
        /// 3 to 35 of `a-z0-9_.`
        handle: String,
        /// Shown to the people one talks to; the cell does not see it.
        name: String,
        /// An invite code, where the cell wants one.
        invite: Option<String>,
    },
    /// Uses an existing account on this device. Its rooms come back by external commits.
    Recover {
        /// The 24 words of [`Request::RecoveryPhrase`].
        phrase: String,
        /// Shown to the people one talks to.
        name: String,
    },
    /// The account of this profile: [`Reply::Account`], or [`Failure`] `no_account`.
    GetAccount,
    /// [`Reply::RecoveryPhrase`].
    RecoveryPhrase,
    /// Changes one's own name, for all rooms.
    SetName {
        /// The new name.
        name: String,
    },
    /// [`Reply::Chats`], newest first.
    ListChats,
    /// [`Reply::Chat`].
    GetChat {
        /// Room id.
        room: String,
    },
    /// [`Reply::Messages`], oldest first: `limit` before the message with position `before` (the newest without).
    GetMessages {
        /// Room id.
        room: String,
        /// [`Message::position`] of the oldest message already known.
        before: Option<u64>,
        /// At most 200.
        limit: u32,
    },
    /// Finds or makes the 1:1 room with this handle. Answered with [`Reply::Chat`] as soon as it exists here.
    StartChat {
        /// A handle, `@handle`, or a link that ends in `/@handle` or `#@handle`.
        handle: String,
    },
    /// Asks the cell who has a handle, and begins nothing: [`Reply::Found`].
    FindAccount {
        /// As for [`Request::StartChat`].
        handle: String,
    },
    /// Makes a group. Answered with [`Reply::Chat`]; members are added as the cell accepts them.
    CreateGroup {
        /// Its name.
        name: String,
        /// Handles of its first members.
        handles: Vec<String>,
    },
    /// Adds members to a group; admins only.
    AddMembers {
        /// Room id.
        room: String,
        /// Handles.
        handles: Vec<String>,
    },
    /// Removes a member; admins only.
    RemoveMember {
        /// Room id.
        room: String,
        /// Account id.
        account: String,
    },
    /// Makes a member an admin, or takes that back; admins only.
    SetAdmin {
        /// Room id.
        room: String,
        /// Account id.
        account: String,
        /// Whether it shall be one.
        admin: bool,
    },
    /// Renames a group; admins only.
    RenameGroup {
        /// Room id.
        room: String,
        /// The new name.
        name: String,
    },
    /// Leaves a group.
    LeaveGroup {
        /// Room id.
        room: String,
    },
    /// Sends a text. Answered with [`Reply::Sent`] as soon as it is safely in the outbox.
    SendText {
        /// Room id.
        room: String,
        /// The text, at most 16,384 bytes.
        text: String,
        /// [`Message::id`] of the message it answers.
        reply_to: Option<String>,
        /// Names this text, if the UI may have to ask again without knowing whether it was heard: a text of the same
        /// device, room and id is sent once, and every further call is answered with the message that is there. Random,
        /// at most 64 bytes.
        client_id: Option<String>,
    },
    /// Sets or (with an empty emoji) takes back one's reaction.
    React {
        /// Room id.
        room: String,
        /// [`Message::id`].
        message: String,
        /// One emoji.
        emoji: String,
    },
    /// Changes one's own text.
    Edit {
        /// Room id.
        room: String,
        /// [`Message::id`].
        message: String,
        /// The new text.
        text: String,
    },
    /// Takes back one's own message for everyone.
    Delete {
        /// Room id.
        room: String,
        /// [`Message::id`].
        message: String,
    },
    /// Tries a failed message again.
    Retry {
        /// Room id.
        room: String,
        /// [`Message::id`].
        message: String,
    },
    /// What is in the room has been seen.
    MarkRead {
        /// Room id.
        room: String,
        /// [`Message::position`] of the last message that was seen; what stands after it stays unread. Everything without.
        up_to: Option<u64>,
    },
    /// One is typing, or has stopped. Not stored anywhere.
    SetTyping {
        /// Room id.
        room: String,
        /// Whether one is typing.
        active: bool,
    },
    /// [`Reply::Members`].
    ListMembers {
        /// Room id.
        room: String,
    },
    /// Who has received and read a message: [`Reply::MessageInfo`].
    GetMessageInfo {
        /// Room id.
        room: String,
        /// [`Message::id`].
        message: String,
    },
    /// [`Reply::Connection`].
    GetConnection,
    /// Deletes the profile on this device (not the account on the cell).
    SignOut,
}

/// What a request is answered with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Reply {
    Done,
    Account { account: Account },
    RecoveryPhrase { phrase: String },
    Chats { chats: Vec<Chat> },
    Chat { chat: Chat },
    Messages { messages: Vec<Message>, more: bool },
    Sent { message: Message },
    Members { members: Vec<Member> },
    MessageInfo { delivered_to: Vec<Member>, read_by: Vec<Member>, waiting_for: Vec<Member> },
    Connection { connection: Connection },
    Found { account: String },
}

/// What changed, with its new state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "update", rename_all = "snake_case")]
pub enum Update {
    /// The account of this profile was made or changed.
    Account {
        /// Its state.
        account: Account,
    },
    /// A chat is new or changed (name, unread count, last message, membership).
    Chat {
        /// Its state.
        chat: Chat,
    },
    /// A message is new or changed (state, text, reactions).
    Message {
        /// Room id.
        room: String,
        /// Its state. A UI puts it where `position` says and replaces one with the same `id`.
        message: Message,
    },
    /// A message is gone without a trace: it stood for something unreadable, which has come again since and has
    /// its own place or effect.
    Removed {
        /// Room id.
        room: String,
        /// Its id.
        message: String,
    },
    /// Someone types, or has stopped.
    Typing {
        /// Room id.
        room: String,
        /// Who.
        account: String,
        /// Their name.
        name: String,
        /// Whether they type.
        active: bool,
    },
    /// Members of a room changed.
    Members {
        /// Room id.
        room: String,
        /// All of them.
        members: Vec<Member>,
    },
    /// A change of a group that was asked for and answered with [`Reply::Done`] will not happen.
    ChangeFailed {
        /// Room id.
        room: String,
        /// What was wanted.
        change: Change,
        /// Whom it was about; nobody, if it was about the group's name.
        members: Vec<Member>,
        /// Why not: `not_admin`, `not_a_member`, `last_admin`, `no_key_package` or `change_refused`.
        reason: Failure,
    },
    /// The connection changed.
    Connection {
        /// Its state.
        connection: Connection,
    },
}

/// A change of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Members were to be added.
    Add,
    /// A member was to be removed.
    Remove,
    /// A member was to become an admin.
    Promote,
    /// An admin was to become a plain member.
    Demote,
    /// The group was to have another name.
    Rename,
}

/// The account of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Account id.
    pub id: String,
    /// Without `@`.
    pub handle: String,
    /// Display name.
    pub name: String,
    /// The cell's name, for people.
    pub cell: String,
}

/// One line of the chat list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chat {
    /// Room id.
    pub room: String,
    /// 1:1 or group.
    pub kind: ChatKind,
    /// The other person's name, or the group's.
    pub name: String,
    /// In a 1:1 room the other person.
    pub peer: Option<Member>,
    /// Accounts in it, oneself included.
    pub member_count: u32,
    /// Messages of others not yet seen.
    pub unread: u32,
    /// The newest message, if any.
    pub last_message: Option<Message>,
    /// Unix milliseconds of the newest message or of the chat's beginning: the order of the list.
    pub last_activity_ms: u64,
    /// What one may do here.
    pub membership: Membership,
    /// Whether one is an admin.
    pub admin: bool,
    /// Why the room is not up to date, if it is not: it is being repaired, or a change waits for the cell.
    pub waiting: bool,
}

/// 1:1 or group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatKind {
    /// Two accounts.
    Direct,
    /// Many.
    Group,
}

/// Where one stands in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// One's own invitation is on its way to being accepted by the cell.
    Joining,
    /// A member.
    Member,
    /// One has left.
    Left,
    /// One was removed.
    Removed,
}

/// Someone in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Account id.
    pub account: String,
    /// As they told this room; the handle until they did.
    pub name: String,
    /// Handle, if known.
    pub handle: Option<String>,
    /// Whether an admin.
    pub admin: bool,
    /// Whether oneself.
    pub me: bool,
}

/// One line of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Stable across edits; unique in its room.
    pub id: String,
    /// Order in the conversation, ascending. It may change once, when an own message is accepted by the cell.
    pub position: u64,
    /// Who sent it.
    pub sender: Member,
    /// Unix milliseconds: the cell's clock once it has the message, the device's before.
    pub at_ms: u64,
    /// What it says.
    pub body: Body,
    /// Whether its text was changed.
    pub edited: bool,
    /// The message it answers.
    pub reply_to: Option<Quote>,
    /// Who reacted with what.
    pub reactions: Vec<Reaction>,
    /// For own messages: how far it has come.
    pub state: Option<MessageState>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// A text.
    Text {
        /// It.
        text: String,
    },
    /// Taken back by its sender.
    Deleted,
    /// Something happened to the room.
    Event {
        /// What.
        event: RoomEvent,
    },
    /// It could not be decrypted, or is of a kind this version does not know.
    Unreadable {
        /// `undecryptable` or `newer_version`.
        reason: String,
    },
}

/// Something that happened to a room. The message's sender did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum RoomEvent {
    Created,
    Added { members: Vec<Member> },
    Removed { member: Member },
    Left,
    Promoted { member: Member },
    Demoted { member: Member },
    Renamed { name: String },
}

/// The message that is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// [`Message::id`].
    pub id: String,
    /// Its sender's name.
    pub sender_name: String,
    /// The beginning of its text; empty if it is gone.
    pub text: String,
}

/// A reaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// Account id.
    pub account: String,
    /// Their name.
    pub name: String,
    /// One emoji.
    pub emoji: String,
}

/// How far an own message has come. Later states are larger; a state never goes back, except that a failed
/// message may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// The cell refused it for good; see [`Request::Retry`].
    Failed,
    /// In the outbox.
    Waiting,
    /// Durable on the cell.
    Sent,
    /// On a device of everyone.
    Delivered,
    /// Seen by everyone.
    Read,
}

/// The way to the cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Connection {
    /// No account yet, or told to stay away.
    Idle,
    /// On the way.
    Connecting,
    /// A session is open and everything missed is here.
    Online,
    /// A session is open; what was missed is coming.
    CatchingUp,
    /// No way to the cell; tried again at `retry_at_ms` (Unix milliseconds).
    Offline {
        /// Why, as far as one can tell.
        reason: OfflineReason,
        /// When it is tried again.
        retry_at_ms: u64,
    },
    /// The cell refuses this device for good.
    Refused {
        /// A [`Failure`] code.
        code: String,
        /// For people who can repair it.
        message: String,
    },
}

/// Why there is no way to the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfflineReason {
    /// The cell does not answer, or the device has no network.
    Unreachable,
    /// The cell is restarting or sheds load.
    Busy,
    /// It answers, but is not a Mbolo cell, or not one that speaks this version.
    NotMbolo,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable, for programs and translations: `offline`, `no_account`, `already_signed_up`, `handle_taken`,
    /// `handle_invalid`, `handle_unknown`, `invite_invalid`, `signup_closed`, `not_a_member`, `not_admin`,
    /// `unknown_room`, `unknown_message`, `too_long`, `empty`, `yourself`, `room_full`, `already_member`,
    /// `phrase_invalid`, `storage_full`, `busy`, `no_key_package`, `internal`; `unknown_device` (the cell does not know
    /// this device any more), `other_cell` (another cell answers at the address), `other_version` (the cell speaks another
    /// version of the protocol), `account_unknown` (the words are a phrase, but of no account on this cell),
    /// `too_many_devices` (the account has as many devices as it may); `handle_moved` (the handle was another account's
    /// when it was last seen), `name_invalid`, `not_a_group` (it is a chat of two), `last_admin` (a group keeps one),
    /// `change_refused` (the cell does not take the change).
    pub code: String,
    /// English, says what can be done.
    pub message: String,
}
