//! Where people are: countries, the networks in them, and which of our cells each talks to.
//!
//! Sizes fall with their rank (Zipf). Countries are real ones, so that clocks and curfews are; their networks are not:
//! numbers are from the private range, since nothing here says anything about a provider.

use std::ops::Range;

use mbolo_pulse::{Asn, Country};

use crate::assumptions::{FEWEST_USERS, GROWTH_PER_DAY, NOISE_CV, ZIPF};
use crate::options::Options;
use crate::random::Random;
use crate::services::CELLS;

/// Code, hours ahead of UTC, and `D` where clocks are put forward in the northern summer; roughly by the number of
/// people online.
const COUNTRIES: &str = "\
    CN+8 IN+5.5 US-6D ID+7 BR-3 NG+1 PK+5 BD+6 RU+3 JP+9 MX-6 PH+8 EG+2D VN+7 ET+3 TR+3 IR+3.5 DE+1D TH+7 GB+0D \
    FR+1D IT+1D ZA+2 KR+9 ES+1D CO-5 AR-3 CD+1 KE+3 DZ+1 TZ+3 PL+1D UA+2D MA+1 SA+3 CA-5D UZ+5 MY+8 PE-5 GH+0 \
    IQ+3 VE-4 NP+5.75 AF+4.5 MM+6.5 AU+10 TW+8 YE+3 AO+1 MZ+2 CM+1 CI+0 UG+3 RO+2D CL-4 NL+1D KZ+5 SD+2 MG+3 \
    EC-5 GT-6 SN+0 ML+0 BF+0 NE+1 LK+5.5 SY+3 KH+7 ZM+2 ZW+2 TD+1 SO+3 BE+1D TN+1 BO-4 DO-4 JO+3 HT-5D CU-5D \
    SE+1D CZ+1D PT+0D GR+2D AZ+4 HU+1D AE+4 HK+8 BJ+1 GN+0 RW+2 BI+2 SS+2 TJ+5 HN-6 BY+3 AT+1D CH+1D IL+2D PG+10 \
    TG+0 SL+0 RS+1D PY-4 LA+7 LY+2 KG+6 TM+5 NI-6 SV-6 BG+2D LB+2D DK+1D FI+2D SG+8 NO+1D SK+1D CG+1 CF+1 CR-6 \
    IE+0D NZ+12 LR+0 KW+3 PA-5 OM+4 MR+0 HR+1D GE+4 UY-3 MN+8 BA+1D AM+4 GA+1 LT+2D AL+1D QA+3 JM-5 MD+2D NA+2 \
    BW+2 GM+0 LS+2 SI+1D LV+2D MK+1D GW+0 BH+3 GQ+1 EE+2D TT-4 TL+9 MU+4 SZ+2 CY+2D DJ+3 FJ+12 KM+3 GY-4 SB+11 \
    BT+6 LU+1D ME+1D SR-3 CV-1 MT+1D MV+5 BN+8 BS-5D BZ-6 IS+0 VU+11 BB-4 WS+13 ST+0 LC-4 KI+12 AD+1D SC+4 TO+13 \
    VC-4";

/// How a country's users come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trend {
    Steady,
    Grows,
    Shrinks,
}

/// One country.
pub(crate) struct Place {
    pub(crate) cc: Country,
    /// From 1, by size.
    pub(crate) rank: usize,
    /// Minutes ahead of UTC before the clocks change.
    pub(crate) offset: i32,
    pub(crate) summer_time: bool,
    pub(crate) users: f64,
    pub(crate) trend: Trend,
    /// How noisy its traffic is.
    pub(crate) cv: f64,
    /// Its networks, by size.
    pub(crate) networks: Range<usize>,
}

/// One network in one country.
pub(crate) struct Network {
    pub(crate) place: usize,
    /// 0 for the rest that is too small to be named.
    pub(crate) asn: Asn,
    pub(crate) users: f64,
    /// Cells and their shares of its users.
    pub(crate) homes: Vec<(usize, f64)>,
}

/// All of them.
pub(crate) struct Places {
    pub(crate) places: Vec<Place>,
    pub(crate) networks: Vec<Network>,
}

/// The country that is cut off every night, as in September 2016.
pub(crate) fn gabon() -> Country {
    Country::new("GA").expect("two upper-case letters")
}

impl Trend {
    /// Times as many users after so many days.
    pub(crate) fn factor(self, days: f64) -> f64 {
        match self {
            Self::Steady => 1.0,
            Self::Grows => (GROWTH_PER_DAY.0 * days).exp(),
            Self::Shrinks => (GROWTH_PER_DAY.1 * days).exp(),
        }
    }
}

impl Places {
    /// The world of these options with so many users.
    pub(crate) fn new(options: &Options, users: u64, random: &mut Random) -> Self {
        let listed: Vec<Listed> = (1..).zip(COUNTRIES.split_whitespace()).collect();
        let step = listed.len().div_ceil(options.countries.clamp(1, listed.len()));
        // Where only some countries are played, the small ones keep their true size and the large ones share the rest.
        let played = listed.iter().filter(|(rank, text)| rank % step == 1 % step || text.starts_with("GA"));
        let share = |rank: usize| (rank as f64).powf(-ZIPF.0);
        let all: f64 = listed.iter().map(|(rank, _)| share(*rank)).sum();
        let (large, small): (Vec<Listed>, Vec<Listed>) = played.partition(|(rank, _)| *rank <= LARGE);
        let small_share: f64 = small.iter().map(|(rank, _)| share(*rank) / all).sum();
        let large_share: f64 = large.iter().map(|(rank, _)| share(*rank) / all).sum();
        let stretch = (1.0 - small_share) / large_share;

        let mut world = Self { places: Vec::new(), networks: Vec::new() };
        for (rank, text) in large.into_iter().chain(small) {
            let stretched = if rank <= LARGE { stretch } else { 1.0 };
            let of_country = users as f64 * share(rank) / all * stretched;
            world.add(rank, text, of_country, options, random);
        }
        world
    }

