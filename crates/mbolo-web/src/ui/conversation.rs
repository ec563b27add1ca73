//! The second pane: one conversation, from its heading to the composer.

use leptos::prelude::*;
use mbolo_client_api::{Chat, ChatKind, Membership};

use super::composer::Composer;
use super::icons::{Icon, mark};
use super::invite::InviteCard;
use super::messages::MessageLog;
use super::parts::{chat_avatar, icon_button};
use super::state::app;
use crate::model::chats::Chats;
use crate::model::route::Route;
use crate::texts::{t, t_with};

/// The open conversation, or a calm page if none is open.
#[component]
pub fn ConversationPane() -> impl IntoView {
    let app = app();
    let room = Memo::new(move |_| app.route.with(|route| route.room().map(str::to_owned)));
    view! {
        <div class="pane pane-conversation">
            {move || match room.get() {
                Some(room) => view! { <Conversation room /> }.into_any(),
                None => view! { <NothingOpen /> }.into_any(),
            }}
        </div>
    }
}

#[component]
fn NothingOpen() -> impl IntoView {
    let app = app();
    let first_time = Memo::new(move |_| app.chats.with(|chats| chats.as_ref().is_some_and(Chats::is_empty)));
    view! {
        <div class="nothing-open">
            {move || if first_time.get() {
                view! { <InviteCard /> }.into_any()
            } else {
                view! { {mark()} <p class="muted">{t("conversation-none")}</p> }.into_any()
            }}
        </div>
    }
}

#[component]
fn Conversation(room: String) -> impl IntoView {
    let app = app();
    app.open_room(room.clone());
    let chat = Memo::new(move |_| app.chat());
    let known = Memo::new(move |_| app.chats.read().is_some());
    let foot = Memo::new(move |_| match chat.read().as_ref().map(|chat| chat.membership) {
        Some(Membership::Joining) => Foot::Joining,
        Some(Membership::Member) => Foot::Writing,
        Some(Membership::Left) => Foot::Left,
        Some(Membership::Removed) => Foot::Removed,
        // Before the engine has arrived one can write already.
        None if !known.get() => Foot::Writing,
        None => Foot::Unknown,
    });
    let typing_room = room.clone();
    let composer_room = room.clone();
    let typing = move || typing_sentence(&app.typing.with(|typing| typing.names(&typing_room)));
    view! {
        <header class="pane-head conversation-head">
            {icon_button(Icon::Back, t("conversation-back"), move |_| app.go(Route::Home))}
            {move || match chat.get() {
                Some(chat) => head(&chat).into_any(),
                None if known.get() => view! { <h1>{t("conversation-unknown")}</h1> }.into_any(),
                None => view! { <span class="bone round"></span><span class="bone"></span> }.into_any(),
            }}
        </header>
        <div class="only-narrow"><super::banner::ConnectionBanner /></div>
        <MessageLog room=room.clone() />
        <p class="typing" role="status">{typing}</p>
        {move || match foot.get() {
            Foot::Writing => view! { <Composer room=composer_room.clone() /> }.into_any(),
            Foot::Joining => {
                view! { <p class="closed" role="status">{t("conversation-joining")}</p> <Composer room=composer_room.clone() /> }.into_any()
            }
            Foot::Left => view! { <p class="closed">{t("conversation-left")}</p> }.into_any(),
            Foot::Removed => view! { <p class="closed">{t("conversation-removed")}</p> }.into_any(),
            Foot::Unknown => ().into_any(),
        }}
    }
}

/// What is below the messages.
#[derive(Clone, Copy, PartialEq)]
enum Foot {
    Writing,
    Joining,
    Left,
    Removed,
    Unknown,
}

fn head(chat: &Chat) -> impl IntoView + use<> {
    let app = app();
    let group = chat.kind == ChatKind::Group;
    let about = if chat.waiting {
        Some(t("conversation-waiting"))
    } else if group {
        Some(t_with("members-count", &[("count", chat.member_count.into())]))
    } else {
        chat.peer.as_ref().and_then(|peer| peer.handle.as_ref()).map(|handle| format!("@{handle}"))
    };
    let name = if group { t("details-open-group") } else { t("details-open-person") };
    let room = chat.room.clone();
    let toggle = move |_| {
        let open = matches!(app.route.get_untracked(), Route::Chat { details: true, .. });
        app.go(Route::Chat { room: room.clone(), details: !open });
    };
    view! {
        {chat_avatar(chat, false)}
        <div class="head-text">
            <h1 dir="auto">{app.name_of(chat)}</h1>
            <p class="muted">{about}</p>
        </div>
        {icon_button(if group { Icon::Group } else { Icon::Info }, name, toggle)}
    }
}

fn typing_sentence(names: &[String]) -> Option<String> {
    match names {
        [] => None,
        [one] => Some(t_with("typing-one", &[("name", one.clone().into())])),
        [one, two] => {
            Some(t_with("typing-two", &[("first", one.clone().into()), ("second", two.clone().into())]))
        }
        many => Some(t_with("typing-many", &[("count", many.len().into())])),
    }
}
