//! The state of the chat screen and what changes it, without a terminal: keys, updates and answers go in,
//! requests for the engine come out.

mod commands;
mod keys;

use std::collections::BTreeMap;

use mbolo_client_api::{Account, Chat, Connection, Failure, Member, Membership, Reply, Request, Update};

use super::command;
use super::composer::Composer;
use super::conversation::Conversation;
use crate::problem::Problem;
use crate::text::{clean_line, is_nameless, title, unchanged};

/// Messages asked for at a time.
const PAGE: u32 = 60;

/// Others are told again that one types after this; their screens forget it a little later.
const TYPING_AGAIN_MS: u64 = 4_000;

/// A notice stays this long.
const NOTICE_MS: u64 = 8_000;

/// What the engine is asked, and what for.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The request.
    pub request: Request,
    /// What its answer is for.
    pub purpose: Purpose,
}

/// What an answer is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// To go to the chat in the answer.
    GoTo,
    /// To fill the conversation with this room id.
    Messages(String),
    /// To know the members of this room.
    Members(String),
    /// To show them.
    ShowMembers,
    /// To show who has a message.
    ShowInfo,
    /// To fill the list.
    Chats,
    /// It is sent to this room; if that fails, the text goes back into the composer.
    Send(String, String),
    /// Only a failure is worth a word.
    Change,
    /// Not even that.
    Quiet,
}

/// Where keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The list of chats.
    List,
    /// The open chat.
    Chat,
}

/// What the composer is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// A new message.
    New,
    /// An answer to this message, by id and what it says.
    Reply(String, String),
    /// A change of this message, by id.
    Edit(String),
}

/// Something laid over the screen until a key is pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// The commands and keys.
    Help,
    /// A heading and lines.
    Lines(String, Vec<String>),
}

/// The screen's state.
#[derive(Debug)]
pub struct App {
    /// Who one is.
    pub me: Account,
    /// Newest first.
    pub chats: Vec<Chat>,
    /// The way to the cell.
    pub connection: Connection,
    /// The open chat.
    pub open: Option<Conversation>,
    /// Where keys go.
    pub focus: Focus,
    /// What was typed into the list to find a chat.
    pub filter: Composer,
    /// The room highlighted in the list.
    pub highlighted: Option<String>,
    /// The text being written.
    pub composer: Composer,
    /// What it is for.
    pub intent: Intent,
    /// What lies over the screen.
    pub overlay: Option<Overlay>,
    /// A sentence at the bottom, whether it is bad news, and until when.
    pub notice: Option<(String, bool, u64)>,
    /// Why the cell does not answer, while it does not.
    pub diagnosis: Option<String>,
    /// The terminal is in front of the person.
    pub in_front: bool,
    /// The newest message is on the screen; the view says so.
    pub at_bottom: bool,
    /// The oldest loaded message is on the screen; the view says so.
    pub at_top: bool,
    /// The end is wanted.
    pub quit: bool,
    /// Who is in groups without a name, by room.
    nameless: BTreeMap<String, Vec<Member>>,
    drafts: BTreeMap<String, String>,
    delete_armed: Option<String>,
    told_typing_ms: Option<u64>,
}

impl App {
    /// The screen of this account before anything is known.
    pub fn new(me: Account) -> Self {
        Self {
            me,
            chats: Vec::new(),
            connection: Connection::Connecting,
            open: None,
            focus: Focus::List,
            filter: Composer::default(),
            highlighted: None,
            composer: Composer::default(),
            intent: Intent::New,
            overlay: None,
            notice: None,
            diagnosis: None,
            in_front: true,
            at_bottom: true,
            at_top: false,
            quit: false,
            nameless: BTreeMap::new(),
            drafts: BTreeMap::new(),
            delete_armed: None,
            told_typing_ms: None,
        }
    }

    /// The chat that is open, as the list knows it.
    pub fn open_chat(&self) -> Option<&Chat> {
        let open = self.open.as_ref()?;
        self.chats.iter().find(|chat| chat.room == open.room)
    }

