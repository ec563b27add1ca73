//! One open conversation: the messages known so far, and the rows they are shown as.
//!
//! The engine is asked for pages backwards from the newest, and sends updates in any order. The invariant:
//! a timeline has no holes. It holds every message from its oldest to the newest, so an update for a message
//! older than the oldest known is dropped; it comes with its page.

use std::collections::{BTreeMap, HashMap};

use mbolo_client_api::{Body, Message};

/// Messages of one sender closer together than this are one group.
const GROUP_GAP_MS: u64 = 5 * 60 * 1_000;

/// The known part of a conversation.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// By position, then id: two messages never hide each other, whatever positions they claim.
    messages: BTreeMap<(u64, String), Message>,
    positions: HashMap<String, u64>,
    /// Whether there are older messages that are not loaded.
    pub more: bool,
    /// Whether the first page has arrived.
    pub loaded: bool,
    /// The first message that was unread when the conversation was opened.
    pub unread_from: Option<String>,
}

/// One line of the conversation as it is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Row {
    /// A new day; the time of its first message.
    Day(u64),
    /// From here on it was unread.
    Unread,
    /// What happened to the room.
    Event(String),
    /// A message; whether it begins and ends a group of its sender.
    Message {
        /// [`Message::id`].
        id: String,
        /// Begins a group: the sender is named.
        first: bool,
        /// Ends a group: the bubble has its corner.
        last: bool,
    },
}

impl Row {
    /// A key that stays the same while neighbours come and go.
    pub fn key(&self) -> String {
        match self {
            Self::Day(at_ms) => format!("day-{at_ms}"),
            Self::Unread => "unread".into(),
            Self::Event(id) | Self::Message { id, .. } => id.clone(),
        }
    }
}

impl Timeline {
    /// Takes a page of older messages (or the first, newest one).
    pub fn put_page(&mut self, messages: Vec<Message>, more: bool) {
        for message in messages {
            self.insert(message);
        }
        self.more = more;
        self.loaded = true;
    }

    /// Takes the newest page, perhaps after a pause. If it does not meet what is known, that is forgotten:
    /// the messages between are loaded again on the way back.
    pub fn put_newest(&mut self, messages: Vec<Message>, more: bool) {
        let meets =
            self.loaded && (!more || messages.iter().any(|message| self.positions.contains_key(&message.id)));
        if meets {
            let more = self.more;
            self.put_page(messages, more);
        } else {
            self.messages.clear();
            self.positions.clear();
            self.put_page(messages, more);
        }
    }

    /// Takes an update. Returns whether it was a new message at the end.
    pub fn put(&mut self, message: Message) -> bool {
        if !self.loaded {
            return false;
        }
        let known = self.positions.contains_key(&message.id);
        let older_than_all =
            self.messages.keys().next().is_some_and(|(oldest, _)| message.position < *oldest);
        if !known && self.more && older_than_all {
            return false;
        }
        let newest = self.messages.keys().next_back().is_none_or(|(newest, _)| message.position > *newest);
        self.insert(message);
        newest && !known
    }

    /// A message is gone; the unread marker moves to the one after it.
    pub fn remove(&mut self, id: &str) {
        let Some(position) = self.positions.remove(id) else { return };
        let key = (position, id.to_owned());
        self.messages.remove(&key);
        if self.unread_from.as_deref() == Some(id) {
            self.unread_from = self.messages.range(key..).next().map(|(_, next)| next.id.clone());
        }
    }

    /// By id.
    pub fn get(&self, id: &str) -> Option<&Message> {
        let position = *self.positions.get(id)?;
        self.messages.get(&(position, id.to_owned()))
    }

    /// Position of the oldest known message: where the next page ends.
    pub fn oldest(&self) -> Option<u64> {
        self.messages.keys().next().map(|(position, _)| *position)
    }

    /// The newest message.
    pub fn newest(&self) -> Option<&Message> {
        self.messages.values().next_back()
    }

    /// The newest text of one's own that can still be changed.
    pub fn last_own_text(&self) -> Option<&Message> {
        self.messages.values().rev().find(|m| m.sender.me && matches!(m.body, Body::Text { .. }))
    }

