//! The pages behind the links in e-mails. Each asks by a button and changes nothing by itself, because mail filters follow
//! links and would otherwise confirm and end subscriptions for people.

use maud::html;
use mbolo_pulse::board::Health;

use super::{Frame, document};
use crate::address;
use crate::context::PageContext;

/// Asks whether a subscription is wanted; the button posts to [`address::CONFIRM_SUBSCRIPTION`] with the same `?token=`.
/// Whether the token is one, the server finds out.
pub fn confirm_page(context: &PageContext<'_>, token: &str) -> String {
    let words = Words { title: "confirm-title", lead: "confirm-lead", button: "confirm-send" };
    ask(context, &words, address::confirm_subscription(token))
}

/// Asks whether a subscription is to end; the button posts to [`address::END_SUBSCRIPTION`] with the same `?token=`.
pub fn end_page(context: &PageContext<'_>, token: &str) -> String {
    let words = Words { title: "end-title", lead: "end-lead", button: "end-send" };
    ask(context, &words, address::end_subscription(token))
}

/// The names of a page's texts.
struct Words {
    title: &'static str,
    lead: &'static str,
    button: &'static str,
}

fn ask(context: &PageContext<'_>, words: &Words, path: String) -> String {
    let texts = context.language.texts();
    // The answer comes in the language of the question, chosen or not.
    let action = context.links().in_language(context.language).to(&path);
    let content = html! {
        h1 class="page-title" { (texts.get(words.title)) }
        p class="lead" { (texts.get(words.lead)) }
        form class="ask" method="post" action=(action) {
            button class="primary" { (texts.get(words.button)) }
        }
    };
    let frame = Frame {
        title: texts.get(words.title),
        description: texts.get(words.lead),
        path,
        service: None,
        health: Health::Unknown,
        is_live: false,
    };
    document(context, &frame, &content)
}
