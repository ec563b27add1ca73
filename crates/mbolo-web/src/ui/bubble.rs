//! One message: its words, its marks, and what can be done with it.

use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use leptos::task::spawn_local;
use mbolo_client_api::{Body, ChatKind, Message, MessageState, Quote, Request};

use super::dom;
use super::icons::Icon;
use super::parts::{Question, avatar, move_focus, state_name, ticks};
use super::state::{App, Composing, Sheet, app};
use crate::model::linkify::{Piece, pieces};
use crate::model::{events, look};
use crate::texts::{t, t_with};

/// Offered for a reaction at once; any other can be typed.
const EMOJI: [&str; 8] = ["👍", "❤️", "😂", "😮", "😢", "🙏", "🎉", "🔥"];

/// What happened to the room.
#[component]
pub fn EventLine(id: String) -> impl IntoView {
    let app = app();
    let sentence = Memo::new(move |_| {
        app.timeline.with(|timeline| {
            let message = timeline.get(&id)?;
            match &message.body {
                Body::Event { event } => {
                    Some(events::sentence(event, &message.sender, |person| app.called(person)))
                }
                _ => None,
            }
        })
    });
    view! { <p class="event"><span dir="auto">{sentence}</span></p> }
}

/// A message of a person.
#[component]
pub fn Bubble(id: String, first: bool, last: bool) -> impl IntoView {
    let app = app();
    let wanted = id.clone();
    let message = Memo::new(move |_| app.timeline.with(|timeline| timeline.get(&wanted).cloned()));
    let group = Memo::new(move |_| app.chat().is_some_and(|chat| chat.kind == ChatKind::Group));
    let own = message.with_untracked(|message| message.as_ref().is_some_and(|message| message.sender.me));
    let mine = id.clone();
    let menu_open = Memo::new(move |_| app.menu.read().as_ref() == Some(&mine));
    let open_id = id.clone();
    let toggle = move |_| {
        let next = if menu_open.get_untracked() { None } else { Some(open_id.clone()) };
        app.menu.set(next);
    };
    let class = format!(
        "message{}{}{}",
        if own { " own" } else { "" },
        if first { " first" } else { "" },
        if last { " last" } else { "" }
    );
    view! {
        <article class=class aria-label=move || message.get().map(|message| name_of(&message)) class:menu-open=menu_open>
            {move || (group.get() && !own).then(|| message.get().map(|message| if last {
                avatar(&app.called(&message.sender), &message.sender.account, false).into_any()
            } else {
                view! { <span class="avatar-space"></span> }.into_any()
            }))}
            <div class="bubble">
                {move || message.get().map(|message| {
                    let sender = (group.get() && first && !own).then(|| {
                        let class = format!("sender text-hue-{}", look::hue(&message.sender.account));
                        view! { <p class=class dir="auto">{app.called(&message.sender)}</p> }
                    });
                    view! {
                        {sender}
                        {message.reply_to.as_ref().map(quote)}
                        {body(&message)}
                        <span class="meta" aria-hidden=(message.state.is_none()).then_some("true")>
                            {message.edited.then(|| view! { <span>{t("message-edited")}</span> })}
                            <time aria-hidden="true">{dom::clock(message.at_ms)}</time>
                            {message.state.map(ticks)}
                        </span>
                        {(message.state == Some(MessageState::Failed)).then(|| failed(app, &message))}
                        {reactions(app, &message)}
                    }
                })}
            </div>
            <div class="message-menu">
                <button type="button" class="icon-button menu-button" aria-label=t("message-actions") aria-haspopup="menu"
                    aria-expanded=move || menu_open.get().to_string() on:click=toggle>{Icon::More.view()}</button>
                <Show when=move || menu_open.get()>
                    {message.get_untracked().map(|message| view! { <Menu message /> })}
                </Show>
            </div>
        </article>
    }
}

/// Sender, time and state: how a screen reader announces a message before its words.
fn name_of(message: &Message) -> String {
    let sender = if message.sender.me { t("message-you") } else { app().called(&message.sender) };
    let time = dom::clock(message.at_ms);
    match message.state {
        Some(state) => t_with(
            "message-name-state",
            &[("sender", sender.into()), ("time", time.into()), ("state", state_name(state).into())],
        ),
        None => t_with("message-name", &[("sender", sender.into()), ("time", time.into())]),
    }
}

