//! The client engine in a browser's dedicated worker.
//!
//! A thin runtime around `mbolo-client`: [`storage`] gives it SQLite on the origin's private file system,
//! [`socket`] a WebSocket to the cell this page came from, [`runtime`] the clock and the way to the tabs. All
//! that is clever is in the engine; it is the same code as in the terminal. Natively there is nothing to start.

#[cfg(target_arch = "wasm32")]
mod runtime;
#[cfg(target_arch = "wasm32")]
mod socket;
#[cfg(target_arch = "wasm32")]
mod storage;

fn main() {
    #[cfg(target_arch = "wasm32")]
    {
        console_error_panic_hook::set_once();
        wasm_bindgen_futures::spawn_local(runtime::run());
    }
}
