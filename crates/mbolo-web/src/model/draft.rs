//! What is being written.

/// What one message may hold; the engine refuses more.
const MAX_TEXT_BYTES: usize = 16_384;

/// Whether a text is too long to be sent at once. What is empty at its end is not sent.
pub fn is_too_long(text: &str) -> bool {
    text.trim_end().len() > MAX_TEXT_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_measured_as_it_travels() {
        assert!(!is_too_long(&"e".repeat(MAX_TEXT_BYTES)));
        assert!(is_too_long(&"é".repeat(MAX_TEXT_BYTES / 2 + 1)), "an accent is two bytes");
        assert!(!is_too_long(&format!("{}\n\n", "e".repeat(MAX_TEXT_BYTES))));
    }
}