    /// Messages, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages.values()
    }

    /// Number of known messages.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Puts the unread marker before the last `unread` messages of others.
    pub fn mark_unread(&mut self, unread: u32) {
        let Some(back) = (unread as usize).checked_sub(1) else { return };
        let mut others = self.messages.values().rev().filter(|m| !m.sender.me);
        let marked = others.nth(back).or_else(|| self.messages.values().find(|m| !m.sender.me));
        self.unread_from = marked.map(|m| m.id.clone());
    }

    /// How many messages of others come after the one with this id.
    pub fn others_after(&self, id: &str) -> usize {
        let Some(position) = self.positions.get(id) else { return 0 };
        self.messages.range((*position, id.to_owned())..).filter(|(_, m)| m.id != id && !m.sender.me).count()
    }

    /// What is drawn, top to bottom. `day_of` numbers local days.
    pub fn rows(&self, day_of: impl Fn(u64) -> i64) -> Vec<Row> {
        let mut rows = Vec::with_capacity(self.messages.len() + 8);
        let mut before: Option<&Message> = None;
        let mut messages = self.messages.values().peekable();
        while let Some(message) = messages.next() {
            let new_day = before.is_none_or(|before| day_of(before.at_ms) != day_of(message.at_ms));
            if new_day {
                rows.push(Row::Day(message.at_ms));
            }
            let unread = self.unread_from.as_deref() == Some(message.id.as_str());
            if unread {
                rows.push(Row::Unread);
            }
            if let Body::Event { .. } = message.body {
                rows.push(Row::Event(message.id.clone()));
            } else {
                let joined = |a: &Message, b: &Message| grouped(a, b) && day_of(a.at_ms) == day_of(b.at_ms);
                let first = unread || !before.is_some_and(|before| joined(before, message));
                let next_unread = |next: &Message| self.unread_from.as_deref() == Some(next.id.as_str());
                let last = !messages.peek().is_some_and(|next| joined(message, next) && !next_unread(next));
                rows.push(Row::Message { id: message.id.clone(), first, last });
            }
            before = Some(message);
        }
        rows
    }

    fn insert(&mut self, message: Message) {
        if let Some(old) = self.positions.insert(message.id.clone(), message.position) {
            self.messages.remove(&(old, message.id.clone()));
        }
        self.messages.insert((message.position, message.id.clone()), message);
    }
}

