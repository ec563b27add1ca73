//! The line between the chat list and the conversation, moved with a pointer or with keys. This browser remembers its place.

use leptos::ev::{KeyboardEvent, PointerEvent};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use super::dom;
use crate::model::divider;
use crate::texts::t;

/// On a narrow screen there is one pane at a time and no line.
#[component]
pub fn Divider() -> impl IntoView {
    let kept = dom::setting("list").and_then(|width| width.parse().ok()).map(divider::allowed);
    let width = RwSignal::new(kept.unwrap_or_else(|| divider::usual(in_sixteenths(window_width()))));
    let moved = RwSignal::new(kept.is_some());
    let root = dom::document().document_element().and_then(|root| root.dyn_into::<HtmlElement>().ok());
    Effect::new(move || {
        if let Some(root) = root.as_ref().filter(|_| moved.get()) {
            let _ = root.style().set_property("--list", &format!("calc({}rem / 16)", width.get()));
        }
    });
    let go = move |wanted: i32| {
        width.set(wanted);
        moved.set(true);
    };
    let keep = move || dom::set_setting("list", Some(&width.get_untracked().to_string()));
    let on_key = move |event: KeyboardEvent| {
        if let Some(wanted) = divider::moved(width.get_untracked(), &event.key()) {
            event.prevent_default();
            go(wanted);
            keep();
        }
    };
    let on_down = move |event: PointerEvent| {
        if let Some(line) = line_of(&event) {
            let _ = line.set_pointer_capture(event.pointer_id());
        }
    };
    let is_dragged = |event: &PointerEvent| {
        line_of(event).is_some_and(|line| line.has_pointer_capture(event.pointer_id()))
    };
    let on_move = move |event: PointerEvent| {
        if is_dragged(&event) {
            go(divider::allowed(in_sixteenths(event.client_x().into())));
        }
    };
    view! {
        <div class="divider" role="separator" tabindex="0" aria-orientation="vertical" aria-label=t("chats-divider")
            aria-valuemin=divider::NARROWEST aria-valuemax=divider::WIDEST aria-valuenow=width
            on:keydown=on_key on:pointerdown=on_down on:pointermove=on_move on:lostpointercapture=move |_| keep()></div>
    }
}

fn line_of(event: &PointerEvent) -> Option<Element> {
    event.current_target()?.dyn_into().ok()
}

fn window_width() -> f64 {
    dom::window().inner_width().ok().and_then(|width| width.as_f64()).unwrap_or_default()
}

/// From CSS pixels to sixteenths of a rem.
fn in_sixteenths(pixels: f64) -> i32 {
    let root = dom::document().document_element();
    let style = root.and_then(|root| dom::window().get_computed_style(&root).ok().flatten());
    let size = style.and_then(|style| style.get_property_value("font-size").ok());
    let size = size.map(|size| js_sys::Number::parse_float(&size)).filter(|size| *size > 0.0);
    (pixels * 16.0 / size.unwrap_or(16.0)) as i32
}
