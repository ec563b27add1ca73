//! The chat list: who there is, what they said last, what one has not seen.

use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use mbolo_client_api::{Body, Chat, ChatKind, Membership};

use super::dom;
use super::icons::{Icon, mark};
use super::invite::InviteCard;
use super::parts::{avatar, chat_avatar, icon_button, move_focus, ticks};
use super::state::{Sheet, app};
use crate::model::route::Route;
use crate::model::{events, look};
use crate::texts::{t, t_with};

/// The first pane.
#[component]
pub fn ListPane() -> impl IntoView {
    let app = app();
    let query = RwSignal::new(String::new());
    let shown =
        Memo::new(move |_| app.chats.with(|chats| chats.as_ref().map(|chats| chats.find(&query.read()))));
    let none_at_all = move || app.chats.with(|chats| chats.as_ref().is_some_and(|chats| chats.is_empty()));
    let on_search_key = move |event: KeyboardEvent| {
        if event.key() == "Enter"
            && let Some(room) = shown.get_untracked().and_then(|rooms| rooms.first().cloned())
        {
            query.set(String::new());
            app.go(Route::Chat { room, details: false });
        } else if event.key() == "Escape" && !query.read_untracked().is_empty() {
            event.stop_propagation();
            query.set(String::new());
        }
    };
    view! {
        <div class="pane pane-list" on:keydown=move |event| move_focus(&event, ".search-field, .chat-link")>
            <header class="list-head">
                <h1 class="wordmark">{mark()} "Mbolo"</h1>
                {icon_button(Icon::Plus, t("new-chat-open"), move |_| app.sheet.set(Some(Sheet::NewChat(String::new()))))}
                {icon_button(Icon::Group, t("new-group-open"), move |_| app.sheet.set(Some(Sheet::NewGroup)))}
                <button type="button" class="me-button" aria-label=t("settings-open") title=t("settings-open")
                    on:click=move |_| app.sheet.set(Some(Sheet::Settings))>
                    {move || app.me().map(|me| avatar(&me.name, &me.id, false))}
                </button>
            </header>
            <div class="search" role="search" class:hidden=none_at_all>
                {Icon::Search.view()}
                <input id="chat-search" class="search-field" type="search" aria-label=t("chats-search") placeholder=t("chats-search")
                    title="Ctrl K" autocomplete="off" enterkeyhint="go" bind:value=query on:keydown=on_search_key />
            </div>
            <super::banner::ConnectionBanner />
            <RecoveryReminder />
            <nav class="chats" aria-label=t("chats-label")>
                {move || match shown.get() {
                    None => skeleton().into_any(),
                    Some(_) if none_at_all() => view! { <div class="only-narrow"><InviteCard /></div> }.into_any(),
                    Some(rooms) if rooms.is_empty() => view! { <p class="nothing">{t("chats-none-found")}</p> }.into_any(),
                    Some(rooms) => view! {
                        <ul>
                            <For each=move || rooms.clone() key=|room| room.clone() let(room)>
                                <ChatLine room />
                            </For>
                        </ul>
                    }.into_any(),
                }}
            </nav>
            <super::divider::Divider />
        </div>
    }
}

#[component]
fn ChatLine(room: String) -> impl IntoView {
    let app = app();
    let id = room.clone();
    let chat =
        Memo::new(move |_| app.chats.with(|chats| chats.as_ref().and_then(|chats| chats.get(&id).cloned())));
    let here = room.clone();
    let current = Memo::new(move |_| app.route.with(|route| route.room() == Some(&here)));
    let typing_room = room.clone();
    let types = Memo::new(move |_| app.typing.with(|typing| typing.names(&typing_room).first().cloned()));
    let href = Route::Chat { room: room.clone(), details: false }.fragment();
    let preview_id = format!("preview-{room}");
    let described = preview_id.clone();
    view! {
        <li class="chat-line" class:current=current>
            {move || chat.get().map(|chat| chat_avatar(&chat, false))}
            <div class="chat-text">
                <div class="chat-top">
                    // The link covers the whole line; its name is the chat's, the rest describes it.
                    <a class="chat-link" href=href dir="auto" aria-current=move || current.get().then_some("page")
                        aria-describedby=described aria-label=move || chat.get().map(|chat| link_name(&chat))>
                        {move || chat.get().map(|chat| app.name_of(&chat))}
                    </a>
                    <time class="chat-time">{move || chat.get().map(|chat| dom::short_time(chat.last_activity_ms))}</time>
                </div>
                <div class="chat-bottom">
                    {move || chat.get().and_then(|chat| chat.last_message).filter(|m| m.sender.me).and_then(|m| m.state).map(ticks)}
                    <span class="chat-preview" dir="auto" id=preview_id>
                        {move || match types.get() {
                            Some(name) => view! { <em>{t_with("typing-one", &[("name", name.into())])}</em> }.into_any(),
                            None => chat.get().map(|chat| preview(&chat)).into_any(),
                        }}
                    </span>
                    {move || chat.get().map(|chat| chat.unread).filter(|unread| *unread > 0).map(|unread| {
                        view! { <span class="badge" aria-hidden="true">{badge(unread)}</span> }
                    })}
                </div>
            </div>
        </li>
    }
}

fn link_name(chat: &Chat) -> String {
    let name = app().name_of(chat);
    match chat.unread {
        0 => name,
        count => t_with("chats-link-unread", &[("name", name.into()), ("count", count.into())]),
    }
}

fn badge(unread: u32) -> String {
    if unread > 999 { "999+".into() } else { unread.to_string() }
}

/// The last message on one line; in a group with the name of who said it.
pub fn preview(chat: &Chat) -> String {
    const LIMIT: usize = 90;
    let app = app();
    let Some(message) = &chat.last_message else {
        return match chat.membership {
            Membership::Joining => t("preview-joining"),
            _ => t("preview-empty"),
        };
    };
    let text = match &message.body {
        Body::Text { text } => look::one_line(text, LIMIT),
        Body::Deleted => t("message-deleted"),
        Body::Unreadable { .. } => t("preview-unreadable"),
        Body::Event { event } => {
            return events::sentence(event, &message.sender, |person| app.called(person));
        }
    };
    if message.sender.me {
        t_with("preview-you", &[("text", text.into())])
    } else if chat.kind == ChatKind::Group {
        t_with("preview-person", &[("name", app.called(&message.sender).into()), ("text", text.into())])
    } else {
        text
    }
}

#[component]
fn RecoveryReminder() -> impl IntoView {
    let app = app();
    let dismiss = move || {
        dom::set_setting("recovery", Some("later"));
        app.remind_recovery.set(false);
    };
    view! {
        <Show when=move || app.remind_recovery.get()>
            <section class="reminder" aria-label=t("recovery-remind-label")>
                {Icon::Key.view()}
                <p>{t("recovery-remind")}</p>
                <button type="button" class="button small" on:click=move |_| app.sheet.set(Some(Sheet::Recovery))>{t("recovery-remind-view")}</button>
                {icon_button(Icon::Close, t("recovery-remind-later"), move |_| dismiss())}
            </section>
        </Show>
    }
}

/// Shapes of chats while the list is on its way.
pub fn skeleton() -> impl IntoView {
    let line = || view! { <li class="skeleton-line"><span class="bone round"></span><span class="bones"><span class="bone"></span><span class="bone short"></span></span></li> };
    view! { <ul class="skeleton" aria-hidden="true">{(0..6).map(|_| line()).collect_view()}</ul> }
}