fn grouped(before: &Message, after: &Message) -> bool {
    before.sender.account == after.sender.account
        && !matches!(before.body, Body::Event { .. })
        && !matches!(after.body, Body::Event { .. })
        && after.at_ms.abs_diff(before.at_ms) < GROUP_GAP_MS
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use mbolo_client_api::{Member, MessageState, RoomEvent};

    pub(crate) fn message(position: u64, sender: &str, at_ms: u64) -> Message {
        Message {
            id: format!("m{position}"),
            position,
            sender: Member {
                account: sender.into(),
                name: sender.into(),
                handle: None,
                admin: false,
                me: sender == "me",
            },
            at_ms,
            body: Body::Text { text: format!("text {position}") },
            edited: false,
            reply_to: None,
            reactions: vec![],
            state: None,
        }
    }

    const DAY_MS: u64 = 86_400_000;

    fn day(at_ms: u64) -> i64 {
        (at_ms / DAY_MS) as i64
    }

    fn loaded(messages: Vec<Message>, more: bool) -> Timeline {
        let mut timeline = Timeline::default();
        timeline.put_page(messages, more);
        timeline
    }

    fn ids(timeline: &Timeline) -> Vec<String> {
        timeline.iter().map(|m| m.id.clone()).collect()
    }

    #[test]
    fn what_is_removed_takes_the_unread_marker_to_the_next() {
        let mut timeline =
            loaded(vec![message(1, "awa", 0), message(2, "awa", 1), message(3, "awa", 2)], false);
        timeline.mark_unread(2);
        timeline.remove("m2");
        assert_eq!(ids(&timeline), ["m1", "m3"]);
        assert_eq!(timeline.unread_from.as_deref(), Some("m3"));
        timeline.remove("m2");
        assert_eq!(timeline.len(), 2);
    }

    #[test]
    fn messages_of_one_sender_close_together_are_one_group() {
        let timeline = loaded(
            vec![
                message(1, "awa", 0),
                message(2, "awa", 1_000),
                message(3, "me", 2_000),
                message(4, "me", 2_000 + GROUP_GAP_MS),
            ],
            false,
        );
        let shape: Vec<_> = timeline
            .rows(day)
            .into_iter()
            .filter_map(
                |row| if let Row::Message { first, last, .. } = row { Some((first, last)) } else { None },
            )
            .collect();
        assert_eq!(shape, [(true, false), (false, true), (true, true), (true, true)]);
    }

    #[test]
    fn every_day_begins_with_its_date_and_breaks_a_group() {
        let timeline = loaded(vec![message(1, "awa", DAY_MS - 1), message(2, "awa", DAY_MS)], false);
        let rows = timeline.rows(day);
        assert_eq!(rows[0], Row::Day(DAY_MS - 1));
        assert_eq!(rows[1], Row::Message { id: "m1".into(), first: true, last: true });
        assert_eq!(rows[2], Row::Day(DAY_MS));
        assert_eq!(rows[3], Row::Message { id: "m2".into(), first: true, last: true });
    }

    #[test]
    fn an_event_of_the_room_stands_alone() {
        let mut event = message(2, "awa", 1);
        event.body = Body::Event { event: RoomEvent::Left };
        let timeline = loaded(vec![message(1, "awa", 0), event, message(3, "awa", 2)], false);
        let rows = timeline.rows(day);
        assert_eq!(rows[2], Row::Event("m2".into()));
        assert_eq!(rows[3], Row::Message { id: "m3".into(), first: true, last: true });
    }

    #[test]
    fn an_update_replaces_its_message_and_a_new_one_comes_last() {
        let mut timeline = loaded(vec![message(1, "awa", 0), message(2, "me", 1)], false);
        let mut read = message(2, "me", 1);
        read.state = Some(MessageState::Read);
        assert!(!timeline.put(read));
        assert_eq!(timeline.get("m2").and_then(|m| m.state), Some(MessageState::Read));
        assert!(timeline.put(message(3, "awa", 2)));
        assert_eq!(ids(&timeline), ["m1", "m2", "m3"]);
    }

    #[test]
    fn an_own_message_moves_when_the_cell_has_given_it_a_place() {
        let mut timeline = loaded(vec![message(1, "awa", 0)], false);
        let mut own = message(1_000, "me", 1);
        own.id = "own".into();
        timeline.put(own.clone());
        timeline.put(message(2, "awa", 2));
        own.position = 3;
        assert!(!timeline.put(own));
        assert_eq!(ids(&timeline), ["m1", "m2", "own"]);
        assert_eq!(timeline.len(), 3);
    }

    #[test]
    fn a_change_to_a_message_that_is_not_loaded_makes_no_hole() {
        let mut timeline = loaded(vec![message(10, "awa", 10), message(11, "awa", 11)], true);
        assert!(!timeline.put(message(3, "awa", 3)));
        assert_eq!(timeline.oldest(), Some(10));
        timeline.put_page((1..10).map(|n| message(n, "awa", n)).collect(), false);
        assert_eq!(timeline.oldest(), Some(1));
        assert_eq!(timeline.len(), 11);
    }

    #[test]
    fn after_a_long_pause_the_newest_page_leaves_no_hole() {
        let mut timeline = loaded((1..=5).map(|n| message(n, "awa", n)).collect(), false);
        timeline.put_newest((4..=8).map(|n| message(n, "awa", n)).collect(), true);
        assert_eq!((timeline.oldest(), timeline.len(), timeline.more), (Some(1), 8, false));
        timeline.put_newest((20..=25).map(|n| message(n, "awa", n)).collect(), true);
        assert_eq!((timeline.oldest(), timeline.len(), timeline.more), (Some(20), 6, true));
    }

    #[test]
    fn the_unread_marker_stands_before_the_first_unread_message_of_another() {
        let mut timeline = loaded(
            vec![message(1, "awa", 1), message(2, "awa", 2), message(3, "me", 3), message(4, "awa", 4)],
            false,
        );
        timeline.mark_unread(2);
        assert_eq!(timeline.unread_from.as_deref(), Some("m2"));
        let rows = timeline.rows(day);
        let marker = rows.iter().position(|row| *row == Row::Unread).expect("a marker");
        assert_eq!(rows[marker + 1], Row::Message { id: "m2".into(), first: true, last: true });
        assert_eq!(rows[marker - 1], Row::Message { id: "m1".into(), first: true, last: true });
        timeline.mark_unread(0);
        assert_eq!(timeline.unread_from.as_deref(), Some("m2"), "seeing new messages does not move it");
    }

    #[test]
    fn messages_below_the_fold_are_counted_without_ones_own() {
        let timeline = loaded(vec![message(1, "awa", 1), message(2, "me", 2), message(3, "awa", 3)], false);
        assert_eq!(timeline.others_after("m1"), 1);
        assert_eq!(timeline.others_after("m3"), 0);
    }
}
