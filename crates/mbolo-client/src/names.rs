//! Names that people give to themselves and to groups: what may be in one.
//!
//! A name stands next to others' names and inside sentences, so it holds nothing that is not seen: no characters
//! that turn the direction of what follows, and none that only tell two names apart for a machine. What this
//! device gives is refused with such characters; what others give is shown without them.

use mbolo_client_api::Failure;

use crate::engine::failure;

/// A name, trimmed, or why it is none.
pub(crate) fn checked(name: &str) -> Result<String, Failure> {
    let name = name.trim();
    if name.is_empty() {
        return Err(failure("empty", "a name cannot be empty"));
    }
    if name.chars().count() > MAX_CHARS {
        return Err(failure("too_long", "a name has at most 100 characters"));
    }
    if without_unseen(name) != name {
        let message = "this name has characters that cannot be seen; type it anew instead of pasting it";
        return Err(failure("name_invalid", message));
    }
    Ok(name.to_owned())
}

/// A name as others are shown it.
pub(crate) fn cleaned(name: &str) -> String {
    without_unseen(name).trim().chars().take(MAX_CHARS).collect()
}

fn without_unseen(name: &str) -> String {
    let mut seen = String::with_capacity(name.len());
    let mut letters = name.chars().peekable();
    while let Some(c) = letters.next() {
        let is_fine = if is_joiner(c) {
            // Scripts without capitals are written with joiners, and emoji are put together by them.
            let joins = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !is_joiner(c) && !has_case(c));
            joins(seen.chars().next_back()) && joins(letters.peek().copied())
        } else {
            !is_unseen(c)
        };
        if is_fine {
            seen.push(c);
        }
    }
    seen
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

fn has_case(c: char) -> bool {
    c.is_lowercase() || c.is_uppercase()
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The longest name, in characters.
const MAX_CHARS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_are_taken() {
        for name in [
            "Awa Ndong",
            "Ångström",
            "عائشة",
            "می\u{200c}خواهم",
            "阿娃",
            "Awa 👩\u{200d}👩\u{200d}👧",
            "न्\u{200d}य",
        ] {
            assert_eq!(checked(name), Ok(name.to_owned()), "{name:?}");
            assert_eq!(cleaned(name), name);
        }
    }

    #[test]
    fn what_cannot_be_seen_is_refused_and_not_shown() {
        for (name, shown) in [
            ("Bi\u{200b}bi", "Bibi"),
            ("Bi\u{200d}bi", "Bibi"),
            ("\u{202e}ibiB", "ibiB"),
            ("\u{2066}Awa\u{2069}", "Awa"),
            ("Awa\u{200f}", "Awa"),
            ("A\u{7}wa", "Awa"),
        ] {
            assert_eq!(checked(name).unwrap_err().code, "name_invalid", "{name:?}");
            assert_eq!(cleaned(name), shown);
        }
        assert_eq!(checked(" ").unwrap_err().code, "empty");
        assert_eq!(checked(&"x".repeat(101)).unwrap_err().code, "too_long");
    }
}
