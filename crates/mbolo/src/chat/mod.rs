//! `mbolo chat`: talking, on a screen of one's own.
//!
//! The state (`app`) and the drawing (`view`) know no terminal; this module owns it, and carries keys, updates
//! and answers between terminal, state and engine. However it ends, the terminal is given back as it was.

mod app;
mod command;
mod composer;
mod conversation;
mod view;

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use mbolo_client_api::{Account, Connection, Failure, OfflineReason, Reply, Request};
use mbolo_isitme::Verdict;
use ratatui::crossterm::event::{
    self, DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange, Event,
    KeyEventKind,
};
use ratatui::crossterm::execute;
use tokio::sync::mpsc;

use self::app::{App, Ask, Purpose};
use self::view::Theme;
use crate::cli::ClientArgs;
use crate::commands::account::{prompt, sign_up};
use crate::problem::{Exit, Problem};
use crate::runtime::{Handle, now_ms};
use crate::session::{Patience, Session, cell_address, parse_handle};
use crate::style;

/// Shown by `mbolo chat --help`.
pub const HELP: &str = "\
Examples:
  mbolo chat
  mbolo chat @bibi
  mbolo chat Family --profile ~/awa

Inside, F1 or /help shows what can be done. Without an account yet, it asks for a handle and a name.";

/// The screen is drawn again at least this often, so that times and who types stay true.
const REDRAW: Duration = Duration::from_secs(1);

/// A cell that does not answer for this long is worth a question.
const BEFORE_CHECK: Duration = Duration::from_secs(3);

/// And again after this.
const BETWEEN_CHECKS: Duration = Duration::from_secs(30);

/// Several changes at once are drawn once.
const MOST_CHANGES_A_FRAME: usize = 256;

/// `mbolo chat …`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Open this chat: @handle, the name of a group, or a room id
    #[arg(value_name = "ROOM_OR_HANDLE")]
    with: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

/// Runs the screen.
pub async fn run(args: Args) -> Result<(), Problem> {
    if !stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Problem::new(Exit::Usage, "`mbolo chat` needs a terminal.")
            .next("Scripts use `mbolo send` and `mbolo listen --json`."));
    }
    let (session, account) = match Session::with_account(&args.client).await {
        Err(problem) if problem.exit == Exit::NoAccount => first_steps(&args.client).await?,
        other => other?,
    };
    let first = match &args.with {
        Some(target) => Some(session.find(target, Patience::seconds(10)).await?.room),
        None => None,
    };
    session.notes.hold();
    let mut terminal = ratatui::try_init()?;
    let _ = execute!(stdout(), EnableBracketedPaste, EnableFocusChange);
    let outcome =
        talk(&mut terminal, &session.handle, App::new(account), first, session.updates().await).await;
    let _ = execute!(stdout(), DisableBracketedPaste, DisableFocusChange);
    ratatui::restore();
    session.notes.release();
    session.close().await;
    outcome
}

/// Signs up a person who has no account in this profile.
async fn first_steps(args: &ClientArgs) -> Result<(Session, Account), Problem> {
    println!(
        "{} There is no account in {} yet; let us make one.",
        style::bold("Mbolo."),
        args.dir().display()
    );
    let mut args = args.clone();
    if args.cell.is_none() {
        let question = || prompt("Address of your cell (such as http://127.0.0.1:8100): ");
        args.cell = Some(until_fit(question, |typed| cell_address(Some(typed)).map(|_| typed.clone()))?);
    }
    let session = Session::open(&args).await?;
    loop {
        let question = || prompt("Your handle (what people type to find you): ");
        let handle = until_fit(question, |typed| parse_handle(typed))?;
        let name = prompt("Your name (what people see): ")?;
        match sign_up(&session, handle, name, None, 60).await {
            Ok(account) => return Ok((session, account)),
            Err(problem) if problem.exit == Exit::Refused => {
                problem.report();
            }
            Err(problem) => return Err(problem),
        }
    }
}

/// Asks until the answer is one.
fn until_fit<T>(
    question: impl Fn() -> Result<String, Problem>,
    read: impl Fn(&String) -> Result<T, Problem>,
) -> Result<T, Problem> {
    loop {
        match read(&question()?) {
            Ok(answer) => return Ok(answer),
            Err(problem) => problem.report(),
        };
    }
}

/// What comes into the loop.
enum Input {
    Terminal(Event),
    Answer(Purpose, Result<Reply, Failure>),
    /// Why the cell does not answer; none when it does.
    Diagnosis(Option<String>),
}

