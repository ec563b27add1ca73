//! The browser's user interface.
//!
//! Two WASM files make the browser client. This one paints and listens; the other (`mbolo-web-worker`) holds
//! the client engine in a worker. They talk in the types of `mbolo-client-api`, so nothing here knows MLS or
//! the wire. [`model`] is plain logic that is tested natively; `ui` turns it into a page and exists only in
//! a browser.

pub mod model;
pub mod texts;

#[cfg(target_arch = "wasm32")]
pub mod ui;
