//! The text being written: editing by grapheme, so that one press of a key removes what one sees as one letter.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::text::clean;

/// A text with a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Composer {
    text: String,
    /// Byte index of a grapheme boundary.
    cursor: usize,
}

impl Composer {
    /// What has been written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Replaces everything; the cursor goes to the end.
    pub fn set(&mut self, text: impl Into<String>) {
        self.text = text.into();
        self.cursor = self.text.len();
    }

    /// Takes what has been written and leaves nothing.
    pub fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Inserts at the cursor, as typed or pasted.
    pub fn insert(&mut self, text: &str) {
        let text = clean(&text.replace("\r\n", "\n").replace('\r', "\n"));
        self.text.insert_str(self.cursor, &text);
        self.cursor += text.len();
    }

    /// Removes the grapheme before the cursor.
    pub fn backspace(&mut self) {
        let start = self.before(self.cursor);
        self.remove(start);
    }

    /// Removes the grapheme after the cursor.
    pub fn delete(&mut self) {
        let end = self.after(self.cursor);
        self.text.replace_range(self.cursor..end, "");
    }

    /// Removes the word before the cursor.
    pub fn delete_word(&mut self) {
        let start = self.word_start();
        self.remove(start);
    }

    /// Removes the line before the cursor.
    pub fn delete_to_start(&mut self) {
        let start = self.line_start();
        self.remove(start);
    }

    /// One grapheme to the left.
    pub fn left(&mut self) {
        self.cursor = self.before(self.cursor);
    }

    /// One grapheme to the right.
    pub fn right(&mut self) {
        self.cursor = self.after(self.cursor);
    }

    /// To the beginning of the word.
    pub fn word_left(&mut self) {
        self.cursor = self.word_start();
    }

    /// Behind the next word.
    pub fn word_right(&mut self) {
        let rest = &self.text[self.cursor..];
        let skipped = rest.len() - rest.trim_start().len();
        let word = rest[skipped..].find(char::is_whitespace).unwrap_or(rest.len() - skipped);
        self.cursor += skipped + word;
    }

    /// To the beginning of the line.
    pub fn home(&mut self) {
        self.cursor = self.line_start();
    }

    /// To the end of the line.
    pub fn end(&mut self) {
        self.cursor += self.text[self.cursor..].find('\n').unwrap_or(self.text.len() - self.cursor);
    }

    /// The lines as they are shown in so many columns, and the cursor's column and line among them.
    pub fn layout(&self, width: usize) -> (Vec<String>, (usize, usize)) {
        let width = width.max(2);
        let mut lines = vec![String::new()];
        let mut column = 0;
        let mut cursor = (0, 0);
        for (index, grapheme) in self.text.grapheme_indices(true) {
            let wide = grapheme.width();
            // The cursor needs a column of its own behind the last letter.
            if grapheme != "\n" && column + wide >= width {
                lines.push(String::new());
                column = 0;
            }
            if index == self.cursor {
                cursor = (column, lines.len() - 1);
            }
            if grapheme == "\n" {
                lines.push(String::new());
                column = 0;
            } else {
                if let Some(line) = lines.last_mut() {
                    line.push_str(grapheme);
                }
                column += wide;
            }
        }
        if self.cursor == self.text.len() {
            cursor = (column, lines.len() - 1);
        }
        (lines, cursor)
    }

    fn remove(&mut self, start: usize) {
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
    }

    fn before(&self, index: usize) -> usize {
        self.text[..index].grapheme_indices(true).next_back().map_or(0, |(start, _)| start)
    }

    fn after(&self, index: usize) -> usize {
        self.text[index..].graphemes(true).next().map_or(index, |grapheme| index + grapheme.len())
    }

    fn word_start(&self) -> usize {
        let before = self.text[..self.cursor].trim_end();
        before.rfind(char::is_whitespace).map_or(0, |space| self.after(space))
    }

    fn line_start(&self) -> usize {
        self.text[..self.cursor].rfind('\n').map_or(0, |end| end + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Composer {
        let mut composer = Composer::default();
        composer.insert(text);
        composer
    }

    #[test]
    fn one_key_removes_what_looks_like_one_letter() {
        let mut composer = written("ok 👩‍👩‍👧é");
        composer.backspace();
        composer.backspace();
        assert_eq!(composer.text(), "ok ");
    }

    #[test]
    fn words_are_jumped_over_and_removed() {
        let mut composer = written("mbolo from Libreville");
        composer.delete_word();
        assert_eq!(composer.text(), "mbolo from ");
        composer.word_left();
        composer.insert("to and ");
        assert_eq!(composer.text(), "mbolo to and from ");
        composer.home();
        composer.word_right();
        composer.delete_to_start();
        assert_eq!(composer.text(), " to and from ");
    }

    #[test]
    fn the_cursor_is_where_the_next_letter_appears() {
        let mut composer = written("abc");
        assert_eq!(composer.layout(4), (vec!["abc".to_owned()], (3, 0)));
        composer.insert("d");
        assert_eq!(composer.layout(4), (vec!["abc".to_owned(), "d".to_owned()], (1, 1)));
        composer.insert("\n");
        assert_eq!(composer.layout(4).1, (0, 2));
        composer.left();
        composer.left();
        assert_eq!(composer.layout(4).1, (0, 1));
    }

    #[test]
    fn a_paste_cannot_bring_control_characters() {
        assert_eq!(written("a\r\nb\u{1b}[2Jc").text(), "a\nb[2Jc");
    }
}
