//! Colours for printed lines: only where a person looks, never in a pipe, never against `NO_COLOR`.

use std::io::IsTerminal;
use std::sync::LazyLock;

/// Whether stdout may be coloured. See <https://no-color.org>.
pub static COLOUR: LazyLock<bool> = LazyLock::new(|| {
    let no = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal()
        && !no("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
});

/// Strong.
pub fn bold(text: &str) -> String {
    paint("1", text)
}

/// Quiet.
pub fn dim(text: &str) -> String {
    paint("2", text)
}

/// Good news.
pub fn green(text: &str) -> String {
    paint("32", text)
}

fn paint(code: &str, text: &str) -> String {
    if *COLOUR { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}
