//! The browser, as far as the UI needs it: storage of small settings, clock, timers, dates, focus, clipboard.

use std::cell::RefCell;
use std::collections::BTreeMap;

use js_sys::{Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Document, HtmlElement, Storage, Window};

use crate::texts::{language, t};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["navigator", "locks"], js_name = request, catch)]
    fn request_lock(name: &str, callback: &JsValue) -> Result<Promise, JsValue>;

    type DateTimeFormat;
    #[wasm_bindgen(constructor, js_namespace = Intl, js_class = "DateTimeFormat")]
    fn new(locale: &str, options: &JsValue) -> DateTimeFormat;
    #[wasm_bindgen(method, js_name = format)]
    fn format_ms(this: &DateTimeFormat, at_ms: f64) -> String;

    #[wasm_bindgen(js_namespace = ["navigator", "clipboard"], js_name = writeText, catch)]
    fn write_clipboard(text: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = navigator, js_name = share, catch)]
    fn share_data(data: &JsValue) -> Result<Promise, JsValue>;
}

/// The window; the UI runs nowhere else.
pub fn window() -> Window {
    web_sys::window().expect("the UI runs in a page")
}

/// Its document.
pub fn document() -> Document {
    window().document().expect("a page has a document")
}

/// Unix milliseconds.
pub fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}

fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}

/// A small setting of this browser.
pub fn setting(key: &str) -> Option<String> {
    storage()?.get_item(&format!("mbolo.{key}")).ok().flatten()
}

/// Keeps a small setting, or forgets it. Where the browser keeps nothing, nothing happens.
pub fn set_setting(key: &str, value: Option<&str>) {
    let key = format!("mbolo.{key}");
    if let Some(storage) = storage() {
        let _ = match value {
            Some(value) => storage.set_item(&key, value),
            None => storage.remove_item(&key),
        };
    }
}

/// Forgets all small settings, drafts included.
pub fn clear_settings() {
    let Some(storage) = storage() else { return };
    let count = storage.length().unwrap_or(0);
    let keys: Vec<String> = (0..count).filter_map(|n| storage.key(n).ok().flatten()).collect();
    for key in keys.iter().filter(|key| key.starts_with("mbolo.")) {
        let _ = storage.remove_item(key);
    }
}

/// Runs `work` once after `delay_ms`. Not cancelled: `work` looks whether it is still wanted.
pub fn after(delay_ms: i32, work: impl FnOnce() + 'static) {
    let callback = Closure::once_into_js(work);
    let _ =
        window().set_timeout_with_callback_and_timeout_and_arguments_0(callback.unchecked_ref(), delay_ms);
}

/// Runs `work` every `period_ms` for as long as the page lives.
pub fn every(period_ms: i32, work: impl FnMut() + 'static) {
    let callback = Closure::<dyn FnMut()>::new(work).into_js_value();
    let _ =
        window().set_interval_with_callback_and_timeout_and_arguments_0(callback.unchecked_ref(), period_ms);
}

/// Runs `work` before the next paint, when the page shows what the signals say.
pub fn before_paint(work: impl FnOnce() + 'static) {
    let callback = Closure::once_into_js(work);
    let _ = window().request_animation_frame(callback.unchecked_ref());
}

/// Listens for as long as the page lives.
pub fn listen(target: &web_sys::EventTarget, event: &str, work: impl FnMut(web_sys::Event) + 'static) {
    let callback = Closure::<dyn FnMut(web_sys::Event)>::new(work).into_js_value();
    let _ = target.add_event_listener_with_callback(event, callback.unchecked_ref());
}

/// Holds a Web Lock until the page goes away; `granted` runs when it is this page's, `refused` when the browser gives
/// none. An error where there are no locks.
pub fn hold_lock(
    name: &str,
    granted: impl FnOnce() + 'static,
    refused: impl FnOnce(JsValue) + 'static,
) -> Result<(), JsValue> {
    let callback = Closure::once_into_js(move |_lock: JsValue| -> Promise {
        granted();
        // A promise that never settles: the lock ends with the page.
        Promise::new(&mut |_resolve, _reject| {})
    });
    let waiting = request_lock(name, &callback)?;
    wasm_bindgen_futures::spawn_local(async move {
        if let Err(error) = JsFuture::from(waiting).await {
            refused(error);
        }
    });
    Ok(())
}

/// An element by id.
pub fn element(id: &str) -> Option<HtmlElement> {
    document().get_element_by_id(id)?.dyn_into().ok()
}

