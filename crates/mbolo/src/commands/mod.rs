//! One module a command.

pub mod account;
pub mod check;
pub mod listen;
pub mod pulse;
pub mod room;
pub mod send;
pub mod serve;

use std::io::Write;

use serde::Serialize;

use crate::problem::Problem;

/// The version of the JSON that scripts see. It grows when a field changes its meaning or goes away, not when
/// one is added.
pub const JSON_VERSION: u32 = 1;

/// Prints one line.
pub fn say(text: impl std::fmt::Display) -> Result<(), Problem> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Prints one JSON object with its version on one line.
pub fn say_json(value: &impl Serialize) -> Result<(), Problem> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        v: u32,
        #[serde(flatten)]
        value: &'a T,
    }
    say(serde_json::to_string(&Line { v: JSON_VERSION, value }).map_err(Problem::unexpected)?)
}
