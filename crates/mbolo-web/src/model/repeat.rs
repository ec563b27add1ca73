//! What to do with a request whose engine died before it answered.
//!
//! The tab that owned the engine was closed, or its worker crashed; another engine has opened the same store.
//! Whether the old one carried the request out is unknown. Asking again is harmless for most requests, and for a text
//! because it has an id under which the engine sends it once.

use mbolo_client_api::Request;

/// What the UI does with an unanswered request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Ask again: the second time changes nothing.
    Again,
    /// Tell the person; they see whether it happened and decide.
    Ask,
}

/// Decides by the kind of request.
pub fn after_takeover(request: &Request) -> Repeat {
    match request {
        Request::SendText { client_id: None, .. }
        | Request::CreateGroup { .. }
        | Request::SignUp { .. }
        | Request::Recover { .. }
        | Request::SignOut => Repeat::Ask,
        _ => Repeat::Again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_happen_twice_is_left_to_the_person() {
        let send = |client_id: Option<&str>| Request::SendText {
            room: "r".into(),
            text: "hello".into(),
            reply_to: None,
            client_id: client_id.map(str::to_owned),
        };
        assert_eq!(after_takeover(&send(Some("7"))), Repeat::Again);
        assert_eq!(after_takeover(&send(None)), Repeat::Ask);
        let group = Request::CreateGroup { name: "Family".into(), handles: vec![] };
        assert_eq!(after_takeover(&group), Repeat::Ask);
        assert_eq!(after_takeover(&Request::ListChats), Repeat::Again);
    }
}
