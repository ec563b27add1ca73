//! One's own link and its QR code: all that another person needs.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::dom;
use super::icons::Icon;
use super::parts::qr_code;
use super::state::{Sheet, app};
use crate::texts::{t, t_with};

/// The first thing shown to someone who has no chats yet.
#[component]
pub fn InviteCard() -> impl IntoView {
    let app = app();
    view! {
        <section class="invite" aria-label=t("invite-label")>
            <h2>{t("invite-title")}</h2>
            <p class="muted">{t("invite-about")}</p>
            <OwnLink />
            <p class="invite-or">{t("invite-or")}</p>
            <button type="button" class="button primary" on:click=move |_| app.sheet.set(Some(Sheet::NewChat(String::new())))>{t("invite-start")}</button>
        </section>
    }
}

/// QR code, link, and ways to hand it on.
#[component]
pub fn OwnLink() -> impl IntoView {
    let app = app();
    let copied = move |link: String| {
        spawn_local(async move {
            let done = dom::copy(&link).await;
            app.tell(if done { t("invite-copied") } else { t("copy-refused") });
        });
    };
    view! {
        {move || app.invite_link().map(|link| {
            let (copy, share) = (link.clone(), link.clone());
            let shown = link.split_once("://").map_or(link.clone(), |(_, rest)| rest.to_owned());
            view! {
                <div class="own-link">
                    {qr_code(&link)}
                    <p class="link-text" dir="ltr">{shown}</p>
                    <div class="row-buttons">
                        <button type="button" class="button" on:click=move |_| copied(copy.clone())>{Icon::Copy.view()} {t("invite-copy")}</button>
                        {dom::can_share().then(|| view! {
                            <button type="button" class="button" on:click=move |_| dom::share(&t_with("invite-message", &[]), &share)>
                                {Icon::Share.view()} {t("invite-share")}
                            </button>
                        })}
                    </div>
                </div>
            }
        })}
    }
}