/// Moves the focus to the element with this id once it is in the page.
pub fn focus_soon(id: &'static str) {
    before_paint(move || {
        if let Some(element) = element(id) {
            let _ = element.focus();
        }
    });
}

/// Moves the focus there if nothing else has it: what had it is gone.
pub fn focus_if_lost(element: web_sys::Element) {
    let lost = document().active_element().is_none_or(|active| active.tag_name() == "BODY");
    if lost && let Ok(element) = element.dyn_into::<HtmlElement>() {
        let _ = element.focus();
    }
}

/// Whether a finger is the main pointer: then no keyboard may be opened unasked.
pub fn is_touch() -> bool {
    matches_media("(pointer: coarse)")
}

/// Whether a CSS media query holds now.
pub fn matches_media(query: &str) -> bool {
    window().match_media(query).ok().flatten().is_some_and(|list| list.matches())
}

/// Copies a text. Returns whether the browser allowed it.
pub async fn copy(text: &str) -> bool {
    match write_clipboard(text) {
        Ok(promise) => JsFuture::from(promise).await.is_ok(),
        Err(_) => false,
    }
}

/// Whether the browser can hand a link to other apps.
pub fn can_share() -> bool {
    Reflect::has(&window().navigator(), &"share".into()).unwrap_or(false)
}

/// Hands a link to other apps.
pub fn share(text: &str, url: &str) {
    let data = Object::new();
    let _ = Reflect::set(&data, &"text".into(), &text.into());
    let _ = Reflect::set(&data, &"url".into(), &url.into());
    if let Ok(promise) = share_data(&data) {
        wasm_bindgen_futures::spawn_local(async move {
            let _ = JsFuture::from(promise).await;
        });
    }
}

/// Offers a text as a file.
pub fn save_file(name: &str, text: &str) {
    let Ok(link) = document().create_element("a") else { return };
    let encoded = js_sys::encode_uri_component(text);
    let _ = link.set_attribute("href", &format!("data:text/plain;charset=utf-8,{}", String::from(encoded)));
    let _ = link.set_attribute("download", name);
    if let Ok(link) = link.dyn_into::<HtmlElement>() {
        link.click();
    }
}

/// The number of the local day that holds this time.
pub fn day_of(at_ms: u64) -> i64 {
    const MINUTE_MS: i64 = 60_000;
    let offset_minutes = js_sys::Date::new(&JsValue::from_f64(at_ms as f64)).get_timezone_offset() as i64;
    (at_ms as i64 - offset_minutes * MINUTE_MS).div_euclid(86_400_000)
}

thread_local! {
    static FORMATS: RefCell<BTreeMap<String, DateTimeFormat>> = const { RefCell::new(BTreeMap::new()) };
}

fn format(at_ms: u64, name: &str, options: &[(&str, &str)]) -> String {
    let locale = language().tag();
    FORMATS.with(|formats| {
        let mut formats = formats.borrow_mut();
        let format = formats.entry(format!("{locale} {name}")).or_insert_with(|| {
            let object = Object::new();
            for (key, value) in options {
                let _ = Reflect::set(&object, &(*key).into(), &(*value).into());
            }
            DateTimeFormat::new(locale, &object)
        });
        format.format_ms(at_ms as f64)
    })
}

/// The time of day.
pub fn clock(at_ms: u64) -> String {
    format(at_ms, "clock", &[("hour", "2-digit"), ("minute", "2-digit")])
}

/// A day as a person says it: today, yesterday, a weekday, a date.
pub fn day_name(at_ms: u64) -> String {
    let now = now_ms();
    match day_of(now) - day_of(at_ms) {
        0 => t("day-today"),
        1 => t("day-yesterday"),
        2..=6 => format(at_ms, "weekday", &[("weekday", "long")]),
        ..=300 => format(at_ms, "day", &[("weekday", "long"), ("day", "numeric"), ("month", "long")]),
        _ => format(at_ms, "date", &[("day", "numeric"), ("month", "long"), ("year", "numeric")]),
    }
}

/// When something was, as short as it can be: a time today, else a day.
pub fn short_time(at_ms: u64) -> String {
    match day_of(now_ms()) - day_of(at_ms) {
        ..=0 => clock(at_ms),
        1 => t("day-yesterday"),
        2..=6 => format(at_ms, "weekday-short", &[("weekday", "short")]),
        _ => format(at_ms, "date-short", &[("day", "2-digit"), ("month", "2-digit"), ("year", "2-digit")]),
    }
}
