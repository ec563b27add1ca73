//! `mbolo listen`: what comes in, one line each.
//!
//! First the messages that are unread, then everything as it happens. With `--mark-read` what has been
//! printed counts as read, so a script that is killed and started again goes on where it was.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use mbolo_client_api::{Body, Chat, ChatKind, Connection, Message, OfflineReason, Reply, Request, Update};
use tokio::time::Instant;

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
typing, members, change_failed or connection. docs/terminal.md describes them.";

/// How long nothing must have happened after everything missed is here.
const IDLE: Duration = Duration::from_millis(400);

/// How long a line waits for the names in it.
const NAMES_COME: Duration = Duration::from_secs(1);

/// And how often it looks for them.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

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
        printed: Printed::default(),
        before: BTreeMap::new(),
        counted: 0,
        unmarked: BTreeMap::new(),
        connection: Connection::Idle,
    };
    // The way may have opened before anybody listened.
    let mut outcome = printer.print(&Update::Connection { connection: session.connection() }).await;
    if outcome.is_ok() {
        outcome = printer.catch_up().await;
    }
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
    printed: Printed,
    /// Where the conversations ended when this run began.
    before: BTreeMap<String, u64>,
    counted: u64,
    /// Messages printed and not yet marked as read, by room.
    unmarked: BTreeMap<String, Unmarked>,
    /// As it was told last.
    connection: Connection,
}

/// Messages of a room that were printed and do not count as read yet.
#[derive(Debug, Default)]
struct Unmarked {
    count: u64,
    /// The place of the last of them.
    last: u64,
}

/// Which messages were printed in this run, and a trace of how they looked: the newest of them, so that a listener that
/// runs for months stays small.
#[derive(Debug, Default)]
struct Printed {
    looks: HashMap<(String, String), u64>,
    order: VecDeque<(String, String)>,
}

/// What was known of a message when it is to be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// It was not printed.
    New,
    /// It was, and looked different.
    Changed,
    /// It was, and looked just so.
    Same,
}

impl Printed {
    /// Notes that the message is printed.
    fn note(&mut self, room: &str, message: &Message) -> Before {
        let mut hasher = DefaultHasher::new();
        format!("{message:?}").hash(&mut hasher);
        let look = hasher.finish();
        let id = (room.to_owned(), message.id.clone());
        match self.looks.insert(id.clone(), look) {
            Some(known) if known == look => Before::Same,
            Some(_) => Before::Changed,
            None => {
                self.order.push_back(id);
                if self.order.len() > MAX_PRINTED
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.looks.remove(&oldest);
                }
                Before::New
            }
        }
    }

    fn contains(&self, room: &str, id: &str) -> bool {
        self.looks.contains_key(&(room.to_owned(), id.to_owned()))
    }
}

/// Changes of messages older than so many are printed as if they were new.
const MAX_PRINTED: usize = 10_000;

