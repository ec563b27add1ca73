//! The way to the engine: requests out, replies and updates in.
//!
//! One tab holds the Web Lock and starts the worker; all tabs, that one included, talk to the worker over one
//! `BroadcastChannel`. When the tab with the worker closes, another gets the lock and starts its own on the
//! same store. Requests that the old engine left unanswered are then dealt with as `model::repeat` decides,
//! so that nothing a person did is lost or done twice.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use futures::channel::oneshot;
use mbolo_client_api::tabs::{CALL_COUNT_BITS, CHANNEL, FromEngine, LOCK, StartProblem, ToEngine};
use mbolo_client_api::{Call, Failure, Output, Reply, Request, Update};
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent, Worker, WorkerOptions, WorkerType};

use super::dom;
use crate::model::repeat::{self, Repeat};

/// What the engine does unasked.
#[derive(Debug, Clone)]
pub enum News {
    /// It is open; `again` if another one was before, whose last updates may be lost.
    Ready {
        /// Not the first engine this page knows.
        again: bool,
    },
    /// It cannot open its store.
    Failed(StartProblem, String),
    /// Something changed.
    Update(Box<Update>),
    /// The profile was deleted.
    SignedOut,
}

struct Pending {
    request: Request,
    answer: oneshot::Sender<Result<Reply, Failure>>,
}

struct Bridge {
    channel: BroadcastChannel,
    listener: Rc<dyn Fn(News)>,
    next: Cell<u64>,
    engine: Cell<Option<u32>>,
    pending: RefCell<BTreeMap<u64, Pending>>,
}

thread_local! {
    static BRIDGE: RefCell<Option<Rc<Bridge>>> = const { RefCell::new(None) };
    static LEADER: Cell<bool> = const { Cell::new(false) };
}

/// Pauses before a crashed worker is started again, doubled each time up to the last.
const RESTART_MS: [i32; 5] = [300, 1_000, 3_000, 10_000, 30_000];

/// Joins the other tabs, or starts the engine if there are none. `listener` hears all [`News`].
pub fn start(listener: impl Fn(News) + 'static) -> Result<(), JsValue> {
    let channel = BroadcastChannel::new(CHANNEL)?;
    let tab = (js_sys::Math::random() * f64::from(1 << 20)) as u64;
    let bridge = Rc::new(Bridge {
        channel,
        listener: Rc::new(listener),
        next: Cell::new(tab << CALL_COUNT_BITS),
        engine: Cell::new(None),
        pending: RefCell::default(),
    });
    let hears = bridge.clone();
    let callback = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let message = event.data().as_string().and_then(|text| serde_json::from_str(&text).ok());
        if let Some(message) = message {
            hears.hear(message);
        }
    });
    bridge.channel.set_onmessage(Some(callback.into_js_value().unchecked_ref()));
    bridge.say(&ToEngine::Hello);
    let listener = bridge.listener.clone();
    BRIDGE.with(|cell| *cell.borrow_mut() = Some(bridge));
    let granted = || {
        LEADER.set(true);
        spawn_worker(0);
    };
    // Where site data is blocked, locks are refused as all storage is.
    let refused = move |error: JsValue| {
        let detail = js_sys::Object::from(error).to_string().into();
        listener(News::Failed(StartProblem::StorageDenied, detail));
    };
    dom::hold_lock(LOCK, granted, refused)
}

/// Whether the worker is this tab's.
pub fn is_leader() -> bool {
    LEADER.get()
}

/// Asks the engine. Waits for as long as it takes: an engine that is not there yet answers when it is.
pub async fn call(request: Request) -> Result<Reply, Failure> {
    let Some(bridge) = BRIDGE.with(|cell| cell.borrow().clone()) else { return Err(interrupted()) };
    let (answer, answered) = oneshot::channel();
    bridge.ask(Pending { request, answer });
    answered.await.unwrap_or_else(|_| Err(interrupted()))
}

impl Bridge {
    fn say(&self, message: &ToEngine) {
        if let Ok(text) = serde_json::to_string(message) {
            let _ = self.channel.post_message(&text.into());
        }
    }

    fn ask(&self, pending: Pending) {
        let id = self.next.get();
        self.next.set(id + 1);
        if self.engine.get().is_some() {
            self.say(&ToEngine::Call { call: Call { id, request: pending.request.clone() } });
        }
        self.pending.borrow_mut().insert(id, pending);
    }

    fn hear(&self, message: FromEngine) {
        match message {
            FromEngine::Ready { engine } if self.engine.get() != Some(engine) => {
                let before = self.engine.replace(Some(engine));
                let unanswered = std::mem::take(&mut *self.pending.borrow_mut());
                (self.listener)(News::Ready { again: before.is_some() });
                for pending in unanswered.into_values() {
                    match before {
                        // Nobody has heard it yet.
                        None => self.ask(pending),
                        Some(_) => self.ask_again(pending),
                    }
                }
            }
            FromEngine::Output { output: Output::Reply { id, result } } => {
                let pending = self.pending.borrow_mut().remove(&id);
                if let Some(pending) = pending {
                    let _ = pending.answer.send(result);
                }
            }
            FromEngine::Output { output: Output::Update { update } } => {
                (self.listener)(News::Update(Box::new(update)))
            }
            FromEngine::Failed { problem, detail } => (self.listener)(News::Failed(problem, detail)),
            FromEngine::SignedOut => (self.listener)(News::SignedOut),
            FromEngine::Ready { .. } => {}
        }
    }

    fn ask_again(&self, pending: Pending) {
        match repeat::after_takeover(&pending.request) {
            Repeat::Again => self.ask(pending),
            Repeat::Ask => {
                let _ = pending.answer.send(Err(interrupted()));
            }
        }
    }
}

/// A text to send, under an id of its own: however often the engine is asked, it is sent once.
pub fn text_to_send(room: String, text: String, reply_to: Option<String>) -> Request {
    let random = || (js_sys::Math::random() * (1_u64 << 53) as f64) as u64;
    Request::SendText { room, text, reply_to, client_id: Some(format!("{:x}-{:x}", random(), random())) }
}

fn interrupted() -> Failure {
    Failure { code: "interrupted".into(), message: String::new() }
}

/// Starts the worker in this tab, and again whenever it dies.
fn spawn_worker(attempt: usize) {
    let data = |name: &str| {
        dom::document().document_element().and_then(|root| root.get_attribute(name)).unwrap_or_default()
    };
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    let Ok(worker) = Worker::new_with_options(&data("data-worker"), &options) else { return };
    let files = js_sys::Object::new();
    for (key, name) in [("glue", "data-engine"), ("wasm", "data-engine-wasm")] {
        let _ = js_sys::Reflect::set(&files, &key.into(), &data(name).into());
    }
    let _ = worker.post_message(&files);
    let dead = worker.clone();
    let on_error = Closure::once_into_js(move |_event: JsValue| {
        dead.terminate();
        let pause = RESTART_MS[attempt.min(RESTART_MS.len() - 1)];
        dom::after(pause, move || spawn_worker(attempt + 1));
    });
    worker.set_onerror(Some(on_error.unchecked_ref()));
    // The worker lives as long as the page, though nothing here refers to it.
    std::mem::forget(worker);
}