    /// What a chat is called.
    pub fn title(&self, chat: &Chat) -> String {
        title(chat, self.nameless.get(&chat.room).map_or(&[], Vec::as_slice))
    }

    /// Asks who is in a group without a name, because that is what it is called by.
    fn ask_title(&self, chat: &Chat) -> Option<Ask> {
        (is_nameless(chat) && !self.nameless.contains_key(&chat.room)).then(|| members(&chat.room))
    }

    /// Who is in a room has become known.
    fn set_members(&mut self, room: String, members: Vec<Member>) {
        if let Some(open) = self.open.as_mut().filter(|open| open.room == room) {
            open.set_members(members.clone());
        }
        if self.chats.iter().any(|chat| chat.room == room && is_nameless(chat)) {
            self.nameless.insert(room, members);
        }
    }

    /// The chats that match what was typed into the list.
    pub fn listed(&self) -> Vec<&Chat> {
        let wanted = self.filter.text().trim_start_matches('@').to_lowercase();
        let fits = |chat: &&Chat| {
            let handle = chat.peer.as_ref().and_then(|peer| peer.handle.as_deref()).unwrap_or("");
            self.title(chat).to_lowercase().contains(&wanted) || handle.contains(&wanted)
        };
        self.chats.iter().filter(fits).collect()
    }

    /// A sentence for the bottom of the screen.
    pub fn say(&mut self, sentence: impl Into<String>, bad: bool, now_ms: u64) {
        self.notice = Some((sentence.into(), bad, now_ms + NOTICE_MS));
    }

    fn say_failure(&mut self, failure: Failure, now_ms: u64) {
        let problem = Problem::from(failure);
        let sentence = match problem.next {
            Some(next) if !next.contains("mbolo ") => format!("{} {next}", problem.what),
            _ => problem.what,
        };
        self.say(sentence, true, now_ms);
    }

    // ------------------------------------------------------------ from the engine

    /// Something changed.
    pub fn on_update(&mut self, update: Update, now_ms: u64) -> Vec<Ask> {
        match update {
            Update::Account { account } => self.me = account,
            Update::Connection { connection } => self.connection = connection,
            Update::Chat { chat } => {
                let ask = self.ask_title(&chat);
                self.put_chat(chat);
                return ask.into_iter().collect();
            }
            Update::Message { room, message } => {
                let at_bottom = self.at_bottom;
                if let Some(open) = self.open.as_mut().filter(|open| open.room == room) {
                    let mine = message.sender.me;
                    if open.put(message) {
                        match (mine, at_bottom) {
                            (true, _) => open.scroll = 0,
                            (false, false) => open.below += 1,
                            (false, true) => {}
                        }
                    }
                }
            }
            Update::Removed { room, message } => {
                if let Some(open) = self.open.as_mut().filter(|open| open.room == room) {
                    open.remove(&message);
                }
            }
            Update::Typing { room, account, name, active } => {
                if let Some(open) = self.open.as_mut().filter(|open| open.room == room) {
                    open.set_typing(account, name, active, now_ms);
                }
            }
            Update::ChangeFailed { change, members, reason, .. } => {
                let why = Problem::from(reason).what;
                self.say(format!("{} {why}", unchanged(change, &members)), true, now_ms);
            }
            Update::Members { room, members } => self.set_members(room, members),
        }
        Vec::new()
    }

