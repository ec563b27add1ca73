//! The session's transport: a WebSocket to the server that this page came from.
//!
//! For every [`Socket::open`] exactly one [`Event::Gone`] is reported, also when the engine itself hangs up: a
//! browser may take minutes to close a connection whose network is gone, so that is not waited for.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use js_sys::{ArrayBuffer, Uint8Array};
use mbolo_client::TransportFailure;
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, DedicatedWorkerGlobalScope, MessageEvent, WebSocket};

/// What happens to a socket.
pub enum Event {
    /// It is open.
    Open,
    /// A binary message.
    Frame(Bytes),
    /// It failed or was closed.
    Gone(TransportFailure),
}

/// A connection. Dropped, it hangs up and says no more.
pub struct Socket {
    socket: WebSocket,
    _handlers: [Closure<dyn FnMut(JsValue)>; 4],
}

impl Socket {
    /// Connects; `report` hears what happens. `None` if the browser refuses the address.
    pub fn open(report: impl Fn(Event) + 'static) -> Option<Self> {
        let socket = WebSocket::new(&address()).ok()?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let report = Rc::new(report);
        let was_open = Rc::new(Cell::new(false));
        let handlers: [Closure<dyn FnMut(JsValue)>; 4] = [
            {
                let (report, was_open) = (report.clone(), was_open.clone());
                Closure::new(move |_| {
                    was_open.set(true);
                    report(Event::Open);
                })
            },
            {
                let report = report.clone();
                Closure::new(move |event: JsValue| {
                    let data = event.unchecked_into::<MessageEvent>().data();
                    if let Ok(buffer) = data.dyn_into::<ArrayBuffer>() {
                        report(Event::Frame(Uint8Array::new(&buffer).to_vec().into()));
                    }
                })
            },
            Closure::new(move |_| {
                let failure =
                    if was_open.get() { TransportFailure::Closed } else { TransportFailure::Unreachable };
                report(Event::Gone(failure));
            }),
            // An error is always followed by a close.
            Closure::new(|_| {}),
        ];
        socket.set_onopen(Some(handlers[0].as_ref().unchecked_ref()));
        socket.set_onmessage(Some(handlers[1].as_ref().unchecked_ref()));
        socket.set_onclose(Some(handlers[2].as_ref().unchecked_ref()));
        socket.set_onerror(Some(handlers[3].as_ref().unchecked_ref()));
        Some(Self { socket, _handlers: handlers })
    }

    /// Sends a binary message. On a socket that is closing it is lost, and the close is reported.
    pub fn send(&self, frame: &[u8]) {
        let _ = self.socket.send_with_u8_array(frame);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        self.socket.set_onerror(None);
        let _ = self.socket.close();
    }
}

/// The server's name and port as in the address bar.
pub fn host() -> String {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    scope.location().host()
}

fn address() -> String {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let scheme = if scope.location().protocol() == "http:" { "ws" } else { "wss" };
    format!("{scheme}://{}/v1/session", host())
}
