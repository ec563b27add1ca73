//! What waits to be sent on one connection.
//!
//! Messages stay shared (`Bytes`) until their turn comes; only what the socket did not take of the last write is
//! a copy. An empty queue holds no memory.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::websocket;

/// One thing to send.
#[derive(Debug)]
enum Item {
    /// A binary message that still needs its header.
    Message(Bytes),
    /// Bytes as they are: HTTP, control frames, the rest of a message.
    Raw(Bytes),
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    items: VecDeque<Item>,
    bytes: usize,
}

impl SendQueue {
    /// Queues a binary WebSocket message.
    pub(crate) fn push_message(&mut self, message: Bytes) {
        self.bytes += message.len() + websocket::MAX_HEADER;
        self.items.push_back(Item::Message(message));
    }

    /// Queues bytes as they are.
    pub(crate) fn push_raw(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.items.push_back(Item::Raw(bytes));
    }

    /// Bytes that wait, headers included (rounded up).
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Moves bytes to the end of `out` until it holds about `target` bytes or nothing is left.
    pub(crate) fn fill(&mut self, out: &mut Vec<u8>, target: usize) {
        while out.len() < target {
            match self.items.pop_front() {
                None => break,
                Some(Item::Message(message)) => {
                    websocket::binary_header(out, message.len());
                    self.bytes -= websocket::MAX_HEADER;
                    self.take(message, out, target);
                }
                Some(Item::Raw(bytes)) => self.take(bytes, out, target),
            }
        }
    }

    /// Lets go of the memory of an empty queue into `spare`, where the next busy connection finds it.
    pub(crate) fn recycle(&mut self, spare: &mut Spare) {
        if self.items.is_empty() && self.items.capacity() > 0 {
            let items = std::mem::take(&mut self.items);
            if spare.0.len() < SPARE_QUEUES && items.capacity() <= SPARE_CAPACITY {
                spare.0.push(items);
            }
        }
    }

    /// Prepares a queue without memory for its first item.
    pub(crate) fn reuse(&mut self, spare: &mut Spare) {
        if self.items.capacity() == 0
            && let Some(items) = spare.0.pop()
        {
            self.items = items;
        }
    }

    fn take(&mut self, mut bytes: Bytes, out: &mut Vec<u8>, target: usize) {
        let now = bytes.len().min(target.saturating_sub(out.len()).max(1));
        out.extend_from_slice(&bytes[..now]);
        bytes.advance(now);
        self.bytes -= now;
        if !bytes.is_empty() {
            self.items.push_front(Item::Raw(bytes));
        }
    }
}

/// Empty queues with memory, so that the same few serve all connections of a gateway.
#[derive(Debug, Default)]
pub(crate) struct Spare(Vec<VecDeque<Item>>);

const SPARE_QUEUES: usize = 1024;
const SPARE_CAPACITY: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_gives_its_bytes_in_order_whatever_the_portions() {
        let message: Vec<u8> = (0..1000).map(|i| i as u8).collect();
        for target in [1, 2, 3, 7, 100, 5000] {
            let mut queue = SendQueue::default();
            queue.push_message(message.clone().into());
            queue.push_raw(Bytes::from_static(b"raw"));
            queue.push_message(Bytes::new());
            let mut sent = Vec::new();
            while !queue.is_empty() {
                let mut portion = Vec::new();
                queue.fill(&mut portion, target);
                assert!(portion.len() <= target + websocket::MAX_HEADER);
                sent.extend(portion);
            }
            let mut expected = vec![0x82, 126, 3, 232];
            expected.extend_from_slice(&message);
            expected.extend_from_slice(b"raw\x82\0");
            assert_eq!(sent, expected);
            assert_eq!(queue.bytes(), 0);
        }
    }
}
