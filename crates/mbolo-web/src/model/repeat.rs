//! What to do with a request whose engine died before it answered.
//!
//! The tab that owned the engine was closed, or its worker crashed; another engine has opened the same store.
//! Whether the old one carried the request out is unknown. Asking again is harmless for most requests; a text
//! must not be sent twice, so it is looked for first.

use mbolo_client_api::{Body, Message, Request};

/// What the UI does with an unanswered request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Ask again: the second time changes nothing.
    Again,
    /// Look whether the text is already there, and send it only if not.
    UnlessThere,
    /// Tell the person; they see whether it happened and decide.
    Ask,
}

/// Decides by the kind of request.
pub fn after_takeover(request: &Request) -> Repeat {
    match request {
        Request::SendText { .. } => Repeat::UnlessThere,
        Request::CreateGroup { .. } | Request::SignUp { .. } | Request::Recover { .. } | Request::SignOut => {
            Repeat::Ask
        }
        _ => Repeat::Again,
    }
}

/// The message that an earlier attempt made of this text, if it did. `asked_at_ms` is when the person sent it.
pub fn find_sent<'a>(messages: &'a [Message], text: &str, asked_at_ms: u64) -> Option<&'a Message> {
    // The cell's clock may run behind this device's; nobody sends the same text twice within that.
    const CLOCK_SLACK_MS: u64 = 2_000;
    messages.iter().rev().find(|message| {
        message.sender.me
            && message.at_ms + CLOCK_SLACK_MS >= asked_at_ms
            && matches!(&message.body, Body::Text { text: there } if there == text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::timeline::tests::message;

    #[test]
    fn a_text_whose_engine_died_is_sent_once() {
        let mut there = message(7, "me", 50_000);
        there.sender.me = true;
        there.body = Body::Text { text: "hello".into() };
        let messages = [message(6, "awa", 49_000), there];
        assert_eq!(find_sent(&messages, "hello", 50_000).map(|m| m.position), Some(7));
        assert!(find_sent(&messages, "other", 50_000).is_none());
        assert!(find_sent(&messages, "hello", 90_000).is_none(), "the same words said earlier do not count");
        let send = Request::SendText { room: "r".into(), text: "hello".into(), reply_to: None };
        assert_eq!(after_takeover(&send), Repeat::UnlessThere);
        assert_eq!(after_takeover(&Request::ListChats), Repeat::Again);
    }
}
