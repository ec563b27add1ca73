//! The third pane: who is in a chat, and what may be done about it.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mbolo_client_api::{Chat, ChatKind, Member, Membership, Reply, Request};

use super::engine;
use super::icons::Icon;
use super::parts::{Question, Sheet as SheetFrame, avatar, chat_avatar, icon_button, on_submit};
use super::state::{Sheet, app};
use crate::model::names;
use crate::texts::{t, t_with};

/// Details of the open chat.
#[component]
pub fn DetailsPane() -> impl IntoView {
    let app = app();
    let chat = Memo::new(move |_| app.chat());
    let title = move || match chat.get().map(|chat| chat.kind) {
        Some(ChatKind::Group) => t("details-group"),
        _ => t("details-person"),
    };
    view! {
        <section class="pane pane-details" aria-label=title>
            <header class="pane-head">
                {icon_button(Icon::Back, t("details-close"), move |_| app.go(app.route.get_untracked().parent()))}
                <h1>{title}</h1>
            </header>
            <div class="details-body">
                {move || chat.get().map(|chat| match chat.kind {
                    ChatKind::Direct => person(&chat).into_any(),
                    ChatKind::Group => view! { <Group chat /> }.into_any(),
                })}
            </div>
        </section>
    }
}

fn person(chat: &Chat) -> impl IntoView + use<> {
    let handle = chat.peer.as_ref().and_then(|peer| peer.handle.clone());
    view! {
        <div class="person">
            {chat_avatar(chat, true)}
            <p class="person-name" dir="auto">{app().name_of(chat)}</p>
            {handle.map(|handle| view! { <p class="muted" dir="ltr">{format!("@{handle}")}</p> })}
        </div>
        <p class="fact">{Icon::Key.view()} <span>{t("details-encrypted")}</span></p>
    }
}

#[component]
fn Group(chat: Chat) -> impl IntoView {
    let app = app();
    let name = RwSignal::new(chat.name.clone());
    let room = chat.room.clone();
    let may_change = chat.admin && chat.membership == Membership::Member;
    let inside = chat.membership == Membership::Member;
    let rename = {
        let (room, was) = (room.clone(), chat.name.clone());
        move || {
            let name = name.get_untracked().trim().to_owned();
            if name.is_empty() {
                app.tell(t("failure-group-name-needed"));
            } else if name != was {
                app.ask(Request::RenameGroup { room: room.clone(), name });
            }
        }
    };
    view! {
        <div class="person">
            {chat_avatar(&chat, true)}
            <p class="person-name" dir="auto">{app.name_of(&chat)}</p>
            <p class="muted">{t_with("members-count", &[("count", chat.member_count.into())])}</p>
        </div>
        {may_change.then(|| view! {
            <form class="form inline" on:submit=on_submit(rename.clone())>
                <label for="group-name">{t("details-name")}</label>
                <input id="group-name" class="field" required maxlength="64" bind:value=name />
                <button type="submit" class="button">{t("details-rename")}</button>
            </form>
        })}
        <section aria-label=t("members-label")>
            <div class="section-head">
                <h2>{t("members-label")}</h2>
                {may_change.then(|| view! {
                    <button type="button" class="button small" on:click=move |_| app.sheet.set(Some(Sheet::AddMember))>{Icon::AddPerson.view()} {t("add-member-open")}</button>
                })}
            </div>
            <ul class="people">
                <For each=move || app.members.get() key=|member| (member.account.clone(), member.admin, member.name.clone()) let(member)>
                    {member_line(member, room.clone(), may_change)}
                </For>
            </ul>
        </section>
        <p class="fact">{Icon::Key.view()} <span>{t("details-encrypted")}</span></p>
        {inside.then(|| view! {
            <button type="button" class="button wide danger" on:click=move |_| app.sheet.set(Some(Sheet::Leave))>{Icon::Leave.view()} {t("leave-open")}</button>
        })}
    }
}

