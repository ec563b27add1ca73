//! What a person sees: the state that a user interface keeps from the engine's updates, and what may never
//! happen in front of somebody's eyes.

use std::collections::{BTreeMap, BTreeSet};

use mbolo_client::Standing;
use mbolo_client_api::{Body, Chat, Message, MessageState, Update};

use crate::failure::Oracle;
use crate::ledger::Breach;

/// A text that somebody wrote in this run: its author and a number that grows with every text of the author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextId {
    /// Who.
    pub author: usize,
    /// Which.
    pub number: u32,
}

impl TextId {
    /// The text itself. Edits keep the beginning.
    pub fn words(self, rest: &str) -> String {
        format!("p{}#{} {rest}", self.author, self.number)
    }

    /// Which text this is.
    pub fn of_words(words: &str) -> Option<Self> {
        let (name, _) = words.split_once(' ')?;
        let (author, number) = name.strip_prefix('p')?.split_once('#')?;
        Some(Self { author: author.parse().ok()?, number: number.parse().ok()? })
    }
}

/// One person's screen.
#[derive(Debug, Default)]
pub struct View {
    /// The chat list, by room.
    pub chats: BTreeMap<String, Chat>,
    /// All messages, by room and id.
    pub messages: BTreeMap<String, BTreeMap<String, Message>>,
    /// Which message shows a text; stays known when it is deleted.
    texts: BTreeMap<(String, TextId), String>,
    /// Messages that this person asked to delete. One that was not sent yet goes without a trace.
    pub deleted: BTreeSet<String>,
    /// Texts that failed once: a later retry gives them a new place.
    failed: BTreeMap<(String, TextId), ()>,
}

impl View {
    /// The engine says that something changed.
    pub fn update(&mut self, update: &Update, text: Option<TextId>) -> Result<(), Breach> {
        match update {
            Update::Chat { chat } => drop(self.chats.insert(chat.room.clone(), chat.clone())),
            Update::Message { room, message } => self.message(room, message, text)?,
            Update::Removed { room, message } => self.removed(room, message)?,
            _ => {}
        }
        Ok(())
    }

    /// A message as it is now, and which text it shows or showed before it was deleted.
    pub fn message(&mut self, room: &str, message: &Message, text: Option<TextId>) -> Result<(), Breach> {
        let shown = self.messages.entry(room.to_owned()).or_default();
        if let Some(before) = shown.get(&message.id) {
            check_state(room, before, message)?;
        }
        shown.insert(message.id.clone(), message.clone());
        let Some(text) = text else { return Ok(()) };
        let key = (room.to_owned(), text);
        if message.state == Some(MessageState::Failed) {
            self.failed.insert(key.clone(), ());
        }
        match self.texts.insert(key, message.id.clone()) {
            Some(other) if other != message.id => Err((
                Oracle::Delivered,
                format!("text {} of p{} is shown twice in {}", text.number, text.author, short(room)),
            )),
            _ => self.check_order(room, text),
        }
    }

    /// A message is gone: only what stands for something unreadable may go, and what its author took back unsent.
    fn removed(&mut self, room: &str, id: &str) -> Result<(), Breach> {
        let gone = self.messages.get_mut(room).and_then(|shown| shown.remove(id));
        match gone {
            Some(message)
                if !matches!(message.body, Body::Unreadable { .. }) && !self.was_withdrawn(&message) =>
            {
                Err((Oracle::Durable, format!("message {} in {} is taken away", short(id), short(room))))
            }
            _ => Ok(()),
        }
    }

    /// The message that shows a text.
    pub fn text(&self, room: &str, text: TextId) -> Option<&Message> {
        let id = self.texts.get(&(room.to_owned(), text))?;
        self.messages.get(room)?.get(id)
    }

