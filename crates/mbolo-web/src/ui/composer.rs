//! Where one writes. It grows with the text, keeps drafts per chat, and says to the room that one is typing.

use std::cell::Cell;

use leptos::ev::KeyboardEvent;
use leptos::html::Textarea;
use leptos::prelude::*;
use leptos::task::spawn_local;
use mbolo_client_api::{Body, Message, Request};

use super::dom;
use super::engine;
use super::icons::Icon;
use super::parts::icon_button;
use super::state::{Composing, app};
use crate::model::{draft, look};
use crate::texts::{t, t_with};

/// "Is typing" is said again no sooner than this.
const TYPING_MS: u64 = 3_000;

thread_local! {
    static TYPING_SAID_MS: Cell<u64> = const { Cell::new(0) };
}

/// The composer of a room.
#[component]
pub fn Composer(
    /// Room id.
    room: String,
) -> impl IntoView {
    let app = app();
    let draft_key = format!("draft.{room}");
    let text = RwSignal::new(dom::setting(&draft_key).unwrap_or_default());
    let field = NodeRef::<Textarea>::new();
    let too_long = Memo::new(move |_| draft::is_too_long(&text.read()));
    let room = StoredValue::new(room);
    let draft_key = StoredValue::new(draft_key);

    // The draft outlives the page; an edit is not a draft.
    Effect::new(move || {
        let text = text.get();
        if let Some(field) = field.get() {
            grow(&field);
        }
        if !matches!(*app.composing.read_untracked(), Composing::Edit(_)) {
            dom::set_setting(&draft_key.get_value(), Some(text.as_str()).filter(|text| !text.is_empty()));
        }
    });
    // An edit begins with the old text and gives the draft back.
    Effect::new(move |before: Option<bool>| {
        let composing = app.composing.get();
        let editing = matches!(composing, Composing::Edit(_));
        if let Composing::Edit(message) = &composing
            && let Body::Text { text: old } = &message.body
        {
            text.set(old.clone());
        } else if before == Some(true) {
            text.set(dom::setting(&draft_key.get_value()).unwrap_or_default());
        }
        if composing != Composing::New {
            dom::focus_soon("composer");
        }
        editing
    });
    let stop_typing = move || {
        if TYPING_SAID_MS.replace(0) != 0 {
            let room = room.get_value();
            spawn_local(async move {
                let _ = engine::call(Request::SetTyping { room, active: false }).await;
            });
        }
    };
    let say_typing = move || {
        if text.read_untracked().is_empty() {
            return stop_typing();
        }
        let now = dom::now_ms();
        if now >= TYPING_SAID_MS.get() + TYPING_MS {
            TYPING_SAID_MS.set(now);
            let room = room.get_value();
            spawn_local(async move {
                let _ = engine::call(Request::SetTyping { room, active: true }).await;
            });
        }
    };
    on_cleanup(stop_typing);
    let send = move || {
        let typed = text.get_untracked();
        if typed.trim().is_empty() || too_long.get_untracked() {
            return;
        }
        let room = room.get_value();
        let typed = typed.trim_end().to_owned();
        let was = app.composing.get_untracked();
        let request = match was.clone() {
            Composing::New => engine::text_to_send(room, typed.clone(), None),
            Composing::Reply(message) => engine::text_to_send(room, typed.clone(), Some(message.id)),
            Composing::Edit(message) => Request::Edit { room, message: message.id, text: typed.clone() },
        };
        app.composing.set(Composing::New);
        // What is in the field from now on, until something else is typed.
        let mut left = String::new();
        if let Composing::Edit(_) = was {
            left = dom::setting(&draft_key.get_value()).unwrap_or_default();
        } else {
            text.set(String::new());
            app.at_end.set(true);
            // Who answers has read.
            app.timeline.update(|timeline| timeline.unread_from = None);
        }
        stop_typing();
        spawn_local(async move {
            let Err(failure) = engine::call(request).await else { return };
            app.tell_failure(&failure);
            // What was typed is not lost: it comes back if nothing else was begun meanwhile.
            let begun = *app.composing.read_untracked() != Composing::New;
            if begun || text.try_with_untracked(|text| *text == left) != Some(true) {
                return;
            }
            match was {
                Composing::New => text.set(typed),
                Composing::Reply(_) => {
                    text.set(typed);
                    app.composing.set(was);
                }
                Composing::Edit(message) => {
                    app.composing
                        .set(Composing::Edit(Message { body: Body::Text { text: typed }, ..message }));
                }
            }
        });
    };
    let on_key = move |event: KeyboardEvent| match event.key().as_str() {
        "Enter" if !event.shift_key() && !event.is_composing() => {
            event.prevent_default();
            send();
        }
        "Escape" if *app.composing.read_untracked() != Composing::New => {
            event.stop_propagation();
            app.composing.set(Composing::New);
        }
        "ArrowUp" if text.read_untracked().is_empty() => {
            let last = app.timeline.with_untracked(|timeline| timeline.last_own_text().cloned());
            if let Some(message) = last {
                event.prevent_default();
                app.composing.set(Composing::Edit(message));
            }
        }
        _ => {}
    };
    let about = move || match app.composing.get() {
        Composing::New => None,
        Composing::Reply(message) => {
            let title = t_with("composer-replying", &[("name", app.called(&message.sender).into())]);
            Some((title, quote_text(&message.body)))
        }
        Composing::Edit(message) => {
            let now =
                app.timeline.with(|timeline| timeline.get(&message.id).map(|now| quote_text(&now.body)));
            Some((t("composer-editing"), now.unwrap_or_default()))
        }
    };
    Effect::new(|| {
        if !dom::is_touch() {
            dom::focus_soon("composer");
        }
    });
    view! {
        <div class="composer">
            {move || about().map(|(title, quoted)| view! {
                <div class="composer-about">
                    <span><strong>{title}</strong> <span class="muted" dir="auto">{quoted}</span></span>
                    {icon_button(Icon::Close, t("composer-cancel"), move |_| app.composing.set(Composing::New))}
                </div>
            })}
            <p id="composer-problem" class="error" role="alert">{move || too_long.get().then(|| t("composer-too-long"))}</p>
            <form class="composer-row" on:submit=super::parts::on_submit(send)>
                <textarea id="composer" node_ref=field class="composer-field" rows="1" dir="auto" aria-label=t("composer-label")
                    placeholder=t("composer-placeholder") aria-describedby="composer-problem"
                    aria-invalid=move || too_long.get().then_some("true") enterkeyhint="send" bind:value=text
                    on:input=move |_| say_typing() on:keydown=on_key on:blur=move |_| stop_typing()></textarea>
                <button type="submit" class="send-button" aria-label=t("composer-send") title=t("composer-send")
                    aria-disabled=move || (too_long.get() || text.read().trim().is_empty()).then_some("true")>{Icon::Send.view()}</button>
            </form>
        </div>
    }
}

fn quote_text(body: &Body) -> String {
    match body {
        Body::Text { text } => look::one_line(text, 120),
        _ => String::new(),
    }
}

/// As high as its text, within the limits of the style sheet.
fn grow(field: &web_sys::HtmlTextAreaElement) {
    let field = field.clone();
    dom::before_paint(move || {
        let style = web_sys::HtmlElement::style(&field);
        let _ = style.set_property("height", "auto");
        let _ = style.set_property("height", &format!("{}px", field.scroll_height()));
    });
}