async fn talk(
    terminal: &mut ratatui::DefaultTerminal,
    handle: &Handle,
    mut app: App,
    first: Option<String>,
    mut updates: crate::runtime::Updates,
) -> Result<(), Problem> {
    let (inputs, mut incoming) = mpsc::unbounded_channel();
    read_terminal(inputs.clone())?;
    let theme = Theme { colour: *style::COLOUR };
    let ask = |asks: Vec<Ask>| {
        for Ask { request, purpose } in asks {
            let (handle, inputs) = (handle.clone(), inputs.clone());
            tokio::spawn(async move {
                let answer = handle.call(request).await;
                let _ = inputs.send(Input::Answer(purpose, answer));
            });
        }
    };
    tokio::spawn(diagnose(handle.clone(), inputs.clone()));
    app.connection = handle.connection().borrow().clone();
    ask(vec![Ask { request: Request::ListChats, purpose: Purpose::Chats }]);
    if let Some(room) = first {
        ask(app.go_to(room));
    }
    while !app.quit {
        terminal.draw(|frame| view::draw(frame, &mut app, theme, now_ms()))?;
        ask(app.after_draw());
        tokio::select! {
            input = incoming.recv() => {
                let mut next = input;
                let mut changes = 0;
                while let Some(input) = next {
                    ask(take(&mut app, input));
                    changes += 1;
                    next = if changes < MOST_CHANGES_A_FRAME { incoming.try_recv().ok() } else { None };
                }
            }
            update = updates.next() => match update {
                Some(update) => ask(app.on_update(update, now_ms())),
                None => return Err(Problem::unexpected("The client engine has ended.")),
            },
            () = tokio::time::sleep(REDRAW) => {}
        }
    }
    Ok(())
}

fn take(app: &mut App, input: Input) -> Vec<Ask> {
    let now = now_ms();
    match input {
        Input::Answer(purpose, answer) => app.on_reply(purpose, answer, now),
        Input::Diagnosis(diagnosis) => {
            app.diagnosis = diagnosis;
            Vec::new()
        }
        Input::Terminal(Event::Key(key)) if key.kind != KeyEventKind::Release => app.on_key(key, now),
        Input::Terminal(Event::Paste(text)) => app.on_paste(&text, now),
        Input::Terminal(Event::FocusGained) => {
            app.in_front = true;
            Vec::new()
        }
        Input::Terminal(Event::FocusLost) => {
            app.in_front = false;
            Vec::new()
        }
        Input::Terminal(_) => Vec::new(),
    }
}

/// Finds out why the cell does not answer, whenever it does not for a while, and again while that lasts.
async fn diagnose(handle: Handle, inputs: mpsc::UnboundedSender<Input>) {
    let mut connection = handle.connection();
    let offline = |connection: &Connection| matches!(connection, Connection::Offline { .. });
    let settled =
        |connection: &Connection| !matches!(connection, Connection::Offline { .. } | Connection::Connecting);
    while connection.wait_for(offline).await.is_ok() {
        let mut pause = BEFORE_CHECK;
        // Trying again in between changes nothing; only an answer does.
        while tokio::time::timeout(pause, connection.wait_for(settled)).await.is_err() {
            let reason = match &*connection.borrow() {
                Connection::Offline { reason, .. } => Some(*reason),
                _ => None,
            };
            let home = handle.home();
            let diagnosis = home.check().await.diagnosis();
            let explains = match reason {
                // It answered; only what stands in between could have answered for it.
                Some(OfflineReason::NotMbolo) => diagnosis.verdict == Verdict::YourWifi,
                Some(OfflineReason::Busy) => false,
                Some(OfflineReason::Unreachable) | None => true,
            };
            let sentence = explains.then(|| home.sentence(&diagnosis));
            if inputs.send(Input::Diagnosis(sentence)).is_err() {
                return;
            }
            pause = BETWEEN_CHECKS;
        }
        if inputs.send(Input::Diagnosis(None)).is_err() {
            return;
        }
    }
}

/// Reading a terminal blocks, so a thread does it; it ends with the process.
fn read_terminal(inputs: mpsc::UnboundedSender<Input>) -> Result<(), Problem> {
    std::thread::Builder::new().name("terminal".into()).spawn(move || {
        while let Ok(event) = event::read() {
            if inputs.send(Input::Terminal(event)).is_err() {
                break;
            }
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_mistyped_address_is_asked_for_again() {
        let typed = RefCell::new(vec!["http://127.0.0.1:8100", "127.0.0.1:8100", "x y"]);
        let question = || {
            let next = typed.borrow_mut().pop();
            next.map(str::to_owned).ok_or_else(|| Problem::new(Exit::Usage, "Nothing was typed."))
        };
        let read = |typed: &String| cell_address(Some(typed)).map(|_| typed.clone());
        assert_eq!(until_fit(question, read), Ok("http://127.0.0.1:8100".to_owned()));
        assert_eq!(until_fit(question, read).map_err(|problem| problem.exit), Err(Exit::Usage));
    }
}