    /// An answer.
    pub fn on_reply(&mut self, purpose: Purpose, result: Result<Reply, Failure>, now_ms: u64) -> Vec<Ask> {
        match (purpose, result) {
            (Purpose::Chats, Ok(Reply::Chats { chats })) => {
                self.chats = chats;
                self.keep_highlight();
                return self.chats.iter().filter_map(|chat| self.ask_title(chat)).collect();
            }
            (Purpose::GoTo, Ok(Reply::Chat { chat })) => {
                let room = chat.room.clone();
                self.put_chat(chat);
                return self.go_to(room);
            }
            (Purpose::Messages(room), Ok(Reply::Messages { messages, more })) => {
                let unread = self.chats.iter().find(|chat| chat.room == room).map_or(0, |chat| chat.unread);
                if let Some(open) = self.open.as_mut().filter(|open| open.room == room) {
                    let first_page = open.oldest().is_none();
                    open.add_older(messages, more);
                    if first_page {
                        open.mark_unread(unread);
                    }
                }
            }
            (Purpose::Members(room), Ok(Reply::Members { members })) => self.set_members(room, members),
            (Purpose::ShowMembers, Ok(Reply::Members { members })) => {
                let lines = members.iter().map(member_line).collect();
                self.overlay = Some(Overlay::Lines("Members".to_owned(), lines));
            }
            (Purpose::ShowInfo, Ok(Reply::MessageInfo { delivered_to, read_by, waiting_for })) => {
                let mut lines = Vec::new();
                for (heading, members) in [
                    ("Read by", read_by),
                    ("Received by", delivered_to),
                    ("Not yet received by", waiting_for),
                ] {
                    if !members.is_empty() {
                        lines.push(heading.to_owned());
                        lines.extend(members.iter().map(|member| format!("  {}", member_line(member))));
                    }
                }
                if lines.is_empty() {
                    lines.push("Nothing is known yet.".to_owned());
                }
                self.overlay = Some(Overlay::Lines("Message".to_owned(), lines));
            }
            (Purpose::Send(room, _), Ok(Reply::Sent { message })) => {
                if let Some(open) = self.open.as_mut().filter(|open| open.room == room) {
                    open.scroll = 0;
                    // The update may have come first and may be newer.
                    if !open.messages.iter().any(|known| known.id == message.id) {
                        open.put(message);
                    }
                }
            }
            (Purpose::Quiet, Err(_)) | (_, Ok(_)) => {}
            (purpose, Err(failure)) => {
                self.say_failure(failure, now_ms);
                if let Purpose::Send(room, text) = purpose
                    && self.open.as_ref().is_some_and(|open| open.room == room)
                    && self.composer.is_empty()
                {
                    self.composer.set(text);
                }
            }
        }
        Vec::new()
    }

    /// After drawing: what the person sees now has been read, and older messages are wanted at the top.
    pub fn after_draw(&mut self) -> Vec<Ask> {
        let mut asks = Vec::new();
        let unread = self.open_chat().map_or(0, |chat| chat.unread);
        let seen = self.in_front && self.at_bottom && self.overlay.is_none();
        let (at_top, room) = (self.at_top, self.open.as_ref().map(|open| open.room.clone()));
        let Some((open, room)) = self.open.as_mut().zip(room) else {
            return asks;
        };
        if self.at_bottom {
            open.below = 0;
        }
        if at_top && open.more && !open.loading {
            open.loading = true;
            asks.push(messages(&room, open.oldest()));
        }
        if seen && unread > 0 && !open.loading {
            // Not asked again before the engine has answered with a new count.
            if let Some(chat) = self.chats.iter_mut().find(|chat| chat.room == room) {
                chat.unread = 0;
            }
            asks.push(Ask { request: Request::MarkRead { room, up_to: None }, purpose: Purpose::Quiet });
        }
        asks
    }

    fn refuse(&mut self, why: impl Into<String>, now_ms: u64) -> Vec<Ask> {
        self.say(why, true, now_ms);
        Vec::new()
    }

    /// Tells the others that one types, now and then.
    fn typed(&mut self, now_ms: u64) -> Vec<Ask> {
        if self.composer.is_empty() || self.composer.text().starts_with('/') {
            return self.stop_typing();
        }
        let member = self.open_chat().is_some_and(|chat| chat.membership == Membership::Member);
        if !member || self.told_typing_ms.is_some_and(|told| now_ms < told + TYPING_AGAIN_MS) {
            return Vec::new();
        }
        self.told_typing_ms = Some(now_ms);
        self.typing(true)
    }

