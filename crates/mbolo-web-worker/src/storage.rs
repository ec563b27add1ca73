//! The profile's database on the origin private file system.
//!
//! The pool of sync access handles is the fastest way to OPFS and needs no special headers; it gives the files
//! to one worker at a time. When a tab with the engine closes, its handles are released a moment after its
//! Web Lock, so an occupied pool is tried again for a while.

use js_sys::{Promise, Reflect};
use mbolo_client_api::tabs::StartProblem;
use sqlite_wasm_vfs::sahpool::{OpfsSAHError, OpfsSAHPoolCfgBuilder, install};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::DedicatedWorkerGlobalScope;

/// Directory of the pool's files in OPFS.
const DIRECTORY: &str = ".mbolo";

/// Name of the database in the pool.
const DATABASE: &str = "profile.sqlite3";

/// The database and its rollback journal, with room for temporary files.
const FILES: usize = 6;

/// How long an occupied pool is tried again, in steps of [`RETRY_MS`].
const RETRIES: u32 = 50;

const RETRY_MS: i32 = 200;

/// Why there is no database, for a person and for a report.
pub struct NoStorage {
    /// What to tell the person.
    pub problem: StartProblem,
    /// The browser's words.
    pub detail: String,
}

/// Opens the database of this origin.
pub async fn open() -> Result<rusqlite::Connection, NoStorage> {
    let config =
        OpfsSAHPoolCfgBuilder::new().vfs_name("mbolo").directory(DIRECTORY).initial_capacity(FILES).build();
    let mut tries = 0;
    loop {
        match install::<sqlite_wasm_rs::WasmOsCallback>(&config, true).await {
            Ok(_) => break,
            Err(error) if is_occupied(&error) && tries < RETRIES => {
                tries += 1;
                sleep(RETRY_MS).await;
            }
            Err(error) => return Err(NoStorage { problem: problem_of(&error), detail: error.to_string() }),
        }
    }
    rusqlite::Connection::open(DATABASE)
        .map_err(|error| NoStorage { problem: sqlite_problem(&error), detail: error.to_string() })
}

/// What a refusal of SQLite means to a person.
pub fn sqlite_problem(error: &rusqlite::Error) -> StartProblem {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StartProblem::StorageFull,
        _ => StartProblem::Broken,
    }
}

fn browser_name(error: &OpfsSAHError) -> Option<String> {
    match error {
        OpfsSAHError::Opfs { value, .. } => Reflect::get(value, &"name".into()).ok()?.as_string(),
        _ => None,
    }
}

fn is_occupied(error: &OpfsSAHError) -> bool {
    browser_name(error)
        .is_some_and(|name| name == "NoModificationAllowedError" || name == "InvalidStateError")
}

fn problem_of(error: &OpfsSAHError) -> StartProblem {
    match browser_name(error).as_deref() {
        Some("QuotaExceededError") => StartProblem::StorageFull,
        Some("SecurityError" | "NotAllowedError" | "TypeError" | "UnknownError") => {
            StartProblem::StorageDenied
        }
        _ if matches!(error, OpfsSAHError::NotSupported) => StartProblem::StorageDenied,
        _ => StartProblem::Broken,
    }
}

async fn sleep(ms: i32) {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let waited = Promise::new(&mut |resolve, _reject| {
        let _ = scope.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms);
    });
    let _: Result<JsValue, JsValue> = JsFuture::from(waited).await;
}
