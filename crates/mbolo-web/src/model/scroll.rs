//! Which rows of a long conversation are in the page.
//!
//! Only rows near the viewport exist as elements; the rest is empty space of about the right height. Heights
//! are measured when a row has been drawn and guessed before. The view is held by an anchor, so that neither
//! older messages arriving above nor a wrong guess moves what a person is reading.

use std::collections::HashMap;

/// Guess for a row that was never drawn, in CSS pixels.
const GUESS: f64 = 56.0;

/// Space drawn beyond both edges of the viewport, in CSS pixels.
const MARGIN: f64 = 900.0;

/// What holds the view in place.
#[derive(Debug, Clone, PartialEq)]
pub enum Anchor {
    /// The newest message is in view and stays there.
    Bottom,
    /// This row's top is `offset` pixels below the viewport's top.
    Row {
        /// Its key.
        key: String,
        /// Pixels; negative if it begins above.
        offset: f64,
    },
}

/// The rows that exist, and the space around them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Window {
    /// Index of the first row.
    pub first: usize,
    /// Index after the last row.
    pub end: usize,
    /// Pixels above.
    pub above: f64,
    /// Pixels below.
    pub below: f64,
}

/// Heights of rows by key.
#[derive(Debug, Clone, Default)]
pub struct Heights {
    known: HashMap<String, f64>,
}

impl Heights {
    /// A row was drawn. Returns whether its height is news.
    pub fn measured(&mut self, key: &str, height: f64) -> bool {
        let old = self.known.insert(key.to_owned(), height);
        old.is_none_or(|old| (old - height).abs() > 0.5)
    }

    fn of(&self, key: &str) -> f64 {
        self.known.get(key).copied().unwrap_or(GUESS)
    }

    /// Where the row begins, in pixels from the top of all rows.
    pub fn top_of(&self, keys: &[String], key: &str) -> Option<f64> {
        let index = keys.iter().position(|k| k == key)?;
        Some(keys[..index].iter().map(|k| self.of(k)).sum())
    }

    /// The row at `y` pixels from the top of all rows.
    pub fn row_at(&self, keys: &[String], y: f64) -> Option<String> {
        let mut bottom = 0.0;
        let at = |key: &&String| {
            bottom += self.of(key);
            bottom > y
        };
        keys.iter().find(at).cloned()
    }

    /// The rows to draw for a viewport that is `height` pixels high and held by `anchor`.
    pub fn window(&self, keys: &[String], anchor: &Anchor, height: f64) -> Window {
        let total: f64 = keys.iter().map(|key| self.of(key)).sum();
        let top = match anchor {
            Anchor::Bottom => total - height,
            Anchor::Row { key, offset } => self.top_of(keys, key).map_or(total - height, |row| row - offset),
        };
        self.window_at(keys, top, height, total)
    }

    fn window_at(&self, keys: &[String], top: f64, height: f64, total: f64) -> Window {
        let (from, to) = (top - MARGIN, top + height + MARGIN);
        let mut y = 0.0;
        let mut window = Window { first: keys.len(), end: keys.len(), above: 0.0, below: 0.0 };
        let mut bottom = total;
        for (index, key) in keys.iter().enumerate() {
            let end = y + self.of(key);
            if end > from && window.first == keys.len() {
                window.first = index;
                window.above = y;
            }
            if y >= to {
                window.end = index;
                bottom = y;
                break;
            }
            y = end;
        }
        if window.first == keys.len() {
            window.above = total;
        }
        window.below = (total - bottom).max(0.0);
        window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("r{n}")).collect()
    }

    #[test]
    fn of_a_hundred_thousand_rows_only_a_screenful_exists() {
        let keys = keys(100_000);
        let heights = Heights::default();
        let window = heights.window(&keys, &Anchor::Bottom, 700.0);
        assert_eq!(window.end, 100_000);
        assert!(window.end - window.first < 60, "{window:?}");
        let drawn = GUESS * (window.end - window.first) as f64;
        assert!((window.above + drawn + window.below - GUESS * 100_000.0).abs() < 1.0);
    }

    #[test]
    fn older_messages_arriving_above_do_not_move_the_view() {
        let heights = Heights::default();
        let anchor = Anchor::Row { key: "r500".into(), offset: 12.0 };
        let mut all = keys(1_000);
        let before = heights.window(&all, &anchor, 700.0);
        let mut older: Vec<String> = (0..200).map(|n| format!("old{n}")).collect();
        older.append(&mut all);
        let after = heights.window(&older, &anchor, 700.0);
        assert_eq!(after.first, before.first + 200);
        assert_eq!(after.end - after.first, before.end - before.first);
        assert!((after.above - before.above - 200.0 * GUESS).abs() < 1e-6);
    }

    #[test]
    fn measured_heights_replace_guesses() {
        let keys = keys(100);
        let mut heights = Heights::default();
        assert!(heights.measured("r0", 500.0));
        assert!(!heights.measured("r0", 500.0));
        assert_eq!(heights.top_of(&keys, "r2"), Some(500.0 + GUESS));
        assert_eq!(heights.top_of(&keys, "gone"), None);
        assert_eq!(heights.row_at(&keys, 499.0).as_deref(), Some("r0"));
        assert_eq!(heights.row_at(&keys, 500.0).as_deref(), Some("r1"));
        assert_eq!(heights.row_at(&keys, 1e9), None);
    }

    #[test]
    fn an_anchor_that_is_gone_falls_back_to_the_newest() {
        let keys = keys(1_000);
        let heights = Heights::default();
        let gone = Anchor::Row { key: "gone".into(), offset: 0.0 };
        assert_eq!(heights.window(&keys, &gone, 700.0), heights.window(&keys, &Anchor::Bottom, 700.0));
        assert_eq!(heights.window(&[], &Anchor::Bottom, 700.0), Window::default());
    }
}
