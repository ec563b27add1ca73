//! Sheets that begin something with people: a chat, a group, a bigger group, a message sent on.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mbolo_client_api::{Body, Chat, Failure, Membership, Reply, Request};

use super::dom;
use super::engine;
use super::icons::Icon;
use super::invite::OwnLink;
use super::parts::{Question, Sheet as SheetFrame, chat_avatar, on_submit};
use super::scan::{Scanner, can_scan};
use super::state::{Sheet, app};
use crate::model::link;
use crate::texts::{t, t_failure, t_with};

/// Starts a chat by handle, link or QR code; shows one's own.
#[component]
pub fn NewChat(
    /// What is known already.
    handle: String,
) -> impl IntoView {
    let app = app();
    let typed = RwSignal::new(handle);
    let failure = RwSignal::new(None::<Failure>);
    let busy = RwSignal::new(false);
    let scanning = RwSignal::new(false);
    let submit = move || {
        let text = typed.get_untracked();
        let Some(handle) = link::handle_of(&text) else {
            failure.set(Some(Failure { code: "handle_invalid".into(), message: String::new() }));
            return;
        };
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        failure.set(None);
        spawn_local(async move {
            match engine::call(Request::StartChat { handle }).await {
                Ok(Reply::Chat { chat }) => {
                    app.open_new(chat);
                    dom::focus_soon("composer");
                }
                Ok(_) => {}
                Err(refused) => failure.set(Some(refused)),
            }
            busy.set(false);
        });
    };
    let scanned = move |text: String| {
        scanning.set(false);
        typed.set(text);
        submit();
    };
    view! {
        <SheetFrame title=t("new-chat-title")>
            <form class="form" on:submit=on_submit(submit)>
                <label for="new-chat-handle">{t("new-chat-handle")}</label>
                <input id="new-chat-handle" class="field" autofocus required autocapitalize="none" autocomplete="off" spellcheck="false"
                    enterkeyhint="go" bind:value=typed aria-describedby="new-chat-hint" />
                <p id="new-chat-hint" class="hint">{t("new-chat-hint")}</p>
                <p class="error" role="alert">{move || failure.get().map(|f| t_failure(&f.code, &f.message))}</p>
                <button type="submit" class="button primary" aria-disabled=move || busy.get().then_some("true")>{t("new-chat-submit")}</button>
            </form>
            {can_scan().then(|| view! {
                <button type="button" class="button wide" on:click=move |_| scanning.update(|on| *on = !*on)>{Icon::Camera.view()} {t("new-chat-scan")}</button>
            })}
            <Show when=move || scanning.get()><Scanner found=Callback::new(scanned) /></Show>
            <details class="fold">
                <summary>{Icon::Qr.view()} {t("new-chat-own")}</summary>
                <OwnLink />
            </details>
            <button type="button" class="button wide" on:click=move |_| app.sheet.set(Some(Sheet::NewGroup))>{Icon::Group.view()} {t("new-group-open")}</button>
        </SheetFrame>
    }
}

/// The sheet that asks before the chat of an invite link begins, and says what that tells the other person.
#[component]
pub fn Invited(
    /// Who is written to.
    handle: String,
) -> impl IntoView {
    let app = app();
    let Some(me) = app.me_now() else { return ().into_any() };
    let title = t_with("invited-title", &[("handle", handle.clone().into())]);
    let about = t_with("invited-about", &[("name", me.name.into()), ("handle", me.handle.into())]);
    let start = Callback::new(move |()| {
        let handle = handle.clone();
        spawn_local(async move { app.start_chat(handle).await });
    });
    view! { <Question title about keep=t("invited-keep") submit=t("new-chat-submit") act=start harmless=true /> }
        .into_any()
}

/// Whom one has chosen, and what is being typed.
#[derive(Clone, Copy)]
struct Choice {
    chosen: RwSignal<Vec<String>>,
    typed: RwSignal<String>,
    problem: RwSignal<Option<String>>,
}

