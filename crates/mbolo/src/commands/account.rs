//! `mbolo account`: the account of a profile.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;

use clap::Subcommand;
use mbolo_client_api::{Account, Reply, Request};

use super::{say, say_json};
use crate::cli::ClientArgs;
use crate::problem::{Exit, Problem};
use crate::session::{Patience, Session, parse_handle, unexpected};
use crate::style;
use crate::text::clean_line;

/// `mbolo account …`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Create an account on a cell
    #[command(after_long_help = "\
Examples:
  mbolo account create awa --name \"Awa Ndong\" --cell http://127.0.0.1:8100
  mbolo account create bibi --name Bibi --cell https://cell.example --invite CODE --profile ~/bibi")]
    Create(Create),
    /// Show the account of this profile
    Show {
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Change the name that people see
    Rename {
        /// The new name
        name: String,
    },
    /// Use an existing account on this machine, with its recovery phrase
    #[command(after_long_help = "\
The 24 words are read from --phrase-file, or from standard input, so that they do not stay in your
shell's history. Your rooms come back; messages from before stay on the devices that have them.

Example:
  mbolo account recover --name Awa --cell http://127.0.0.1:8100 --profile ~/awa-new < words.txt")]
    Recover {
        /// The name that people see; the cell does not know it [asked for if missing]
        #[arg(long)]
        name: Option<String>,
        /// File with the 24 words
        #[arg(long, value_name = "FILE")]
        phrase_file: Option<PathBuf>,
        /// Seconds to wait for the cell
        #[arg(long, default_value_t = 30, value_name = "SECONDS")]
        timeout: u64,
    },
    /// Print the 24 words that bring this account back
    ExportRecovery,
}

#[derive(Debug, clap::Args)]
struct Create {
    /// What people type to find you: 3 to 35 of a-z, 0-9, _ and . [asked for if missing]
    handle: Option<String>,
    /// The name that people see [asked for if missing]
    #[arg(long)]
    name: Option<String>,
    /// An invite code, where the cell wants one
    #[arg(long, value_name = "CODE")]
    invite: Option<String>,
    /// Seconds to wait for the cell
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(args: Args) -> Result<(), Problem> {
    let client = &args.client;
    match args.what {
        What::Create(create) => {
            let handle = match create.handle {
                Some(handle) => handle,
                None => prompt("Your handle (what people type to find you): ")?,
            };
            let handle = parse_handle(&handle)?;
            let name = name_or_prompt(create.name)?;
            let session = Session::open(client).await?;
            let account = sign_up(&session, handle, name, create.invite, create.timeout).await?;
            if create.json {
                say_json(&Shown { account: &account })?;
            } else {
                say(format_args!(
                    "Welcome, {}. You are {} on {}.",
                    clean_line(&account.name),
                    style::bold(&format!("@{}", account.handle)),
                    account.cell
                ))?;
                say(style::dim(&format!(
                    "Keep the words of `mbolo account export-recovery{}` in a safe place.",
                    client.flag()
                )))?;
            }
            session.close().await;
        }
        What::Show { json } => {
            let (session, account) = Session::with_account(client).await?;
            if json {
                say_json(&Shown { account: &account })?;
            } else {
                say(format_args!(
                    "{}  {}",
                    style::bold(&format!("@{}", account.handle)),
                    clean_line(&account.name)
                ))?;
                say(format_args!("cell     {}", account.cell))?;
                say(format_args!("account  {}", account.id))?;
                say(format_args!("profile  {}", client.dir().display()))?;
            }
            session.close().await;
        }
        What::Rename { name } => {
            let (session, _) = Session::with_account(client).await?;
            session.ask(Request::SetName { name }).await?;
            session.close().await;
        }
        What::Recover { name, phrase_file, timeout } => {
            let name = name_or_prompt(name)?;
            let phrase = match phrase_file {
                Some(file) => std::fs::read_to_string(&file).map_err(|error| {
                    Problem::new(Exit::Storage, format!("{} cannot be read: {error}.", file.display()))
                })?,
                None if std::io::stdin().is_terminal() => prompt("The 24 words: ")?,
                None => {
                    let mut text = String::new();
                    std::io::stdin().read_to_string(&mut text)?;
                    text
                }
            };
            let phrase = phrase.split_whitespace().collect::<Vec<_>>().join(" ");
            let session = Session::open(client).await?;
            match session.ask_cell(Request::Recover { phrase, name }, Patience::seconds(timeout)).await? {
                Reply::Account { account } => {
                    say(format_args!(
                        "Welcome back. You are {} on {}.",
                        style::bold(&format!("@{}", account.handle)),
                        account.cell
                    ))?;
                }
                other => return Err(unexpected(&other)),
            }
            session.close().await;
        }
        What::ExportRecovery => {
            let (session, _) = Session::with_account(client).await?;
            match session.ask(Request::RecoveryPhrase).await? {
                Reply::RecoveryPhrase { phrase } => say(phrase)?,
                other => return Err(unexpected(&other)),
            }
            if std::io::stdout().is_terminal() {
                eprintln!("Who has these words has the account. Write them down; show them to nobody.");
            }
            session.close().await;
        }
    }
    Ok(())
}

#[derive(serde::Serialize)]
struct Shown<'a> {
    account: &'a Account,
}

/// Creates the account.
pub async fn sign_up(
    session: &Session,
    handle: String,
    name: String,
    invite: Option<String>,
    timeout: u64,
) -> Result<Account, Problem> {
    match session.ask_cell(Request::SignUp { handle, name, invite }, Patience::seconds(timeout)).await? {
        Reply::Account { account } => Ok(account),
        other => Err(unexpected(&other)),
    }
}

fn name_or_prompt(name: Option<String>) -> Result<String, Problem> {
    name.map_or_else(|| prompt("Your name (what people see): "), Ok)
}

/// Asks the person, if there is one.
pub fn prompt(question: &str) -> Result<String, Problem> {
    if !std::io::stdin().is_terminal() {
        return Err(Problem::new(Exit::Usage, format!("Missing: {}", question.trim_end_matches([':', ' '])))
            .next("Give it on the command line; `--help` shows how."));
    }
    eprint!("{question}");
    std::io::stderr().flush()?;
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line)? == 0 {
        return Err(Problem::new(Exit::Usage, "Nothing was typed."));
    }
    Ok(line.trim().to_owned())
}
