//! How the core and the other gateways reach a gateway.

use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mbolo_cell::Effect;
use mio::net::TcpStream;
use mio::{Poll, Token, Waker};

use crate::pulse::{Census, Region};
use crate::shared::Place;

/// Something for a gateway to do.
#[derive(Debug)]
pub(crate) enum Mail {
    /// Effects of the core for sessions of this gateway, in order.
    Effects(Vec<Effect>),
    /// A new connection, already admitted.
    Socket {
        socket: TcpStream,
        place: Place,
        region: Region,
        /// Came in on the port that only serves metrics.
        metrics_only: bool,
    },
    /// Say how many logged-in connections there are in each region.
    Census { answer: Sender<Census> },
    /// Take no new connections.
    StopAccepting,
    /// Say goodbye to everybody, send what waits, and end, after `patience` at the latest.
    Drain { patience: Duration },
}

/// The letters, and a bell that is rung only for one who sleeps.
#[derive(Debug)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct State {
    letters: Vec<Mail>,
    asleep: bool,
}

impl Mailbox {
    /// What the gateway's poll reports when the bell rings.
    pub(crate) const TOKEN: Token = Token(0);

    /// A mailbox that wakes `poll`.
    pub(crate) fn new(poll: &Poll) -> std::io::Result<Self> {
        Ok(Self { state: Mutex::default(), waker: Waker::new(poll.registry(), Self::TOKEN)? })
    }

    /// Puts a letter in, and wakes the gateway if it sleeps.
    pub(crate) fn post(&self, letter: Mail) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.letters.push(letter);
        let wake = std::mem::take(&mut state.asleep);
        drop(state);
        if wake && let Err(error) = self.waker.wake() {
            // It wakes by itself within a second.
            tracing::warn!(%error, "cannot wake a gateway");
        }
    }

    /// The gateway is about to wait: true if it may, false if there is mail.
    pub(crate) fn sleep(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asleep = state.letters.is_empty();
        state.asleep
    }

    /// The gateway is awake and takes all letters; `letters` is empty before.
    pub(crate) fn awake(&self, letters: &mut Vec<Mail>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asleep = false;
        letters.append(&mut state.letters);
    }
}
