//! Where a comment is written: a page of its own that does not renew itself, so that nobody loses what they have typed.

use maud::html;
use mbolo_pulse::board::Health;
use mbolo_pulse::model::ServiceId;

use super::{Frame, document, form_fields};
use crate::address;
use crate::context::PageContext;

/// What somebody has typed already: a form that comes back keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// As they call themselves.
    pub author: String,
    /// The comment.
    pub text: String,
}

/// The form for a comment on a service, with what is in it; None if the board has no service of this name.
pub fn comment(context: &PageContext<'_>, id: &ServiceId, draft: &Draft) -> Option<String> {
    let service = context.board.service(id.as_str())?;
    let texts = context.language.texts();
    let title = texts.with("comment-title", &[("service", service.name.clone().into())]);
    let content = html! {
        h1 class="page-title" { (title) }
        p class="lead" { (texts.get("comment-hint")) }
        @if let Some(token) = &context.report_form {
            form method="post" action=(address::POST_COMMENT) {
                (form_fields(context, &token.0))
                input type="hidden" name="service" value=(service.id);
                label for="comment-author" { (texts.get("comment-author")) }
                input id="comment-author" name="author" value=(draft.author) maxlength="40" autocomplete="nickname";
                label for="comment-text" { (texts.get("comment-text")) }
                // A browser drops the first line break of a text area.
                textarea id="comment-text" name="text" rows="6" maxlength="500" required { "\n" (draft.text) }
                button class="primary" { (texts.get("comment-send")) }
            }
        } @else {
            p { (texts.get("comment-closed")) }
        }
        p { a href=(context.links().to(&address::service(id.as_str()))) { (texts.get("comment-back")) } }
    };
    let frame = Frame {
        title,
        description: texts.get("comment-hint"),
        path: address::comment(id.as_str()),
        service: Some(id.as_str()),
        health: Health::Unknown,
        is_live: false,
    };
    Some(document(context, &frame, &content))
}
