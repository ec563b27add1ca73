//! Who is typing where. A frame that says "stopped" may get lost, so every entry ends by itself.

use std::collections::BTreeMap;

/// Without another sign of life a typist is forgotten after this time.
pub const FORGET_MS: u64 = 8_000;

/// Who types, by room and account.
#[derive(Debug, Default, Clone)]
pub struct Typing {
    rooms: BTreeMap<String, BTreeMap<String, (String, u64)>>,
}

impl Typing {
    /// Someone types, or has stopped.
    pub fn set(&mut self, room: &str, account: &str, name: &str, active: bool, now_ms: u64) {
        let people = self.rooms.entry(room.into()).or_default();
        if active {
            people.insert(account.into(), (name.into(), now_ms + FORGET_MS));
        } else {
            people.remove(account);
        }
    }

    /// Forgets those who have been silent. Returns whether anything changed.
    pub fn expire(&mut self, now_ms: u64) -> bool {
        let count =
            |rooms: &BTreeMap<String, BTreeMap<_, _>>| rooms.values().map(BTreeMap::len).sum::<usize>();
        let before = count(&self.rooms);
        for people in self.rooms.values_mut() {
            people.retain(|_, (_, until_ms)| *until_ms > now_ms);
        }
        self.rooms.retain(|_, people| !people.is_empty());
        before != count(&self.rooms)
    }

    /// Names of those who type in a room.
    pub fn names(&self, room: &str) -> Vec<String> {
        self.rooms.get(room).into_iter().flat_map(BTreeMap::values).map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typist_who_falls_silent_is_forgotten() {
        let mut typing = Typing::default();
        typing.set("r", "a", "Awa", true, 1_000);
        typing.set("r", "b", "Ben", true, 2_000);
        assert_eq!(typing.names("r"), ["Awa", "Ben"]);
        assert!(typing.expire(1_000 + FORGET_MS));
        assert_eq!(typing.names("r"), ["Ben"]);
        typing.set("r", "b", "Ben", false, 3_000);
        assert!(typing.names("r").is_empty());
    }
}
