//! `mbolo room`: one's chats and who is in them.

use clap::Subcommand;
use mbolo_client_api::{Chat, ChatKind, Member, Membership, Message, Reply, Request, Update};
use tokio::time::Instant;
use unicode_width::UnicodeWidthStr;

use super::{say, say_json};
use crate::cli::ClientArgs;
use crate::problem::{Exit, Problem};
use crate::runtime::{Updates, now_ms};
use crate::session::{Patience, Session, Unfound, deadline, find_member, parse_handle, short_id, unexpected};
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
    /// Seconds to wait for the cell
    #[arg(long, default_value_t = 30, value_name = "SECONDS", global = true)]
    timeout: u64,
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
    let command = Room { session: &session, until: deadline(args.timeout), json: args.json };
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
                self.session.reach_cell(Patience::WhileReachable(self.until)).await?;
                self.change(&room, |room| Request::AddMembers { room, handles }).await
            }
            What::Remove { room, member } => {
                let (room, account) = self.member(&room, &member).await?;
                self.change(&room, |room| Request::RemoveMember { room, account }).await
            }
            What::Promote { room, member } => {
                let (room, account) = self.member(&room, &member).await?;
                self.change(&room, |room| Request::SetAdmin { room, account, admin: true }).await
            }
            What::Demote { room, member } => {
                let (room, account) = self.member(&room, &member).await?;
                self.change(&room, |room| Request::SetAdmin { room, account, admin: false }).await
            }
            What::Rename { room, name } => {
                self.change(&room, |room| Request::RenameGroup { room, name }).await
            }
            What::Leave { room } => self.change(&room, |room| Request::LeaveGroup { room }).await,
            What::History { room, limit, before } => self.history(&room, limit, before).await,
        }
    }

    async fn list(&self, ids: bool) -> Result<(), Problem> {
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
        let patience = Patience::WhileReachable(self.until);
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
        let chat = self.session.find_existing(room, Patience::WhileReachable(self.until)).await?;
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
        let chat = self.session.find_existing(room, Patience::WhileReachable(self.until)).await?;
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

    /// Asks for a change of a room and waits until the cell has accepted it.
    async fn change(&self, room: &str, request: impl FnOnce(String) -> Request) -> Result<(), Problem> {
        let chat = self.session.find_existing(room, Patience::WhileReachable(self.until)).await?;
        let mut updates = self.session.updates().await;
        self.session.ask_cell(request(chat.room.clone()), Patience::WhileReachable(self.until)).await?;
        let chat = self.settled(&chat.room, &mut updates).await?;
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

    /// Room id and account id of a member whom a person means.
    async fn member(&self, room: &str, who: &str) -> Result<(String, String), Problem> {
        let chat = self.session.find_existing(room, Patience::WhileReachable(self.until)).await?;
        let members = self.session.members(&chat.room).await?;
        match find_member(&members, who) {
            Ok(account) => Ok((chat.room, account)),
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
