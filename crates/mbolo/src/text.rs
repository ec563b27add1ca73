//! Texts for a terminal: what others wrote made harmless, lines broken where people would break them, times
//! as one says them.
//!
//! Everything that came from someone else goes through [`clean`] before it reaches a terminal: an escape
//! sequence in a message must not move the cursor, change the title or hide text.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use mbolo_client_api::{Body, Change, Chat, Member, Message, MessageState, RoomEvent};
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

/// What somebody is called for people: their name or, until they have told one, their handle.
pub fn person(member: &Member) -> String {
    let name = clean_line(&member.name);
    match &member.handle {
        Some(handle) if name.trim().is_empty() || name == *handle => format!("@{handle}"),
        None if name.trim().is_empty() => "Somebody".to_owned(),
        _ => name,
    }
}

/// Whether a chat has no name that could be shown, as a group after a recovery, until an admin tells its name.
pub fn is_nameless(chat: &Chat) -> bool {
    clean_line(&chat.name).trim().is_empty()
}

/// What a chat is called for people: its name or, without one, who else is in it. Others choose their names, so this is
/// never an address.
pub fn title(chat: &Chat, members: &[Member]) -> String {
    if !is_nameless(chat) {
        return clean_line(&chat.name);
    }
    let others: Vec<_> = members.iter().filter(|member| !member.me).map(person).collect();
    match others.as_slice() {
        [] => "A group without a name".to_owned(),
        [one] => one.clone(),
        [first @ .., last] if first.len() <= 2 => format!("{} and {last}", first.join(", ")),
        [first, second, more @ ..] => format!("{first}, {second} and {} more", more.len()),
    }
}

/// Gives the people in an event the names they have by now: when somebody was added, their handle may not have been known
/// yet. Returns whether all have one.
pub fn name_people(message: &mut Message, members: &[Member]) -> bool {
    let Body::Event { event } = &mut message.body else { return true };
    let mentioned = match event {
        RoomEvent::Added { members } => members.as_mut_slice(),
        RoomEvent::Removed { member } | RoomEvent::Promoted { member } | RoomEvent::Demoted { member } => {
            std::slice::from_mut(member)
        }
        RoomEvent::Created | RoomEvent::Left | RoomEvent::Renamed { .. } => return true,
    };
    let is_named =
        |member: &Member| member.me || member.handle.is_some() || !member.account.starts_with(&member.name);
    for person in mentioned.iter_mut().filter(|person| !is_named(person)) {
        if let Some(member) = members.iter().find(|member| member.account == person.account) {
            *person = member.clone();
        }
    }
    mentioned.iter().all(is_named)
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
    let who = if message.sender.me { "You".to_owned() } else { person(&message.sender) };
    let name = |member: &Member| if member.me { "you".to_owned() } else { person(member) };
    match event {
        RoomEvent::Created => format!("{who} created the group"),
        RoomEvent::Added { members } => {
            let names: Vec<_> = members.iter().map(name).collect();
            format!("{who} added {}", names.join(", "))
        }
        RoomEvent::Removed { member } => format!("{who} removed {}", name(member)),
        RoomEvent::Left => format!("{who} left the group"),
        // The cell has made an admin of somebody, because the last one has left.
        RoomEvent::Promoted { member } if member.account == message.sender.account => {
            format!("{who} {} now an admin", if member.me { "are" } else { "is" })
        }
        RoomEvent::Promoted { member } => format!("{who} made {} an admin", name(member)),
        RoomEvent::Demoted { member } => format!("{who} took the admin role back from {}", name(member)),
        RoomEvent::Renamed { name } => format!("{who} named the group “{}”", clean_line(name)),
    }
}

/// That a change of a group does not happen; why not is another sentence.
pub fn unchanged(change: Change, members: &[Member]) -> String {
    let names: Vec<_> = members.iter().map(person).collect();
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

    fn member(name: &str, handle: Option<&str>) -> Member {
        let handle = handle.map(str::to_owned);
        Member { account: format!("{name}xyz"), name: name.into(), handle, admin: false, me: false }
    }

    fn event(sender: Member, event: RoomEvent) -> Message {
        Message {
            id: "1".into(),
            position: 1,
            sender,
            at_ms: 0,
            body: Body::Event { event },
            edited: false,
            reply_to: None,
            reactions: Vec::new(),
            state: None,
        }
    }

    #[test]
    fn a_group_without_a_name_is_called_by_who_is_in_it() {
        let mut chat = Chat {
            room: "R".into(),
            kind: mbolo_client_api::ChatKind::Group,
            name: String::new(),
            peer: None,
            member_count: 5,
            unread: 0,
            last_message: None,
            last_activity_ms: 0,
            membership: mbolo_client_api::Membership::Member,
            admin: false,
            waiting: false,
        };
        let mut members = vec![Member { me: true, ..member("Tia", Some("tia")) }];
        let mut titles = vec![title(&chat, &members)];
        for name in ["Awa", "bibi", "Chantal", "Dodo"] {
            members.push(member(name, Some(&name.to_lowercase())));
            titles.push(title(&chat, &members));
        }
        assert_eq!(
            titles,
            [
                "A group without a name",
                "Awa",
                "Awa and @bibi",
                "Awa, @bibi and Chantal",
                "Awa, @bibi and 2 more"
            ]
        );
        chat.name = "Family".into();
        assert_eq!(title(&chat, &members), "Family");
    }

    #[test]
    fn who_had_no_name_when_added_gets_the_one_known_by_now() {
        let stranger = member("uwcfmkkz", None);
        let added = RoomEvent::Added { members: vec![stranger.clone()] };
        let mut message = event(member("Bibi", Some("bibi")), added);
        assert!(!name_people(&mut message, &[]));
        let known = Member { account: stranger.account, ..member("dodo", Some("dodo")) };
        assert!(name_people(&mut message, &[known]));
        assert_eq!(body(&message), "Bibi added @dodo");
    }

    #[test]
    fn nobody_makes_themselves_an_admin() {
        let dodo = member("Dodo", Some("dodo"));
        let promoted = |by: Member| event(by, RoomEvent::Promoted { member: dodo.clone() });
        assert_eq!(body(&promoted(dodo.clone())), "Dodo is now an admin");
        assert_eq!(body(&promoted(member("Awa", None))), "Awa made Dodo an admin");
        let me = Member { me: true, ..dodo.clone() };
        assert_eq!(body(&event(me.clone(), RoomEvent::Promoted { member: me })), "You are now an admin");
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
