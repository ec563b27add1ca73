//! Icons on a 24 px grid, drawn as strokes in the text's colour. After the Lucide set (ISC licence).

use leptos::prelude::*;

/// An icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Icon {
    Back,
    Plus,
    Close,
    Search,
    Send,
    More,
    Group,
    AddPerson,
    Reply,
    React,
    Edit,
    Delete,
    Copy,
    Forward,
    Info,
    Qr,
    Down,
    Share,
    Key,
    Leave,
    Save,
    Offline,
    Retry,
    Camera,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Self::Back => "M19 12H5M12 19l-7-7 7-7",
            Self::Plus => "M12 5v14M5 12h14",
            Self::Close => "M18 6 6 18M6 6l12 12",
            Self::Search => "M11 3a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM21 21l-4.3-4.3",
            Self::Send => "M5 12h13M12 5l7 7-7 7",
            Self::More => "M12 5h.01M12 12h.01M12 19h.01",
            Self::Group => {
                "M16 21v-2a4 4 0 0 0-4-4H6a4 4 0 0 0-4 4v2M9 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM22 21v-2a4 4 0 0 0-3-3.9M16 3.1a4 4 0 0 1 0 7.8"
            }
            Self::AddPerson => {
                "M16 21v-2a4 4 0 0 0-4-4H6a4 4 0 0 0-4 4v2M9 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM19 8v6M22 11h-6"
            }
            Self::Reply => "M9 17l-5-5 5-5M20 18v-2a4 4 0 0 0-4-4H4",
            Self::React => "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zM8 14s1.5 2 4 2 4-2 4-2M9 9h.01M15 9h.01",
            Self::Edit => "M12 20h9M16.5 3.5a2.1 2.1 0 0 1 3 3L7 19l-4 1 1-4z",
            Self::Delete => {
                "M3 6h18M19 6v14a2 2 0 0 1-2 2H7a2 2 0 0 1-2-2V6M8 6V4a2 2 0 0 1 2-2h4a2 2 0 0 1 2 2v2"
            }
            Self::Copy => {
                "M11 9h9a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-9a2 2 0 0 1-2-2v-9a2 2 0 0 1 2-2zM5 15H4a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2h9a2 2 0 0 1 2 2v1"
            }
            Self::Forward => "M15 17l5-5-5-5M4 18v-2a4 4 0 0 1 4-4h12",
            Self::Info => "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zM12 16v-4M12 8h.01",
            Self::Qr => {
                "M4 3h4a1 1 0 0 1 1 1v4a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zM16 3h4a1 1 0 0 1 1 1v4a1 1 0 0 1-1 1h-4a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zM4 15h4a1 1 0 0 1 1 1v4a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1v-4a1 1 0 0 1 1-1zM15 15h2v2M21 15v.01M21 21h-3v-3M15 21h.01"
            }
            Self::Down => "M6 9l6 6 6-6",
            Self::Share => "M4 12v8a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-8M16 6l-4-4-4 4M12 2v13",
            Self::Key => {
                "M15.5 7.5l3 3L22 7l-3-3M21 2l-9.6 9.6M7.5 10a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11z"
            }
            Self::Leave => "M9 21H5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2h4M16 17l5-5-5-5M21 12H9",
            Self::Save => "M21 15v4a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2v-4M7 10l5 5 5-5M12 15V3",
            Self::Offline => {
                "M2 2l20 20M8.5 16.4a5 5 0 0 1 7 0M5 12.9a10 10 0 0 1 5.2-2.7M19 12.9a10 10 0 0 0-2-1.5M2 8.8a15 15 0 0 1 4.2-2.6M22 8.8A15 15 0 0 0 10.7 5M12 20h.01"
            }
            Self::Retry => "M3 12a9 9 0 1 0 3-6.7L3 8M3 3v5h5",
            Self::Camera => {
                "M3 7V5a2 2 0 0 1 2-2h2M17 3h2a2 2 0 0 1 2 2v2M21 17v2a2 2 0 0 1-2 2h-2M7 21H5a2 2 0 0 1-2-2v-2M7 12h10"
            }
        }
    }

    /// The drawing, hidden from screen readers: the control around it has the name.
    pub fn view(self) -> impl IntoView {
        view! {
            <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
                <path d=self.path() />
            </svg>
        }
    }
}

/// The mark: a speech bubble of cells that holds together with one missing.
pub fn mark() -> impl IntoView {
    view! {
        <svg class="mark" viewBox="0 0 64 64" aria-hidden="true">
            <path class="mark-cells" d=MARK_CELLS />
            <path class="mark-missing" d="M39.1 23.5L43.4 26.0L43.4 31.0L39.1 33.5L34.8 31.0L34.8 26.0z" />
        </svg>
    }
}

const MARK_CELLS: &str = "M17.8 10.1L23.1 13.2L23.1 19.2L17.8 22.3L12.5 19.3L12.5 13.2zM32.0 10.1L37.3 13.2L37.3 19.2L32.0 22.3L26.7 19.3L26.7 13.2z \
    M46.2 10.1L51.5 13.2L51.5 19.2L46.2 22.3L40.9 19.3L40.9 13.2zM10.7 22.4L16.0 25.4L16.0 31.5L10.7 34.6L5.4 31.6L5.4 25.4z \
    M24.9 22.4L30.2 25.4L30.2 31.5L24.9 34.6L19.6 31.6L19.6 25.4zM53.3 22.4L58.6 25.4L58.6 31.5L53.3 34.6L48.0 31.6L48.0 25.4z \
    M17.8 34.7L23.1 37.8L23.1 43.8L17.8 46.9L12.5 43.9L12.5 37.8zM32.0 34.7L37.3 37.8L37.3 43.8L32.0 46.9L26.7 43.9L26.7 37.8z \
    M46.2 34.7L51.5 37.8L51.5 43.8L46.2 46.9L40.9 43.9L40.9 37.8zM15.7 48.7L18.9 50.6L18.9 54.4L15.7 56.3L12.4 54.4L12.4 50.6z";
