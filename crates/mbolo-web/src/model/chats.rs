//! The chat list: newest activity first, found again by a few letters of its name.

use mbolo_client_api::Chat;

use super::letters;

/// All chats, in the order of the list.
#[derive(Debug, Default, Clone)]
pub struct Chats {
    list: Vec<Chat>,
}

impl Chats {
    /// Takes the engine's list.
    pub fn new(list: Vec<Chat>) -> Self {
        let mut chats = Self { list };
        chats.sort();
        chats
    }

    /// A chat is new or changed.
    pub fn put(&mut self, chat: Chat) {
        match self.list.iter_mut().find(|known| known.room == chat.room) {
            Some(known) => *known = chat,
            None => self.list.push(chat),
        }
        self.sort();
    }

    /// By room id.
    pub fn get(&self, room: &str) -> Option<&Chat> {
        self.list.iter().find(|chat| chat.room == room)
    }

    /// In the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = &Chat> {
        self.list.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Unseen messages of all chats, for the page's title.
    pub fn unread(&self) -> u32 {
        self.list.iter().map(|chat| chat.unread).sum()
    }

    /// Rooms whose name or handle has a word that begins with each word of `query`.
    pub fn find(&self, query: &str) -> Vec<String> {
        let wanted: Vec<String> = query.split_whitespace().map(fold).collect();
        let matches = |chat: &&Chat| {
            let handle = chat.peer.as_ref().and_then(|peer| peer.handle.as_deref()).unwrap_or_default();
            let words: Vec<String> = chat
                .name
                .split_whitespace()
                .chain([handle])
                .map(|word| fold(word.trim_start_matches('@')))
                .collect();
            wanted.iter().all(|want| words.iter().any(|word| word.starts_with(want.trim_start_matches('@'))))
        };
        self.list.iter().filter(matches).map(|chat| chat.room.clone()).collect()
    }

    fn sort(&mut self) {
        self.list
            .sort_by(|a, b| b.last_activity_ms.cmp(&a.last_activity_ms).then_with(|| a.room.cmp(&b.room)));
    }
}

/// Lower case without the accents of French, so that "elo" finds "Élodie".
fn fold(text: &str) -> String {
    letters::small(text)
        .chars()
        .map(|c| match c {
            'à' | 'â' | 'ä' | 'á' => 'a',
            'é' | 'è' | 'ê' | 'ë' => 'e',
            'î' | 'ï' | 'í' => 'i',
            'ô' | 'ö' | 'ó' => 'o',
            'ù' | 'û' | 'ü' | 'ú' => 'u',
            'ç' => 'c',
            'ñ' => 'n',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mbolo_client_api::{ChatKind, Membership};

    fn chat(room: &str, name: &str, at: u64) -> Chat {
        Chat {
            room: room.into(),
            kind: ChatKind::Group,
            name: name.into(),
            peer: None,
            member_count: 2,
            unread: 1,
            last_message: None,
            last_activity_ms: at,
            membership: Membership::Member,
            admin: false,
            waiting: false,
        }
    }

    #[test]
    fn a_chat_with_news_moves_to_the_top_and_stays_one() {
        let mut chats = Chats::new(vec![chat("a", "Awa", 1), chat("b", "Ben", 2)]);
        chats.put(chat("a", "Awa N.", 3));
        let names: Vec<_> = chats.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["Awa N.", "Ben"]);
        assert_eq!(chats.unread(), 2);
    }

    #[test]
    fn search_looks_at_the_beginnings_of_words_and_not_at_accents() {
        let chats =
            Chats::new(vec![chat("a", "Élodie Mba", 1), chat("b", "Famille Élodie", 2), chat("c", "Ben", 3)]);
        assert_eq!(chats.find("elo"), ["b", "a"]);
        assert_eq!(chats.find("mb él"), ["a"]);
        assert_eq!(chats.find("lodie").len(), 0);
        assert_eq!(chats.find("").len(), 3);
    }
}