fn quote(quote: &Quote) -> impl IntoView + use<> {
    let text = if quote.text.is_empty() { t("message-quote-gone") } else { look::one_line(&quote.text, 160) };
    view! {
        <blockquote class="quote">
            <cite dir="auto">{quote.sender_name.clone()}</cite>
            <span dir="auto">{text}</span>
        </blockquote>
    }
}

fn body(message: &Message) -> AnyView {
    match &message.body {
        Body::Text { text } => {
            let class = if look::is_big_emoji(text) { "text big" } else { "text" };
            let parts = pieces(text).into_iter().map(|piece| match piece {
                Piece::Text(text) => text.to_owned().into_any(),
                Piece::Link(url) => {
                    view! { <a href=url.to_owned() target="_blank" rel="noopener noreferrer">{url.to_owned()}</a> }.into_any()
                }
            });
            view! { <p class=class dir="auto">{parts.collect_view()}</p> }.into_any()
        }
        Body::Deleted => view! { <p class="text gone">{t("message-deleted")}</p> }.into_any(),
        Body::Unreadable { reason } => {
            let why = if reason == "newer_version" {
                t("message-newer-version")
            } else {
                t("message-undecryptable")
            };
            view! { <p class="text gone">{why}</p> }.into_any()
        }
        Body::Event { event } => {
            view! { <p class="text">{events::sentence(event, &message.sender, |person| app().called(person))}</p> }.into_any()
        }
    }
}

fn failed(app: App, message: &Message) -> impl IntoView + use<> {
    let id = message.id.clone();
    let again = move |_| {
        if let Some(room) = app.room_now() {
            app.ask(Request::Retry { room, message: id.clone() });
        }
    };
    view! {
        <p class="failed-line">
            <span>{t("message-failed")}</span>
            <button type="button" class="button small" on:click=again>{Icon::Retry.view()} {t("message-retry")}</button>
        </p>
    }
}

/// Reactions, equal ones together; pressing one's own takes it back.
fn reactions(app: App, message: &Message) -> Option<AnyView> {
    if message.reactions.is_empty() {
        return None;
    }
    let me = app.me().map(|me| me.id).unwrap_or_default();
    let mut kinds: Vec<(String, Vec<String>, bool)> = Vec::new();
    for reaction in &message.reactions {
        let mine = reaction.account == me;
        match kinds.iter_mut().find(|(emoji, ..)| *emoji == reaction.emoji) {
            Some((_, names, own)) => {
                names.push(reaction.name.clone());
                *own |= mine;
            }
            None => kinds.push((reaction.emoji.clone(), vec![reaction.name.clone()], mine)),
        }
    }
    let id = message.id.clone();
    let chips = kinds.into_iter().map(|(emoji, names, own)| {
        let (id, count) = (id.clone(), names.len());
        let name = t_with("reaction-name", &[("emoji", emoji.clone().into()), ("names", names.into())]);
        let shown = emoji.clone();
        let toggle = move |_| {
            if let Some(room) = app.room_now() {
                let emoji = if own { String::new() } else { emoji.clone() };
                app.ask(Request::React { room, message: id.clone(), emoji });
            }
        };
        view! {
            <button type="button" class="reaction" aria-pressed=own.to_string() aria-label=name.clone() title=name on:click=toggle>
                {shown} {(count > 1).then_some(count)}
            </button>
        }
    });
    Some(view! { <div class="reactions">{chips.collect_view()}</div> }.into_any())
}

