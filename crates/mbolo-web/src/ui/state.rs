//! What the page shows, as signals, and how news from the engine changes it.

use std::collections::BTreeMap;

use leptos::prelude::*;
use leptos::task::spawn_local;
use mbolo_client_api::tabs::StartProblem;
use mbolo_client_api::{
    Account, Change, Chat, ChatKind, Connection, Failure, Member, Message, Reply, Request, Update as Heard,
};
use mbolo_isitme::Diagnosis;

use super::dom;
use super::engine::{self, News};
use crate::model::chats::Chats;
use crate::model::link;
use crate::model::names;
use crate::model::route::Route;
use crate::model::timeline::Timeline;
use crate::model::typing::Typing;
use crate::texts::{Language, language, t_failure, t_with};

/// Messages asked for at a time.
const PAGE: u32 = 80;

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// As the device says.
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

/// Where the engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineState {
    /// On its way.
    Starting,
    /// Open.
    Ready,
    /// Another tab has it and does not answer.
    Elsewhere,
    /// It cannot start.
    Failed(StartProblem, String),
}

/// Whether there is an account on this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountState {
    /// The engine has not said yet; this browser had one before, or not.
    Unknown {
        /// It had one.
        likely: bool,
    },
    /// None.
    Absent,
    /// This one.
    Present(Account),
}

/// What lies over the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sheet {
    /// Start a chat; the handle may be known already.
    NewChat(String),
    /// Really begin the chat of an invite link; the handle in it.
    Invited(String),
    /// Make a group.
    NewGroup,
    /// Add members to the open group.
    AddMember,
    /// One's own account and the app's settings.
    Settings,
    /// The recovery phrase.
    Recovery,
    /// Who has got a message.
    MessageInfo(String),
    /// Send a message on to another chat.
    Forward(String),
    /// Really delete a message for everyone.
    Delete(String),
    /// Really leave the open group.
    Leave,
    /// Really remove a member from it.
    Remove(Member),
    /// Really forget everything on this device.
    SignOut,
}

/// What the composer is about to send.
#[derive(Debug, Clone, PartialEq)]
pub enum Composing {
    /// A new message.
    New,
    /// An answer.
    Reply(Message),
    /// Another text for an own message.
    Edit(Message),
}

/// Everything the page shows.
#[derive(Clone, Copy)]
pub struct App {
    /// Language; the page is drawn anew when it changes.
    pub language: RwSignal<Language>,
    /// Light or dark.
    pub theme: RwSignal<Theme>,
    /// Where the engine is.
    pub engine: RwSignal<EngineState>,
    /// One's own account.
    pub account: RwSignal<AccountState>,
    /// The way to the cell.
    pub connection: RwSignal<Connection>,
    /// Why there is no way to the cell, once that was looked into.
    pub diagnosis: RwSignal<Option<Diagnosis>>,
    /// The chat list; none before it has arrived.
    pub chats: RwSignal<Option<Chats>>,
    /// Where one is.
    pub route: RwSignal<Route>,
    /// The open conversation.
    pub timeline: RwSignal<Timeline>,
    /// Whether older messages are on their way.
    pub loading_older: RwSignal<bool>,
    /// Members of the open room.
    pub members: RwSignal<Vec<Member>>,
    /// Members of groups that have no name: they are called after them.
    pub unnamed: RwSignal<BTreeMap<String, Vec<Member>>>,
    /// Who types.
    pub typing: RwSignal<Typing>,
    /// What lies over the page.
    pub sheet: RwSignal<Option<Sheet>>,
    /// A sentence at the bottom of the page, for a while.
    pub notice: RwSignal<Option<String>>,
    /// What the composer is about.
    pub composing: RwSignal<Composing>,
    /// The message whose menu is open.
    pub menu: RwSignal<Option<String>>,
    /// Whether the reminder to save the recovery phrase is shown.
    pub remind_recovery: RwSignal<bool>,
    /// Whether the newest message is in view.
    pub at_end: RwSignal<bool>,
}

