//! One open chat: its messages in order, where one looks, who types.

use std::collections::BTreeMap;

use mbolo_client_api::{Body, Member, Message};

use crate::text::name_people;

/// Typing is forgotten after this: whoever stops without saying so has put the phone away.
const TYPING_MS: u64 = 8_000;

/// An open chat.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    /// Room id.
    pub room: String,
    /// What is loaded, oldest first, without gaps.
    pub messages: Vec<Message>,
    /// There are older ones.
    pub more: bool,
    /// They have been asked for.
    pub loading: bool,
    /// Lines between the bottom of the screen and the newest line.
    pub scroll: usize,
    /// Messages that came while one looked at older ones.
    pub below: usize,
    /// The message that keys act on.
    pub selected: Option<String>,
    /// The first message that was unread when the chat was opened.
    pub unread_from: Option<String>,
    /// Everyone in it, once known.
    pub members: Vec<Member>,
    /// Who types, until when.
    typing: BTreeMap<String, (String, u64)>,
}

impl Conversation {
    /// A chat that is being opened.
    pub fn new(room: String) -> Self {
        Self { room, loading: true, ..Self::default() }
    }

    /// Older messages have arrived.
    pub fn add_older(&mut self, messages: Vec<Message>, more: bool) {
        for message in messages {
            self.put(message);
        }
        self.more = more;
        self.loading = false;
    }

    /// Who is in it has changed, or is known now.
    pub fn set_members(&mut self, members: Vec<Member>) {
        for message in &mut self.messages {
            name_people(message, &members);
        }
        self.members = members;
    }

    /// A message is new or changed. Returns whether it is new.
    pub fn put(&mut self, mut message: Message) -> bool {
        name_people(&mut message, &self.members);
        let known = self.messages.iter().position(|known| known.id == message.id);
        if let Some(index) = known {
            self.messages.remove(index);
        }
        let index = self.messages.partition_point(|other| other.position < message.position);
        self.typing.remove(&message.sender.account);
        self.messages.insert(index, message);
        known.is_none()
    }

    /// A message is gone.
    pub fn remove(&mut self, id: &str) {
        let Some(index) = self.messages.iter().position(|message| message.id == id) else { return };
        self.messages.remove(index);
        if self.unread_from.as_deref() == Some(id) {
            self.unread_from = self.messages.get(index).map(|next| next.id.clone());
        }
        self.selected.take_if(|selected| selected == id);
    }

    /// Marks the oldest of the newest `unread` messages of others.
    pub fn mark_unread(&mut self, unread: u32) {
        let others = self.messages.iter().rev().filter(|message| !message.sender.me);
        self.unread_from = others.take(unread as usize).last().map(|message| message.id.clone());
    }

    /// The position before which older messages are asked for.
    pub fn oldest(&self) -> Option<u64> {
        self.messages.first().map(|message| message.position)
    }

    /// The message that a command acts on: the selected one, else the newest that fits.
    pub fn target(&self, fits: impl Fn(&Message) -> bool) -> Option<&Message> {
        match &self.selected {
            Some(id) => self.messages.iter().find(|message| message.id == *id),
            None => self.messages.iter().rev().find(|message| fits(message)),
        }
    }

    /// Moves the selection to the message above or below. Below the newest, nothing is selected.
    pub fn select(&mut self, up: bool) {
        let can_be_selected = |message: &&Message| !matches!(message.body, Body::Event { .. });
        let index = self.selected.as_ref().and_then(|id| self.messages.iter().position(|m| m.id == *id));
        let next = match (index, up) {
            (None, true) => self.messages.iter().rev().find(can_be_selected),
            (Some(index), true) => {
                self.messages[..index].iter().rev().find(can_be_selected).or(self.messages.get(index))
            }
            (Some(index), false) => self.messages[index + 1..].iter().find(can_be_selected),
            (None, false) => None,
        };
        self.selected = next.map(|message| message.id.clone());
    }

    /// Someone types or has stopped.
    pub fn set_typing(&mut self, account: String, name: String, active: bool, now_ms: u64) {
        if active {
            self.typing.insert(account, (name, now_ms + TYPING_MS));
        } else {
            self.typing.remove(&account);
        }
    }

    /// The names of those who type.
    pub fn typing(&self, now_ms: u64) -> Vec<&str> {
        self.typing.values().filter(|(_, until)| *until > now_ms).map(|(name, _)| name.as_str()).collect()
    }
}

/// Whether it is a text of oneself, which can be edited.
pub fn is_own_text(message: &Message) -> bool {
    message.sender.me && matches!(message.body, Body::Text { .. })
}

/// Whether it is a text of someone else, which one would answer.
pub fn is_others_text(message: &Message) -> bool {
    !message.sender.me && matches!(message.body, Body::Text { .. })
}

#[cfg(test)]
pub mod tests {
    use mbolo_client_api::MessageState;

    use super::*;

    pub fn message(id: &str, position: u64, me: bool, text: &str) -> Message {
        let sender = Member {
            account: if me { "ME".into() } else { "AWA".into() },
            name: if me { "Bibi".into() } else { "Awa".into() },
            handle: None,
            admin: false,
            me,
        };
        Message {
            id: id.into(),
            position,
            sender,
            at_ms: 1_700_000_000_000 + position * 1000,
            body: Body::Text { text: text.into() },
            edited: false,
            reply_to: None,
            reactions: Vec::new(),
            state: me.then_some(MessageState::Sent),
        }
    }

    #[test]
    fn a_message_that_moves_is_shown_once_at_its_new_place() {
        let mut open = Conversation::new("R".into());
        assert!(open.put(message("mine", 9, true, "mine")));
        assert!(open.put(message("a", 1, false, "a")));
        assert!(open.put(message("b", 3, false, "b")));
        assert!(!open.put(message("mine", 2, true, "mine")));
        let ids: Vec<_> = open.messages.iter().map(|m| m.id.as_str()).collect();
        assert_eq!(ids, ["a", "mine", "b"]);
    }

    #[test]
    fn selection_walks_over_messages_and_ends_below_the_newest() {
        let mut open = Conversation::new("R".into());
        open.put(message("a", 1, false, "a"));
        open.put(message("b", 2, true, "b"));
        for expected in [Some("b"), Some("a"), Some("a")] {
            open.select(true);
            assert_eq!(open.selected.as_deref(), expected);
        }
        open.select(false);
        open.select(false);
        assert_eq!(open.selected, None);
    }

    #[test]
    fn who_wrote_does_not_type_any_more() {
        let mut open = Conversation::new("R".into());
        open.set_typing("AWA".into(), "Awa".into(), true, 1_000);
        assert_eq!(open.typing(2_000), ["Awa"]);
        assert_eq!(open.typing(20_000), Vec::<&str>::new());
        open.put(message("a", 1, false, "a"));
        assert_eq!(open.typing(2_000), Vec::<&str>::new());
    }
}
