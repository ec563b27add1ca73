//! `mbolo listen`: what comes in, one line each.
//!
//! First the messages that are unread, then everything as it happens. With `--mark-read` what has been
//! printed counts as read, so a script that is killed and started again goes on where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mbolo_client_api::{Body, Chat, ChatKind, Connection, Message, OfflineReason, Reply, Request, Update};

use super::{say, say_json};
use crate::cli::ClientArgs;
use crate::problem::{Exit, Problem};
use crate::session::{Patience, Session, deadline, unexpected};
use crate::{style, text};

/// Shown by `mbolo listen --help`.
pub const EXAMPLES: &str = "\
Examples:
  mbolo listen                                  read along
  mbolo listen --json --mark-read               feed a script; what is printed counts as read
  mbolo listen --json --count 1 --room @awa     wait for one message from Awa
  mbolo listen --until-idle --mark-read         fetch what is there, then end

With --json every line is an object with the fields `v` (now 1) and `update`: account, chat, message, removed,
typing, members or connection. docs/terminal.md describes them.";

/// How long nothing must have happened after everything missed is here.
const IDLE: Duration = Duration::from_millis(400);

/// The engine's page of messages.
const PAGE: u32 = 200;

/// `mbolo listen …`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Only these rooms (@handle, name or id; may be repeated)
    #[arg(long, value_name = "ROOM_OR_HANDLE")]
    room: Vec<String>,
    /// What has been printed counts as read
    #[arg(long)]
    mark_read: bool,
    /// End after so many messages of others; with --mark-read, those that have come already are printed too
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End when everything that was missed is here and everything written is sent
    #[arg(long)]
    until_idle: bool,
    /// End with exit code 8 after so many seconds, if nothing else ended it
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    #[command(flatten)]
    client: ClientArgs,
}

