//! `mbolo room`: one's chats and who is in them.

use clap::Subcommand;
use mbolo_client_api::{Chat, ChatKind, Connection, Member, Membership, Message, Reply, Request, Update};
use tokio::time::Instant;
use unicode_width::UnicodeWidthStr;

use super::{say, say_json};
use crate::cli::ClientArgs;
use crate::problem::{Exit, Problem, WHO_IS_ADMIN};
use crate::runtime::{Updates, now_ms};
use crate::session::{
    Patience, SHORTLY, Session, Unfound, deadline, find_member, parse_handle, short_id, unexpected,
};
use crate::{style, text};

/// `mbolo room …`
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  mbolo room list
  mbolo room create Family awa bibi
  mbolo room add Family charlotte
  mbolo room promote Family awa
  mbolo room history Family --limit 50

ROOM is a group's name, a person's @handle, a room id (`room list --ids` shows them) or id: and its beginning.")]
pub struct Args {
    /// Seconds to wait for the cell [default: 30; 5 for list, show and history, which then show what is known here]
    #[arg(long, value_name = "SECONDS", global = true)]
    timeout: Option<u64>,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List your chats, the newest first
    List {
        /// Show room ids as well
        #[arg(long)]
        ids: bool,
    },
    /// Create a group
    Create {
        /// Its name
        name: String,
        /// Handles of its first members
        handles: Vec<String>,
    },
    /// Show a room and who is in it
    Show {
        /// Which room
        room: String,
    },
    /// Add people to a group
    Add {
        /// Which room
        room: String,
        /// Their handles
        #[arg(required = true)]
        handles: Vec<String>,
    },
    /// Remove someone from a group
    Remove {
        /// Which room
        room: String,
        /// Their handle, name or account id
        member: String,
    },
    /// Make someone an admin
    Promote {
        /// Which room
        room: String,
        /// Their handle, name or account id
        member: String,
    },
    /// Take the admin role back from someone
    Demote {
        /// Which room
        room: String,
        /// Their handle, name or account id
        member: String,
    },
    /// Rename a group
    Rename {
        /// Which room
        room: String,
        /// The new name
        name: String,
    },
    /// Leave a group
    Leave {
        /// Which room
        room: String,
    },
    /// Print what was said
    History {
        /// Which room
        room: String,
        /// How many messages, counted from the newest
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Only messages before this position (from --json)
        #[arg(long, value_name = "POSITION")]
        before: Option<u64>,
    },
}

/// Runs the command.
pub async fn run(args: Args) -> Result<(), Problem> {
    let (session, _) = Session::with_account(&args.client).await?;
    let usual = match args.what {
        What::List { .. } | What::Show { .. } | What::History { .. } => SHORTLY,
        _ => 30,
    };
    let until = deadline(args.timeout.unwrap_or(usual));
    let command = Room { session: &session, until, json: args.json };
    let outcome = command.run(args.what).await;
    session.close().await;
    outcome
}

struct Room<'a> {
    session: &'a Session,
    until: Instant,
    json: bool,
}