    fn stop_typing(&mut self) -> Vec<Ask> {
        if self.told_typing_ms.take().is_some() { self.typing(false) } else { Vec::new() }
    }

    fn typing(&self, active: bool) -> Vec<Ask> {
        let room = self.open.iter().map(|open| open.room.clone());
        room.map(|room| Ask { request: Request::SetTyping { room, active }, purpose: Purpose::Quiet })
            .collect()
    }

    fn complete(&mut self) -> Vec<Ask> {
        if self.composer.is_empty() {
            return self.show_list();
        }
        if let [word] = command::completions(self.composer.text()).as_slice() {
            self.composer.set(format!("/{word} "));
        }
        Vec::new()
    }

    fn show_list(&mut self) -> Vec<Ask> {
        self.clear_selection();
        self.focus = Focus::List;
        self.filter.take();
        self.highlighted = self.open.as_ref().map(|open| open.room.clone());
        self.keep_highlight();
        self.stop_typing()
    }

    /// Opens a chat.
    pub fn go_to(&mut self, room: String) -> Vec<Ask> {
        self.filter.take();
        self.focus = Focus::Chat;
        self.highlighted = Some(room.clone());
        if self.open.as_ref().is_some_and(|open| open.room == room) {
            return Vec::new();
        }
        let mut asks = self.stop_typing();
        if let Some(before) = &self.open {
            self.drafts.insert(before.room.clone(), self.composer.take());
        }
        self.intent = Intent::New;
        self.composer.set(self.drafts.remove(&room).unwrap_or_default());
        self.open = Some(Conversation::new(room.clone()));
        asks.push(messages(&room, None));
        asks.push(members(&room));
        asks
    }

    fn select(&mut self, up: bool) {
        if let Some(open) = &mut self.open {
            open.select(up);
        }
    }

    fn clear_selection(&mut self) {
        if let Some(open) = &mut self.open {
            open.selected = None;
        }
    }

    fn scroll(&mut self, lines: isize) {
        if let Some(open) = &mut self.open {
            open.scroll = open.scroll.saturating_add_signed(lines);
        }
    }

    fn put_chat(&mut self, chat: Chat) {
        self.chats.retain(|known| known.room != chat.room);
        self.chats.push(chat);
        self.chats
            .sort_by(|a, b| b.last_activity_ms.cmp(&a.last_activity_ms).then_with(|| a.room.cmp(&b.room)));
        self.keep_highlight();
    }

    fn keep_highlight(&mut self) {
        let listed = self.listed();
        let still_there =
            self.highlighted.as_ref().is_some_and(|room| listed.iter().any(|chat| chat.room == *room));
        if !still_there {
            self.highlighted = listed.first().map(|chat| chat.room.clone());
        }
    }

    fn move_highlight(&mut self, by: isize) {
        let rooms: Vec<_> = self.listed().iter().map(|chat| chat.room.clone()).collect();
        let now = rooms.iter().position(|room| Some(room) == self.highlighted.as_ref()).unwrap_or(0);
        let next = now.saturating_add_signed(by).min(rooms.len().saturating_sub(1));
        self.highlighted = rooms.get(next).cloned();
    }
}

fn messages(room: &str, before: Option<u64>) -> Ask {
    Ask {
        request: Request::GetMessages { room: room.to_owned(), before, limit: PAGE },
        purpose: Purpose::Messages(room.to_owned()),
    }
}

fn members(room: &str) -> Ask {
    let request = Request::ListMembers { room: room.to_owned() };
    Ask { request, purpose: Purpose::Members(room.to_owned()) }
}

fn member_line(member: &Member) -> String {
    let handle = member.handle.as_deref().map_or_else(String::new, |handle| format!("  @{handle}"));
    let admin = if member.admin { ", admin" } else { "" };
    let me = if member.me { "  (you)" } else { "" };
    format!("{}{handle}{admin}{me}", clean_line(&member.name))
}

#[cfg(test)]
mod tests;