    fn add(&mut self, rank: usize, text: &str, users: f64, options: &Options, random: &mut Random) {
        let (name, clock) = text.split_at(2);
        let summer_time = clock.ends_with('D');
        let hours: f64 = clock.trim_end_matches('D').parse().expect("the table holds numbers");
        let offset = (hours * 60.0) as i32;
        let number = self.places.len();
        let cell = home_of(offset, rank);
        let first = self.networks.len();
        // Twenty-one networks in the largest, three in the smallest: about a thousand in all.
        let count = ((22.0 - 3.9 * (rank as f64).ln()).round() as usize).clamp(3, 21);
        let count =
            if rank > 40 { count.max(5 - rank / 90) } else { count }.min(options.networks_per_country);
        let weights: Vec<f64> = (1..=count).map(|n| (n as f64).powf(-ZIPF.1)).collect();
        let sum: f64 = weights.iter().sum();
        let mut unnamed = 0.0;
        for (at, weight) in weights.iter().enumerate() {
            let users = users * weight / sum;
            if users < FEWEST_USERS {
                unnamed += users;
                continue;
            }
            let asn = Asn(FIRST_ASN + (rank * 32 + at) as u32);
            self.networks.push(Network { place: number, asn, users, homes: homes(cell, users) });
        }
        if unnamed > 0.0 {
            let homes = homes(cell, unnamed);
            self.networks.push(Network { place: number, asn: Asn(0), users: unnamed, homes });
        }
        let trend = [Trend::Steady, Trend::Grows, Trend::Shrinks][random.below(3)];
        self.places.push(Place {
            cc: Country::new(name).expect("the table holds codes"),
            rank,
            offset,
            summer_time,
            users,
            // The country of the curfew is steady: it tests one thing.
            trend: if name == "GA" { Trend::Steady } else { trend },
            cv: random.between(NOISE_CV),
            networks: first..self.networks.len(),
        });
    }

    /// The place of this code.
    pub(crate) fn find(&self, cc: Country) -> Option<usize> {
        self.places.iter().position(|place| place.cc == cc)
    }
}

/// A line of the table, with its rank.
type Listed = (usize, &'static str);

/// Ranks up to this one are large.
const LARGE: usize = 40;
/// The first of the private 32-bit numbers (RFC 6996).
const FIRST_ASN: u32 = 4_200_000_000;

fn home_of(offset: i32, rank: usize) -> usize {
    match offset {
        ..-60 => 3,
        // Africa and Europe share their clocks.
        -60..240 => rank % 2,
        _ => 2.min(CELLS.len() - 1),
    }
}

/// Most live in the country's cell; where it makes more than a few people, some live in the next one.
fn homes(cell: usize, users: f64) -> Vec<(usize, f64)> {
    const ELSEWHERE: f64 = 0.15;
    if users * ELSEWHERE < 2.0 * FEWEST_USERS {
        return vec![(cell, 1.0)];
    }
    vec![(cell, 1.0 - ELSEWHERE), ((cell + 1) % CELLS.len(), ELSEWHERE)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(options: &Options, users: u64) -> Places {
        Places::new(options, users, &mut Random::new(1, 1))
    }

    #[test]
    fn the_world_has_180_countries_and_about_a_thousand_networks_by_zipf() {
        let world = world(&Options::default(), 2_000_000);
        assert_eq!(world.places.len(), 180);
        assert!((850..1150).contains(&world.networks.len()), "{}", world.networks.len());
        let users: f64 = world.networks.iter().map(|network| network.users).sum();
        assert!((users - 2e6).abs() < 1.0);
        assert!((world.places[0].users / world.places[9].users - 10.0).abs() < 1e-6);
        let gabon = &world.places[world.find(gabon()).unwrap()];
        assert!((0.001..0.0016).contains(&(gabon.users / 2e6)), "{}", gabon.users);
    }

    #[test]
    fn a_smaller_world_keeps_the_size_of_its_small_countries() {
        let small = world(&Options::quick(), 200_000);
        let whole = world(&Options::default(), 200_000);
        let gabon_in = |world: &Places| world.places[world.find(gabon()).unwrap()].users;
        assert!((gabon_in(&small) - gabon_in(&whole)).abs() < 1.0);
        let users: f64 = small.places.iter().map(|place| place.users).sum();
        assert!((users - 200_000.0).abs() < 1.0);
    }

    #[test]
    fn a_network_of_a_few_people_has_no_name() {
        let world = world(&Options::default(), 20_000);
        assert!(world.networks.iter().all(|network| network.asn == Asn(0) || network.users >= FEWEST_USERS));
        assert!(world.networks.iter().any(|network| network.asn == Asn(0)));
    }
}
