//! Beacons that were taken, so that one that is sent again after a lost answer counts once.
//!
//! The newest of them, and not all of three days as for agents and cells: a client sends one every minute, and 10,000 a
//! second would be two thousand million. The store keeps the same ones, written with what they count, so that a restart
//! forgets none. The name alone tells: a phone that moved to another network in between sends the same one.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use sha2::{Digest, Sha256};

use crate::shared::lock;

/// Names that are remembered.
pub const MOST: usize = 200_000;

/// What was taken, and what is being taken.
#[derive(Debug, Default)]
pub struct Repeats {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Whether it is taken for good.
    names: HashMap<i64, bool>,
    order: VecDeque<i64>,
}

/// What is known of a name.
#[derive(Debug)]
pub enum Seen<'a> {
    /// Nothing: it may be taken.
    Never(Claim<'a>),
    /// It is being taken; whether it can be kept is not known yet.
    Now,
    /// It was taken.
    Before,
}

/// The right to take a name. Dropped without [`Claim::taken`] the name is free again: its sender may try once more.
#[derive(Debug)]
pub struct Claim<'a> {
    repeats: &'a Repeats,
    name: i64,
    is_taken: bool,
}

impl Repeats {
    /// Knows what was taken before, oldest first.
    pub fn new(taken: Vec<i64>) -> Self {
        let names = taken.iter().map(|name| (*name, true)).collect();
        Self { known: Mutex::new(Known { names, order: taken.into() }) }
    }

    /// Looks a name up, and reserves it if it is new.
    pub fn claim(&self, name: &str) -> Seen<'_> {
        let name = number(name);
        let mut known = lock(&self.known);
        match known.names.get(&name) {
            Some(true) => return Seen::Before,
            Some(false) => return Seen::Now,
            None => {}
        }
        known.names.insert(name, false);
        Seen::Never(Claim { repeats: self, name, is_taken: false })
    }
}

/// As the store keeps a name.
fn number(name: &str) -> i64 {
    let hash = Sha256::digest(name.as_bytes());
    i64::from_be_bytes(std::array::from_fn(|at| hash[at]))
}

impl Claim<'_> {
    /// For the store, to be written with what the name counts.
    pub fn name(&self) -> i64 {
        self.name
    }

    /// It is kept: the same name does not count again.
    pub fn taken(mut self) {
        self.is_taken = true;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut known = lock(&self.repeats.known);
        if !self.is_taken {
            known.names.remove(&self.name);
            return;
        }
        known.names.insert(self.name, true);
        known.order.push_back(self.name);
        if known.order.len() > MOST
            && let Some(oldest) = known.order.pop_front()
        {
            known.names.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_kept_may_come_again_and_what_was_kept_counts_once() {
        let repeats = Repeats::default();
        let Seen::Never(first) = repeats.claim("b1") else { panic!("it is new") };
        assert!(matches!(repeats.claim("b1"), Seen::Now));
        // The store was full.
        drop(first);
        let Seen::Never(again) = repeats.claim("b1") else { panic!("it was not kept") };
        let name = again.name();
        again.taken();
        assert!(matches!(repeats.claim("b1"), Seen::Before));
        // After a restart.
        let repeats = Repeats::new(vec![name]);
        assert!(matches!(repeats.claim("b1"), Seen::Before));
        assert!(matches!(repeats.claim("b2"), Seen::Never(_)));
    }
}
