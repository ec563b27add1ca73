//! Reads a QR code with the camera, where the browser can.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Array, Object, Promise, Reflect};
use leptos::html::Video;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{MediaStream, MediaStreamConstraints, MediaStreamTrack};

use super::dom;
use crate::texts::t;

#[wasm_bindgen]
extern "C" {
    type BarcodeDetector;
    #[wasm_bindgen(constructor, catch)]
    fn new(options: &JsValue) -> Result<BarcodeDetector, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn detect(this: &BarcodeDetector, source: &JsValue) -> Result<Promise, JsValue>;
}

/// Pause between two looks, in milliseconds.
const LOOK_MS: i32 = 200;

/// Whether this browser reads QR codes and has cameras.
pub fn can_scan() -> bool {
    Reflect::has(&dom::window(), &"BarcodeDetector".into()).unwrap_or(false)
        && dom::window().navigator().media_devices().is_ok()
}

/// The camera's picture until a code was found.
#[component]
pub fn Scanner(
    /// Gets the code's text.
    found: Callback<String>,
) -> impl IntoView {
    let video = NodeRef::<Video>::new();
    let refused = RwSignal::new(false);
    let stop = StoredValue::new_local(Rc::new(Cell::new(false)));
    on_cleanup(move || {
        stop.with_value(|stop| stop.set(true));
    });
    Effect::new(move || {
        let Some(video) = video.get() else { return };
        let stop = stop.get_value();
        spawn_local(async move {
            match look(&video, &stop).await {
                Ok(Some(text)) => found.run(text),
                Ok(None) => {}
                Err(_) => refused.set(true),
            }
        });
    });
    view! {
        <div class="scanner">
            <video node_ref=video playsinline muted aria-label=t("scan-label")></video>
            <p class="hint" role="status">{move || if refused.get() { t("scan-refused") } else { t("scan-hint") }}</p>
        </div>
    }
}

async fn look(video: &web_sys::HtmlVideoElement, stop: &Cell<bool>) -> Result<Option<String>, JsValue> {
    let wanted = MediaStreamConstraints::new();
    let facing = Object::new();
    Reflect::set(&facing, &"facingMode".into(), &"environment".into())?;
    wanted.set_video(&facing);
    let devices = dom::window().navigator().media_devices()?;
    let stream: MediaStream =
        JsFuture::from(devices.get_user_media_with_constraints(&wanted)?).await?.unchecked_into();
    let result = look_at(video, &stream, stop).await;
    for track in stream.get_tracks().iter() {
        track.unchecked_into::<MediaStreamTrack>().stop();
    }
    result
}

async fn look_at(
    video: &web_sys::HtmlVideoElement,
    stream: &MediaStream,
    stop: &Cell<bool>,
) -> Result<Option<String>, JsValue> {
    video.set_src_object(Some(stream));
    JsFuture::from(video.play()?).await?;
    let options = Object::new();
    Reflect::set(&options, &"formats".into(), &Array::of1(&"qr_code".into()))?;
    let detector = BarcodeDetector::new(&options)?;
    while !stop.get() {
        let codes: Array = JsFuture::from(detector.detect(video)?).await?.unchecked_into();
        if let Some(text) =
            codes.iter().find_map(|code| Reflect::get(&code, &"rawValue".into()).ok()?.as_string())
        {
            return Ok(Some(text));
        }
        JsFuture::from(Promise::new(&mut |resolve, _| {
            let _ = dom::window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, LOOK_MS);
        }))
        .await?;
    }
    Ok(None)
}