    /// The person looks anew, after a restart: what the engine has stored now. What was shown before must still
    /// be there, no less far than it was.
    pub fn reload(
        &mut self,
        chats: Vec<Chat>,
        messages: Vec<(String, Message, Option<TextId>)>,
    ) -> Result<(), Breach> {
        let before = std::mem::take(self);
        (self.failed, self.deleted) = (before.failed, before.deleted);
        for chat in chats {
            self.chats.insert(chat.room.clone(), chat);
        }
        for room in before.chats.keys() {
            if !self.chats.contains_key(room) {
                return Err((Oracle::Durable, format!("chat {} is gone after a restart", short(room))));
            }
        }
        self.texts = before.texts;
        for (room, message, text) in messages {
            if let Some(was) = before.messages.get(&room).and_then(|shown| shown.get(&message.id)) {
                check_state(&room, was, &message)?;
            }
            self.message(&room, &message, text)?;
        }
        for (room, shown) in &before.messages {
            let now = self.messages.get(room);
            let is_lost = |id: &&String| {
                now.is_none_or(|now| !now.contains_key(*id)) && !self.was_withdrawn(&shown[*id])
            };
            if let Some(lost) = shown.keys().find(is_lost) {
                let what = format!("message {} in {} is gone after a restart", short(lost), short(room));
                return Err((Oracle::Durable, what));
            }
        }
        Ok(())
    }

    fn was_withdrawn(&self, message: &Message) -> bool {
        message.state == Some(MessageState::Waiting) && self.deleted.contains(&message.id)
    }

    fn check_order(&self, room: &str, text: TextId) -> Result<(), Breach> {
        let position = |of: TextId| self.text(room, of).map(|message| message.position);
        let Some(here) = position(text) else { return Ok(()) };
        let key = |number| (room.to_owned(), TextId { number, ..text });
        let is_fine = |other: &TextId| !self.failed.contains_key(&(room.to_owned(), *other));
        if !is_fine(&text) {
            return Ok(());
        }
        let earlier = self.texts.range(key(0)..key(text.number)).map(|((_, other), _)| *other);
        let later = self.texts.range(key(text.number + 1)..=key(u32::MAX)).map(|((_, other), _)| *other);
        let before = earlier.rev().find(is_fine);
        let after = later.clone().find(is_fine);
        for (first, second) in [(before, Some(text)), (Some(text), after)] {
            let (Some(first), Some(second)) = (first, second) else { continue };
            let (Some(one), Some(two)) = (position(first), position(second)) else { continue };
            if one >= two {
                let what = format!(
                    "text {} of p{} stands after text {} in {} (positions {one} and {two}, {here} changed)",
                    first.number,
                    first.author,
                    second.number,
                    short(room)
                );
                return Err((Oracle::Ordered, what));
            }
        }
        Ok(())
    }
}

/// Messages of one log stand in its order, and no two in the same place. `places` are by room, log and place in it.
pub fn check_places(places: &[Standing]) -> Result<(), Breach> {
    for (one, two) in places.iter().zip(places.iter().skip(1)) {
        let (Some((log, _)), Some((other, seq))) = (one.entry, two.entry) else { continue };
        if one.room == two.room && log == other && one.position >= two.position {
            let what = format!(
                "entry {seq} of {log:?} stands before one that came earlier, in {:?} (at {}, the other at {})",
                one.room, two.position, one.position
            );
            return Err((Oracle::Ordered, what));
        }
    }
    let mut taken = BTreeSet::new();
    match places.iter().find(|place| !taken.insert((place.room, place.position))) {
        Some(place) => {
            Err((Oracle::Ordered, format!("two messages of {:?} stand at {}", place.room, place.position)))
        }
        None => Ok(()),
    }
}

/// A tick may only go forward; a message that waits may fail, and a failed one may be tried again.
fn check_state(room: &str, before: &Message, now: &Message) -> Result<(), Breach> {
    let goes_back = match (before.state, now.state) {
        (Some(MessageState::Waiting), Some(MessageState::Failed)) => false,
        (Some(was), Some(is)) => is < was,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if goes_back {
        let what = format!(
            "the ticks of {} in {} go back from {:?} to {:?}",
            short(&now.id),
            short(room),
            before.state,
            now.state
        );
        return Err((Oracle::Monotone, what));
    }
    if before.body == Body::Deleted && now.body != Body::Deleted {
        return Err((Oracle::Monotone, format!("{} in {} is deleted no more", short(&now.id), short(room))));
    }
    Ok(())
}

/// The beginning of an id.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_known_by_its_words() {
        let text = TextId { author: 3, number: 17 };
        assert_eq!(TextId::of_words(&text.words("hello, you")), Some(text));
        assert_eq!(TextId::of_words("p3 hello"), None);
        assert_eq!(TextId::of_words("hello"), None);
    }
}
