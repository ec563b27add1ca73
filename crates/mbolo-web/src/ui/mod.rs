//! The page.
//!
//! Three panes (list, conversation, details) of which a narrow screen shows one, and sheets above them. The
//! state is in [`state::App`]; the engine is reached through [`engine`]. No component talks to the network; only [`check`] does, when the engine does not get through.

mod banner;
mod bubble;
mod check;
mod composer;
mod conversation;
mod details;
mod divider;
mod dom;
#[cfg_attr(feature = "demo", path = "demo_engine.rs")]
mod engine;
mod icons;
mod invite;
mod list;
mod messages;
mod parts;
mod people;
mod scan;
mod settings;
mod signup;
mod state;

use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use mbolo_client_api::tabs::StartProblem;
use wasm_bindgen::JsCast;

use crate::model::link;
use crate::model::route::Route;
use crate::texts::{self, Language, t};
use state::{AccountState, App, EngineState, Sheet, Theme};

/// How long another tab may be silent before a person is told.
const SILENCE_MS: i32 = 6_000;

/// Takes the page over from the static shell.
pub fn start() {
    console_error_panic_hook::set_once();
    texts::set_language(chosen_language());
    remember_invite();
    mount_to_body(Page);
    if let Some(shell) = dom::element("shell") {
        shell.remove();
    }
}

fn chosen_language() -> Language {
    let chosen = dom::setting("language").and_then(|tag| Language::from_tag(&tag));
    let browsers: Vec<String> =
        dom::window().navigator().languages().iter().filter_map(|tag| tag.as_string()).collect();
    chosen.unwrap_or_else(|| Language::choose(browsers.iter().map(String::as_str)))
}

/// The page was opened by an invite link: keeps the handle until there is an account, and cleans the address.
fn remember_invite() {
    let path = dom::window().location().pathname().unwrap_or_default();
    if let Some(handle) = link::handle_in_path(&path) {
        dom::set_setting("invite", Some(&handle));
        if let Ok(history) = dom::window().history() {
            let _ = history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some("/"));
        }
    }
}

#[component]
fn Page() -> impl IntoView {
    let app = App::new();
    provide_context(app);
    if engine::start(move |news| app.hear(news)).is_err() {
        app.engine.set(EngineState::Failed(StartProblem::StorageDenied, "no locks or channels".into()));
    }
    check::follow(app);
    follow_the_browser(app);
    follow_settings(app);
    // Texts are plain strings, so another language means another page; the state stays.
    move || {
        app.language.track();
        view! { <Panes /> <Notices /> }
    }
}

fn follow_the_browser(app: App) {
    let window = dom::window();
    dom::listen(&window, "hashchange", move |_| {
        let fragment = dom::window().location().hash().unwrap_or_default();
        let route = Route::parse(&fragment);
        let before = app.route.get_untracked();
        if before != route {
            app.sheet.set(None);
            app.menu.set(None);
            keep_focus(before, &route);
            app.route.set(route);
        }
    });
    dom::listen(&window, "keydown", move |event| on_key(app, event.unchecked_ref()));
    dom::listen(&dom::document(), "visibilitychange", move |_| app.mark_read());
    dom::every(2_000, move || {
        if app.typing.try_update_untracked(|typing| typing.expire(dom::now_ms())) == Some(true) {
            app.typing.notify();
        }
    });
    dom::after(SILENCE_MS, move || {
        if app.engine.get_untracked() == EngineState::Starting && !engine::is_leader() {
            app.engine.set(EngineState::Elsewhere);
        }
    });
}

/// On the way back, what one came from goes away with the focus in it: that moves to what led there.
fn keep_focus(before: Route, now: &Route) {
    if before.parent() != *now {
        return;
    }
    let opener = match &before {
        Route::Chat { details: false, .. } => format!(".chat-link[href=\"{}\"]", before.fragment()),
        _ => ".conversation-head .icon-button:last-child".into(),
    };
    dom::before_paint(move || {
        if let Ok(Some(opener)) = dom::document().query_selector(&opener) {
            dom::focus_if_lost(opener);
        }
    });
}

fn on_key(app: App, event: &KeyboardEvent) {
    if (event.ctrl_key() || event.meta_key()) && event.key().eq_ignore_ascii_case("k") {
        event.prevent_default();
        if !matches!(app.route.get_untracked(), Route::Home) && dom::matches_media("(max-width: 719px)") {
            app.go(Route::Home);
        }
        dom::focus_soon("chat-search");
    } else if event.key() == "Escape" && app.sheet.read_untracked().is_none() && !event.default_prevented() {
        let here = app.route.get_untracked();
        if here.parent() != here {
            app.go(here.parent());
        }
    }
}

