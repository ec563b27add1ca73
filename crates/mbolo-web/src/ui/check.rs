//! "Is it me?", tried from the page: the steps of `mbolo_isitme::Check` with what a browser can ask, and the counts
//! of reached and failed connections that the observatory gets.
//!
//! This is the one place of the UI that talks to the network itself, because it is about the engine's not getting
//! through. Neutral places learn that somebody asked, nothing else: no cookies, no referrer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::future::{Either, FutureExt, LocalBoxFuture, join_all, select};
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use mbolo_client_api::{Connection, OfflineReason};
use mbolo_isitme::{
    About, Board, CellInfo, Check, Diagnosis, Envelope, INFO_PATH, MAX_INFO_BYTES, Outcome, SLICE_MS,
    Snapshot, Step, Tally, Verdict, WEB_ANCHORS,
};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::dom;
use super::engine;
use super::state::App;
use crate::texts::{self, Language};

/// A home that does not answer for this long is worth a question.
const BEFORE_CHECK_MS: i32 = 3_000;

/// And again after this.
const BETWEEN_CHECKS_MS: i32 = 30_000;

/// What the cell tells about itself is asked for again after this.
const INFO_LIFE_MS: u64 = 6 * 60 * 60 * 1000;

/// One request may take this long where nobody waits for it.
const PATIENCE_MS: i32 = 10_000;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch, catch)]
    fn fetch_promise(address: &str, options: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_name = atob, catch)]
    fn decode_base64(text: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = importKey, catch)]
    fn import_key(
        format: &str,
        key: &Uint8Array,
        kind: &str,
        out: bool,
        uses: &Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = verify, catch)]
    fn verify(
        kind: &str,
        key: &JsValue,
        signature: &Uint8Array,
        data: &Uint8Array,
    ) -> Result<Promise, JsValue>;
}

thread_local! {
    static TALLY: RefCell<Tally> = RefCell::default();
}

/// Watches the connection for as long as the page lives: finds out why there is none, and counts.
pub fn follow(app: App) {
    let watching = Rc::new(Cell::new(false));
    let (trying, asked_at_ms) = (Cell::new(false), Cell::new(0));
    Effect::new(move || match &*app.connection.read() {
        Connection::Connecting => trying.set(true),
        Connection::Offline { reason, .. } => {
            if trying.replace(false) && *reason == OfflineReason::Unreachable {
                count(false);
            }
            if !watching.replace(true) {
                let watching = watching.clone();
                spawn_local(async move {
                    watch(app).await;
                    watching.set(false);
                });
            }
        }
        Connection::Online | Connection::CatchingUp => {
            if trying.replace(false) {
                count(true);
            }
            let now = dom::now_ms();
            if engine::is_leader() && now.saturating_sub(asked_at_ms.get()) > INFO_LIFE_MS {
                asked_at_ms.set(now);
                spawn_local(keep_info());
            }
        }
        Connection::Idle | Connection::Refused { .. } => {}
    });
    dom::every(SLICE_MS as i32, || spawn_local(tell()));
}

/// The sentence for a diagnosis, in the page's language.
pub fn sentence(diagnosis: Diagnosis) -> String {
    let told = told();
    let watched_at = told.pulse.as_ref().map(|pulse| pulse.url.as_str());
    let home = dom::window().location().host().unwrap_or_default();
    let language = match texts::language() {
        Language::English => mbolo_isitme::Language::English,
        Language::French => mbolo_isitme::Language::French,
    };
    diagnosis.sentence(language, About { home: &home, watched_at })
}

/// Whether there is an observatory to tell anything.
pub fn is_watched() -> bool {
    told().pulse.is_some()
}

/// Whether it may be told how often the home was reached.
pub fn beacons() -> bool {
    dom::setting("beacons").as_deref() != Some("off")
}

/// Switches that on or off.
pub fn set_beacons(on: bool) {
    dom::set_setting("beacons", if on { None } else { Some("off") });
}

async fn watch(app: App) {
    let gone =
        || matches!(*app.connection.read_untracked(), Connection::Offline { .. } | Connection::Connecting);
    let mut pause = BEFORE_CHECK_MS;
    loop {
        sleep(pause).await;
        if !gone() {
            app.diagnosis.set(None);
            return;
        }
        let diagnosis = check().await.diagnosis();
        let explains = match *app.connection.read_untracked() {
            // It answered; only what stands in between could have answered for it.
            Connection::Offline { reason: OfflineReason::NotMbolo, .. } => {
                diagnosis.verdict == Verdict::YourWifi
            }
            Connection::Offline { reason: OfflineReason::Busy, .. } => false,
            _ => gone(),
        };
        app.diagnosis.set(explains.then_some(diagnosis));
        pause = BETWEEN_CHECKS_MS;
    }
}

