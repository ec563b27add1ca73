//! The quiet line that tells the truth about the connection.

use leptos::prelude::*;
use mbolo_client_api::{Connection, OfflineReason};
use mbolo_isitme::Diagnosis;

use super::check;
use super::dom;
use super::icons::Icon;
use super::state::{EngineState, app};
use crate::texts::{t, t_failure};

/// Says nothing for short interruptions: a line that flickers is noise.
const PATIENCE_MS: i32 = 1_500;

/// The banner; always in the page as a `status`, so that changes are announced.
#[component]
pub fn ConnectionBanner() -> impl IntoView {
    let app = app();
    let shown = RwSignal::new(None::<String>);
    Effect::new(move || {
        let wanted = sentence(&app.engine.read(), &app.connection.read(), app.diagnosis.get());
        match wanted {
            None => shown.set(None),
            Some(wanted) if shown.with_untracked(Option::is_some) => shown.set(Some(wanted)),
            Some(_) => dom::after(PATIENCE_MS, move || {
                shown.set(sentence(
                    &app.engine.read_untracked(),
                    &app.connection.read_untracked(),
                    app.diagnosis.get_untracked(),
                ));
            }),
        }
    });
    let refused = move || matches!(*app.connection.read(), Connection::Refused { .. });
    view! {
        <div role="status" class="banner" class:alert=refused class:shown=move || shown.read().is_some()>
            {move || shown.get().map(|sentence| view! { {Icon::Offline.view()} <span>{sentence}</span> })}
        </div>
    }
}

fn sentence(engine: &EngineState, connection: &Connection, diagnosis: Option<Diagnosis>) -> Option<String> {
    if *engine == EngineState::Starting {
        return None;
    }
    // It stays while the engine tries again, so that the line is calm.
    if let (Connection::Offline { .. } | Connection::Connecting, Some(diagnosis)) = (connection, diagnosis) {
        return Some(check::sentence(diagnosis));
    }
    match connection {
        Connection::Online => None,
        Connection::Idle | Connection::Connecting => Some(t("connection-connecting")),
        Connection::CatchingUp => Some(t("connection-catching-up")),
        Connection::Offline { reason, .. } => Some(match reason {
            OfflineReason::Unreachable if !dom::window().navigator().on_line() => t("connection-offline"),
            OfflineReason::Unreachable => t("connection-unreachable"),
            OfflineReason::Busy => t("connection-busy"),
            OfflineReason::NotMbolo => t("connection-not-mbolo"),
        }),
        Connection::Refused { code, message } => Some(t_failure(code, message)),
    }
}
