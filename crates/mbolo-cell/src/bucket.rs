//! A token bucket in whole numbers: so many at once, so many a second after that.

/// How much of an allowance is left. Starts full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    /// In thousandths, so that one millisecond at one a second counts.
    used: u64,
    at_ms: u64,
}

impl Bucket {
    pub const fn new() -> Self {
        Self { used: 0, at_ms: 0 }
    }

    /// Takes `count` at once, however many are left.
    pub fn charge(&mut self, count: u64) {
        self.used = self.used.saturating_add(count.saturating_mul(ONE));
    }

    /// Whether nothing is missing by now.
    pub fn is_full(&self, now_ms: u64, rate_per_s: u32) -> bool {
        self.used <= now_ms.saturating_sub(self.at_ms).saturating_mul(rate_per_s.into())
    }

    /// Takes one, or says after how many milliseconds one will be there.
    pub fn take(&mut self, now_ms: u64, rate_per_s: u32, burst: u32) -> Result<(), u32> {
        let back = now_ms.saturating_sub(self.at_ms).saturating_mul(rate_per_s.into());
        self.used = self.used.saturating_sub(back);
        self.at_ms = now_ms;
        let over = self.used.saturating_add(ONE).saturating_sub(u64::from(burst) * ONE);
        if over > 0 {
            return Err(u32::try_from(over.div_ceil(u64::from(rate_per_s.max(1)))).unwrap_or(u32::MAX));
        }
        self.used += ONE;
        Ok(())
    }

    /// Takes one that is not there yet: says after how many milliseconds those who queued before have had theirs, at
    /// `rate_per_s`.
    pub fn queue(&mut self, now_ms: u64, rate_per_s: u32) -> u64 {
        let back = now_ms.saturating_sub(self.at_ms).saturating_mul(rate_per_s.into());
        self.used = self.used.saturating_sub(back).saturating_add(ONE);
        self.at_ms = now_ms;
        self.used / u64::from(rate_per_s.max(1))
    }
}

const ONE: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut bucket = Bucket::new();
        for _ in 0..3 {
            assert_eq!(bucket.take(1_000_000, 10, 3), Ok(()));
        }
        assert_eq!(bucket.take(1_000_000, 10, 3), Err(100));
        assert_eq!(bucket.take(1_000_050, 10, 3), Err(50));
        assert_eq!(bucket.take(1_000_100, 10, 3), Ok(()));
        assert_eq!(bucket.take(1_000_100, 10, 3), Err(100));
    }

    #[test]
    fn who_queues_waits_for_those_before_and_no_longer() {
        let mut line = Bucket::new();
        let waits: Vec<u64> = (0..5).map(|_| line.queue(1_000_000, 100)).collect();
        assert_eq!(waits, [10, 20, 30, 40, 50]);
        assert_eq!(line.queue(1_000_030, 100), 30);
        assert_eq!(line.queue(2_000_000, 100), 10, "all of them have gone");
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_lock_anybody_out() {
        let mut bucket = Bucket::new();
        assert_eq!(bucket.take(3_600_000, 1, 1), Ok(()));
        assert_eq!(bucket.take(0, 1, 1), Err(1_000));
        assert_eq!(bucket.take(1_000, 1, 1), Ok(()));
    }
}
