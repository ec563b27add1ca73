//! The thread that owns the core: drain, apply, commit, emit.
//!
//! Gateways put events into one queue; the core takes all of them at once, so that whatever arrives while a commit
//! syncs becomes the next batch. Nobody is woken who is awake: the core only when it waits, a gateway once a batch.
//! Effects leave in the order the core gave them, and only after it has committed.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mbolo_cell::{Cell, Effect, Event};
use mbolo_engine::Engine;

use crate::gateway::{Mail, Mailbox, gateway_of};
use crate::shared::Shared;

/// What waits for the core.
#[derive(Debug, Default)]
pub(crate) struct CoreQueue {
    state: Mutex<State>,
    /// There is work, or the end.
    work: Condvar,
    /// There is room again.
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Event>,
    bytes: usize,
    since: Option<Instant>,
    core_waits: bool,
    gateways_wait: bool,
    stop: bool,
}

/// Bytes, of frames and of what they become, that may wait for the core: a few of the largest. A gateway that would exceed it reads nothing until the core has taken
/// its batch; the core never waits for a gateway, so this cannot lock up.
const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;

impl CoreQueue {
    /// Hands over `events`, which take `bytes` bytes, and leaves it empty. Waits while the queue is full.
    pub(crate) fn push(&self, events: &mut Vec<Event>, bytes: usize) {
        if events.is_empty() {
            return;
        }
        let mut state = self.lock();
        while state.bytes > MAX_QUEUED_BYTES && !state.stop {
            state.gateways_wait = true;
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.events.is_empty() {
            state.since = Some(Instant::now());
            std::mem::swap(&mut state.events, events);
        } else {
            state.events.append(events);
        }
        state.bytes += bytes;
        let wake = std::mem::take(&mut state.core_waits);
        drop(state);
        if wake {
            self.work.notify_one();
        }
    }

    /// Lets the core finish what is queued and end.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.work.notify_one();
        self.room.notify_all();
    }

