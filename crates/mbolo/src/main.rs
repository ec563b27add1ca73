//! Mbolo's one binary: a cell, a client for the terminal and for scripts, and the tools around them.
//!
//! This file is the table of contents: it reads the command line, sets up what every command shares (memory,
//! logs, the async runtime) and hands over. What a command cannot do it says as a [`Problem`], and its exit
//! code is documented.

mod assets;
mod bench;
mod chat;
mod checkup;
mod cli;
mod commands;
mod problem;
mod profile;
mod runtime;
mod session;
mod style;
mod text;

use std::future::Future;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};
use crate::commands::{account, check, listen, pulse, room, send, serve};
use crate::problem::Problem;

/// A cell makes and drops many small frames on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => problem.report(),
    }
}

fn run(command: Command) -> Result<(), Problem> {
    match command {
        Command::Serve(args) => serve::run(args),
        Command::Invite(args) => serve::invite(args),
        Command::Account(args) => with_client(account::run(args)),
        // A log among the chats would destroy the screen; into a file it may go.
        Command::Chat(args) if std::io::stderr().is_terminal() => on_this_thread(chat::run(args)),
        Command::Chat(args) => with_client(chat::run(args)),
        Command::Send(args) => with_client(send::run(args)),
        Command::Listen(args) => with_client(listen::run(args)),
        Command::Room(args) => with_client(room::run(args)),
        Command::Check(args) => with_client(check::run(args)),
        Command::Pulse(args) => pulse::run(args),
        Command::Bench(args) => bench::run(args).map_err(|error| Problem::unexpected(format!("{error:#}"))),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "mbolo", &mut script);
            Ok(std::io::stdout().lock().write_all(&script)?)
        }
    }
}

/// Runs a client command on this thread; the engine has its own.
fn with_client(command: impl Future<Output = Result<(), Problem>>) -> Result<(), Problem> {
    log_to_stderr();
    on_this_thread(command)
}

fn on_this_thread(command: impl Future<Output = Result<(), Problem>>) -> Result<(), Problem> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// `MBOLO_LOG` as for the server (`debug`, `mbolo=trace`); without it a client logs nothing, its messages are
/// for people.
fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    if let Ok(filter) = EnvFilter::try_from_env("MBOLO_LOG") {
        let in_colour = std::io::stderr().is_terminal();
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(in_colour)
            .with_writer(std::io::stderr)
            .init();
    }
}