#[component]
fn Menu(message: Message) -> impl IntoView {
    let app = app();
    let picking = RwSignal::new(false);
    let id = message.id.clone();
    let text = match &message.body {
        Body::Text { text } => Some(text.clone()),
        _ => None,
    };
    let editable = message.sender.me && text.is_some();
    let member = app.chat_now().is_some_and(|chat| chat.membership == mbolo_client_api::Membership::Member);
    let close = move || app.menu.set(None);
    let on_key = move |event: KeyboardEvent| match event.key().as_str() {
        "Escape" => {
            event.stop_propagation();
            focus_menu_button();
            close();
        }
        "Tab" => close(),
        _ => move_focus(&event, "button"),
    };
    dom::before_paint(focus_menu);
    let item = move |icon: Icon, name: String, act: Box<dyn Fn()>| {
        view! {
            <button type="button" role="menuitem" tabindex="-1" on:click=move |_| act()>{icon.view()} {name}</button>
        }
    };
    let then_close = move |act: Box<dyn Fn()>| -> Box<dyn Fn()> {
        Box::new(move || {
            // What comes gives the focus back to where it was.
            focus_menu_button();
            close();
            act();
        })
    };
    let compose = |composing: Composing| then_close(Box::new(move || app.composing.set(composing.clone())));
    let sheet = |sheet: Sheet| then_close(Box::new(move || app.sheet.set(Some(sheet.clone()))));
    let copy_text = text.clone();
    let copy = then_close(Box::new(move || {
        let text = copy_text.clone().unwrap_or_default();
        spawn_local(async move {
            let done = dom::copy(&text).await;
            app.tell(if done { t("message-copied") } else { t("copy-refused") });
        });
    }));
    let has_text = text.is_some();
    let react_id = StoredValue::new(id.clone());
    let items = StoredValue::new_local(Some((
        (member && has_text)
            .then(|| item(Icon::Reply, t("action-reply"), compose(Composing::Reply(message.clone())))),
        (member && has_text)
            .then(|| item(Icon::React, t("action-react"), Box::new(move || picking.set(true)))),
        (member && editable)
            .then(|| item(Icon::Edit, t("action-edit"), compose(Composing::Edit(message.clone())))),
        has_text.then(|| item(Icon::Copy, t("action-copy"), copy)),
        has_text.then(|| item(Icon::Forward, t("action-forward"), sheet(Sheet::Forward(id.clone())))),
        message.sender.me.then(|| item(Icon::Info, t("action-info"), sheet(Sheet::MessageInfo(id.clone())))),
        (member && editable)
            .then(|| item(Icon::Delete, t("action-delete"), sheet(Sheet::Delete(id.clone())))),
    )));
    view! {
        <div class="menu" role="menu" aria-label=t("message-actions") on:keydown=on_key>
            {move || if picking.get() {
                view! { <EmojiPicker message=react_id.get_value() /> }.into_any()
            } else {
                items.try_update_value(Option::take).flatten().into_any()
            }}
        </div>
        <div class="menu-backdrop" on:click=move |_| close()></div>
    }
}

/// The sheet that asks before a message is deleted for everyone.
#[component]
pub fn Delete(
    /// Its id.
    message: String,
) -> impl IntoView {
    let app = app();
    let message = StoredValue::new(message);
    let delete = Callback::new(move |()| {
        if let Some(room) = app.room_now() {
            app.ask(Request::Delete { room, message: message.get_value() });
        }
    });
    view! { <Question title=t("delete-title") about=t("delete-about") keep=t("delete-keep") submit=t("delete-submit") act=delete /> }
}

#[component]
fn EmojiPicker(message: String) -> impl IntoView {
    let app = app();
    let typed = RwSignal::new(String::new());
    let message = StoredValue::new(message);
    let react = move |emoji: String| {
        app.menu.set(None);
        if let Some(room) = app.room_now() {
            app.ask(Request::React { room, message: message.get_value(), emoji });
        }
    };
    dom::before_paint(focus_menu);
    view! {
        <div class="emoji" role="none">
            {EMOJI.map(|emoji| view! {
                <button type="button" role="menuitem" tabindex="-1" aria-label=emoji on:click=move |_| react(emoji.to_owned())>{emoji}</button>
            }).into_iter().collect_view()}
            <input class="field" aria-label=t("reaction-other") placeholder="…" maxlength="16" bind:value=typed
                on:keydown=move |event: KeyboardEvent| {
                    let emoji = typed.get_untracked().trim().to_owned();
                    if event.key() == "Enter" && !emoji.is_empty() {
                        react(emoji);
                    }
                } />
        </div>
    }
}

/// The first action gets the focus; a menu near the lower edge opens upwards.
fn focus_menu() {
    use wasm_bindgen::JsCast;
    let Ok(Some(menu)) = dom::document().query_selector(".menu") else { return };
    let place = menu.get_bounding_client_rect();
    let height = dom::window().inner_height().ok().and_then(|height| height.as_f64()).unwrap_or_default();
    let _ = menu
        .class_list()
        .toggle_with_force("up", place.bottom() > height - 80.0 || menu.class_list().contains("up"));
    if let Ok(Some(button)) = menu.query_selector("button")
        && let Ok(button) = button.dyn_into::<web_sys::HtmlElement>()
    {
        let _ = button.focus();
    }
}

/// After a menu, the focus goes back to its button.
fn focus_menu_button() {
    use wasm_bindgen::JsCast;
    let button = dom::document().query_selector(".menu-open .menu-button").ok().flatten();
    if let Some(button) = button.and_then(|button| button.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = button.focus();
    }
}