fn follow_settings(app: App) {
    let root = dom::document().document_element();
    let themed = root.clone();
    Effect::new(move || {
        let name = match app.theme.get() {
            Theme::System => None,
            Theme::Light => Some("light"),
            Theme::Dark => Some("dark"),
        };
        dom::set_setting("theme", name);
        if let Some(root) = &themed {
            let _ = match name {
                Some(name) => root.set_attribute("data-theme", name),
                None => root.remove_attribute("data-theme"),
            };
        }
    });
    Effect::new(move || {
        texts::set_language(app.language.get());
        if let Some(root) = &root {
            let _ = root.set_attribute("lang", app.language.get().tag());
        }
    });
    Effect::new(move || {
        let unread = app.chats.with(|chats| chats.as_ref().map_or(0, |chats| chats.unread()));
        let title = if unread > 0 { format!("({unread}) Mbolo") } else { "Mbolo".into() };
        dom::document().set_title(&title);
    });
}

#[component]
fn Panes() -> impl IntoView {
    let app = state::app();
    let signed_out = Memo::new(move |_| {
        matches!(app.account.get(), AccountState::Absent | AccountState::Unknown { likely: false })
    });
    let problem = Memo::new(move |_| match app.engine.get() {
        EngineState::Failed(problem, detail) => Some((Some(problem), detail)),
        EngineState::Elsewhere => Some((None, String::new())),
        _ => None,
    });
    let place = Memo::new(move |_| match app.route.get() {
        Route::Home => "panes at-list",
        Route::Chat { details: false, .. } => "panes at-conversation",
        Route::Chat { details: true, .. } => "panes at-details",
    });
    let details = Memo::new(move |_| matches!(app.route.get(), Route::Chat { details: true, .. }));
    move || match (problem.get(), signed_out.get()) {
        (Some((problem, detail)), _) => view! { <Problem problem detail /> }.into_any(),
        (None, true) => view! { <signup::Welcome /> }.into_any(),
        (None, false) => view! {
            <main class=place>
                <list::ListPane />
                <conversation::ConversationPane />
                <Show when=move || details.get()><details::DetailsPane /></Show>
            </main>
            <Sheets />
        }
        .into_any(),
    }
}

#[component]
fn Sheets() -> impl IntoView {
    let app = state::app();
    let known = Memo::new(move |_| app.me().is_some());
    move || {
        app.sheet.get().map(|sheet| match sheet {
            Sheet::NewChat(handle) => view! { <people::NewChat handle /> }.into_any(),
            Sheet::Invited(handle) => view! { <people::Invited handle /> }.into_any(),
            Sheet::NewGroup => view! { <people::NewGroup /> }.into_any(),
            Sheet::AddMember => view! { <people::AddMember /> }.into_any(),
            // Asked for while the engine is on its way, they come with it.
            Sheet::Settings => known.get().then(|| view! { <settings::Settings /> }).into_any(),
            Sheet::Recovery => view! { <settings::Recovery /> }.into_any(),
            Sheet::SignOut => view! { <settings::SignOut /> }.into_any(),
            Sheet::MessageInfo(message) => view! { <details::MessageInfo message /> }.into_any(),
            Sheet::Forward(message) => view! { <people::Forward message /> }.into_any(),
            Sheet::Delete(message) => view! { <bubble::Delete message /> }.into_any(),
            Sheet::Leave => view! { <details::Leave /> }.into_any(),
            Sheet::Remove(member) => view! { <details::Remove member /> }.into_any(),
        })
    }
}

/// Why the app cannot be used here, and what to do.
#[component]
fn Problem(problem: Option<StartProblem>, detail: String) -> impl IntoView {
    let (title, about) = match problem {
        None => (t("problem-elsewhere-title"), t("problem-elsewhere")),
        Some(StartProblem::StorageDenied) => (t("problem-denied-title"), t("problem-denied")),
        Some(StartProblem::StorageFull) => (t("problem-full-title"), t("problem-full")),
        Some(StartProblem::TooNew) => (t("problem-too-new-title"), t("problem-too-new")),
        Some(StartProblem::Broken) => (t("problem-broken-title"), t("problem-broken")),
    };
    let reload = move |_| {
        let _ = dom::window().location().reload();
    };
    view! {
        <main class="welcome">
            <div class="welcome-card" role="alert">
                {icons::mark()}
                <h1>{title}</h1>
                <p>{about}</p>
                <button type="button" class="button primary" on:click=reload>{t("problem-reload")}</button>
                {(!detail.is_empty()).then(|| view! { <details class="fold"><summary>{t("problem-detail")}</summary><code>{detail}</code></details> })}
            </div>
        </main>
    }
}

#[component]
fn Notices() -> impl IntoView {
    let app = state::app();
    view! { <div class="notices" role="status">{move || app.notice.get().map(|sentence| view! { <p class="notice">{sentence}</p> })}</div> }
}
