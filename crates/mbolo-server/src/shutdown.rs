//! A request to stop, from a signal or from the program.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};

/// Cloneable; all clones are one request.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    inner: Arc<(Mutex<bool>, Condvar)>,
}

impl Shutdown {
    /// Nothing triggers it but [`Shutdown::trigger`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Triggered by SIGTERM and SIGINT. A second signal ends the process at once.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::default();
        let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
        let triggered = shutdown.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let mut received = signals.forever();
            if received.next().is_some() {
                triggered.trigger();
            }
            if let Some(signal) = received.next() {
                std::process::exit(128 + signal);
            }
        })?;
        Ok(shutdown)
    }

    /// Asks the server to stop. May be called again.
    pub fn trigger(&self) {
        *self.inner.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.inner.1.notify_all();
    }

    /// Whether it was triggered.
    pub fn is_triggered(&self) -> bool {
        *self.inner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until it is triggered.
    pub fn wait(&self) {
        let triggered = self.inner.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(
            self.inner
                .1
                .wait_while(triggered, |triggered| !*triggered)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}
