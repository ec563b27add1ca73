//! The newest board with everything that was rendered of it: made when first asked for, then served from memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mbolo_pulse::board::Board;

use crate::shared::lock;

/// Renderings of one board; beyond it they are made again each time.
const MOST_RENDERED: usize = 2_000;

/// A rendering.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// Its media type.
    pub media: &'static str,
    /// What is sent.
    pub body: Bytes,
}

/// A board and its renderings.
pub struct Published {
    /// What there is to say.
    pub board: Arc<Board>,
    /// Tells this board from every other, also across restarts.
    pub tag: String,
    rendered: Mutex<HashMap<String, Arc<Rendered>>>,
}

impl Published {
    /// Nothing is rendered yet.
    pub fn new(board: Board) -> Self {
        let tag = format!("{:x}-{:x}", board.generated_at, board.seq);
        Self { board: Arc::new(board), tag, rendered: Mutex::default() }
    }

    /// What `render` makes of the board, from memory if it was asked for before under this key.
    pub fn rendered(
        &self,
        key: &str,
        render: impl FnOnce(&Board) -> Option<Rendered>,
    ) -> Option<Arc<Rendered>> {
        if let Some(known) = lock(&self.rendered).get(key) {
            return Some(known.clone());
        }
        // Rendered outside of the lock: two who ask at once may both do it.
        let made = Arc::new(render(&self.board)?);
        let mut rendered = lock(&self.rendered);
        if rendered.len() < MOST_RENDERED {
            rendered.insert(key.to_owned(), made.clone());
        }
        Some(made)
    }
}
