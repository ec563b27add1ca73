//! What is usual: by the hour of the week, and how much it varies.

mod noise;
mod rate;
mod season;

pub(crate) use noise::Noise;
pub(crate) use rate::Rate;
pub(crate) use season::Season;
