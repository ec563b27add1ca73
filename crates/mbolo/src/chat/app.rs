//! The state of the chat screen and what changes it, without a terminal: keys, updates and answers go in,
//! requests for the engine come out.

use std::collections::BTreeMap;

use mbolo_client_api::{
    Account, Chat, Connection, Failure, Member, Membership, Message, MessageState, Reply, Request, Update,
};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::command::{self, Command, Line};
use super::composer::Composer;
use super::conversation::{Conversation, is_others_text, is_own_text};
use crate::problem::Problem;
use crate::session::{Unfound, find_member, parse_handle};
use crate::text::{clean_line, is_nameless, shorten, title, unchanged};

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

    // ------------------------------------------------------------ from the person

    /// A text was pasted.
    pub fn on_paste(&mut self, text: &str, now_ms: u64) -> Vec<Ask> {
        match self.focus {
            Focus::List => {
                self.filter.insert(&clean_line(text));
                Vec::new()
            }
            Focus::Chat => {
                self.composer.insert(text);
                self.typed(now_ms)
            }
        }
    }

    /// A key was pressed.
    pub fn on_key(&mut self, key: KeyEvent, now_ms: u64) -> Vec<Ask> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c' | 'q')) {
            self.quit = true;
            return self.stop_typing();
        }
        if self.overlay.take().is_some() {
            return Vec::new();
        }
        match key.code {
            KeyCode::F(1) => {
                self.overlay = Some(Overlay::Help);
                Vec::new()
            }
            KeyCode::Char('k') if control => self.show_list(),
            _ => match self.focus {
                Focus::List => self.on_list_key(key, now_ms),
                Focus::Chat => self.on_chat_key(key, now_ms),
            },
        }
    }

    fn on_list_key(&mut self, key: KeyEvent, now_ms: u64) -> Vec<Ask> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Up => self.move_highlight(-1),
            KeyCode::Down => self.move_highlight(1),
            KeyCode::PageUp => self.move_highlight(-10),
            KeyCode::PageDown => self.move_highlight(10),
            KeyCode::Enter => {
                if let Line::Command(command) = command::read(self.filter.text()) {
                    self.filter.take();
                    return self.run(command, now_ms);
                }
                let exact = self.filter.text().starts_with('@');
                if let Some(room) = self.highlighted.clone().filter(|_| !self.listed().is_empty() && !exact) {
                    return self.go_to(room);
                }
                let typed = self.filter.text().trim().to_owned();
                if !typed.is_empty() {
                    return self.run(Command::New { handle: typed }, now_ms);
                }
            }
            KeyCode::Esc if !self.filter.is_empty() => {
                self.filter.take();
                self.keep_highlight();
            }
            KeyCode::Esc | KeyCode::Tab if self.open.is_some() => self.focus = Focus::Chat,
            KeyCode::Backspace => {
                self.filter.backspace();
                self.keep_highlight();
            }
            KeyCode::Char(c) if !control => {
                self.filter.insert(c.encode_utf8(&mut [0; 4]));
                self.keep_highlight();
                if self.filter.text() == "?" {
                    self.filter.take();
                    self.overlay = Some(Overlay::Help);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn on_chat_key(&mut self, key: KeyEvent, now_ms: u64) -> Vec<Ask> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SHIFT);
        if self.open.as_ref().is_some_and(|open| open.selected.is_some())
            && let Some(asks) = self.on_selection_key(key, now_ms)
        {
            return asks;
        }
        let before = self.composer.text().len();
        match key.code {
            KeyCode::Enter if alt => self.composer.insert("\n"),
            KeyCode::Char('j') if control => self.composer.insert("\n"),
            KeyCode::Enter => return self.submit(now_ms),
            KeyCode::Esc if self.intent != Intent::New => {
                self.intent = Intent::New;
                self.composer.take();
            }
            KeyCode::Esc => return self.show_list(),
            KeyCode::Up if self.composer.is_empty() => self.select(true),
            KeyCode::PageUp => self.scroll(10),
            KeyCode::PageDown => self.scroll(-10),
            KeyCode::Tab => return self.complete(),
            KeyCode::Backspace if alt || control => self.composer.delete_word(),
            KeyCode::Backspace => self.composer.backspace(),
            KeyCode::Delete => self.composer.delete(),
            KeyCode::Char('w') if control => self.composer.delete_word(),
            KeyCode::Char('u') if control => self.composer.delete_to_start(),
            KeyCode::Left if control || alt => self.composer.word_left(),
            KeyCode::Right if control || alt => self.composer.word_right(),
            KeyCode::Left => self.composer.left(),
            KeyCode::Right => self.composer.right(),
            KeyCode::Home => self.composer.home(),
            KeyCode::End if self.composer.is_empty() => self.scroll(isize::MIN),
            KeyCode::End => self.composer.end(),
            KeyCode::Char('a') if control => self.composer.home(),
            KeyCode::Char('e') if control => self.composer.end(),
            KeyCode::Char(c) if !control => self.composer.insert(c.encode_utf8(&mut [0; 4])),
            _ => {}
        }
        if self.composer.text().len() == before { Vec::new() } else { self.typed(now_ms) }
    }

    /// Keys that act on the selected message; `None` for the others, which end the selection.
    fn on_selection_key(&mut self, key: KeyEvent, now_ms: u64) -> Option<Vec<Ask>> {
        let selected = self.open.as_ref()?.target(|_| false)?.clone();
        let armed = self.delete_armed.take();
        let mut asks = Vec::new();
        // A reaction is typed while its message stays selected.
        if !self.composer.is_empty() && key.code != KeyCode::Esc {
            return None;
        }
        match key.code {
            KeyCode::Up => self.select(true),
            KeyCode::Down => self.select(false),
            KeyCode::Enter | KeyCode::Char('r') => {
                self.intent = Intent::Reply(selected.id.clone(), crate::text::body(&selected));
                self.clear_selection();
            }
            KeyCode::Char('e') if is_own_text(&selected) => {
                self.intent = Intent::Edit(selected.id.clone());
                self.composer.set(crate::text::body(&selected));
                self.clear_selection();
            }
            KeyCode::Char('d') if is_own_text(&selected) => {
                if armed.as_ref() == Some(&selected.id) {
                    self.delete_armed = armed;
                    asks = self.run(Command::Delete, now_ms);
                    self.clear_selection();
                } else {
                    self.delete_armed = Some(selected.id);
                    self.say("Press d again to take this message back for everyone.", false, now_ms);
                }
            }
            KeyCode::Char('t') if selected.state == Some(MessageState::Failed) => {
                asks = self.run(Command::Retry, now_ms);
                self.clear_selection();
            }
            KeyCode::Char('+') => self.composer.set("/react "),
            KeyCode::Char('i') => asks = self.run(Command::Info, now_ms),
            KeyCode::Esc => {
                self.composer.take();
                self.clear_selection();
            }
            _ => {
                self.clear_selection();
                return None;
            }
        }
        Some(asks)
    }

    fn submit(&mut self, now_ms: u64) -> Vec<Ask> {
        let line = self.composer.text().trim().to_owned();
        if line.is_empty() {
            return Vec::new();
        }
        let line = command::read(&line);
        if !matches!(line, Line::Command(Command::Delete)) {
            self.delete_armed = None;
        }
        let text = match line {
            Line::Command(command) => {
                self.composer.take();
                let asks = self.run(command, now_ms);
                self.clear_selection();
                return asks;
            }
            Line::Wrong(why) => {
                self.say(why, true, now_ms);
                return Vec::new();
            }
            Line::Text(text) => text,
        };
        let Some(room) = self.open.as_ref().map(|open| open.room.clone()) else {
            self.say("Choose a chat first: type a name or a @handle in the list.", true, now_ms);
            return Vec::new();
        };
        self.composer.take();
        let request = match std::mem::replace(&mut self.intent, Intent::New) {
            Intent::New => {
                Request::SendText { room: room.clone(), text: text.clone(), reply_to: None, client_id: None }
            }
            Intent::Reply(id, _) => Request::SendText {
                room: room.clone(),
                text: text.clone(),
                reply_to: Some(id),
                client_id: None,
            },
            Intent::Edit(message) => Request::Edit { room: room.clone(), message, text: text.clone() },
        };
        let mut asks = self.stop_typing();
        asks.push(Ask { request, purpose: Purpose::Send(room, text) });
        asks
    }

    /// Does what a command says.
    fn run(&mut self, command: Command, now_ms: u64) -> Vec<Ask> {
        let change = |request| vec![Ask { request, purpose: Purpose::Change }];
        match command {
            Command::Help => {
                self.overlay = Some(Overlay::Help);
                return Vec::new();
            }
            Command::Chats => return self.show_list(),
            Command::Quit => {
                self.quit = true;
                return self.stop_typing();
            }
            Command::New { handle } => {
                return match parse_handle(&handle) {
                    Ok(handle) => {
                        vec![Ask { request: Request::StartChat { handle }, purpose: Purpose::GoTo }]
                    }
                    Err(problem) => self.refuse(problem.what, now_ms),
                };
            }
            Command::Group { name, handles } => {
                let request = Request::CreateGroup { name, handles };
                return vec![Ask { request, purpose: Purpose::GoTo }];
            }
            _ => {}
        }
        let Some(open) = &self.open else {
            return self.refuse("Choose a chat first.", now_ms);
        };
        let room = open.room.clone();
        let own =
            open.target(is_own_text).filter(|message| message.sender.me).map(|message| message.id.clone());
        let others = open.target(is_others_text).map(|message| message.id.clone());
        let member = |who: &str| {
            find_member(&open.members, who).map_err(|why| match why {
                Unfound::Nobody => format!("Nobody here is called {who}; /members lists who is."),
                Unfound::Several => format!("Several people here are called {who}; say who by the handle."),
            })
        };
        let no_message = "There is no message to do that with.";
        match command {
            Command::Reply { text } => match others {
                Some(id) => vec![Ask {
                    request: Request::SendText {
                        room: room.clone(),
                        text: text.clone(),
                        reply_to: Some(id),
                        client_id: None,
                    },
                    purpose: Purpose::Send(room, text),
                }],
                None => self.refuse(no_message, now_ms),
            },
            Command::React { emoji } => match others {
                Some(message) => change(Request::React { room, message, emoji }),
                None => self.refuse(no_message, now_ms),
            },
            Command::Edit { text } => match own {
                Some(message) => change(Request::Edit { room, message, text }),
                None => self.refuse(no_message, now_ms),
            },
            Command::Delete => match own {
                Some(message) if self.delete_armed.take().as_ref() == Some(&message) => {
                    change(Request::Delete { room, message })
                }
                Some(message) => {
                    let text = open
                        .messages
                        .iter()
                        .find(|known| known.id == message)
                        .map_or_else(String::new, |known| {
                            shorten(&clean_line(&crate::text::body(known)), 40)
                        });
                    self.delete_armed = Some(message);
                    self.say(format!("/delete again takes “{text}” back for everyone."), false, now_ms);
                    Vec::new()
                }
                None => self.refuse(no_message, now_ms),
            },
            Command::Retry => {
                let failed = |message: &Message| message.state == Some(MessageState::Failed);
                match open.target(failed).filter(|message| failed(message)).map(|message| message.id.clone())
                {
                    Some(message) => change(Request::Retry { room, message }),
                    None => self.refuse("No message here has failed.", now_ms),
                }
            }
            Command::Info => match open.target(|message| message.sender.me).map(|message| message.id.clone())
            {
                Some(message) => vec![Ask {
                    request: Request::GetMessageInfo { room, message },
                    purpose: Purpose::ShowInfo,
                }],
                None => self.refuse(no_message, now_ms),
            },
            Command::Members => {
                vec![Ask { request: Request::ListMembers { room }, purpose: Purpose::ShowMembers }]
            }
            Command::Add { handles } => {
                match handles.iter().map(|handle| parse_handle(handle)).collect::<Result<Vec<_>, _>>() {
                    Ok(handles) => change(Request::AddMembers { room, handles }),
                    Err(problem) => self.refuse(problem.what, now_ms),
                }
            }
            Command::Remove { who } => match member(&who) {
                Ok(account) => change(Request::RemoveMember { room, account }),
                Err(why) => self.refuse(why, now_ms),
            },
            Command::Promote { who } => match member(&who) {
                Ok(account) => change(Request::SetAdmin { room, account, admin: true }),
                Err(why) => self.refuse(why, now_ms),
            },
            Command::Demote { who } => match member(&who) {
                Ok(account) => change(Request::SetAdmin { room, account, admin: false }),
                Err(why) => self.refuse(why, now_ms),
            },
            Command::Rename { name } => change(Request::RenameGroup { room, name }),
            Command::Leave => change(Request::LeaveGroup { room }),
            Command::Help | Command::Chats | Command::Quit | Command::New { .. } | Command::Group { .. } => {
                Vec::new()
            }
        }
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
mod tests {
    use mbolo_client_api::ChatKind;

    use super::super::conversation::tests::message;
    use super::*;

    const NOW: u64 = 1_700_000_100_000;

    fn chat(room: &str, unread: u32) -> Chat {
        Chat {
            room: room.into(),
            kind: ChatKind::Group,
            name: room.into(),
            peer: None,
            member_count: 3,
            unread,
            last_message: None,
            last_activity_ms: NOW,
            membership: Membership::Member,
            admin: false,
            waiting: false,
        }
    }

    fn app() -> App {
        let me =
            Account { id: "ME".into(), handle: "bibi".into(), name: "Bibi".into(), cell: "cell.test".into() };
        let mut app = App::new(me);
        let chats = vec![chat("Family", 0), chat("Work", 0)];
        app.on_reply(Purpose::Chats, Ok(Reply::Chats { chats }), NOW);
        open(&mut app, "Family", vec![message("a", 1, false, "mbolo"), message("b", 2, true, "hello")]);
        app
    }

    fn open(app: &mut App, room: &str, messages: Vec<Message>) {
        app.go_to(room.into());
        let page = Reply::Messages { messages, more: false };
        app.on_reply(Purpose::Messages(room.into()), Ok(page), NOW);
    }

    fn press(app: &mut App, code: KeyCode) -> Vec<Ask> {
        app.on_key(KeyEvent::new(code, KeyModifiers::NONE), NOW)
    }

    fn type_text(app: &mut App, text: &str) -> Vec<Ask> {
        text.chars().flat_map(|c| press(app, KeyCode::Char(c))).collect()
    }

    fn requests(asks: Vec<Ask>) -> Vec<Request> {
        asks.into_iter().map(|ask| ask.request).collect()
    }

    #[test]
    fn enter_sends_what_was_typed_and_typing_is_told_once() {
        let mut app = app();
        let typing = |active| Request::SetTyping { room: "Family".into(), active };
        assert_eq!(requests(type_text(&mut app, "mbolo")), [typing(true)]);
        let sent = Request::SendText {
            room: "Family".into(),
            text: "mbolo".into(),
            reply_to: None,
            client_id: None,
        };
        assert_eq!(requests(press(&mut app, KeyCode::Enter)), [typing(false), sent]);
        assert!(app.composer.is_empty());
    }

    #[test]
    fn a_text_that_could_not_be_sent_is_not_lost() {
        let mut app = app();
        type_text(&mut app, "mbolo");
        let ask = press(&mut app, KeyCode::Enter).pop().unwrap();
        let failure = Failure { code: "storage_full".into(), message: "the disk is full".into() };
        app.on_reply(ask.purpose, Err(failure), NOW);
        assert_eq!(app.composer.text(), "mbolo");
        assert!(app.notice.as_ref().is_some_and(|(sentence, bad, _)| sentence.contains("full") && *bad));
    }

    #[test]
    fn what_is_on_the_screen_is_read_only_while_the_terminal_is_in_front() {
        let mut app = app();
        app.in_front = false;
        app.on_update(Update::Chat { chat: chat("Family", 1) }, NOW);
        assert_eq!(app.after_draw(), []);
        app.in_front = true;
        assert_eq!(requests(app.after_draw()), [Request::MarkRead { room: "Family".into(), up_to: None }]);
        assert_eq!(app.after_draw(), []);
    }

    #[test]
    fn each_chat_keeps_what_was_being_written() {
        let mut app = app();
        type_text(&mut app, "half a sent");
        open(&mut app, "Work", Vec::new());
        assert!(app.composer.is_empty());
        app.go_to("Family".into());
        assert_eq!(app.composer.text(), "half a sent");
    }

    #[test]
    fn a_chosen_message_is_answered() {
        let mut app = app();
        press(&mut app, KeyCode::Up);
        press(&mut app, KeyCode::Up);
        press(&mut app, KeyCode::Enter);
        type_text(&mut app, "yes");
        let asks = press(&mut app, KeyCode::Enter);
        let sent = Request::SendText {
            room: "Family".into(),
            text: "yes".into(),
            reply_to: Some("a".into()),
            client_id: None,
        };
        assert_eq!(requests(asks).pop(), Some(sent));
    }

    #[test]
    fn a_chosen_message_is_reacted_to() {
        let mut app = app();
        press(&mut app, KeyCode::Up);
        press(&mut app, KeyCode::Up);
        press(&mut app, KeyCode::Char('+'));
        type_text(&mut app, "🎉");
        let asks = press(&mut app, KeyCode::Enter);
        let reaction = Request::React { room: "Family".into(), message: "a".into(), emoji: "🎉".into() };
        assert_eq!(requests(asks), [reaction]);
        assert!(app.composer.is_empty());
    }

    #[test]
    fn a_message_is_deleted_only_after_a_second_press() {
        let mut app = app();
        press(&mut app, KeyCode::Up);
        assert_eq!(press(&mut app, KeyCode::Char('d')), []);
        let deleted = Request::Delete { room: "Family".into(), message: "b".into() };
        assert_eq!(requests(press(&mut app, KeyCode::Char('d'))), [deleted]);
    }

    #[test]
    fn the_newest_message_is_deleted_only_when_that_is_said_twice() {
        let mut app = app();
        let delete = |app: &mut App| {
            type_text(app, "/delete");
            requests(press(app, KeyCode::Enter))
        };
        assert_eq!(delete(&mut app), []);
        assert!(app.notice.as_ref().is_some_and(|(sentence, ..)| sentence.contains("hello")));
        type_text(&mut app, "/info");
        press(&mut app, KeyCode::Enter);
        assert_eq!(delete(&mut app), [], "something else was done in between");
        let deleted = Request::Delete { room: "Family".into(), message: "b".into() };
        assert_eq!(delete(&mut app), [deleted]);
    }

    #[test]
    fn a_change_that_does_not_happen_is_said() {
        let mut app = app();
        let reason = Failure { code: "not_admin".into(), message: "only an admin may do this".into() };
        let change = mbolo_client_api::Change::Rename;
        app.on_update(
            Update::ChangeFailed { room: "Family".into(), change, members: Vec::new(), reason },
            NOW,
        );
        let (sentence, bad, _) = app.notice.clone().unwrap();
        assert!(bad && sentence.contains("not renamed") && sentence.contains("Only an admin"), "{sentence}");
    }

    #[test]
    fn a_group_without_a_name_is_listed_by_who_is_in_it() {
        let mut app = app();
        let nameless = Chat { name: String::new(), ..chat("R", 0) };
        let asks = app.on_update(Update::Chat { chat: nameless.clone() }, NOW);
        assert_eq!(asks, [members("R")]);
        let awa = Member { account: "A".into(), name: "Awa".into(), handle: None, admin: true, me: false };
        app.on_reply(Purpose::Members("R".into()), Ok(Reply::Members { members: vec![awa] }), NOW);
        assert_eq!(app.title(&nameless), "Awa");
        assert_eq!(app.on_update(Update::Chat { chat: nameless }, NOW), []);
    }

    #[test]
    fn commands_that_are_none_are_not_sent_as_text() {
        let mut app = app();
        type_text(&mut app, "/nwe @awa");
        assert_eq!(press(&mut app, KeyCode::Enter), []);
        assert_eq!(app.composer.text(), "/nwe @awa", "it can be corrected");
    }

    #[test]
    fn the_list_finds_chats_and_begins_new_ones() {
        let mut app = app();
        press(&mut app, KeyCode::Esc);
        type_text(&mut app, "wor");
        assert_eq!(app.listed().len(), 1);
        press(&mut app, KeyCode::Enter);
        assert_eq!(app.open.as_ref().map(|open| open.room.as_str()), Some("Work"));
        press(&mut app, KeyCode::Esc);
        type_text(&mut app, "@awa");
        assert_eq!(requests(press(&mut app, KeyCode::Enter)), [Request::StartChat { handle: "awa".into() }]);
    }
}
