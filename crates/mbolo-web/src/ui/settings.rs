//! One's own account, the look of the app, and the recovery phrase.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mbolo_client_api::{Reply, Request};

use super::check;
use super::dom;
use super::engine;
use super::icons::Icon;
use super::invite::OwnLink;
use super::parts::{Sheet as SheetFrame, avatar, on_submit};
use super::state::{Sheet, Theme, app};
use crate::texts::{Language, language, t};

/// The settings sheet.
#[component]
pub fn Settings() -> impl IntoView {
    let app = app();
    let Some(me) = app.me_now() else { return ().into_any() };
    let name = RwSignal::new(me.name.clone());
    let was = me.name.clone();
    let rename = move || {
        let name = name.get_untracked().trim().to_owned();
        if name.is_empty() {
            app.tell(t("failure-name-needed"));
        } else if name != was {
            spawn_local(async move {
                match engine::call(Request::SetName { name }).await {
                    Ok(_) => app.tell(t("settings-name-saved")),
                    Err(failure) => app.tell_failure(&failure),
                }
            });
        }
    };
    view! {
        <SheetFrame title=t("settings-title")>
            <div class="person">
                {avatar(&me.name, &me.id, true)}
                <p class="person-name" dir="auto">{me.name.clone()}</p>
                <p class="muted" dir="ltr">{format!("@{}", me.handle)}</p>
            </div>
            <OwnLink />
            <form class="form inline" on:submit=on_submit(rename)>
                <label for="settings-name">{t("sign-up-name")}</label>
                <input id="settings-name" class="field" required maxlength="64" bind:value=name />
                <button type="submit" class="button">{t("settings-name-save")}</button>
            </form>
            <div class="setting"><span id="setting-language">{t("settings-language")}</span>{language_switch()}</div>
            <div class="setting"><span>{t("settings-theme")}</span>{theme_switch()}</div>
            {check::is_watched().then(beacons_switch)}
            <div class="sheet-actions">
                <button type="button" class="button wide" on:click=move |_| app.sheet.set(Some(Sheet::Recovery))>{Icon::Key.view()} {t("recovery-open")}</button>
                <button type="button" class="button wide danger" on:click=move |_| app.sheet.set(Some(Sheet::SignOut))>{Icon::Leave.view()} {t("sign-out-open")}</button>
            </div>
        </SheetFrame>
    }
    .into_any()
}

/// English or French.
pub fn language_switch() -> impl IntoView {
    let app = app();
    let choice = move |choice: Language| {
        view! {
            <button type="button" lang=choice.tag() aria-pressed=(language() == choice).to_string()
                on:click=move |_| {
                    dom::set_setting("language", Some(choice.tag()));
                    app.language.set(choice);
                }>
                {choice.own_name()}
            </button>
        }
    };
    view! { <div class="switch" role="group" aria-label=t("settings-language")>{Language::ALL.into_iter().map(choice).collect_view()}</div> }
}

/// Light, dark, or as the device says.
pub fn theme_switch() -> impl IntoView {
    let app = app();
    let choice = move |choice: Theme, name: String| {
        view! {
            <button type="button" aria-pressed=move || (app.theme.get() == choice).to_string() on:click=move |_| app.theme.set(choice)>{name}</button>
        }
    };
    view! {
        <div class="switch" role="group" aria-label=t("settings-theme")>
            {choice(Theme::System, t("settings-theme-system"))}
            {choice(Theme::Light, t("settings-theme-light"))}
            {choice(Theme::Dark, t("settings-theme-dark"))}
        </div>
    }
}

/// Whether the observatory may be told how often the server was reached.
fn beacons_switch() -> impl IntoView {
    let on = RwSignal::new(check::beacons());
    let choice = move |choice: bool, name: String| {
        view! {
            <button type="button" aria-pressed=move || (on.get() == choice).to_string()
                on:click=move |_| {
                    check::set_beacons(choice);
                    on.set(choice);
                }>
                {name}
            </button>
        }
    };
    view! {
        <div class="setting">
            <span>{t("settings-beacons")}</span>
            <div class="switch" role="group" aria-label=t("settings-beacons")>
                {choice(true, t("settings-beacons-on"))}
                {choice(false, t("settings-beacons-off"))}
            </div>
        </div>
        <p class="muted">{t("settings-beacons-about")}</p>
    }
}

/// The sheet that shows the recovery phrase.
#[component]
pub fn Recovery() -> impl IntoView {
    let app = app();
    let phrase = RwSignal::new(None::<String>);
    spawn_local(async move {
        match engine::call(Request::RecoveryPhrase).await {
            Ok(Reply::RecoveryPhrase { phrase: words }) => phrase.set(Some(words)),
            Ok(_) => {}
            Err(failure) => app.tell_failure(&failure),
        }
    });
    let kept = move || {
        dom::set_setting("recovery", Some("kept"));
        app.remind_recovery.set(false);
    };
    let copy = move |_| {
        let words = phrase.get_untracked().unwrap_or_default();
        spawn_local(async move {
            if dom::copy(&words).await {
                kept();
                app.tell(t("recovery-copied"));
            } else {
                app.tell(t("copy-refused"));
            }
        });
    };
    let save = move |_| {
        let (words, handle) = (
            phrase.get_untracked().unwrap_or_default(),
            app.me_now().map(|me| me.handle).unwrap_or_default(),
        );
        dom::save_file(&format!("mbolo-{handle}.txt"), &format!("{}\n\n{words}\n", t("recovery-file-head")));
        kept();
    };
    view! {
        <SheetFrame title=t("recovery-title")>
            <p>{t("recovery-about")}</p>
            <ol class="phrase" aria-label=t("recovery-title")>
                {move || match phrase.get() {
                    Some(words) => words.split_whitespace().map(|word| view! { <li>{word.to_owned()}</li> }).collect_view().into_any(),
                    None => (0..24).map(|_| view! { <li><span class="bone"></span></li> }).collect_view().into_any(),
                }}
            </ol>
            <div class="row-buttons">
                <button type="button" class="button" on:click=copy>{Icon::Copy.view()} {t("recovery-copy")}</button>
                <button type="button" class="button" on:click=save>{Icon::Save.view()} {t("recovery-save")}</button>
            </div>
            <button type="button" class="button primary wide" on:click=move |_| { kept(); app.sheet.set(None); }>{t("recovery-done")}</button>
        </SheetFrame>
    }
}

/// The sheet that asks before everything on this device is forgotten.
#[component]
pub fn SignOut() -> impl IntoView {
    let app = app();
    let sign_out = move |_| app.ask(Request::SignOut);
    view! {
        <SheetFrame title=t("sign-out-title")>
            <p>{t("sign-out-about")}</p>
            <div class="row-buttons">
                <button type="button" class="button" on:click=move |_| app.sheet.set(Some(Sheet::Recovery))>{t("recovery-open")}</button>
                <button type="button" class="button danger" on:click=sign_out>{t("sign-out-submit")}</button>
            </div>
        </SheetFrame>
    }
}