impl Choice {
    fn new() -> Self {
        Self {
            chosen: RwSignal::new(Vec::new()),
            typed: RwSignal::new(String::new()),
            problem: RwSignal::new(None),
        }
    }

    /// Takes the handles that were typed. What is none stays in the field and is told there. Returns whether all were.
    fn take(&self) -> bool {
        let typed = self.typed.get_untracked();
        let (handles, others) = link::handles_in(&typed);
        self.chosen.update(|chosen| {
            for handle in handles {
                if !chosen.contains(&handle) {
                    chosen.push(handle);
                }
            }
        });
        self.problem.set(others.first().map(|word| t_with("picker-invalid", &[("text", (*word).into())])));
        self.typed.set(others.join(" "));
        others.is_empty()
    }

    /// All handles, those still in the field included; none if something there is not a handle.
    fn all(&self) -> Option<Vec<String>> {
        let all_taken = self.take();
        if !all_taken {
            dom::focus_soon("picker");
        }
        all_taken.then(|| self.chosen.get_untracked())
    }

    /// Somebody has to be chosen.
    fn ask_for_someone(&self) {
        self.problem.set(Some(t("picker-nobody")));
        dom::focus_soon("picker");
    }
}

/// Handles that were chosen, with a field for the next. Enter, a comma or a space takes one.
#[component]
fn HandlePicker(choice: Choice) -> impl IntoView {
    let app = app();
    let Choice { chosen, typed, problem } = choice;
    let known = Memo::new(move |_| {
        let peers = app.chats.with(|chats| {
            let peers = chats.iter().flat_map(|chats| chats.iter()).filter_map(|chat| chat.peer.clone());
            peers.filter_map(|peer| peer.handle.map(|handle| (handle, peer.name))).collect::<Vec<_>>()
        });
        let (members, chosen) = (app.members.read(), chosen.read());
        let adding = matches!(*app.sheet.read(), Some(Sheet::AddMember));
        let inside =
            |handle: &String| adding && members.iter().any(|member| member.handle.as_ref() == Some(handle));
        peers
            .into_iter()
            .filter(|(handle, _)| !chosen.contains(handle) && !inside(handle))
            .take(12)
            .collect::<Vec<_>>()
    });
    view! {
        <label for="picker">{t("picker-label")}</label>
        <input id="picker" class="field" autocapitalize="none" autocomplete="off" spellcheck="false" enterkeyhint="done" aria-describedby="picker-hint picker-problem"
            aria-invalid=move || problem.read().is_some().then_some("true") bind:value=typed
            on:keydown=move |event| {
                if matches!(event.key().as_str(), "Enter" | "," | " ") && !typed.read_untracked().trim().is_empty() {
                    event.prevent_default();
                    choice.take();
                }
            }
            on:input=move |_| problem.set(None) />
        <p id="picker-hint" class="hint">{t("picker-hint")}</p>
        <p id="picker-problem" class="error" role="alert">{problem}</p>
        <ul class="chips">
            <For each=move || chosen.get() key=|handle| handle.clone() let(handle)>
                <li class="chip">
                    <span dir="ltr">{format!("@{handle}")}</span>
                    <button type="button" aria-label=t_with("picker-remove", &[("handle", handle.clone().into())])
                        on:click={let handle = handle.clone(); move |_| chosen.update(|chosen| chosen.retain(|h| *h != handle))}>{Icon::Close.view()}</button>
                </li>
            </For>
        </ul>
        <Show when=move || !known.read().is_empty()>
            <div class="suggestions" role="group" aria-label=t("picker-known")>
                {move || known.get().into_iter().map(|(handle, name)| view! {
                    <button type="button" class="chip add" on:click=move |_| {
                        problem.set(None);
                        chosen.update(|chosen| chosen.push(handle.clone()));
                    }>{Icon::Plus.view()} <bdi>{name}</bdi></button>
                }).collect_view()}
            </div>
        </Show>
    }
}