fn member_line(member: Member, room: String, may_change: bool) -> impl IntoView {
    let app = app();
    let called = names::person(&member, None);
    let shown_name =
        if member.me { t_with("members-you", &[("name", called.clone().into())]) } else { called.clone() };
    let actions = (may_change && !member.me).then(|| {
        let (account, admin) = (member.account.clone(), member.admin);
        let promote = {
            move |_| app.ask(Request::SetAdmin { room: room.clone(), account: account.clone(), admin: !admin })
        };
        let whom = member.clone();
        let remove = move |_| app.sheet.set(Some(Sheet::Remove(whom.clone())));
        let label = if admin { "members-demote" } else { "members-promote" };
        let named = |key: &str| t_with(key, &[("name", called.clone().into())]);
        let (change_name, remove_name) = (named(&format!("{label}-name")), t_with("members-remove-name", &[("name", called.clone().into())]));
        view! {
            <span class="member-actions">
                <button type="button" class="button small" aria-label=change_name on:click=promote>{crate::texts::t(label)}</button>
                <button type="button" class="button small danger" aria-label=remove_name on:click=remove>{t("members-remove")}</button>
            </span>
        }
    });
    view! {
        <li class="member">
            {avatar(&called, &member.account, false)}
            <span class="member-text">
                <span dir="auto">{shown_name}</span>
                <span class="muted" dir="ltr">{member.handle.clone().map(|handle| format!("@{handle}"))}</span>
            </span>
            {member.admin.then(|| view! { <span class="tag">{t("members-admin")}</span> })}
            {actions}
        </li>
    }
}

/// The sheet that asks before one leaves.
#[component]
pub fn Leave() -> impl IntoView {
    let app = app();
    let leave = Callback::new(move |()| {
        if let Some(room) = app.room_now() {
            app.ask(Request::LeaveGroup { room });
        }
    });
    view! { <Question title=t("leave-title") about=t("leave-about") keep=t("leave-stay") submit=t("leave-submit") act=leave /> }
}

/// The sheet that asks before a member is removed.
#[component]
pub fn Remove(
    /// Whom.
    member: Member,
) -> impl IntoView {
    let app = app();
    let title = t_with("remove-title", &[("name", names::person(&member, None).into())]);
    let account = StoredValue::new(member.account);
    let remove = Callback::new(move |()| {
        if let Some(room) = app.room_now() {
            app.ask(Request::RemoveMember { room, account: account.get_value() });
        }
    });
    view! { <Question title about=t("remove-about") keep=t("remove-keep") submit=t("remove-submit") act=remove /> }
}

/// The sheet that shows who has got and read a message.
#[component]
pub fn MessageInfo(
    /// Its id.
    message: String,
) -> impl IntoView {
    let app = app();
    let found = RwSignal::new(None::<[Vec<Member>; 3]>);
    if let Some(room) = app.room_now() {
        spawn_local(async move {
            match engine::call(Request::GetMessageInfo { room, message }).await {
                Ok(Reply::MessageInfo { delivered_to, read_by, waiting_for }) => {
                    found.set(Some([read_by, delivered_to, waiting_for]))
                }
                Ok(_) => {}
                Err(failure) => {
                    app.sheet.set(None);
                    app.tell_failure(&failure);
                }
            }
        });
    }
    let group = move |title: String, members: Vec<Member>| {
        (!members.is_empty()).then(|| {
            let lines = members.into_iter().map(|member| {
                let called = app.called(&member);
                view! { <li class="member">{avatar(&called, &member.account, false)} <span dir="auto">{called}</span></li> }
            });
            view! { <section><h3>{title}</h3><ul class="people">{lines.collect_view()}</ul></section> }
        })
    };
    view! {
        <SheetFrame title=t("info-title")>
            {move || found.get().map(|[read, delivered, waiting]| view! {
                {group(t("info-read"), read)}
                {group(t("info-delivered"), delivered)}
                {group(t("info-waiting"), waiting)}
            })}
        </SheetFrame>
    }
}