impl Room<'_> {
    async fn run(&self, what: What) -> Result<(), Problem> {
        match what {
            What::List { ids } => self.list(ids).await,
            What::Create { name, handles } => self.create(name, handles).await,
            What::Show { room } => self.show(&room).await,
            What::Add { room, handles } => {
                let handles = handles.iter().map(|handle| parse_handle(handle)).collect::<Result<_, _>>()?;
                self.session.reach_cell(self.patience()).await?;
                let chat = self.find(&room).await?;
                self.change(&room, chat, |room| Request::AddMembers { room, handles }).await
            }
            What::Remove { room, member } => {
                let (chat, account) = self.find_member(&room, &member).await?;
                self.change(&room, chat, |room| Request::RemoveMember { room, account }).await
            }
            What::Promote { room, member } => {
                let (chat, account) = self.find_member(&room, &member).await?;
                self.change(&room, chat, |room| Request::SetAdmin { room, account, admin: true }).await
            }
            What::Demote { room, member } => {
                let (chat, account) = self.find_member(&room, &member).await?;
                self.change(&room, chat, |room| Request::SetAdmin { room, account, admin: false }).await
            }
            What::Rename { room, name } => {
                let chat = self.find(&room).await?;
                self.change(&room, chat, |room| Request::RenameGroup { room, name }).await
            }
            What::Leave { room } => {
                let chat = self.find(&room).await?;
                self.change(&room, chat, |room| Request::LeaveGroup { room }).await
            }
            What::History { room, limit, before } => self.history(&room, limit, before).await,
        }
    }

    fn patience(&self) -> Patience {
        Patience::WhileReachable(self.until)
    }

    /// Brings up to date what is going to be shown, or says that it is not.
    async fn refresh(&self) {
        let Err(problem) = self.session.catch_up(self.patience()).await else { return };
        match self.session.connection() {
            Connection::Online | Connection::CatchingUp => {
                eprintln!("mbolo: Not everything that was missed is here yet.");
            }
            _ => eprintln!("mbolo: {} What is shown is as of the last time online.", problem.what),
        }
    }

    async fn list(&self, ids: bool) -> Result<(), Problem> {
        self.refresh().await;
        let chats = self.session.chats().await?;
        if chats.is_empty() && !self.json {
            return say(format_args!(
                "No chats yet. Begin one with: mbolo send @HANDLE TEXT{}",
                self.session.flag
            ));
        }
        for chat in &chats {
            if self.json {
                say_json(&ShownChat { chat })?;
            } else {
                say(list_line(chat, &self.session.title(chat).await?, ids))?;
            }
        }
        Ok(())
    }

    async fn create(&self, name: String, handles: Vec<String>) -> Result<(), Problem> {
        let handles = handles.iter().map(|handle| parse_handle(handle)).collect::<Result<Vec<_>, _>>()?;
        let patience = self.patience();
        self.session.reach_cell(patience).await?;
        let mut updates = self.session.updates().await;
        let chat = match self.session.ask_cell(Request::CreateGroup { name, handles }, patience).await? {
            Reply::Chat { chat } => self.settled(&chat.room, &mut updates).await?,
            other => return Err(unexpected(&other)),
        };
        if self.json {
            say_json(&ShownChat { chat: &chat })
        } else {
            say(format_args!(
                "{} is ready: {} in it. {}",
                style::bold(&text::clean_line(&chat.name)),
                people(chat.member_count),
                style::dim(&chat.room)
            ))
        }
    }

    async fn show(&self, room: &str) -> Result<(), Problem> {
        self.refresh().await;
        let chat = self.session.find_existing(room, self.patience()).await?;
        let members = self.session.members(&chat.room).await?;
        if self.json {
            return say_json(&ShownRoom { chat: &chat, members: &members });
        }
        say(format_args!("{}  {}", style::bold(&text::title(&chat, &members)), style::dim(&chat.room)))?;
        let standing = match chat.membership {
            Membership::Joining => "you are joining",
            Membership::Member if chat.admin => "you are an admin",
            Membership::Member => "you are a member",
            Membership::Left => "you have left",
            Membership::Removed => "you were removed",
        };
        let waiting = if chat.waiting { "; a change waits for the cell" } else { "" };
        say(format_args!("{}, {standing}{waiting}", people(chat.member_count)))?;
        for member in &members {
            let handle = member.handle.as_deref().map_or_else(String::new, |handle| format!("  @{handle}"));
            let marks = match (member.admin, member.me) {
                (true, true) => "  (you, admin)",
                (true, false) => "  (admin)",
                (false, true) => "  (you)",
                (false, false) => "",
            };
            say(format_args!("  {}{handle}{}", text::clean_line(&member.name), style::dim(marks)))?;
        }
        Ok(())
    }

    async fn history(&self, room: &str, limit: u32, before: Option<u64>) -> Result<(), Problem> {
        self.refresh().await;
        let chat = self.session.find_existing(room, self.patience()).await?;
        let mut wanted: Vec<Message> = Vec::new();
        let mut before = before;
        while wanted.len() < limit as usize {
            let page = (limit - wanted.len() as u32).min(200);
            let request = Request::GetMessages { room: chat.room.clone(), before, limit: page };
            let (mut messages, more) = match self.session.ask(request).await? {
                Reply::Messages { messages, more } => (messages, more),
                other => return Err(unexpected(&other)),
            };
            before = messages.first().map(|message| message.position);
            messages.append(&mut wanted);
            wanted = messages;
            if !more || before.is_none() {
                break;
            }
        }
        let members = self.session.members(&chat.room).await?;
        let mut shown_day = String::new();
        for message in &mut wanted {
            text::name_people(message, &members);
            if self.json {
                say_json(&ShownMessage { room: &chat.room, message })?;
                continue;
            }
            let day = text::day(message.at_ms, now_ms());
            if day != shown_day {
                say(style::dim(&format!("— {day} —")))?;
                shown_day = day;
            }
            say(history_line(message))?;
        }
        Ok(())
    }

    /// Asks for a change of a chat, which the person called `target`, and waits until the cell has accepted it.
    async fn change(
        &self,
        target: &str,
        chat: Chat,
        request: impl FnOnce(String) -> Request,
    ) -> Result<(), Problem> {
        let mut updates = self.session.updates().await;
        let changed = async {
            match request(chat.room.clone()) {
                // Only the cell knows who has a handle.
                request @ Request::AddMembers { .. } => {
                    self.session.ask_cell(request, self.patience()).await?
                }
                request => self.session.ask(request).await?,
            };
            self.settled(&chat.room, &mut updates).await
        };
        let chat = changed.await.map_err(|problem| match problem.next.as_deref() {
            Some(WHO_IS_ADMIN) => problem.next(format!(
                "`mbolo room show \"{target}\"{}` says who is an admin and can do it.",
                self.session.flag
            )),
            _ => problem,
        })?;
        if self.json { say_json(&ShownChat { chat: &chat }) } else { Ok(()) }
    }

    /// The room once no change waits for the cell, or why one does not happen.
    async fn settled(&self, room: &str, updates: &mut Updates) -> Result<Chat, Problem> {
        let kept = "The change is kept and made the next time this profile is online.";
        let done = self.session.hand_over(Patience::Until(self.until));
        tokio::pin!(done);
        loop {
            tokio::select! {
                biased;
                Some(update) = updates.next() => {
                    if let Some(problem) = refusal(&update, room) {
                        return Err(problem);
                    }
                }
                handed_over = &mut done => {
                    handed_over.map_err(|problem| problem.next(kept))?;
                    break;
                }
            }
        }
        // What led to that has been announced before.
        while let Some(update) = updates.waiting() {
            if let Some(problem) = refusal(&update, room) {
                return Err(problem);
            }
        }
        self.session.chat(room).await
    }

    /// The chat that a person wants to change, as it is now: what is known from the last time online would refuse what
    /// others have allowed since.
    async fn find(&self, target: &str) -> Result<Chat, Problem> {
        self.session.find_newest(target, self.patience()).await
    }

    /// Chat and account id of a member whom a person means.
    async fn find_member(&self, room: &str, who: &str) -> Result<(Chat, String), Problem> {
        let chat = self.find(room).await?;
        let members = self.session.members(&chat.room).await?;
        match find_member(&members, who) {
            Ok(account) => Ok((chat, account)),
            Err(Unfound::Nobody) => Err(Problem::new(
                Exit::Refused,
                format!("Nobody called “{who}” is in {}.", text::title(&chat, &members)),
            )
            .next(format!("`mbolo room show \"{room}\"{}` lists who is.", self.session.flag))),
            Err(Unfound::Several) => {
                Err(Problem::new(Exit::Refused, format!("Several people in the room are called “{who}”."))
                    .next("Say who by the handle."))
            }
        }
    }
}