    /// Moves all events into `batch`, which is empty; waits up to `patience` if there are none. Returns since when
    /// the first one waited, and whether this is the end.
    fn take(&self, batch: &mut Vec<Event>, patience: Duration) -> (Option<Instant>, bool) {
        let mut state = self.lock();
        if state.events.is_empty() && !state.stop {
            state.core_waits = true;
            state = self.work.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0;
            state.core_waits = false;
        }
        std::mem::swap(&mut state.events, batch);
        state.bytes = 0;
        if std::mem::take(&mut state.gateways_wait) {
            self.room.notify_all();
        }
        (state.since.take(), state.stop)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the core until the queue is stopped or the store fails; then the error says what happened.
pub(crate) fn run<E: Engine>(
    mut cell: Cell<E>,
    queue: &CoreQueue,
    gateways: &[Arc<Mailbox>],
    shared: &Shared,
) -> Result<(), String> {
    let mut events = Vec::new();
    let mut effects = Vec::new();
    loop {
        let patience = Duration::from_millis(cell.next_tick_ms().saturating_sub(now_ms())).min(LONGEST_WAIT);
        let (since, stop) = queue.take(&mut events, patience);
        let now = now_ms();
        if let Some(since) = since {
            shared.metrics.queue_wait.observe_duration(since.elapsed());
            shared.metrics.batch_size.observe(events.len() as f64);
        }
        if now >= cell.next_tick_ms() {
            events.push(Event::Tick);
        }
        if events.is_empty() && !stop {
            continue;
        }
        let begun = Instant::now();
        cell.handle(now, &mut events, &mut effects);
        events.clear();
        let committed = Instant::now();
        shared.metrics.commit_time.observe_duration(committed - begun);
        distribute(&mut effects, gateways);
        shared.metrics.emit_time.observe_duration(committed.elapsed());

        let stats = cell.stats();
        let fatal = stats.fatal.clone();
        shared.set_stats(stats);
        if let Some(fatal) = fatal {
            return Err(fatal);
        }
        // Everything that was pushed before the stop was in this batch. Gateways that go on pushing do not hold it up.
        if stop {
            return Ok(());
        }
    }
}

/// Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Gives each gateway its effects, in order, as one piece of mail. Leaves `effects` empty.
fn distribute(effects: &mut Vec<Effect>, gateways: &[Arc<Mailbox>]) {
    if effects.is_empty() {
        return;
    }
    if let [only] = gateways {
        only.post(Mail::Effects(std::mem::take(effects)));
        return;
    }
    let mut shares: Vec<Vec<Effect>> = gateways.iter().map(|_| Vec::new()).collect();
    for effect in effects.drain(..) {
        match effect {
            Effect::Broadcast { sessions, frame } => {
                for (number, share) in shares.iter_mut().enumerate() {
                    let own: Vec<_> =
                        sessions.iter().copied().filter(|session| gateway_of(*session) == number).collect();
                    if !own.is_empty() {
                        share.push(Effect::Broadcast { sessions: own, frame: frame.clone() });
                    }
                }
            }
            Effect::Send { session, .. } | Effect::Close { session } => {
                if let Some(share) = shares.get_mut(gateway_of(session)) {
                    share.push(effect);
                }
            }
        }
    }
    for (gateway, share) in gateways.iter().zip(shares) {
        if !share.is_empty() {
            gateway.post(Mail::Effects(share));
        }
    }
}

/// The core looks at its clock at least this often, in case somebody has set it.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use bytes::Bytes;
    use ed25519_dalek::SigningKey;
    use mbolo_cell::{Keys, SessionId};
    use mbolo_engine::{Batch, EngineError, MemoryEngine};
    use mbolo_proto::{CellId, wire};

    use super::*;
    use crate::assets::{Assets, Site};
    use crate::shared::{Limits, Patience};

    fn closed(number: u64) -> Event {
        Event::Closed { session: SessionId(number) }
    }

    #[test]
    fn what_arrives_meanwhile_is_the_next_batch() {
        let queue = CoreQueue::default();
        queue.push(&mut vec![closed(1)], 0);
        queue.push(&mut vec![closed(2), closed(3)], 0);
        let mut batch = Vec::new();
        let (since, stop) = queue.take(&mut batch, Duration::ZERO);
        assert!(since.is_some() && !stop);
        assert_eq!(batch.len(), 3);
        batch.clear();
        queue.push(&mut vec![closed(4)], 0);
        queue.stop();
        assert!(queue.take(&mut batch, Duration::ZERO).1);
        assert_eq!(batch.len(), 1, "what was queued before the end is still done");
    }

    /// A store at whose every question more work arrives: gateways that never pause.
    struct Busy {
        store: MemoryEngine,
        queue: Arc<CoreQueue>,
        arrived: Arc<AtomicU64>,
    }

    impl Busy {
        fn more(&self) {
            let number = self.arrived.fetch_add(1, Relaxed);
            if number < ENDLESS {
                let register = wire::Register {
                    version: 1,
                    certificate: Some(Default::default()),
                    ..Default::default()
                };
                let body = Some(wire::client_frame::Body::Register(register));
                let frame = wire::ClientFrame { request_id: 1, body };
                let session = SessionId(number);
                let opened = Event::Opened { session, nonce: [0; 32] };
                self.queue.push(&mut vec![opened, Event::Frame { session, frame }], 0);
            }
        }
    }

    impl Engine for Busy {
        fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
            self.more();
            self.store.get(key)
        }

        fn range(
            &self,
            start: &[u8],
            end: &[u8],
            visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
        ) -> Result<(), EngineError> {
            self.store.range(start, end, visit)
        }

        fn last(&self, start: &[u8], end: &[u8]) -> Result<Option<(Bytes, Bytes)>, EngineError> {
            self.store.last(start, end)
        }

        fn commit(&mut self, batch: Batch) -> Result<(), EngineError> {
            self.store.commit(batch)
        }
    }

    const ENDLESS: u64 = 100;

    #[test]
    fn work_that_goes_on_arriving_does_not_keep_the_core_from_its_end() {
        let (queue, arrived) = (Arc::new(CoreQueue::default()), Arc::new(AtomicU64::new(0)));
        let engine = Busy { store: MemoryEngine::new(), queue: queue.clone(), arrived: arrived.clone() };
        let keys =
            Keys { cell: SigningKey::from_bytes(&[1; 32]), incarnation: SigningKey::from_bytes(&[2; 32]) };
        let cell = Cell::open(engine, keys, mbolo_cell::Config::default(), now_ms()).unwrap();
        let limits = Limits { connections: 1, connections_per_address: 1, send_queue_bytes: 0 };
        let site = Site::new(Assets::default(), None);
        let shared = Shared::new(site, CellId([0; 32]), true, limits, Patience::default());
        queue.stop();
        let before = arrived.load(Relaxed);
        assert!(before > 0, "something waits when the stop comes");
        run(cell, &queue, &[], &shared).unwrap();
        assert_eq!(arrived.load(Relaxed), 2 * before, "one batch: what had come before the stop");
    }

    #[test]
    fn a_full_queue_holds_a_gateway_until_the_core_has_taken_it() {
        let queue = Arc::new(CoreQueue::default());
        queue.push(&mut vec![closed(1)], MAX_QUEUED_BYTES + 1);
        let gateway = {
            let queue = queue.clone();
            std::thread::spawn(move || queue.push(&mut vec![closed(2)], 0))
        };
        while !queue.lock().gateways_wait {
            std::thread::yield_now();
        }
        let mut batch = Vec::new();
        queue.take(&mut batch, Duration::ZERO);
        gateway.join().unwrap();
        batch.clear();
        queue.take(&mut batch, Duration::ZERO);
        assert_eq!(batch.len(), 1);
    }
}
