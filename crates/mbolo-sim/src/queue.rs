//! Virtual time: what happens next is what is due first, and of two things due at once the one planned first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The plan of a run.
pub struct Queue<T> {
    now_ms: u64,
    planned: u64,
    heap: BinaryHeap<Reverse<Due<T>>>,
}

struct Due<T> {
    at_ms: u64,
    number: u64,
    what: T,
}

impl<T> Queue<T> {
    /// An empty plan at this time.
    pub fn new(now_ms: u64) -> Self {
        Self { now_ms, planned: 0, heap: BinaryHeap::new() }
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Plans `what`; not earlier than now.
    pub fn at(&mut self, at_ms: u64, what: T) {
        self.planned += 1;
        self.heap.push(Reverse(Due { at_ms: at_ms.max(self.now_ms), number: self.planned, what }));
    }

    /// Plans `what` in so many milliseconds.
    pub fn after(&mut self, delay_ms: u64, what: T) {
        self.at(self.now_ms.saturating_add(delay_ms), what);
    }

    /// Goes on to the next thing.
    pub fn pop(&mut self) -> Option<T> {
        let Reverse(due) = self.heap.pop()?;
        self.now_ms = due.at_ms;
        Some(due.what)
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at_ms, self.number) == (other.at_ms, other.number)
    }
}
impl<T> Eq for Due<T> {}
impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_first_comes_first_and_ties_keep_their_order() {
        let mut queue = Queue::new(100);
        queue.after(5, "c");
        queue.at(102, "a");
        queue.at(102, "b");
        queue.at(0, "now");
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, ["now", "a", "b", "c"]);
        assert_eq!(queue.now_ms(), 105);
    }
}