impl Printer<'_> {
    /// Prints what is unread.
    async fn catch_up(&mut self) -> Result<(), Problem> {
        let chats = self.session.chats().await?;
        let ends =
            chats.iter().filter_map(|chat| Some((chat.room.clone(), chat.last_message.as_ref()?.position)));
        self.before = ends.collect();
        for chat in chats {
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
            | Update::Members { room, .. }
            | Update::ChangeFailed { room, .. } => Some(room),
            Update::Account { .. } | Update::Connection { .. } => None,
        };
        if room.is_some_and(|room| !self.wants(room)) {
            return Ok(());
        }
        if let Update::Connection { connection } = update
            && std::mem::replace(&mut self.connection, connection.clone()) == *connection
        {
            return Ok(());
        }
        let mut is_new = true;
        if let Update::Message { room, message } = update {
            match self.printed.note(room, message) {
                Before::Same => return Ok(()),
                Before::Changed => is_new = false,
                Before::New => {}
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
                let unmarked = self.unmarked.entry(room.clone()).or_default();
                unmarked.count += 1;
                unmarked.last = unmarked.last.max(message.position);
                self.mark_read(room).await?;
            }
        }
        Ok(())
    }

    /// Marks the room as read up to what has been printed, once that is everything in it: what comes meanwhile and is
    /// printed next must not count as read yet.
    async fn mark_read(&mut self, room: &str) -> Result<(), Problem> {
        let chat = self.session.chat(room).await?;
        let newest_is_printed =
            chat.last_message.is_some_and(|newest| self.printed.contains(room, &newest.id));
        let Some(unmarked) = self.unmarked.get(room) else { return Ok(()) };
        if newest_is_printed || unmarked.count >= chat.unread.into() {
            let up_to = Some(unmarked.last);
            self.unmarked.remove(room);
            self.session.ask(Request::MarkRead { room: room.to_owned(), up_to }).await?;
        }
        Ok(())
    }

    /// The message with everybody's name: the cell is being asked for the handle of who is new.
    async fn with_names(&self, room: &str, message: &Message) -> Result<Message, Problem> {
        let mut message = message.clone();
        let until = Instant::now() + NAMES_COME;
        while matches!(message.body, Body::Event { .. })
            && !text::name_people(&mut message, &self.session.members(room).await?)
            && Instant::now() < until
        {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(message)
    }

    fn is_old_and_own(&self, room: &str, message: &Message) -> bool {
        message.sender.me && self.before.get(room).is_some_and(|end| message.position <= *end)
    }

    async fn print_for_people(&self, update: &Update, is_new: bool) -> Result<(), Problem> {
        match update {
            // One's own from before this run only come again because others have received or read them.
            Update::Message { room, message } if self.is_old_and_own(room, message) => Ok(()),
            Update::ChangeFailed { change, members, reason, .. } => {
                let why = Problem::from(reason.clone()).what;
                eprintln!("mbolo: {} {why}", text::unchanged(*change, members));
                Ok(())
            }
            Update::Message { room, message } if is_new || message.edited => {
                let chat = self.session.chat(room).await?;
                let title = self.session.title(&chat).await?;
                say(line(&chat, &title, &self.with_names(room, message).await?))
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

fn line(chat: &Chat, title: &str, message: &Message) -> String {
    let time = style::dim(&text::time_of_day(message.at_ms));
    let place = match chat.kind {
        ChatKind::Group => format!(" in {title}"),
        ChatKind::Direct => String::new(),
    };
    let body = text::body(message).replace('\n', "\n       ");
    if let Body::Event { .. } = message.body {
        return format!("{time}  {}", style::dim(&format!("{body}{place}")));
    }
    let name = if message.sender.me { "You".to_owned() } else { text::person(&message.sender) };
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

#[cfg(test)]
mod tests {
    use mbolo_client_api::Member;

    use super::*;

    fn message(id: &str, text: &str) -> Message {
        let sender =
            Member { account: "A".into(), name: "Awa".into(), handle: None, admin: false, me: false };
        Message {
            id: id.into(),
            position: 1,
            sender,
            at_ms: 0,
            body: Body::Text { text: text.into() },
            edited: false,
            reply_to: None,
            reactions: Vec::new(),
            state: None,
        }
    }

    #[test]
    fn a_message_is_new_once_and_the_memory_of_it_is_bounded() {
        let mut printed = Printed::default();
        assert_eq!(printed.note("R", &message("1", "a")), Before::New);
        assert_eq!(printed.note("R", &message("1", "a")), Before::Same);
        assert_eq!(printed.note("R", &message("1", "b")), Before::Changed);
        assert_eq!(printed.note("S", &message("1", "a")), Before::New);
        for n in 0..2 * MAX_PRINTED {
            printed.note("R", &message(&format!("more {n}"), "x"));
        }
        assert!(printed.looks.len() <= MAX_PRINTED && printed.order.len() <= MAX_PRINTED);
        assert!(!printed.contains("R", "1"));
    }
}
