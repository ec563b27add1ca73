//! From connections to rows: adding up, hiding small numbers, and saying zero where there was something.

use std::collections::BTreeMap;

use mbolo_pulse::model::{Asn, Country};
use serde::{Deserialize, Serialize};

/// A country and a network; see [`NOWHERE`].
pub(crate) type Region = mbolo_geo::Place;

/// Not known, or not to be told.
pub(crate) const NOWHERE: Region = Region { cc: Country::UNKNOWN, asn: Asn(0) };

/// With fewer sockets than this a region is counted as [`NOWHERE`], so that nobody is recognised in it.
const FEWEST: u32 = 5;

/// Minutes for which a region that had enough sockets is told as zero when it has none: as long as people have been cut off
/// without a break.
const REMEMBERED_MINUTES: u32 = 7 * 24 * 60;

/// Regions that are remembered; a cell does not have devices enough for more.
const MAX_REMEMBERED: usize = 4_096;

/// Logged-in connections of one region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// All of them.
    pub(crate) sockets: u32,
    /// Those that were heard of within the last minute.
    pub(crate) heartbeats: u32,
}

/// How many connections there are where.
#[derive(Debug, Default)]
pub(crate) struct Census(BTreeMap<Region, Tally>);

/// One region in one minute, as the observatory takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) cc: Country,
    pub(crate) asn: Asn,
    pub(crate) sockets: u32,
    pub(crate) heartbeats: u32,
}

/// Remembers which regions were told.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    /// And when last with enough sockets.
    told: BTreeMap<Region, u32>,
}

impl Census {
    /// Counts one connection.
    pub(crate) fn count(&mut self, region: Region, is_alive: bool) {
        let tally = self.0.entry(region).or_default();
        tally.sockets += 1;
        tally.heartbeats += u32::from(is_alive);
    }

    /// Adds another's numbers.
    pub(crate) fn add(&mut self, other: &Self) {
        for (region, tally) in &other.0 {
            let sum = self.0.entry(*region).or_default();
            sum.sockets += tally.sockets;
            sum.heartbeats += tally.heartbeats;
        }
    }
}

impl Gauge {
    /// The rows of a minute: what may be told of the census, zeros for regions that were told in the last days, and
    /// always one for nowhere.
    pub(crate) fn minute(&mut self, minute: u32, census: Census) -> Vec<Row> {
        let mut rows = BTreeMap::from([(NOWHERE, Tally::default())]);
        self.told.retain(|_, last| minute.abs_diff(*last) <= REMEMBERED_MINUTES);
        for region in self.told.keys() {
            rows.insert(*region, Tally::default());
        }
        for (region, tally) in census.0 {
            let is_told = region != NOWHERE
                && tally.sockets >= FEWEST
                && (self.told.len() < MAX_REMEMBERED || self.told.contains_key(&region));
            if is_told {
                self.told.insert(region, minute);
            }
            let row = rows.entry(if is_told { region } else { NOWHERE }).or_default();
            row.sockets += tally.sockets;
            row.heartbeats += tally.heartbeats;
        }
        rows.into_iter()
            .map(|(region, tally)| Row {
                cc: region.cc,
                asn: region.asn,
                sockets: tally.sockets,
                heartbeats: tally.heartbeats,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(cc: &str, asn: u32) -> Region {
        Region { cc: Country::new(cc).unwrap(), asn: Asn(asn) }
    }

    fn census(regions: &[(Region, u32)]) -> Census {
        let mut census = Census::default();
        for (region, sockets) in regions {
            (0..*sockets).for_each(|number| census.count(*region, number % 2 == 0));
        }
        census
    }

    fn sockets(rows: &[Row]) -> Vec<(String, u32)> {
        rows.iter().map(|row| (format!("{} {}", row.cc, row.asn.0), row.sockets)).collect()
    }

    #[test]
    fn few_devices_of_one_region_are_counted_as_nowhere_in_particular() {
        let counted = census(&[(region("GA", 16_058), 5), (region("GA", 36_924), 4), (region("TD", 1), 1)]);
        let rows = Gauge::default().minute(1, counted);
        assert_eq!(sockets(&rows), [("GA 16058".to_owned(), 5), ("ZZ 0".to_owned(), 5)]);
        assert_eq!(rows[0].heartbeats, 3);
    }

    #[test]
    fn a_region_that_vanished_is_told_as_zero_for_some_days_and_then_forgotten() {
        let mut gauge = Gauge::default();
        gauge.minute(100, census(&[(region("GA", 16_058), 50)]));
        let gone = gauge.minute(101, Census::default());
        assert_eq!(sockets(&gone), [("GA 16058".to_owned(), 0), ("ZZ 0".to_owned(), 0)]);
        assert_eq!(gauge.minute(100 + REMEMBERED_MINUTES, Census::default()).len(), 2);
        assert_eq!(gauge.minute(101 + REMEMBERED_MINUTES, Census::default()).len(), 1);
    }

    #[test]
    fn nothing_is_lost_by_hiding_and_adding() {
        let mut total = census(&[(region("GA", 1), 3), (region("FR", 2), 40)]);
        total.add(&census(&[(region("GA", 1), 3), (NOWHERE, 7)]));
        let rows = Gauge::default().minute(1, total);
        assert_eq!(rows.iter().map(|row| row.sockets).sum::<u32>(), 53);
        assert_eq!(rows.len(), 3, "two gateways with three devices each make a region of six");
    }

    #[test]
    fn as_many_regions_as_somebody_cares_to_come_from_take_bounded_memory() {
        let mut gauge = Gauge::default();
        for round in 0..3 {
            let regions: Vec<_> =
                (0..2_000).map(|asn| (region("GA", round * 2_000 + asn + 1), FEWEST)).collect();
            gauge.minute(round, census(&regions));
        }
        assert!(gauge.told.len() <= MAX_REMEMBERED);
    }
}
