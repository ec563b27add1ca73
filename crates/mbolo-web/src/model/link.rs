//! Handles and the links that carry them: `https://cell.example/@awa` is all one person gives another.

/// How many characters a handle has.
const LENGTH: std::ops::RangeInclusive<usize> = 3..=35;

/// The handle in what a person typed, pasted or scanned: `awa`, `@awa`, or a link that ends in `/@awa` or
/// `#@awa`. `None` if there is nothing that could be one; whether it exists is the cell's to say.
pub fn handle_of(input: &str) -> Option<String> {
    let text = input.trim();
    let is_link = text.contains('/') || text.contains('#');
    let handle = match text.rfind('@') {
        Some(at) if is_link => {
            let before = text[..at].chars().next_back();
            if !matches!(before, Some('/' | '#')) {
                return None;
            }
            text[at + 1..].split(['?', '#', '/']).next().unwrap_or_default()
        }
        None if is_link => return None,
        _ => text.strip_prefix('@').unwrap_or(text),
    };
    let handle = handle.to_ascii_lowercase();
    let begins_well = handle.starts_with(|c: char| c.is_ascii_lowercase());
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
    let ends_well = !handle.ends_with('.') && !handle.contains("..");
    let is_handle = begins_well && ends_well && LENGTH.contains(&handle.len()) && handle.chars().all(allowed);
    is_handle.then_some(handle)
}

/// The handles in a list that a person types, with spaces, commas or semicolons between them; and what is none.
pub fn handles_in(list: &str) -> (Vec<String>, Vec<&str>) {
    let words = list.split([',', ';']).flat_map(str::split_whitespace);
    let (mut handles, mut others) = (Vec::new(), Vec::new());
    for word in words {
        match handle_of(word) {
            Some(handle) => handles.push(handle),
            None => others.push(word),
        }
    }
    (handles, others)
}

/// The link that starts a chat with this handle. `origin` is what the browser calls it: scheme, host, port.
pub fn invite_link(origin: &str, handle: &str) -> String {
    format!("{origin}/@{handle}")
}

/// The handle in the path of a page that was opened by an invite link.
pub fn handle_in_path(path: &str) -> Option<String> {
    let handle = path.strip_prefix("/@")?;
    handle_of(handle.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_found_in_whatever_a_person_pastes() {
        for text in [
            "awa",
            "@awa",
            "  @Awa ",
            "https://cell.example/@awa",
            "http://127.0.0.1:8080/@awa/",
            "cell.example/@awa?utm=1",
            "https://cell.example/#@awa",
        ] {
            assert_eq!(handle_of(text).as_deref(), Some("awa"), "{text}");
        }
    }

    #[test]
    fn a_text_without_a_handle_is_refused() {
        for text in [
            "",
            "  ",
            "@",
            "https://cell.example/",
            "https://cell.example/about",
            "awa nkoghe",
            "https://a@cell.example/x",
            "Ångström",
            "1awa",
            "aw",
            "https://cell.example/@a",
        ] {
            assert_eq!(handle_of(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_handle_in_a_list_is_kept_apart() {
        let (handles, others) = handles_in(" @awa, Ångström;https://cell.example/@ben  caro ");
        assert_eq!(handles, ["awa", "ben", "caro"]);
        assert_eq!(others, ["Ångström"]);
    }

    #[test]
    fn an_invite_link_leads_back_to_its_handle() {
        let link = invite_link("https://cell.example", "awa.n");
        assert_eq!(handle_of(&link).as_deref(), Some("awa.n"));
        assert_eq!(handle_in_path("/@awa.n").as_deref(), Some("awa.n"));
        assert_eq!(handle_in_path("/"), None);
    }
}
