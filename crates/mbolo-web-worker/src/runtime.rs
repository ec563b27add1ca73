//! The loop: calls from tabs, frames from the cell and the clock go into the engine one at a time; what it
//! wants goes out.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use mbolo_client::{Client, Effect, Input, OpenError, Options, TransportFailure};
use mbolo_client_api::tabs::{CHANNEL, FromEngine, StartProblem, ToEngine};
use mbolo_client_api::{Output, Reply, Request};
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, DedicatedWorkerGlobalScope, MessageEvent};

use crate::socket::{self, Event, Socket};
use crate::storage::{self, NoStorage};

/// A timer may be this late at most, in milliseconds; browsers take no longer delays than 31 bits anyway.
const LONGEST_SLEEP_MS: u64 = 3_600_000;

struct Runtime {
    channel: BroadcastChannel,
    /// Changes whenever a client is opened, so that tabs ask again what the one before did not answer.
    number: Cell<u32>,
    /// There is always one, but for the moment in which it is opened anew.
    client: RefCell<Option<Client>>,
    inputs: RefCell<VecDeque<Input>>,
    running: Cell<bool>,
    socket: RefCell<Option<Socket>>,
    timer: Cell<Option<i32>>,
    wake: RefCell<Option<Closure<dyn FnMut()>>>,
    /// The call that deletes the profile, when it is under way.
    signing_out: Cell<Option<u64>>,
}

/// Opens the profile and runs until the worker ends.
pub async fn run() {
    let Ok(channel) = BroadcastChannel::new(CHANNEL) else { return };
    match open().await {
        Ok(client) => serve(channel, client),
        Err(NoStorage { problem, detail }) => refuse(channel, problem, detail),
    }
}

async fn open() -> Result<Client, NoStorage> {
    open_client(storage::open().await?)
}

fn open_client(store: rusqlite::Connection) -> Result<Client, NoStorage> {
    let mut seed = [0; 32];
    getrandom02::getrandom(&mut seed).map_err(|error| NoStorage {
        problem: StartProblem::Broken,
        detail: format!("no randomness: {error}"),
    })?;
    Client::open(store, Options::new(socket::host(), seed), now_ms()).map_err(|error| NoStorage {
        problem: match &error {
            OpenError::Storage(error) => storage::sqlite_problem(error),
            OpenError::TooNew { .. } => StartProblem::TooNew,
            _ => StartProblem::Broken,
        },
        detail: error.to_string(),
    })
}

fn serve(channel: BroadcastChannel, client: Client) {
    let runtime = Rc::new(Runtime {
        channel,
        number: Cell::new(random_number()),
        client: RefCell::new(Some(client)),
        inputs: RefCell::default(),
        running: Cell::new(false),
        socket: RefCell::default(),
        timer: Cell::new(None),
        wake: RefCell::default(),
        signing_out: Cell::new(None),
    });
    let wakes = Rc::downgrade(&runtime);
    *runtime.wake.borrow_mut() = Some(Closure::new(move || {
        if let Some(runtime) = wakes.upgrade() {
            runtime.timer.set(None);
            runtime.take(Input::Tick);
        }
    }));
    let hears = runtime.clone();
    listen(&runtime.channel, move |message| match message {
        ToEngine::Hello => hears.say(&FromEngine::Ready { engine: hears.number.get() }),
        ToEngine::Call { call } => {
            if call.request == Request::SignOut {
                hears.signing_out.set(Some(call.id));
            }
            hears.take(Input::Call(call));
        }
    });
    runtime.say(&FromEngine::Ready { engine: runtime.number.get() });
    runtime.take(Input::Tick);
    let back = runtime;
    let online = Closure::<dyn FnMut()>::new(move || back.network_is_back());
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    scope.set_ononline(Some(online.into_js_value().unchecked_ref()));
}

/// There is no engine; every tab that asks is told why.
fn refuse(channel: BroadcastChannel, problem: StartProblem, detail: String) {
    let failed = FromEngine::Failed { problem, detail };
    say(&channel, &failed);
    let answers = channel.clone();
    listen(&channel, move |message| {
        if message == ToEngine::Hello {
            say(&answers, &failed);
        }
    });
}