async fn check() -> Check {
    let host = dom::window().location().hostname().unwrap_or_default();
    let is_here = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    let told = Rc::new(told());
    let mut check = Check::new(is_here);
    loop {
        let steps = check.next_round();
        if steps.is_empty() {
            return check;
        }
        let patience = check.round_ms() as i32;
        let tries = steps.iter().map(|step| {
            let attempt = attempt(*step, told.clone());
            async move { (*step, within(patience, attempt).await) }
        });
        for (step, tried) in join_all(tries).await {
            match tried {
                Some(Tried::Word(word)) => check.note_snapshot(word),
                Some(Tried::Outcome(outcome)) => check.note(step, outcome),
                // A page to sign in answers for everybody.
                Some(Tried::SomethingElse) => {
                    check.note(step, Outcome::Failed);
                    check.note(Step::Portal, Outcome::Failed);
                }
                None if matches!(step, Step::Anchor(_) | Step::Front) => check.note(step, Outcome::Failed),
                None => {}
            }
        }
        // Anchors are asked over TLS, where nobody can answer in their place.
        if check.findings().anchors.contains(&Outcome::Ok) {
            check.note(Step::Portal, Outcome::NotTried);
        }
    }
}

enum Tried {
    Outcome(Outcome),
    Word(Snapshot),
    /// An answer, but not of whom was asked.
    SomethingElse,
}

fn attempt(step: Step, told: Rc<CellInfo>) -> LocalBoxFuture<'static, Tried> {
    let worked = |it_did: bool| Tried::Outcome(if it_did { Outcome::Ok } else { Outcome::Failed });
    async move {
        match step {
            Step::Link => worked(dom::window().navigator().on_line()),
            // Seen only when it answers in the home's place: a page may not read what others answer.
            Step::Portal => Tried::Outcome(Outcome::NotTried),
            Step::Anchor(number) => match WEB_ANCHORS.get(number) {
                Some(anchor) => worked(is_there(anchor, "HEAD").await),
                None => Tried::Outcome(Outcome::NotTried),
            },
            Step::Front => match fetch("/healthz", &[("cache", "no-store")]).await {
                None => worked(false),
                Some((200, text)) if text.contains("\"cell\":\"") => worked(!text.contains("\"stopping\"")),
                // A proxy before the cell says that the cell is not there.
                Some((429 | 502..=504, _)) => worked(false),
                Some(_) => Tried::SomethingElse,
            },
            Step::Alternates => {
                let addresses: Vec<String> =
                    told.alternates.iter().map(|home| format!("{home}/healthz")).collect();
                let there = join_all(addresses.iter().map(|address| is_there(address, "GET"))).await;
                if there.is_empty() {
                    Tried::Outcome(Outcome::NotTried)
                } else {
                    worked(there.contains(&true))
                }
            }
            Step::Snapshot => Tried::Word(snapshot(&told).await),
        }
    }
    .boxed_local()
}

/// Whether anything answers there; what, a page may not see.
async fn is_there(address: &str, method: &str) -> bool {
    let options = [("mode", "no-cors"), ("method", method), ("cache", "no-store"), ("credentials", "omit")];
    fetch(address, &options).await.is_some()
}

/// The word of the first snapshot that holds now and is rightly signed.
async fn snapshot(told: &CellInfo) -> Snapshot {
    let Some(pulse) = &told.pulse else { return Snapshot::Unread };
    let read = pulse.snapshots.iter().map(|address| async move {
        let options = [("cache", "no-store"), ("credentials", "omit")];
        let (200, text) = fetch(address, &options).await? else { return None };
        let envelope: Envelope = serde_json::from_str(&text).ok()?;
        let board: Board = serde_json::from_slice(&open(&envelope, &pulse.keys).await?).ok()?;
        Some(board.word((dom::now_ms() / 1000) as i64, &pulse.service, &told.name, told.place.as_ref()))
    });
    let words: Vec<Snapshot> = join_all(read).await.into_iter().flatten().collect();
    let fresh = words.iter().find(|word| matches!(word, Snapshot::Fresh { .. }));
    fresh.or(words.first()).copied().unwrap_or_default()
}

