//! The first page: a handle, a name, and one is in. Also the way back in with a recovery phrase.
//!
//! It can be typed into before the engine has arrived; what is asked then waits for it.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mbolo_client_api::{Failure, Reply, Request};

use super::dom;
use super::engine;
use super::icons::mark;
use super::parts::on_submit;
use super::settings::{language_switch, theme_switch};
use super::state::app;
use crate::model::link;
use crate::texts::{t, t_failure, t_with};

/// Sign-up or recovery.
#[component]
pub fn Welcome() -> impl IntoView {
    let recovering = RwSignal::new(false);
    let invited_by = dom::setting("invite");
    view! {
        <main class="welcome">
            <div class="welcome-card">
                {mark()}
                <h1>{t("welcome-title")}</h1>
                <p class="muted">
                    {match invited_by {
                        Some(handle) => t_with("welcome-invited", &[("handle", handle.into())]),
                        None => t("welcome-about"),
                    }}
                </p>
                {move || if recovering.get() {
                    view! { <Recover recovering /> }.into_any()
                } else {
                    view! { <SignUp recovering /> }.into_any()
                }}
            </div>
            <footer class="welcome-foot">{language_switch()} {theme_switch()}</footer>
        </main>
    }
}

#[component]
fn SignUp(recovering: RwSignal<bool>) -> impl IntoView {
    let app = app();
    let handle = RwSignal::new(String::new());
    let name = RwSignal::new(String::new());
    let invite = RwSignal::new(String::new());
    let wants_invite = RwSignal::new(false);
    let failure = RwSignal::new(None::<Failure>);
    let busy = RwSignal::new(false);
    let submit = move || {
        if busy.get_untracked() {
            return;
        }
        failure.set(None);
        let typed = handle.get_untracked();
        let Some(name) = name_wanted("sign-up-name", name, failure) else { return };
        busy.set(true);
        let request = Request::SignUp {
            handle: link::handle_of(&typed).unwrap_or(typed),
            name,
            invite: Some(invite.get_untracked().trim().to_owned()).filter(|code| !code.is_empty()),
        };
        spawn_local(async move {
            match engine::call(request).await {
                Ok(Reply::Account { account }) => {
                    dom::set_setting("recovery", Some("remind"));
                    app.remind_recovery.set(true);
                    app.signed_in(account);
                    keep_storage();
                }
                Ok(_) => {}
                Err(refused) => {
                    if refused.code == "invite_invalid" {
                        wants_invite.set(true);
                        dom::focus_soon("sign-up-invite");
                    } else if refused.code.starts_with("handle") {
                        dom::focus_soon("sign-up-handle");
                    } else if is_about_name(&refused) {
                        dom::focus_soon("sign-up-name");
                    }
                    failure.set(Some(refused));
                }
            }
            busy.set(false);
        });
    };
    let about_handle = move || failure.get().is_some_and(|failure| failure.code.starts_with("handle"));
    Effect::new(|| {
        if !dom::is_touch() {
            dom::focus_soon("sign-up-handle");
        }
    });
    view! {
        <form class="form" on:submit=on_submit(submit)>
            <label for="sign-up-handle">{t("sign-up-handle")}</label>
            <input id="sign-up-handle" class="field" required autocomplete="username" autocapitalize="none" spellcheck="false"
                maxlength="36" enterkeyhint="next" aria-describedby="sign-up-handle-hint"
                aria-invalid=move || about_handle().then_some("true") bind:value=handle />
            <p id="sign-up-handle-hint" class="hint">{t("sign-up-handle-hint")}</p>
            <NameField id="sign-up-name" name failure />
            <Show when=move || wants_invite.get()>
                <label for="sign-up-invite">{t("sign-up-invite")}</label>
                <input id="sign-up-invite" class="field" autocomplete="off" autocapitalize="none" spellcheck="false" bind:value=invite />
            </Show>
            {other_problem(failure)}
            <button type="submit" class="button primary" aria-disabled=move || busy.get().then_some("true")>
                {move || if busy.get() { t("sign-up-busy") } else { t("sign-up-submit") }}
            </button>
            <button type="button" class="button quiet" on:click=move |_| recovering.set(true)>{t("sign-up-recover")}</button>
        </form>
    }
}

