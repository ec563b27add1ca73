//! Handles: what people type to find each other on a cell.
//!
//! 3 to 35 characters of `a-z`, `0-9`, `_` and `.`: no upper case and no other alphabets, so two handles
//! that look alike are alike. A handle begins with a letter and has no two dots in a row nor one at the end,
//! so that it can stand in a sentence and before an `@`.

use std::fmt;
use std::str::FromStr;

/// A valid handle, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(String);

/// Why a text is not a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHandle {
    /// Shorter than 3 or longer than 35 characters.
    #[error("a handle has 3 to 35 characters")]
    Length,
    /// A character outside `a-z0-9_.`, which includes letters of other alphabets that look the same.
    #[error("a handle has only the letters a to z, digits, _ and .")]
    Character,
    /// It must begin with a letter, and dots stand alone between other characters.
    #[error("a handle begins with a letter, has no two dots in a row and does not end with one")]
    Shape,
}

impl Handle {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Handle {
    type Err = InvalidHandle;

    /// Accepts a leading `@` and upper case ASCII, because people type them.
    fn from_str(text: &str) -> Result<Self, InvalidHandle> {
        let text = text.trim();
        let text = text.strip_prefix('@').unwrap_or(text).to_ascii_lowercase();
        if !text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.')) {
            return Err(InvalidHandle::Character);
        }
        if !(3..=35).contains(&text.len()) {
            return Err(InvalidHandle::Length);
        }
        if !text.as_bytes()[0].is_ascii_lowercase() || text.contains("..") || text.ends_with('.') {
            return Err(InvalidHandle::Shape);
        }
        Ok(Self(text))
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_read_as_people_type_them() {
        assert_eq!("@Awa.Ndong ".parse::<Handle>().map(|h| h.to_string()), Ok("awa.ndong".into()));
    }

    #[test]
    fn what_is_no_handle_is_refused_with_its_reason() {
        for (text, why) in [
            ("ab", InvalidHandle::Length),
            (&"a".repeat(36), InvalidHandle::Length),
            ("awа", InvalidHandle::Character), // the last letter is Cyrillic
            ("a wa", InvalidHandle::Character),
            ("1awa", InvalidHandle::Shape),
            ("aw..a", InvalidHandle::Shape),
            ("awa.", InvalidHandle::Shape),
        ] {
            assert_eq!(text.parse::<Handle>(), Err(why), "{text}");
        }
    }
}
