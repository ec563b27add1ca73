//! `mbolo send`: one message, and when it has arrived.

use std::io::{IsTerminal, Read};

use clap::ValueEnum;
use mbolo_client_api::{Connection, Message, MessageState, Reply, Request, Update};
use tokio::time::Instant;

use super::{say, say_json};
use crate::cli::ClientArgs;
use crate::problem::{Exit, Problem};
use crate::runtime::Way;
use crate::session::{Patience, SHORTLY, Session, deadline, unexpected};
use crate::{style, text};

/// Shown by `mbolo send --help`.
pub const EXAMPLES: &str = "\
Examples:
  mbolo send @bibi \"Mbolo! Are you at home?\"
  mbolo send Family \"Dinner is ready\" --wait read --timeout 600
  df -h | mbolo send @admin
  mbolo send @bibi --reply-to 3f8a… \"Yes\"

Whatever happens, a message that was accepted is in the outbox of the profile and is sent once, also
after a crash, the next time a command with this profile is online. So after exit code 4 or 8 do not
send it again.";

/// How far the message must have come before the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wait {
    /// Safely in the outbox of this profile
    Queued,
    /// Durable on the cell
    Sent,
    /// On a device of everyone in the room
    Delivered,
    /// Seen by everyone in the room
    Read,
}

/// `mbolo send …`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// To whom: @handle, the name of a group, or a room id
    #[arg(value_name = "ROOM_OR_HANDLE")]
    to: String,
    /// What to say; read from standard input if missing or -
    text: Option<String>,
    /// Return when the message is …
    #[arg(long, value_enum, default_value_t = Wait::Sent)]
    wait: Wait,
    /// Seconds to wait at most
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    timeout: u64,
    /// Answer this message (an id from `listen --json` or `room history --json`)
    #[arg(long, value_name = "ID")]
    reply_to: Option<String>,
    /// Print the message as a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// Runs the command.
pub async fn run(args: Args) -> Result<(), Problem> {
    let body = match args.text.as_deref() {
        Some(text) if text != "-" => text.to_owned(),
        _ => read_stdin()?,
    };
    let until = deadline(args.timeout);
    let (session, _) = Session::with_account(&args.client).await?;
    let chat = session.find(&args.to, Patience::WhileReachable(until)).await?;
    let mut updates = session.updates().await;
    let request =
        Request::SendText { room: chat.room.clone(), text: body, reply_to: args.reply_to, client_id: None };
    let mut message = submit(&session, request, until).await?;
    let wanted = match args.wait {
        Wait::Queued => MessageState::Waiting,
        Wait::Sent => MessageState::Sent,
        Wait::Delivered => MessageState::Delivered,
        Wait::Read => MessageState::Read,
    };
    let outcome = loop {
        match message.state {
            Some(MessageState::Failed) => break Err(refused(&session.flag)),
            Some(state) if state >= wanted => break Ok(()),
            _ => {}
        }
        tokio::select! {
            update = updates.next() => match update {
                Some(Update::Message { room, message: news }) if room == chat.room && news.id == message.id => message = news,
                Some(_) => {}
                None => break Err(Problem::unexpected("The client engine has ended.")),
            },
            problem = session.gives_up(Patience::Until(until)) => break Err(still_waiting(&session, &message, wanted, problem)),
        }
    };
    if outcome.is_ok() {
        if args.json {
            say_json(&Shown { room: &chat.room, message: &message })?;
        } else if std::io::stdout().is_terminal() {
            let state = message.state.unwrap_or(MessageState::Waiting);
            say(format_args!(
                "{} {} to {}",
                style::green(text::tick(state)),
                text::state_word(state),
                session.title(&chat).await?
            ))?;
        }
    }
    session.close().await;
    outcome
}

/// Puts the message into the outbox.
async fn submit(session: &Session, request: Request, until: Instant) -> Result<Message, Problem> {
    let reply = match session.handle.call(request.clone()).await {
        // Perhaps one has been added again since this profile was online last.
        Err(failure) if failure.code == "not_a_member" => {
            let shortly = Patience::WhileReachable(until.min(deadline(SHORTLY)));
            if session.catch_up(shortly).await.is_err() {
                return Err(failure.into());
            }
            session.ask(request).await?
        }
        reply => reply?,
    };
    match reply {
        Reply::Sent { message } => Ok(message),
        other => Err(unexpected(&other)),
    }
}

#[derive(serde::Serialize)]
struct Shown<'a> {
    room: &'a str,
    message: &'a Message,
}

fn refused(flag: &str) -> Problem {
    Problem::new(Exit::Refused, "The cell has refused the message.")
        .next(format!("Perhaps you are no longer in the room; `mbolo room list{flag}` shows it."))
}

fn still_waiting(session: &Session, message: &Message, wanted: MessageState, why: Problem) -> Problem {
    if message.state.is_some_and(|state| state >= MessageState::Sent) {
        return Problem::new(
            Exit::TimedOut,
            format!(
                "The cell has the message, but it is not yet {} by everyone.",
                match wanted {
                    MessageState::Read => "read",
                    _ => "received",
                }
            ),
        );
    }
    let kept = "The message is in the outbox and goes out the next time this profile is online; do not send it again.";
    match (why.exit, &*session.handle.way().borrow()) {
        (Exit::TimedOut, Way::Failed(trouble)) => Problem::from(trouble.clone()).next(kept),
        (Exit::TimedOut, _) if session.connection() == Connection::Online => Problem::new(
            Exit::TimedOut,
            "The cell answers, but has not taken the message in time: it is busy, or its disk is full.",
        )
        .next(kept),
        _ => why.next(kept),
    }
}

fn read_stdin() -> Result<String, Problem> {
    if std::io::stdin().is_terminal() {
        eprintln!("Type your message; end it with Ctrl-D on a line of its own.");
    }
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Problem::new(Exit::Refused, "What came on standard input is not text (UTF-8)."))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.trim().is_empty() {
        return Err(Problem::new(Exit::Refused, "There is nothing to send: the message is empty."));
    }
    Ok(text.to_owned())
}