#[component]
fn Recover(recovering: RwSignal<bool>) -> impl IntoView {
    let app = app();
    let phrase = RwSignal::new(String::new());
    let name = RwSignal::new(String::new());
    let failure = RwSignal::new(None::<Failure>);
    let busy = RwSignal::new(false);
    let submit = move || {
        if busy.get_untracked() {
            return;
        }
        failure.set(None);
        let Some(name) = name_wanted("recover-name", name, failure) else { return };
        busy.set(true);
        let words = phrase
            .get_untracked()
            .split_whitespace()
            .map(str::to_ascii_lowercase)
            .collect::<Vec<_>>()
            .join(" ");
        let request = Request::Recover { phrase: words, name };
        spawn_local(async move {
            match engine::call(request).await {
                Ok(Reply::Account { account }) => {
                    app.signed_in(account);
                    keep_storage();
                    app.tell(t("recover-done"));
                }
                Ok(_) => {}
                Err(refused) => failure.set(Some(refused)),
            }
            busy.set(false);
        });
    };
    dom::focus_soon("recover-phrase");
    view! {
        <form class="form" on:submit=on_submit(submit)>
            <label for="recover-phrase">{t("recover-phrase")}</label>
            <textarea id="recover-phrase" class="field" required rows="4" autocapitalize="none" autocomplete="off" spellcheck="false"
                aria-describedby="recover-hint" bind:value=phrase></textarea>
            <p id="recover-hint" class="hint">{t("recover-hint")}</p>
            <NameField id="recover-name" name failure />
            {other_problem(failure)}
            <button type="submit" class="button primary" aria-disabled=move || busy.get().then_some("true")>{t("recover-submit")}</button>
            <button type="button" class="button quiet" on:click=move |_| recovering.set(false)>{t("recover-back")}</button>
        </form>
    }
}

/// One's own name, with what is wrong with it.
#[component]
fn NameField(id: &'static str, name: RwSignal<String>, failure: RwSignal<Option<Failure>>) -> impl IntoView {
    let problem = Memo::new(move |_| failure.get().filter(is_about_name));
    let problem_id = format!("{id}-problem");
    view! {
        <label for=id>{t("sign-up-name")}</label>
        <input id=id class="field" required autocomplete="name" maxlength="64" enterkeyhint="go" aria-describedby=problem_id.clone()
            aria-invalid=move || problem.read().is_some().then_some("true") bind:value=name />
        <p id=problem_id class="error" role="alert">{move || problem.get().map(|f| t_failure(&f.code, &f.message))}</p>
    }
}

/// The name that was typed, or what is missing is said at its field.
fn name_wanted(
    id: &'static str,
    name: RwSignal<String>,
    failure: RwSignal<Option<Failure>>,
) -> Option<String> {
    let name = name.get_untracked().trim().to_owned();
    if name.is_empty() {
        failure.set(Some(Failure { code: "name_needed".into(), message: String::new() }));
        dom::focus_soon(id);
        return None;
    }
    Some(name)
}

fn is_about_name(failure: &Failure) -> bool {
    failure.code.starts_with("name_")
}

/// What was refused for another reason than the name.
fn other_problem(failure: RwSignal<Option<Failure>>) -> impl IntoView {
    let other = move || failure.get().filter(|failure| !is_about_name(failure));
    view! { <p class="error" role="alert">{move || other().map(|f| t_failure(&f.code, &f.message))}</p> }
}

/// Asks the browser not to throw the store away when it needs space.
fn keep_storage() {
    let storage = dom::window().navigator().storage();
    if let Ok(promise) = storage.persist() {
        spawn_local(async move {
            let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
        });
    }
}
