//! Finds web addresses in a text, so that they can be pressed.

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Words.
    Text(&'a str),
    /// An `http` or `https` address; no other scheme is ever made pressable.
    Link(&'a str),
}

/// The parts of a text, in order; together they are the text.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = next_link(rest) {
        let (before, from) = rest.split_at(start);
        let end =
            from.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"')).unwrap_or(from.len());
        // Punctuation at the end belongs to the sentence, not to the address.
        let link = from[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'', '»', '…']);
        if !before.is_empty() {
            found.push(Piece::Text(before));
        }
        found.push(Piece::Link(link));
        rest = &from[link.len()..];
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    found
}

fn next_link(text: &str) -> Option<usize> {
    let schemes = ["https://", "http://"];
    let complete = |start: usize, scheme: &str| {
        let begins_word = !text[..start].ends_with(char::is_alphanumeric);
        begins_word && text[start + scheme.len()..].starts_with(char::is_alphanumeric)
    };
    let places = schemes.iter().flat_map(|scheme| text.match_indices(scheme));
    places.filter(|(start, scheme)| complete(*start, scheme)).map(|(start, _)| start).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Piece::{Link, Text};

    #[test]
    fn addresses_are_found_without_the_sentence_around_them() {
        let found = pieces("see https://a.example/x?y=1, or (http://b.example).");
        assert_eq!(
            found,
            [
                Text("see "),
                Link("https://a.example/x?y=1"),
                Text(", or ("),
                Link("http://b.example"),
                Text(").")
            ]
        );
    }

    #[test]
    fn what_is_no_web_address_stays_text() {
        for text in ["javascript://x", "https://", "xhttps://a", "plain", ""] {
            assert!(pieces(text).iter().all(|piece| matches!(piece, Text(_))), "{text}");
        }
    }

    #[test]
    fn nothing_of_a_text_is_lost() {
        let text = "é https://a.example… https://b.example/ü\nhttp://c.example";
        let joined: String = pieces(text)
            .iter()
            .map(|piece| match piece {
                Text(t) | Link(t) => *t,
            })
            .collect();
        assert_eq!(joined, text);
    }
}
