//! Hash maps that iterate in the same order for the same seed.
//!
//! The two cores only iterate over ordered maps, but libraries under them do not: OpenMLS puts the removals of one
//! commit in the order of a `HashMap`, whose keys the standard library draws from the operating system, once per
//! thread. So every run has a thread of its own, and in this program the operating system's randomness is a
//! constant. On systems where the standard library asks another function, such a seed may have several traces.

/// Runs `play` in a thread whose hash maps start from the same keys every time.
pub fn with_fixed_keys<T: Send>(play: impl FnOnce() -> T + Send) -> T {
    std::hint::black_box(getrandom as unsafe extern "C" fn(_, _, _) -> _);
    std::thread::scope(|scope| {
        let thread = scope.spawn(play);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Takes the place of the C library's function of this name in whatever links the simulator.
///
/// # Safety
///
/// As for the original: `buffer` has to be valid for writes of `length` bytes.
#[unsafe(no_mangle)]
#[allow(unsafe_code, reason = "the one place where the standard library can be told what is random")]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    // SAFETY: the caller promises that the bytes are there.
    unsafe { buffer.write_bytes(0x4D, length) };
    length.cast_signed()
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn hash_maps_are_the_same_in_every_run() {
        let run = || with_fixed_keys(|| [RandomState::new().hash_one(1), RandomState::new().hash_one(1)]);
        assert_eq!(run(), run());
    }
}
