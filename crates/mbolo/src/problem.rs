//! What the program says when it cannot do what it was asked: one sentence that says what happened, one
//! that says what to do next, and an exit code that a script can rely on (`docs/terminal.md` lists them).

use std::fmt::Display;
use std::process::ExitCode;

use mbolo_client_api::Failure;

/// Exit codes. Their numbers are documented and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Nothing more to say: the reader of our output has gone away.
    Quiet = 0,
    /// Something unexpected.
    Failed = 1,
    /// The command line is wrong (clap exits with this itself).
    Usage = 2,
    /// The request was understood and refused: handle taken, not an admin, unknown room.
    Refused = 3,
    /// The cell does not answer.
    Unreachable = 4,
    /// Something else answers at the address, or a cell of another version, or with another certificate.
    NotMbolo = 5,
    /// The profile has no account yet.
    NoAccount = 6,
    /// Another process uses the profile, the data directory or the port.
    InUse = 7,
    /// Not confirmed before the time was up.
    TimedOut = 8,
    /// The disk is full, read-only or damaged.
    Storage = 9,
}

/// Why a command ends without success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// For scripts.
    pub exit: Exit,
    /// What happened.
    pub what: String,
    /// What to do next, if there is something.
    pub next: Option<String>,
}

impl Problem {
    /// A problem without advice; see [`Problem::next`].
    pub fn new(exit: Exit, what: impl Display) -> Self {
        Self { exit, what: what.to_string(), next: None }
    }

    /// Adds what to do next.
    pub fn next(mut self, next: impl Display) -> Self {
        self.next = Some(next.to_string());
        self
    }

    /// Something that ought not to happen.
    pub fn unexpected(what: impl Display) -> Self {
        Self::new(Exit::Failed, what)
    }

    /// Tells the person on stderr and ends with the exit code.
    pub fn report(&self) -> ExitCode {
        if self.exit != Exit::Quiet {
            eprintln!("mbolo: {}", self.what);
            if let Some(next) = &self.next {
                eprintln!("       {next}");
            }
        }
        ExitCode::from(self.exit as u8)
    }
}

/// What to do when only an admin may do something; who knows the room says it with the room.
pub const WHO_IS_ADMIN: &str = "`mbolo room show` says who is an admin and can do it.";

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let exit = match failure.code.as_str() {
            "offline" => Exit::Unreachable,
            "no_account" => Exit::NoAccount,
            "other_cell" | "other_version" | "unknown_device" => Exit::NotMbolo,
            "storage_full" => Exit::Storage,
            "internal" => Exit::Failed,
            _ => Exit::Refused,
        };
        let problem = Self::new(exit, sentence(&failure.message));
        match failure.code.as_str() {
            "no_account" => problem.next("Make one with: mbolo account create HANDLE --name NAME --cell URL"),
            "already_signed_up" => {
                problem.next("Another person on this machine takes another --profile DIR.")
            }
            "handle_taken" => {
                problem.next("Choose another handle, for example with a digit or your town in it.")
            }
            "handle_invalid" => problem.next(
                "A handle has 3 to 35 of the letters a to z, digits, _ and . and begins with a letter. \
                 Letters of other alphabets that look the same do not count.",
            ),
            "handle_unknown" => problem.next("Handles are those of the cell you are on."),
            "invite_invalid" | "signup_closed" => problem.next(
                "Ask the person who runs the cell for an invite code (mbolo invite) and add --invite CODE.",
            ),
            "unknown_room" => problem.next("`mbolo room list` shows your rooms."),
            "not_admin" => problem.next(WHO_IS_ADMIN),
            _ => problem,
        }
    }
}

impl From<std::io::Error> for Problem {
    /// Errors of our own stdout and of files in the profile.
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{
            BrokenPipe, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
        };
        match error.kind() {
            BrokenPipe => Self::new(Exit::Quiet, "the reader went away"),
            StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied => {
                Self::new(Exit::Storage, error)
            }
            _ => Self::unexpected(error),
        }
    }
}

/// A message of another part, written as a sentence or as a fragment, as a sentence. A key of a configuration or a path
/// at its beginning stays as it is written.
pub fn sentence(message: &str) -> String {
    let message = message.trim();
    let mut text = if begins_with_a_name(message) {
        message.to_owned()
    } else {
        let mut letters = message.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        first + letters.as_str()
    };
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

fn begins_with_a_name(message: &str) -> bool {
    let (word, rest) = message.split_once(' ').unwrap_or((message, ""));
    rest.starts_with("= ") || word.trim_end_matches(['.', ':']).contains(['_', '/', '\\', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_paths_keep_their_case() {
        assert_eq!(sentence("the disk is full"), "The disk is full.");
        assert_eq!(sentence("gone."), "Gone.");
        for begun in ["pow_bits is at most 22.", "tls = \"files\" needs both.", "cc/cell.key is missing."] {
            assert_eq!(sentence(begun), begun);
        }
    }

    #[test]
    fn a_refusal_says_what_to_do_next_and_has_its_own_code() {
        let taken = Failure { code: "handle_taken".into(), message: "that handle is taken".into() };
        let problem = Problem::from(taken);
        assert_eq!((problem.exit, problem.what.as_str()), (Exit::Refused, "That handle is taken."));
        assert!(problem.next.is_some_and(|next| next.contains("another handle")));
    }

    #[test]
    fn a_closed_pipe_is_not_worth_a_word() {
        let problem = Problem::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(problem.exit, Exit::Quiet);
    }
}