impl App {
    /// The app of this page.
    pub fn new() -> Self {
        let theme = match dom::setting("theme").as_deref() {
            Some("light") => Theme::Light,
            Some("dark") => Theme::Dark,
            _ => Theme::System,
        };
        let fragment = dom::window().location().hash().unwrap_or_default();
        Self {
            language: RwSignal::new(language()),
            theme: RwSignal::new(theme),
            engine: RwSignal::new(EngineState::Starting),
            account: RwSignal::new(AccountState::Unknown { likely: dom::setting("known").is_some() }),
            connection: RwSignal::new(Connection::Idle),
            diagnosis: RwSignal::new(None),
            chats: RwSignal::new(None),
            route: RwSignal::new(Route::parse(&fragment)),
            timeline: RwSignal::new(Timeline::default()),
            loading_older: RwSignal::new(false),
            members: RwSignal::new(Vec::new()),
            unnamed: RwSignal::new(BTreeMap::new()),
            typing: RwSignal::new(Typing::default()),
            sheet: RwSignal::new(None),
            notice: RwSignal::new(None),
            composing: RwSignal::new(Composing::New),
            menu: RwSignal::new(None),
            remind_recovery: RwSignal::new(dom::setting("recovery").as_deref() == Some("remind")),
            at_end: RwSignal::new(true),
        }
    }

    /// The account, when there is one.
    pub fn me(&self) -> Option<Account> {
        match self.account.get() {
            AccountState::Present(account) => Some(account),
            _ => None,
        }
    }

    /// The open chat.
    pub fn chat(&self) -> Option<Chat> {
        let room = self.route.with(|route| route.room().map(str::to_owned))?;
        self.chats.with(|chats| chats.as_ref().and_then(|chats| chats.get(&room).cloned()))
    }

    /// The open chat, without listening to changes.
    pub fn chat_now(&self) -> Option<Chat> {
        untrack(|| self.chat())
    }

    /// What a chat is called.
    pub fn name_of(&self, chat: &Chat) -> String {
        if has_name(chat) {
            return chat.name.clone();
        }
        match &chat.peer {
            Some(peer) => self.called(peer),
            None => self
                .unnamed
                .with(|unnamed| names::group(unnamed.get(&chat.room).map(Vec::as_slice).unwrap_or_default())),
        }
    }

    /// What a person is called. What happened long ago may not know them by name; the people one sees now are asked too.
    pub fn called(&self, person: &Member) -> String {
        let fits = |member: &&Member| member.account == person.account;
        self.members.with(|members| names::person(person, members.iter().find(fits)))
    }

    /// The account, without listening to changes.
    pub fn me_now(&self) -> Option<Account> {
        untrack(|| self.me())
    }

    /// The open room's id, without listening to changes.
    pub fn room_now(&self) -> Option<String> {
        self.route.with_untracked(|route| route.room().map(str::to_owned))
    }

    /// Goes somewhere; the way back leads here.
    pub fn go(&self, route: Route) {
        let _ = dom::window().location().set_hash(&route.fragment());
    }

    /// Shows a sentence for a while.
    pub fn tell(&self, sentence: String) {
        const SHOWN_MS: i32 = 6_000;
        let notice = self.notice;
        notice.set(Some(sentence.clone()));
        dom::after(SHOWN_MS, move || {
            if notice.with_untracked(|shown| shown.as_ref() == Some(&sentence)) {
                notice.set(None);
            }
        });
    }

    /// Says why something was refused.
    pub fn tell_failure(&self, failure: &Failure) {
        self.tell(t_failure(&failure.code, &failure.message));
    }

    /// Asks the engine for something whose result shows by itself; a refusal is told.
    pub fn ask(&self, request: Request) {
        let app = *self;
        spawn_local(async move {
            if let Err(failure) = engine::call(request).await {
                app.tell_failure(&failure);
            }
        });
    }

    /// Takes news from the engine.
    pub fn hear(&self, news: News) {
        match news {
            News::Ready { again } => {
                self.engine.set(EngineState::Ready);
                let app = *self;
                spawn_local(async move { app.load(again).await });
            }
            News::Failed(problem, detail) => self.engine.set(EngineState::Failed(problem, detail)),
            News::SignedOut => {
                dom::clear_settings();
                let _ = dom::window().location().set_href("/");
            }
            News::Update(change) => self.take(*change),
        }
    }

    async fn load(&self, again: bool) {
        match engine::call(Request::GetAccount).await {
            Ok(Reply::Account { account }) => self.signed_in(account),
            Err(failure) if failure.code == "no_account" => {
                dom::set_setting("known", None);
                self.account.set(AccountState::Absent);
                return;
            }
            Ok(_) => return,
            Err(failure) => return self.tell_failure(&failure),
        }
        if again && let Some(room) = self.room_now() {
            self.load_newest(&room).await;
        }
    }