impl Runtime {
    /// Gives one input to the engine, and then what came of it.
    fn take(self: &Rc<Self>, input: Input) {
        self.inputs.borrow_mut().push_back(input);
        // An effect can be an input at once: a socket that is refused, a hang-up.
        if self.running.replace(true) {
            return;
        }
        loop {
            let next = self.inputs.borrow_mut().pop_front();
            let Some(input) = next else { break };
            let effects = self
                .client
                .borrow_mut()
                .as_mut()
                .map(|client| client.handle(now_ms(), input))
                .unwrap_or_default();
            for effect in effects {
                self.carry_out(effect);
            }
        }
        self.running.set(false);
        self.set_timer();
    }

    fn carry_out(self: &Rc<Self>, effect: Effect) {
        match effect {
            Effect::Connect => self.connect(),
            Effect::Send(frame) => {
                if let Some(socket) = &*self.socket.borrow() {
                    socket.send(&frame);
                }
            }
            Effect::Disconnect => {
                let socket = self.socket.borrow_mut().take();
                if socket.is_some() {
                    self.take(Input::Disconnected(TransportFailure::Closed));
                }
            }
            Effect::Output(output) => {
                let signed_out = matches!(&output, Output::Reply { id, result: Ok(Reply::Done) } if self.signing_out.get() == Some(*id));
                self.say(&FromEngine::Output { output });
                if signed_out {
                    self.say(&FromEngine::SignedOut);
                }
            }
        }
    }

    fn connect(self: &Rc<Self>) {
        let reports = Rc::downgrade(self);
        let socket = Socket::open(move |event| {
            let Some(runtime) = reports.upgrade() else { return };
            match event {
                Event::Open => runtime.take(Input::Connected),
                Event::Frame(frame) => runtime.take(Input::Frame(frame)),
                Event::Gone(failure) => {
                    runtime.forget_socket();
                    runtime.take(Input::Disconnected(failure));
                }
            }
        });
        match socket {
            Some(socket) => *self.socket.borrow_mut() = Some(socket),
            None => self.take(Input::Disconnected(TransportFailure::Unreachable)),
        }
    }

    /// The device has a network again: nobody waits for the end of a back-off that may be a minute long. A client
    /// that is opened anew connects at once.
    fn network_is_back(self: &Rc<Self>) {
        if self.socket.borrow().is_some() || self.running.get() {
            return;
        }
        let Some(client) = self.client.take() else { return };
        match open_client(client.into_store()) {
            Ok(client) => {
                self.client.replace(Some(client));
                self.number.set(random_number());
                self.say(&FromEngine::Ready { engine: self.number.get() });
                self.take(Input::Tick);
            }
            // The page starts the worker anew when it fails.
            Err(problem) => wasm_bindgen::throw_str(&problem.detail),
        }
    }

    /// Lets go of a socket from within its own handler, which must outlive the call.
    fn forget_socket(&self) {
        if let Some(socket) = self.socket.borrow_mut().take() {
            wasm_bindgen_futures::spawn_local(async move { drop(socket) });
        }
    }

    fn set_timer(&self) {
        let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
        if let Some(timer) = self.timer.take() {
            scope.clear_timeout_with_handle(timer);
        }
        let Some(due_ms) = self.client.borrow().as_ref().and_then(Client::next_tick_ms) else { return };
        let delay = due_ms.saturating_sub(now_ms()).min(LONGEST_SLEEP_MS) as i32;
        if let Some(wake) = &*self.wake.borrow() {
            let timer = scope
                .set_timeout_with_callback_and_timeout_and_arguments_0(wake.as_ref().unchecked_ref(), delay);
            self.timer.set(timer.ok());
        }
    }

    fn say(&self, message: &FromEngine) {
        say(&self.channel, message);
    }
}

fn say(channel: &BroadcastChannel, message: &FromEngine) {
    if let Ok(text) = serde_json::to_string(message) {
        let _ = channel.post_message(&text.into());
    }
}

fn listen(channel: &BroadcastChannel, mut hear: impl FnMut(ToEngine) + 'static) {
    let callback = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let message = event.data().as_string().and_then(|text| serde_json::from_str(&text).ok());
        if let Some(message) = message {
            hear(message);
        }
    });
    channel.set_onmessage(Some(callback.into_js_value().unchecked_ref()));
}

fn random_number() -> u32 {
    (js_sys::Math::random() * f64::from(u32::MAX)) as u32
}

fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}