/// What an envelope holds, if one of these keys has signed it. Browsers without Ed25519 read none.
async fn open(envelope: &Envelope, keys: &[String]) -> Option<Vec<u8>> {
    if envelope.version != Envelope::VERSION {
        return None;
    }
    let payload = from_base64(&envelope.payload)?;
    let signature = Uint8Array::from(&from_base64(&envelope.signature)?[..]);
    let signed = Uint8Array::from(&[Envelope::PURPOSE, &payload[..]].concat()[..]);
    let uses = Array::of1(&"verify".into());
    for key in keys {
        let key = Uint8Array::from(&from_hex(key)?[..]);
        let key = JsFuture::from(import_key("raw", &key, "Ed25519", false, &uses).ok()?).await.ok()?;
        let holds = JsFuture::from(verify("Ed25519", &key, &signature, &signed).ok()?).await.ok()?;
        if holds.as_bool() == Some(true) {
            return Some(payload);
        }
    }
    None
}

/// From base64url, which the browser reads without padding.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = decode_base64(&text.replace('-', "+").replace('_', "/")).ok()?.as_string()?;
    Some(text.chars().map(|byte| byte as u8).collect())
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// Status and text of an answer; none if there is none. Of an answer that a page may not read they are 0 and empty.
async fn fetch(address: &str, options: &[(&str, &str)]) -> Option<(u16, String)> {
    let object = Object::new();
    for (key, value) in options {
        let _ = Reflect::set(&object, &(*key).into(), &(*value).into());
    }
    let _ = Reflect::set(&object, &"referrerPolicy".into(), &"no-referrer".into());
    let answer = JsFuture::from(fetch_promise(address, &object).ok()?).await.ok()?;
    let status = Reflect::get(&answer, &"status".into()).ok()?.as_f64()? as u16;
    if status == 0 {
        return Some((0, String::new()));
    }
    let text: Function = Reflect::get(&answer, &"text".into()).ok()?.dyn_into().ok()?;
    let text: Promise = text.call0(&answer).ok()?.dyn_into().ok()?;
    Some((status, JsFuture::from(text).await.ok()?.as_string()?))
}

async fn within<T>(patience_ms: i32, work: impl Future<Output = T> + Unpin) -> Option<T> {
    match select(work, sleep(patience_ms).boxed_local()).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

async fn sleep(ms: i32) {
    let (wake, woken) = futures::channel::oneshot::channel();
    dom::after(ms, move || {
        let _ = wake.send(());
    });
    let _ = woken.await;
}

/// What the cell last told about itself.
fn told() -> CellInfo {
    let kept = dom::setting("told").and_then(|text| serde_json::from_str(&text).ok());
    kept.unwrap_or_default()
}

/// Asks the cell what it tells about itself, and keeps it for when it does not answer.
async fn keep_info() {
    let asked = fetch(INFO_PATH, &[("cache", "no-store")]).boxed_local();
    let Some(Some((200, text))) = within(PATIENCE_MS, asked).await else { return };
    if text.len() <= MAX_INFO_BYTES
        && let Ok(info) = serde_json::from_str::<CellInfo>(&text)
        && let Ok(text) = serde_json::to_string(&info.checked())
    {
        dom::set_setting("told", Some(&text));
    }
}

/// One tab counts for all, the one with the engine.
fn count(reached: bool) {
    if engine::is_leader() {
        let dice = (js_sys::Math::random() * 9e15) as u64;
        TALLY.with_borrow_mut(|tally| tally.count(dom::now_ms(), reached, dice));
    }
}

/// Tells the observatory of the oldest slice that it does not know, if it may.
async fn tell() {
    let CellInfo { name, pulse, .. } = told();
    let Some(pulse) = pulse.filter(|_| beacons()) else { return };
    let due = TALLY.with_borrow_mut(|tally| tally.due(dom::now_ms(), &pulse.service, &name));
    let Some(beacon) = due else { return };
    let Ok(body) = serde_json::to_string(&beacon) else { return };
    // Plain text needs no question beforehand, which would be a second way to fail.
    let options = [("mode", "no-cors"), ("method", "POST"), ("credentials", "omit"), ("body", body.as_str())];
    let address = format!("{}/v1/beacon", pulse.url);
    if let Some(Some(_)) = within(PATIENCE_MS, fetch(&address, &options).boxed_local()).await {
        TALLY.with_borrow_mut(|tally| tally.told(&beacon.batch));
    }
}