    /// There is an account: fetches what it sees.
    pub fn signed_in(&self, account: Account) {
        dom::set_setting("known", Some("1"));
        self.account.set(AccountState::Present(account));
        let app = *self;
        spawn_local(async move {
            if let Ok(Reply::Connection { connection }) = engine::call(Request::GetConnection).await {
                app.connection.set(connection);
            }
            if let Ok(Reply::Chats { chats }) = engine::call(Request::ListChats).await {
                for chat in &chats {
                    app.learn_members(chat);
                }
                app.chats.set(Some(Chats::new(chats)));
            }
            app.follow_invite().await;
        });
    }

    /// Opens the chat of the invite link this page was opened with. A new one is asked about: it tells a stranger who one
    /// is, and any page can have led here.
    async fn follow_invite(&self) {
        let Some(handle) = dom::setting("invite") else { return };
        dom::set_setting("invite", None);
        let mine = self.me_now().is_some_and(|me| me.handle == handle);
        let is_known = self.chats.with_untracked(|chats| {
            let mut peers = chats.iter().flat_map(Chats::iter).filter_map(|chat| chat.peer.as_ref());
            peers.any(|peer| peer.handle.as_ref() == Some(&handle))
        });
        if is_known {
            self.start_chat(handle).await;
        } else if !mine {
            self.sheet.set(Some(Sheet::Invited(handle)));
        }
    }

    /// Finds or makes the chat with a handle and opens it.
    pub async fn start_chat(&self, handle: String) {
        match engine::call(Request::StartChat { handle: handle.clone() }).await {
            Ok(Reply::Chat { chat }) => self.open_new(chat),
            Ok(_) => {}
            Err(failure) => {
                self.tell_failure(&failure);
                self.sheet.set(Some(Sheet::NewChat(handle)));
            }
        }
    }

    /// Shows a chat that was just made.
    pub fn open_new(&self, chat: Chat) {
        let room = chat.room.clone();
        self.put_chat(chat);
        self.sheet.set(None);
        self.go(Route::Chat { room, details: false });
    }

    /// A room was opened: fetches its newest messages and members.
    pub fn open_room(&self, room: String) {
        self.timeline.set(Timeline::default());
        self.members.set(Vec::new());
        self.composing.set(Composing::New);
        self.menu.set(None);
        self.at_end.set(true);
        let app = *self;
        spawn_local(async move {
            app.load_newest(&room).await;
            if let Ok(Reply::Members { members }) =
                engine::call(Request::ListMembers { room: room.clone() }).await
                && app.room_now().as_deref() == Some(&room)
            {
                app.members.set(members);
            }
        });
    }

    async fn load_newest(&self, room: &str) {
        let request = Request::GetMessages { room: room.to_owned(), before: None, limit: PAGE };
        let answer = engine::call(request).await;
        if self.room_now().as_deref() != Some(room) {
            return;
        }
        match answer {
            Ok(Reply::Messages { messages, more }) => {
                let unread = self
                    .chats
                    .with_untracked(|chats| chats.as_ref().and_then(|c| c.get(room)).map_or(0, |c| c.unread));
                self.timeline.update(|timeline| {
                    let first_time = !timeline.loaded;
                    timeline.put_newest(messages, more);
                    if first_time {
                        timeline.mark_unread(unread);
                    }
                });
                // Once it is known whether the end is in view.
                let app = *self;
                dom::before_paint(move || app.mark_read());
            }
            Ok(_) => {}
            Err(failure) => self.tell_failure(&failure),
        }
    }

    /// Fetches the page before the oldest known message.
    pub fn load_older(&self) {
        let wanted = self.timeline.with_untracked(|timeline| timeline.loaded && timeline.more);
        let (Some(room), true, false) = (self.room_now(), wanted, self.loading_older.get_untracked()) else {
            return;
        };
        self.loading_older.set(true);
        let before = self.timeline.with_untracked(Timeline::oldest);
        let app = *self;
        spawn_local(async move {
            let answer = engine::call(Request::GetMessages { room: room.clone(), before, limit: PAGE }).await;
            if let Ok(Reply::Messages { messages, more }) = answer
                && app.room_now() == Some(room)
            {
                app.timeline.update(|timeline| timeline.put_page(messages, more));
            }
            app.loading_older.set(false);
        });
    }

