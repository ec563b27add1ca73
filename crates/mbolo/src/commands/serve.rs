//! `mbolo serve` and `mbolo invite`: a cell on this machine.
//!
//! The flags of `serve` come from the server's table of settings, so every setting has one and its help is
//! the documentation of the example file.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, FromArgMatches};
use mbolo_server::{Config, Layer, ServeError, Shutdown, Tls};

use crate::assets;
use crate::problem::{Exit, Problem, sentence};

/// Shown by `mbolo serve --help`.
pub const EXAMPLES: &str = "\
Examples:
  mbolo serve --data ~/cell --listen 127.0.0.1:8100
  mbolo serve --data /var/lib/mbolo --listen 0.0.0.0:443 --tls generated --signup invite
  mbolo serve --config /etc/mbolo/cell.toml

The first line on standard output says where the cell listens, also with port 0. Settings are taken from
the configuration file, then from environment variables (MBOLO_DATA, MBOLO_LISTEN, …), then from flags.
Ctrl-C or SIGTERM ends the cell in order; nothing is lost if it is killed.";

/// For who serves more than this machine in the open.
const WITHOUT_TLS: &str =
    "There is no TLS: whoever is on the way sees everything but what the messages say, and browsers \
     on other machines keep nothing.
       Add --tls generated or --tls files, unless a proxy before the cell does TLS.";

/// `mbolo serve …`
#[derive(Debug)]
pub struct ServeArgs {
    config: Option<PathBuf>,
    flags: Layer,
}

/// `mbolo invite …`
#[derive(Debug, clap::Args)]
pub struct InviteArgs {
    /// The data directory of the cell; the cell may be running
    #[arg(long, value_name = "DIR", env = "MBOLO_DATA")]
    data: PathBuf,
}

/// Runs a cell until it is told to stop.
pub fn run(args: ServeArgs) -> Result<(), Problem> {
    let config = Config::load(args.config.as_deref(), environment(), args.flags).map_err(ServeError::from)?;
    if !config.listen.ip().is_loopback() && config.tls == Tls::Off {
        eprintln!("mbolo: {WITHOUT_TLS}");
    }
    let shutdown = Shutdown::on_signals()?;
    Ok(mbolo_server::run(config, assets::web_client(), shutdown)?)
}

/// Prints a new invite code.
pub fn invite(args: InviteArgs) -> Result<(), Problem> {
    super::say(mbolo_server::mint_invite(&args.data)?)
}

impl From<ServeError> for Problem {
    fn from(error: ServeError) -> Self {
        let exit = match &error {
            ServeError::Config(_) => Exit::Usage,
            ServeError::AddressInUse(_) | ServeError::DataInUse(_) => Exit::InUse,
            ServeError::DataUnusable { .. }
            | ServeError::KeyDamaged(_)
            | ServeError::KeyMissing(_)
            | ServeError::Store { .. }
            | ServeError::Certificate(_)
            | ServeError::StoreFailed(_) => Exit::Storage,
            _ => Exit::Failed,
        };
        // The server's sentences have the advice after a colon or a semicolon already.
        Self::new(exit, sentence(&error.to_string()))
    }
}

/// Variables whose name or value is not text cannot be settings.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

impl clap::Args for ServeArgs {
    fn augment_args(command: Command) -> Command {
        let command = command.arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Configuration file (TOML); docs/cell.example.toml shows every setting"),
        );
        mbolo_server::settings().into_iter().fold(command, |command, setting| {
            let mut help = setting.doc.join(" ");
            if let Some(default) = &setting.default {
                help.push_str(&format!(" [default: {default}]"));
            }
            // The command line is built once and lives as long as the process.
            let flag: &'static str = setting.key.replace('_', "-").leak();
            command.arg(Arg::new(setting.key).long(flag).value_name("VALUE").help(help))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Layer::default();
        for setting in mbolo_server::settings() {
            if let Some(text) = matches.get_one::<String>(setting.key) {
                flags.set(setting.key, text).map_err(|why| {
                    let flag = setting.key.replace('_', "-");
                    clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("--{flag}: {why}\n"))
                })?;
            }
        }
        Ok(Self { config: matches.get_one("config").cloned(), flags })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_store_is_to_be_restored_and_that_is_said_once() {
        let store = |message: &str| ServeError::Store { path: "/cell/store".into(), message: message.into() };
        let damaged = "the store is damaged: no record 7; nothing was changed: restore a backup, or salvage a copy of it";
        for (message, times) in [(damaged, 1), ("permission denied", 0)] {
            let Problem { exit, what, .. } = Problem::from(store(message));
            assert_eq!(exit, Exit::Storage);
            let said = ["backup", "nothing was changed"].map(|words| what.matches(words).count());
            assert_eq!(said, [times; 2], "{what}");
        }
    }
}