/// Why a change of this room does not happen, if the update says so.
fn refusal(update: &Update, of: &str) -> Option<Problem> {
    match update {
        Update::ChangeFailed { room, change, members, reason } if room == of => {
            let problem = Problem::from(reason.clone());
            let what = format!("{} {}", text::unchanged(*change, members), problem.what);
            Some(Problem { exit: Exit::Refused, what, ..problem })
        }
        _ => None,
    }
}

#[derive(serde::Serialize)]
struct ShownChat<'a> {
    chat: &'a Chat,
}

#[derive(serde::Serialize)]
struct ShownRoom<'a> {
    chat: &'a Chat,
    members: &'a [Member],
}

#[derive(serde::Serialize)]
struct ShownMessage<'a> {
    room: &'a str,
    message: &'a Message,
}

fn people(count: u32) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

fn list_line(chat: &Chat, title: &str, ids: bool) -> String {
    let name = text::shorten(title, 24);
    let padding = " ".repeat(24 - name.width().min(24));
    let unread =
        if chat.unread > 0 { style::green(&format!("{:>3} new", chat.unread)) } else { " ".repeat(7) };
    let what = match (&chat.membership, &chat.kind) {
        (Membership::Left, _) => "you have left".to_owned(),
        (Membership::Removed, _) => "you were removed".to_owned(),
        (Membership::Joining, _) => "joining…".to_owned(),
        (Membership::Member, ChatKind::Group) => people(chat.member_count),
        (Membership::Member, ChatKind::Direct) => chat
            .peer
            .as_ref()
            .and_then(|peer| peer.handle.as_ref())
            .map_or_else(String::new, |handle| format!("@{handle}")),
    };
    let id = match ids {
        true => format!("  {}", chat.room),
        // Its title is no address.
        false if text::is_nameless(chat) => format!("  {}", short_id(chat)),
        false => String::new(),
    };
    let when = text::moment(chat.last_activity_ms, now_ms());
    format!(
        "{}{padding}  {unread}  {}  {what}{}",
        style::bold(&name),
        style::dim(&format!("{when:>10}")),
        style::dim(&id)
    )
}

fn history_line(message: &Message) -> String {
    let name = if message.sender.me { "You".to_owned() } else { text::person(&message.sender) };
    let time = style::dim(&text::time_of_day(message.at_ms));
    let mut line = match &message.body {
        mbolo_client_api::Body::Event { .. } => format!("{time}  {}", style::dim(&text::body(message))),
        _ => format!("{time}  {}: {}", style::bold(&name), text::body(message).replace('\n', "\n       ")),
    };
    if message.edited {
        line.push_str(&style::dim(" (edited)"));
    }
    if !message.reactions.is_empty() {
        let emojis: String =
            message.reactions.iter().map(|reaction| text::clean_line(&reaction.emoji)).collect();
        line.push_str(&format!("  {emojis}"));
    }
    if let Some(state) = message.state {
        line.push_str(&style::dim(&format!("  {} {}", text::tick(state), text::state_word(state))));
    }
    line
}