    /// Tells the engine that the open chat has been seen, if a person can see it.
    pub fn mark_read(&self) {
        let visible = dom::document().visibility_state() == web_sys::VisibilityState::Visible;
        let Some(room) = self.room_now() else { return };
        let unread = self
            .chats
            .with_untracked(|chats| chats.as_ref().and_then(|c| c.get(&room)).is_some_and(|c| c.unread > 0));
        let up_to = self.timeline.with_untracked(|timeline| timeline.newest().map(|newest| newest.position));
        if visible && unread && self.at_end.get_untracked() && self.timeline.with_untracked(|t| t.loaded) {
            spawn_local(async move {
                let _ = engine::call(Request::MarkRead { room, up_to }).await;
            });
        }
    }

    /// Asks who is in a group that has no name.
    fn learn_members(&self, chat: &Chat) {
        if has_name(chat) || chat.kind == ChatKind::Direct {
            return;
        }
        let (app, room) = (*self, chat.room.clone());
        spawn_local(async move {
            if let Ok(Reply::Members { members }) =
                engine::call(Request::ListMembers { room: room.clone() }).await
            {
                app.unnamed.update(|unnamed| {
                    unnamed.insert(room, members);
                });
            }
        });
    }

    fn put_chat(&self, chat: Chat) {
        if !self.unnamed.with_untracked(|unnamed| unnamed.contains_key(&chat.room)) {
            self.learn_members(&chat);
        }
        self.chats.update(|chats| chats.get_or_insert_default().put(chat));
    }

    fn take(&self, heard: Heard) {
        match heard {
            Heard::Account { account } => self.account.set(AccountState::Present(account)),
            Heard::Connection { connection } => self.connection.set(connection),
            Heard::Chat { chat } => {
                // Before the list has arrived, one chat would look like all of them.
                if self.chats.with_untracked(Option::is_some) {
                    self.put_chat(chat);
                    self.mark_read();
                }
            }
            Heard::Message { room, message } => {
                if self.room_now().as_deref() == Some(&room) {
                    self.timeline.update(|timeline| {
                        timeline.put(message);
                    });
                }
            }
            Heard::Removed { room, message } => {
                if self.room_now().as_deref() == Some(&room) {
                    self.timeline.update(|timeline| timeline.remove(&message));
                }
            }
            Heard::Typing { room, account, name, active } => {
                self.typing.update(|typing| typing.set(&room, &account, &name, active, dom::now_ms()));
            }
            Heard::Members { room, members } => {
                if self.unnamed.with_untracked(|unnamed| unnamed.contains_key(&room)) {
                    self.unnamed.update(|unnamed| {
                        unnamed.insert(room.clone(), members.clone());
                    });
                }
                if self.room_now().as_deref() == Some(&room) {
                    self.members.set(members);
                }
            }
            Heard::ChangeFailed { room, change, members, reason } => {
                self.tell_change_failed(&room, change, members, &reason);
            }
        }
    }

    /// A change of a group will not happen: says which, and why.
    fn tell_change_failed(&self, room: &str, change: Change, members: Vec<Member>, reason: &Failure) {
        let group = self.chats.with_untracked(|chats| {
            chats.as_ref().and_then(|chats| chats.get(room)).map(|chat| untrack(|| self.name_of(chat)))
        });
        let names: Vec<String> = members.iter().map(|member| untrack(|| self.called(member))).collect();
        let args = [
            ("group", group.unwrap_or_default().into()),
            ("names", names.into()),
            ("reason", t_failure(&reason.code, &reason.message).into()),
        ];
        self.tell(match change {
            Change::Add => t_with("change-failed-add", &args),
            Change::Remove => t_with("change-failed-remove", &args),
            Change::Promote => t_with("change-failed-promote", &args),
            Change::Demote => t_with("change-failed-demote", &args),
            Change::Rename => t_with("change-failed-rename", &args),
        });
    }

    /// One's own invite link.
    pub fn invite_link(&self) -> Option<String> {
        let origin = dom::window().location().origin().ok()?;
        Some(link::invite_link(&origin, &self.me()?.handle))
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a chat has a name of its own; a direct one is called after the other person, as far as they are known.
fn has_name(chat: &Chat) -> bool {
    chat.peer.is_none() && !chat.name.is_empty()
}

/// The app, from anywhere in the page.
pub fn app() -> App {
    expect_context::<App>()
}
