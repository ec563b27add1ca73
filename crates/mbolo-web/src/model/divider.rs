//! The line between the list and the conversation: how wide the list may be, and how keys move it. In sixteenths of a
//! rem, which are pixels unless text was made larger, and whole numbers: what writes and reads others is large.

/// The narrowest list.
pub const NARROWEST: i32 = 256;

/// The widest.
pub const WIDEST: i32 = 576;

/// How far an arrow key goes.
const STEP: i32 = 16;

/// The width a list has before anybody has moved it, in a window of this width.
pub fn usual(window: i32) -> i32 {
    (window * 3 / 10).clamp(320, 400)
}

/// The allowed width nearest to `wanted`, on the grid.
pub fn allowed(wanted: i32) -> i32 {
    const GRID: i32 = 4;
    wanted.clamp(NARROWEST, WIDEST) / GRID * GRID
}

/// Where a key moves it to; none if the key moves nothing.
pub fn moved(width: i32, key: &str) -> Option<i32> {
    let wanted = match key {
        "ArrowLeft" => width - STEP,
        "ArrowRight" => width + STEP,
        "Home" => NARROWEST,
        "End" => WIDEST,
        _ => return None,
    };
    Some(allowed(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_move_the_line_within_its_bounds() {
        assert_eq!(moved(320, "ArrowRight"), Some(336));
        assert_eq!(moved(321, "ArrowLeft"), Some(304));
        assert_eq!(moved(260, "ArrowLeft"), Some(NARROWEST));
        assert_eq!(moved(320, "End"), Some(WIDEST));
        assert_eq!(moved(320, "a"), None);
    }

    #[test]
    fn what_was_kept_or_dragged_is_brought_into_bounds() {
        assert_eq!(allowed(-3), NARROWEST);
        assert_eq!(allowed(4_000), WIDEST);
        assert_eq!(allowed(357), 356);
        assert_eq!((usual(640), usual(1_180), usual(3_000)), (320, 354, 400));
    }
}
