//! Where in the app one is. It lives in the URL's fragment, so that the back gesture works and the server
//! never learns which chat is open.

/// A place in the app.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Route {
    /// The chat list; on a wide screen with an empty conversation beside it.
    #[default]
    Home,
    /// A conversation.
    Chat {
        /// Room id.
        room: String,
        /// Whether its details are open.
        details: bool,
    },
}

impl Route {
    /// Reads a URL fragment, with or without `#`. Anything unknown is home.
    pub fn parse(fragment: &str) -> Self {
        let mut parts = fragment.trim_start_matches('#').trim_matches('/').split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("c"), Some(room), rest) if !room.is_empty() => {
                Self::Chat { room: room.into(), details: rest == Some("details") }
            }
            _ => Self::Home,
        }
    }

    /// The fragment that leads here.
    pub fn fragment(&self) -> String {
        match self {
            Self::Home => "#/".into(),
            Self::Chat { room, details: false } => format!("#/c/{room}"),
            Self::Chat { room, details: true } => format!("#/c/{room}/details"),
        }
    }

    /// The open room.
    pub fn room(&self) -> Option<&str> {
        match self {
            Self::Home => None,
            Self::Chat { room, .. } => Some(room),
        }
    }

    /// One step back: from details to the conversation, from there to the list.
    pub fn parent(&self) -> Self {
        match self {
            Self::Chat { room, details: true } => Self::Chat { room: room.clone(), details: false },
            _ => Self::Home,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_the_url() {
        for route in [
            Route::Home,
            Route::Chat { room: "abc".into(), details: false },
            Route::Chat { room: "abc".into(), details: true },
        ] {
            assert_eq!(Route::parse(&route.fragment()), route);
        }
    }

    #[test]
    fn a_broken_fragment_is_home() {
        for fragment in ["", "#", "#/c/", "#/x/y", "#@awa"] {
            assert_eq!(Route::parse(fragment), Route::Home, "{fragment}");
        }
    }
}