/// Makes a group.
#[component]
pub fn NewGroup() -> impl IntoView {
    let app = app();
    let name = RwSignal::new(String::new());
    let choice = Choice::new();
    let failure = RwSignal::new(None::<Failure>);
    let busy = RwSignal::new(false);
    let submit = move || {
        if busy.get_untracked() {
            return;
        }
        let name = name.get_untracked().trim().to_owned();
        if name.is_empty() {
            failure.set(Some(Failure { code: "group_name_needed".into(), message: String::new() }));
            return dom::focus_soon("new-group-name");
        }
        let Some(handles) = choice.all() else { return };
        busy.set(true);
        failure.set(None);
        let request = Request::CreateGroup { name, handles };
        spawn_local(async move {
            match engine::call(request).await {
                Ok(Reply::Chat { chat }) => {
                    app.open_new(chat);
                    dom::focus_soon("composer");
                }
                Ok(_) => {}
                Err(refused) => failure.set(Some(refused)),
            }
            busy.set(false);
        });
    };
    view! {
        <SheetFrame title=t("new-group-title")>
            <form class="form" on:submit=on_submit(submit)>
                <label for="new-group-name">{t("new-group-name")}</label>
                <input id="new-group-name" class="field" autofocus required maxlength="64" enterkeyhint="next" bind:value=name />
                <HandlePicker choice />
                <p class="error" role="alert">{move || failure.get().map(|f| t_failure(&f.code, &f.message))}</p>
                <button type="submit" class="button primary" aria-disabled=move || busy.get().then_some("true")>{t("new-group-submit")}</button>
            </form>
        </SheetFrame>
    }
}

/// Adds members to the open group.
#[component]
pub fn AddMember() -> impl IntoView {
    let app = app();
    let choice = Choice::new();
    let failure = RwSignal::new(None::<Failure>);
    let busy = RwSignal::new(false);
    let submit = move || {
        if busy.get_untracked() {
            return;
        }
        let (Some(room), Some(handles)) = (app.room_now(), choice.all()) else { return };
        if handles.is_empty() {
            return choice.ask_for_someone();
        }
        busy.set(true);
        failure.set(None);
        spawn_local(async move {
            match engine::call(Request::AddMembers { room, handles }).await {
                Ok(_) => app.sheet.set(None),
                Err(refused) => failure.set(Some(refused)),
            }
            busy.set(false);
        });
    };
    view! {
        <SheetFrame title=t("add-member-title")>
            <form class="form" on:submit=on_submit(submit)>
                <HandlePicker choice />
                <p class="error" role="alert">{move || failure.get().map(|f| t_failure(&f.code, &f.message))}</p>
                <button type="submit" class="button primary" aria-disabled=move || busy.get().then_some("true")>{t("add-member-submit")}</button>
            </form>
        </SheetFrame>
    }
}

/// Sends a message's text on to another chat.
#[component]
pub fn Forward(
    /// The message's id.
    message: String,
) -> impl IntoView {
    let app = app();
    let text = app.timeline.with_untracked(|timeline| match timeline.get(&message).map(|m| &m.body) {
        Some(Body::Text { text }) => Some(text.clone()),
        _ => None,
    });
    let chats = app.chats.get_untracked().unwrap_or_default();
    let open = |chat: &&Chat| chat.membership == Membership::Member;
    let line = |chat: &Chat| {
        let (room, text) = (chat.room.clone(), text.clone());
        let send = move |_| {
            let Some(text) = text.clone() else { return };
            app.ask(engine::text_to_send(room.clone(), text, None));
            app.sheet.set(None);
            app.tell(t("forward-done"));
        };
        view! {
            <li><button type="button" class="person-line" on:click=send>{chat_avatar(chat, false)} <span dir="auto">{app.name_of(chat)}</span></button></li>
        }
    };
    let lines: Vec<_> = chats.iter().filter(open).map(line).collect();
    view! {
        <SheetFrame title=t("forward-title")>
            <ul class="people">{lines}</ul>
        </SheetFrame>
    }
}