/// Runs the command.
pub async fn run(args: Args) -> Result<(), Problem> {
    let (session, _) = Session::with_account(&args.client).await?;
    let mut rooms = BTreeSet::new();
    for target in &args.room {
        rooms.insert(session.find_existing(target, Patience::seconds(30)).await?.room);
    }
    let mut updates = session.updates().await;
    let mut printer = Printer {
        args: &args,
        session: &session,
        rooms,
        printed: BTreeMap::new(),
        counted: 0,
        unmarked: BTreeMap::new(),
    };
    let mut outcome = printer.catch_up().await;
    // Without --timeout only a refusal of the cell ends the waiting.
    let patience = Patience::Until(deadline(args.timeout.unwrap_or(u64::MAX)));
    let gives_up = session.gives_up(patience);
    tokio::pin!(gives_up);
    while outcome.is_ok() && !printer.has_enough() {
        let quiet = async {
            if !args.until_idle {
                return std::future::pending().await;
            }
            loop {
                tokio::time::sleep(IDLE).await;
                if session.has_handed_over().await {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            update = updates.next() => match update {
                Some(update) => outcome = printer.print(&update).await,
                None => outcome = Err(Problem::unexpected("The client engine has ended.")),
            },
            () = quiet => break,
            problem = &mut gives_up => {
                outcome = Err(match problem.exit {
                    Exit::Unreachable | Exit::TimedOut => Problem::new(Exit::TimedOut, "Time is up."),
                    _ => problem,
                });
            }
        }
    }
    session.close().await;
    outcome
}

struct Printer<'a> {
    args: &'a Args,
    session: &'a Session,
    rooms: BTreeSet<String>,
    /// Messages printed in this run, as printed last.
    printed: BTreeMap<(String, String), Message>,
    counted: u64,
    /// Messages printed and not yet marked as read, by room.
    unmarked: BTreeMap<String, u64>,
}

impl Printer<'_> {
    /// Prints what is unread.
    async fn catch_up(&mut self) -> Result<(), Problem> {
        for chat in self.session.chats().await? {
            if chat.unread == 0 || !self.wants(&chat.room) {
                continue;
            }
            for message in unread(self.session, &chat).await? {
                if self.has_enough() {
                    return Ok(());
                }
                self.print(&Update::Message { room: chat.room.clone(), message }).await?;
            }
        }
        Ok(())
    }

    fn wants(&self, room: &str) -> bool {
        self.rooms.is_empty() || self.rooms.contains(room)
    }

    fn has_enough(&self) -> bool {
        // With --mark-read what has come already is printed as well, or it would be marked unseen.
        self.args.count.is_some_and(|count| self.counted >= count) && self.unmarked.is_empty()
    }

    async fn print(&mut self, update: &Update) -> Result<(), Problem> {
        let room = match update {
            Update::Chat { chat } => Some(&chat.room),
            Update::Message { room, .. }
            | Update::Removed { room, .. }
            | Update::Typing { room, .. }
            | Update::Members { room, .. } => Some(room),
            Update::Account { .. } | Update::Connection { .. } => None,
        };
        if room.is_some_and(|room| !self.wants(room)) {
            return Ok(());
        }
        let mut is_new = true;
        if let Update::Message { room, message } = update {
            match self.printed.insert((room.clone(), message.id.clone()), message.clone()) {
                Some(before) if before == *message => return Ok(()),
                Some(_) => is_new = false,
                None => {}
            }
        }
        if self.args.json {
            say_json(update)?;
        } else {
            self.print_for_people(update, is_new).await?;
        }
        if let Update::Message { room, message } = update
            && is_new
            && counts(message)
        {
            self.counted += 1;
            if self.args.mark_read {
                *self.unmarked.entry(room.clone()).or_default() += 1;
                self.mark_read(room).await?;
            }
        }
        Ok(())
    }

    /// Marks the room as read, once everything in it has been printed: what has come meanwhile and is printed
    /// next must not count as read yet.
    async fn mark_read(&mut self, room: &str) -> Result<(), Problem> {
        let chat = self.session.chat(room).await?;
        let newest_is_printed =
            chat.last_message.is_some_and(|newest| self.printed.contains_key(&(room.to_owned(), newest.id)));
        let all_are_printed = self.unmarked.get(room).is_some_and(|printed| *printed >= chat.unread.into());
        if newest_is_printed || all_are_printed {
            self.unmarked.remove(room);
            self.session.ask(Request::MarkRead { room: room.to_owned() }).await?;
        }
        Ok(())
    }

    async fn print_for_people(&self, update: &Update, is_new: bool) -> Result<(), Problem> {
        match update {
            Update::Message { room, message } if is_new || message.edited => {
                let chat = self.session.chat(room).await?;
                say(line(&chat, message))
            }
            Update::Connection { connection: Connection::Offline { reason, .. } }
                if *reason != OfflineReason::NotMbolo =>
            {
                eprintln!("{}", style::dim("The cell does not answer; trying again."));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn line(chat: &Chat, message: &Message) -> String {
    let time = style::dim(&text::time_of_day(message.at_ms));
    let place = match chat.kind {
        ChatKind::Group => format!(" in {}", text::clean_line(&chat.name)),
        ChatKind::Direct => String::new(),
    };
    let body = text::body(message).replace('\n', "\n       ");
    if let Body::Event { .. } = message.body {
        return format!("{time}  {}", style::dim(&format!("{body}{place}")));
    }
    let name = if message.sender.me { "You".to_owned() } else { text::clean_line(&message.sender.name) };
    let edited = if message.edited { style::dim(" (edited)") } else { String::new() };
    format!("{time}  {}{place}: {body}{edited}", style::bold(&name))
}

/// Whether the engine counts it as unread: what others say does, what happens to the room does not.
fn counts(message: &Message) -> bool {
    !message.sender.me && matches!(message.body, Body::Text { .. } | Body::Deleted)
}

/// The unread messages of a chat, oldest first.
async fn unread(session: &Session, chat: &Chat) -> Result<Vec<Message>, Problem> {
    let mut found: Vec<Message> = Vec::new();
    let mut before = None;
    loop {
        let request = Request::GetMessages { room: chat.room.clone(), before, limit: PAGE };
        let (messages, more) = match session.ask(request).await? {
            Reply::Messages { messages, more } => (messages, more),
            other => return Err(unexpected(&other)),
        };
        before = messages.first().map(|message| message.position);
        for message in messages.into_iter().rev().filter(counts) {
            found.push(message);
            if found.len() >= chat.unread as usize {
                found.reverse();
                return Ok(found);
            }
        }
        if !more || before.is_none() {
            found.reverse();
            return Ok(found);
        }
    }
}
