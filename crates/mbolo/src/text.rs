//! Texts for a terminal: what others wrote made harmless, lines broken where people would break them, times
//! as one says them.
//!
//! Everything that came from someone else goes through [`clean`] before it reaches a terminal: an escape
//! sequence in a message must not move the cursor, change the title or hide text.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use mbolo_client_api::{Body, Change, Member, Message, MessageState, RoomEvent};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The text without control characters and without characters that reorder what follows; line breaks stay.
pub fn clean(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' => Some('\n'),
            '\t' => Some(' '),
            c if c.is_control() => None,
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
            c => Some(c),
        })
        .collect()
}

/// [`clean`] for names and other things of one line.
pub fn clean_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}

/// Breaks a text into lines of at most `width` columns, between words where possible.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split_word_bounds() {
            let word_width = word.width();
            if used + word_width <= width {
                line.push_str(word);
                used += word_width;
                continue;
            }
            if word.trim().is_empty() {
                continue; // a space at the end of a line is not seen
            }
            if used > 0 {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                used = 0;
            }
            for grapheme in word.graphemes(true) {
                let grapheme_width = grapheme.width();
                if used + grapheme_width > width && used > 0 {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push_str(grapheme);
                used += grapheme_width;
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// The text cut to `width` columns, with an ellipsis where something is missing.
pub fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        if used + grapheme.width() + 1 > width {
            break;
        }
        used += grapheme.width();
        short.push_str(grapheme);
    }
    short.push('…');
    short
}

/// A moment on this machine's clock and in its time zone.
pub fn local(ms: u64) -> Zoned {
    Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(i64::MAX))
        .unwrap_or(Timestamp::MAX)
        .to_zoned(TimeZone::system())
}

/// `14:03`
pub fn time_of_day(ms: u64) -> String {
    local(ms).strftime("%H:%M").to_string()
}

/// `Today`, `Yesterday`, `Monday 16 November` or, in another year, `16 November 2025`.
pub fn day(ms: u64, now_ms: u64) -> String {
    let (then, now) = (local(ms), local(now_ms));
    if then.date() == now.date() {
        "Today".to_owned()
    } else if now.date().yesterday().is_ok_and(|yesterday| yesterday == then.date()) {
        "Yesterday".to_owned()
    } else if then.year() == now.year() {
        then.strftime("%A %-d %B").to_string()
    } else {
        then.strftime("%-d %B %Y").to_string()
    }
}

/// For lists: the time today, else the date.
pub fn moment(ms: u64, now_ms: u64) -> String {
    let (then, now) = (local(ms), local(now_ms));
    if then.date() == now.date() {
        then.strftime("%H:%M").to_string()
    } else {
        then.strftime("%Y-%m-%d").to_string()
    }
}

/// The sign of a message's state, as wide as it looks.
pub fn tick(state: MessageState) -> &'static str {
    match state {
        MessageState::Failed => "✗",
        MessageState::Waiting => "…",
        MessageState::Sent => "✓",
        MessageState::Delivered | MessageState::Read => "✓✓",
    }
}

/// The state in a word, for where colour and signs do not reach.
pub fn state_word(state: MessageState) -> &'static str {
    match state {
        MessageState::Failed => "failed",
        MessageState::Waiting => "waiting",
        MessageState::Sent => "sent",
        MessageState::Delivered => "delivered",
        MessageState::Read => "read",
    }
}

/// What a message says, as text for one who reads it in a terminal.
pub fn body(message: &Message) -> String {
    match &message.body {
        Body::Text { text } => clean(text),
        Body::Deleted => "(message deleted)".to_owned(),
        Body::Unreadable { reason } if reason == "newer_version" => {
            "(this message needs a newer version of Mbolo)".to_owned()
        }
        Body::Unreadable { .. } => "(this message cannot be shown: it could not be decrypted)".to_owned(),
        Body::Event { event } => event_sentence(message, event),
    }
}

fn event_sentence(message: &Message, event: &RoomEvent) -> String {
    let who = if message.sender.me { "You".to_owned() } else { clean_line(&message.sender.name) };
    let name = |member: &mbolo_client_api::Member| {
        if member.me { "you".to_owned() } else { clean_line(&member.name) }
    };
    match event {
        RoomEvent::Created => format!("{who} created the group"),
        RoomEvent::Added { members } => {
            let names: Vec<_> = members.iter().map(name).collect();
            format!("{who} added {}", names.join(", "))
        }
        RoomEvent::Removed { member } => format!("{who} removed {}", name(member)),
        RoomEvent::Left => format!("{who} left the group"),
        RoomEvent::Promoted { member } => format!("{who} made {} an admin", name(member)),
        RoomEvent::Demoted { member } => format!("{who} took the admin role back from {}", name(member)),
        RoomEvent::Renamed { name } => format!("{who} named the group “{}”", clean_line(name)),
    }
}

/// That a change of a group does not happen; why not is another sentence.
pub fn unchanged(change: Change, members: &[Member]) -> String {
    let names: Vec<_> = members.iter().map(|member| clean_line(&member.name)).collect();
    let names = names.join(", ");
    match change {
        Change::Add => format!("Not added: {names}."),
        Change::Remove => format!("Not removed: {names}."),
        Change::Promote => format!("Not made an admin: {names}."),
        Change::Demote => format!("Still an admin: {names}."),
        Change::Rename => "The group was not renamed.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\u{7}\u{9b}31mc\nd\u{202e}e"), "a[2Jb31mc\nde");
        assert_eq!(clean_line("Awa\nNdong"), "Awa Ndong");
    }

    #[test]
    fn lines_break_between_words_and_long_words_inside() {
        assert_eq!(wrap("mbolo from Libreville", 10), ["mbolo from", "Libreville"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("one\n\ntwo", 10), ["one", "", "two"]);
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn wide_characters_count_as_wide() {
        assert_eq!(wrap("你好世界", 4), ["你好", "世界"]);
        assert_eq!(shorten("你好世界", 5), "你好…");
        assert_eq!(shorten("Awa", 3), "Awa");
    }
}
