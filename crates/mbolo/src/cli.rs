//! The command line: what can be asked, and the help from which a person learns it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{account, check, listen, pulse, room, send, serve};
use crate::{bench, chat, profile};

const EXAMPLES: &str = "\
Examples:
  Run a cell on this machine:
    mbolo serve --data ~/cell --listen 127.0.0.1:8100
  Two people on one machine, each with a profile of their own:
    mbolo account create awa  --name Awa  --profile ~/awa  --cell http://127.0.0.1:8100
    mbolo account create bibi --name Bibi --profile ~/bibi --cell http://127.0.0.1:8100
  Talk:
    mbolo chat --profile ~/awa
    mbolo send @awa \"Mbolo!\" --profile ~/bibi
  Let a script listen:
    mbolo listen --json --profile ~/bibi

Exit codes: 0 done, 1 unexpected, 2 wrong usage, 3 refused, 4 the cell does not answer,
5 not a Mbolo cell, 6 no account, 7 in use by another process, 8 time is up, 9 disk.
docs/terminal.md has the whole story, and the JSON that scripts see.";

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "mbolo",
    version,
    about = "Mbolo: messages between people, end to end encrypted, on small servers that anyone can run",
    after_long_help = EXAMPLES,
    after_help = "`mbolo --help` shows examples; `mbolo COMMAND --help` explains a command.",
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Talk: an interactive screen with your chats
    #[command(after_long_help = chat::HELP)]
    Chat(chat::Args),
    /// Send one message, and say when it has arrived
    #[command(after_long_help = send::EXAMPLES)]
    Send(send::Args),
    /// Print what comes in, for scripts or for reading along
    #[command(after_long_help = listen::EXAMPLES)]
    Listen(listen::Args),
    /// Your chats: list, create, add and remove people, history
    Room(room::Args),
    /// Your account: create, show, recover
    Account(account::Args),
    /// Is it me, my provider or the cell? Finds out in five seconds
    #[command(after_long_help = check::EXAMPLES)]
    Check(check::Args),
    /// Run a cell: the server, with the web client inside
    #[command(after_long_help = serve::EXAMPLES)]
    Serve(serve::ServeArgs),
    /// The observatory: what is down, for whom, where and since when
    #[command(after_long_help = pulse::EXAMPLES)]
    Pulse(pulse::Args),
    /// Make an invite code for a cell
    Invite(serve::InviteArgs),
    /// Measure a cell on this machine
    Bench(bench::Args),
    /// Print a completion script for your shell
    #[command(after_long_help = "\
Examples:
  mbolo completions bash > ~/.local/share/bash-completion/completions/mbolo
  mbolo completions zsh  > ~/.zfunc/_mbolo
  mbolo completions fish > ~/.config/fish/completions/mbolo.fish")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Whose account, and where its cell is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Profile")]
pub struct ClientArgs {
    /// The directory of your account. Several people on one machine each take one [default: your data directory]
    #[arg(long, value_name = "DIR", env = "MBOLO_PROFILE", hide_env_values = true, global = true)]
    pub profile: Option<PathBuf>,
    /// The address of your cell, such as https://cell.example. Needed once; the profile remembers it
    #[arg(long, value_name = "URL", env = "MBOLO_CELL", hide_env_values = true, global = true)]
    pub cell: Option<String>,
    /// Trust only this certificate (PEM) of the cell. Needed once; the profile keeps a copy
    #[arg(long, value_name = "FILE", global = true)]
    pub trust_cert: Option<PathBuf>,
}

impl ClientArgs {
    /// The profile's directory.
    pub fn dir(&self) -> PathBuf {
        self.profile.clone().unwrap_or_else(profile::default_dir)
    }

    /// What to add to a suggested command so that it means the same profile.
    pub fn flag(&self) -> String {
        match &self.profile {
            Some(dir) => format!(" --profile {}", dir.display()),
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
