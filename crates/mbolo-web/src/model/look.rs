//! How people and chats look without pictures: initials and one of a few colours, the same on every device.

use super::letters;

/// Number of avatar colours in the style sheet (`--hue-0` and on).
pub const HUES: u32 = 8;

/// One or two letters for an avatar: the first of the first and of the last word.
pub fn initials(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let first = words.next();
    let last = words.next_back();
    letters::capital(&first.into_iter().chain(last).collect::<String>())
}

/// A stable colour number for an id. FNV-1a: any spread will do, but it must never change.
pub fn hue(id: &str) -> u32 {
    let hash =
        id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % HUES
}

/// The beginning of a text on one line, at most `limit` characters.
pub fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    for (count, c) in
        text.split_whitespace().flat_map(|word| [" ", word]).flat_map(str::chars).skip(1).enumerate()
    {
        if count == limit {
            line.push('…');
            break;
        }
        line.push(c);
    }
    line
}

/// Whether a text is nothing but one to three emoji, which are shown large.
pub fn is_big_emoji(text: &str) -> bool {
    let mut shown = 0;
    for c in text.trim().chars() {
        match c {
            '\u{200d}' | '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' => {}
            '\u{203c}'..='\u{3299}' | '\u{1f000}'..='\u{1faff}' if !c.is_alphanumeric() => shown += 1,
            _ => return false,
        }
    }
    // A family of four is one picture made of up to seven characters joined together.
    (1..=3).contains(&shown) || (shown <= 4 && text.contains('\u{200d}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_those_of_the_first_and_last_word() {
        assert_eq!(initials("Awa Marie Nkoghe"), "AN");
        assert_eq!(initials("élodie"), "É");
        assert_eq!(initials("(Bureau) 3"), "B3");
        assert_eq!(initials("…"), "");
    }

    #[test]
    fn a_preview_is_one_line_of_bounded_length() {
        assert_eq!(one_line("a\n\n b   c", 10), "a b c");
        assert_eq!(one_line("abcdef", 3), "abc…");
        assert_eq!(one_line("", 3), "");
    }

    #[test]
    fn only_a_few_emoji_alone_are_shown_large() {
        assert!(is_big_emoji("👍🏾"));
        assert!(is_big_emoji("❤️🎉"));
        assert!(is_big_emoji("👨‍👩‍👧‍👦"));
        assert!(!is_big_emoji("👍 ok"));
        assert!(!is_big_emoji("123"));
        assert!(!is_big_emoji(""));
        assert!(!is_big_emoji("🎉🎉🎉🎉"));
    }
}
