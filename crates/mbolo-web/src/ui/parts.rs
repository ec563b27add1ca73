//! Small pieces that many places use: avatars, ticks, QR codes, sheets, buttons with an icon.

use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::html::Dialog;
use leptos::prelude::*;
use mbolo_client_api::{Chat, ChatKind, MessageState};

use super::dom;
use super::icons::Icon;
use super::state::app;
use crate::model::{look, qr};
use crate::texts::t;

/// A cell with initials, in the colour of an id.
pub fn avatar(name: &str, id: &str, large: bool) -> impl IntoView + use<> {
    let class = format!("avatar hue-{}{}", look::hue(id), if large { " avatar-large" } else { "" });
    view! { <span class=class aria-hidden="true" data-initials=look::initials(name)></span> }
}

/// The avatar of a chat: the other person's, or the group's.
pub fn chat_avatar(chat: &Chat, large: bool) -> AnyView {
    let name = app().name_of(chat);
    match (&chat.kind, &chat.peer) {
        (ChatKind::Direct, Some(peer)) => avatar(&name, &peer.account, large).into_any(),
        _ => avatar(&name, &chat.room, large).into_any(),
    }
}

/// How far an own message has come, as a drawing with a text alternative.
pub fn ticks(state: MessageState) -> impl IntoView {
    let (class, path) = match state {
        MessageState::Failed => ("ticks failed", "M9 2v8M9 13.5h.01"),
        MessageState::Waiting => ("ticks", "M9 2a6 6 0 1 0 0 12A6 6 0 0 0 9 2zM9 5v3.2l2 1.4"),
        MessageState::Sent => ("ticks", "M4 8.5l3 3 6.5-7"),
        MessageState::Delivered => ("ticks", "M1 8.5l3 3 6.5-7M8 11.2l.5.3L15 4.5"),
        MessageState::Read => ("ticks read", "M1 8.5l3 3 6.5-7M8 11.2l.5.3L15 4.5"),
    };
    view! {
        <svg class=class viewBox="0 0 18 16" role="img" aria-label=state_name(state)>
            <path d=path />
        </svg>
    }
}

/// The word for a state.
pub fn state_name(state: MessageState) -> String {
    match state {
        MessageState::Failed => t("state-failed"),
        MessageState::Waiting => t("state-waiting"),
        MessageState::Sent => t("state-sent"),
        MessageState::Delivered => t("state-delivered"),
        MessageState::Read => t("state-read"),
    }
}

/// A QR code of a link.
pub fn qr_code(text: &str) -> impl IntoView + use<> {
    let (side, path) = qr::path(text).unwrap_or_default();
    view! {
        <svg class="qr" viewBox=format!("0 0 {side} {side}") role="img" aria-label=t("invite-qr") shape-rendering="crispEdges">
            <rect width=side height=side fill="#fff" />
            <path d=path fill="#15211C" />
        </svg>
    }
}

/// A round button that shows only an icon; `name` is what it is called.
pub fn icon_button(icon: Icon, name: String, act: impl FnMut(MouseEvent) + 'static) -> impl IntoView {
    view! {
        <button type="button" class="icon-button" aria-label=name.clone() title=name on:click=act>
            {icon.view()}
        </button>
    }
}

/// Something that lies over the page until it is done or closed; Escape closes it, focus stays in it.
#[component]
pub fn Sheet(
    /// Its heading.
    title: String,
    children: Children,
) -> impl IntoView {
    let app = app();
    let dialog = NodeRef::<Dialog>::new();
    // When the sheet goes, the focus returns to what had it; not before the sheet is gone, because what is behind it
    // cannot have the focus.
    let opener = StoredValue::new_local(dom::document().active_element());
    on_cleanup(move || {
        if let Some(opener) = opener.try_get_value().flatten() {
            dom::before_paint(move || dom::focus_if_lost(opener));
        }
    });
    Effect::new(move || {
        if let Some(dialog) = dialog.get()
            && !dialog.open()
        {
            let _ = dialog.show_modal();
        }
    });
    let close = move || app.sheet.set(None);
    // A click on the backdrop has the dialog itself as its target.
    let outside = move |event: MouseEvent| {
        let hit = event
            .target()
            .and_then(|target| wasm_bindgen::JsCast::dyn_into::<web_sys::HtmlDialogElement>(target).ok());
        if hit.is_some() {
            close();
        }
    };
    view! {
        <dialog node_ref=dialog class="sheet" aria-labelledby="sheet-title" on:close=move |_| close() on:click=outside>
            <div class="sheet-body">
                <header class="sheet-head">
                    <h2 id="sheet-title">{title}</h2>
                    {icon_button(Icon::Close, t("sheet-close"), move |_| close())}
                </header>
                {children()}
            </div>
        </dialog>
    }
}

/// A sheet that asks before something is done that cannot be taken back. The first button, which has the focus, does nothing.
#[component]
pub fn Question(
    /// What is asked.
    title: String,
    /// What would happen.
    about: String,
    /// The way out.
    keep: String,
    /// The way on.
    submit: String,
    /// What is done then.
    act: Callback<()>,
    /// Whether nothing is lost by it.
    #[prop(optional)]
    harmless: bool,
) -> impl IntoView {
    let app = app();
    let done = move |_| {
        act.run(());
        app.sheet.set(None);
    };
    view! {
        <Sheet title>
            <p>{about}</p>
            <div class="row-buttons">
                <button type="button" class="button" autofocus on:click=move |_| app.sheet.set(None)>{keep}</button>
                <button type="button" class=if harmless { "button primary" } else { "button danger" } on:click=done>{submit}</button>
            </div>
        </Sheet>
    }
}

/// Moves the focus among `selector`s inside the element that got an arrow key.
pub fn move_focus(event: &KeyboardEvent, selector: &str) {
    use wasm_bindgen::JsCast;
    let step: i32 = match event.key().as_str() {
        "ArrowDown" => 1,
        "ArrowUp" => -1,
        _ => return,
    };
    let Some(here) = event.current_target().and_then(|target| target.dyn_into::<web_sys::Element>().ok())
    else {
        return;
    };
    let Ok(all) = here.query_selector_all(selector) else { return };
    let active = dom::document().active_element();
    let current = (0..all.length()).find(|n| all.item(*n).as_ref() == active.as_ref().map(|e| e.as_ref()));
    let next = match current {
        Some(index) => index as i32 + step,
        None if step > 0 => 0,
        None => all.length() as i32 - 1,
    };
    let wanted = u32::try_from(next).ok().and_then(|next| all.item(next));
    if let Some(element) = wanted.and_then(|node| node.dyn_into::<web_sys::HtmlElement>().ok()) {
        event.prevent_default();
        let _ = element.focus();
    }
}

/// Keeps a click inside a form from loading a page.
pub fn on_submit(act: impl Fn() + 'static) -> impl Fn(leptos::ev::SubmitEvent) + 'static {
    move |event| {
        event.prevent_default();
        act();
    }
}
