//! A QR code as one SVG path.

use qrcodegen::{QrCode, QrCodeEcc};

/// Modules of light space around the code, as ISO/IEC 18004 asks for.
const QUIET: i32 = 4;

/// Side of the drawing in modules, and a path that fills its dark ones. `None` for a text that is too long.
pub fn path(text: &str) -> Option<(i32, String)> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        let mut x = 0;
        while x < size {
            let start = x;
            while x < size && code.get_module(x, y) {
                x += 1;
            }
            if x > start {
                path.push_str(&format!("M{} {}h{}v1h-{}z", start + QUIET, y + QUIET, x - start, x - start));
            }
            x += 1;
        }
    }
    Some((size + 2 * QUIET, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_becomes_a_square_with_its_three_finders() {
        let (side, path) = path("https://cell.example/@awa").expect("short enough");
        assert!(side >= 21 + 2 * QUIET);
        // The top edge of the upper left finder is seven dark modules.
        assert!(path.starts_with("M4 4h7v1h-7z"));
    }

    #[test]
    fn a_text_that_does_not_fit_is_refused() {
        assert!(path(&"x".repeat(5_000)).is_none());
    }
}
