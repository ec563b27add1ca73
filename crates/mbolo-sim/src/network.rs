//! The virtual network: one reliable stream in each direction per connection, as TCP promises, and everything
//! that TCP does not promise.
//!
//! Within a connection frames arrive in order, once, or not at all from some point on. Packets that are lost
//! show as a stall. Across connections anything goes: frames of an old connection reach the cell after those of a new
//! one, an end can be gone for minutes before the other hears of it, and what was sent last before a
//! reset may or may not have arrived.

use mbolo_cell::SessionId;

use crate::random::Random;

/// One connection of a person's device to the cell.
#[derive(Debug)]
pub struct Connection {
    /// Whose.
    pub person: usize,
    /// What the cell knows it as.
    pub session: SessionId,
    /// The process of the cell that it leads to.
    pub cell_run: u64,
    /// Whether the device still holds its end.
    pub person_open: bool,
    /// Whether the cell still holds its end.
    pub cell_open: bool,
    /// Towards the cell.
    pub up: Direction,
    /// Towards the device.
    pub down: Direction,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct Direction {
    arrives_ms: u64,
    lost_after_ms: Option<u64>,
}

/// How good the network is.
#[derive(Debug, Clone)]
pub struct Quality {
    /// Usual one-way delay in milliseconds.
    pub delay_ms: u64,
    /// Share of frames that a lost packet holds up, and everything behind them.
    pub stalls: f64,
    /// How long usually.
    pub stall_ms: u64,
    /// Share of frames after which the connection is reset.
    pub resets: f64,
}

impl Direction {
    /// When a frame sent now arrives; `None` if it never does.
    pub fn send(&mut self, now_ms: u64, quality: &Quality, random: &mut Random) -> Option<u64> {
        let mut delay = 1 + quality.delay_ms / 2 + random.below(quality.delay_ms.max(1));
        if random.chance(quality.stalls) {
            delay += random.around(quality.stall_ms);
        }
        let arrives = (now_ms + delay).max(self.arrives_ms);
        self.arrives_ms = arrives;
        match self.lost_after_ms {
            Some(lost) if arrives >= lost => None,
            _ => Some(arrives),
        }
    }

    /// From `at_ms` on nothing arrives any more, not even what is on its way.
    pub fn lose_from(&mut self, at_ms: u64) {
        self.lost_after_ms = Some(self.lost_after_ms.map_or(at_ms, |lost| lost.min(at_ms)));
    }

    /// Whether something that was due now has got lost on its way.
    pub fn is_lost(&self, now_ms: u64) -> bool {
        self.lost_after_ms.is_some_and(|lost| now_ms >= lost)
    }
}

impl Quality {
    /// A network that only takes its time.
    pub fn good() -> Self {
        Self { delay_ms: 20, stalls: 0.0, stall_ms: 0, resets: 0.0 }
    }
}
