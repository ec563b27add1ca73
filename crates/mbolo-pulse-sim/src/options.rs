//! What to play.

use crate::noise::NoiseFamily;

/// What to play: every number of users with every family of noise is one run.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Options {
    /// How many users the world has.
    pub users: Vec<u64>,
    /// Where the noise comes from.
    pub families: Vec<NoiseFamily>,
    /// The same seed gives the same runs.
    pub seed: u64,
    /// Days without faults that the detector learns from; nothing it says then counts.
    pub warm_up_days: u32,
    /// Days of stress without faults (but for the nightly curfew in Gabon): false alarms are counted here.
    pub days: u32,
    /// How often each class of fault happens after that, one every two hours.
    pub rounds: u32,
    /// How many countries are played, at most 180.
    pub countries: usize,
    /// How many networks a country has at most.
    pub networks_per_country: usize,
}

/// Options that cannot be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OptionsWrong {
    /// Fewer or more than the world is made for.
    #[error("users: give 1,000 to 100,000,000")]
    Users,
    /// The detector watches the world only before a week has passed.
    #[error("warm-up: give 7 to 56 days")]
    WarmUp,
    /// The calendar of the stress days would not fit.
    #[error("days: give 2 to 364")]
    Days,
    /// More than anybody waits for.
    #[error("rounds: give at most 100")]
    Rounds,
    /// Faults need countries of each size.
    #[error("countries: give 20 to 180, and at least 2 networks in each")]
    Countries,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            users: vec![20_000, 200_000, 2_000_000, 20_000_000],
            families: vec![NoiseFamily::LogNormal, NoiseFamily::Bursts],
            seed: 1,
            warm_up_days: 14,
            days: 28,
            rounds: 12,
            countries: 180,
            networks_per_country: 21,
        }
    }
}

impl Options {
    /// A sample of the world for some days: the gates in under a minute.
    pub fn quick() -> Self {
        Self {
            users: vec![200_000, 2_000_000],
            families: vec![NoiseFamily::LogNormal],
            warm_up_days: 7,
            days: 2,
            rounds: 3,
            countries: 24,
            networks_per_country: 3,
            ..Self::default()
        }
    }

    /// Whether this can be played.
    pub fn check(&self) -> Result<(), OptionsWrong> {
        if self.users.iter().any(|users| !(1_000..=100_000_000).contains(users)) {
            return Err(OptionsWrong::Users);
        }
        if !(7..=56).contains(&self.warm_up_days) {
            return Err(OptionsWrong::WarmUp);
        }
        if !(2..=364).contains(&self.days) {
            return Err(OptionsWrong::Days);
        }
        if self.rounds > 100 {
            return Err(OptionsWrong::Rounds);
        }
        if !(20..=180).contains(&self.countries) || self.networks_per_country < 2 {
            return Err(OptionsWrong::Countries);
        }
        Ok(())
    }
}
