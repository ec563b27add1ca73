//! From connections to rows: adding up, hiding small numbers, and saying zero where there was something.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use mbolo_pulse::model::{Asn, Country};
use serde::{Deserialize, Serialize};

use crate::keys::write_private;

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

/// Remembers which regions were told, also when the cell is started again: a country that was cut off before must be told
/// as zero afterwards, and not be forgotten.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    /// And when last with enough sockets.
    told: BTreeMap<Region, u32>,
    /// Where that is written.
    file: Option<PathBuf>,
    written_at: u32,
    /// A region came or went since then.
    changed: bool,
}

/// A region as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    cc: Country,
    asn: Asn,
    minute: u32,
}

/// It is written at least this often, minutes: how much too early a region may be forgotten after a crash.
const WRITTEN_EVERY: u32 = 60;

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
    /// Goes on from what was written; a file that is not there or cannot be read is a beginning.
    pub(crate) fn open(file: PathBuf) -> Self {
        let read = fs::read(&file).ok();
        let written: Vec<Told> = read.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        let regions = written.into_iter().take(MAX_REMEMBERED);
        let told = regions.map(|one| (Region { cc: one.cc, asn: one.asn }, one.minute)).collect();
        Self { told, file: Some(file), ..Self::default() }
    }

    /// Writes which regions were told, if that changed or was written long ago.
    pub(crate) fn keep(&mut self, minute: u32) {
        let Some(file) = &self.file else { return };
        if !self.changed && minute.abs_diff(self.written_at) < WRITTEN_EVERY {
            return;
        }
        let told =
            self.told.iter().map(|(region, last)| Told { cc: region.cc, asn: region.asn, minute: *last });
        let written = serde_json::to_vec(&told.collect::<Vec<_>>()).map_err(std::io::Error::other);
        match written.and_then(|json| write_private(file, &json)) {
            Ok(()) => (self.written_at, self.changed) = (minute, false),
            // Tried again with the next minute; the numbers are told all the same.
            Err(error) => tracing::debug!(%error, "regions are not written down"),
        }
    }

    /// The rows of a minute: what may be told of the census, zeros for regions that were told in the last days, and
    /// always one for nowhere.
    pub(crate) fn minute(&mut self, minute: u32, census: Census) -> Vec<Row> {
        let mut rows = BTreeMap::from([(NOWHERE, Tally::default())]);
        let known = self.told.len();
        self.told.retain(|_, last| minute.abs_diff(*last) <= REMEMBERED_MINUTES);
        self.changed |= self.told.len() < known;
        for region in self.told.keys() {
            rows.insert(*region, Tally::default());
        }
        for (region, tally) in census.0 {
            let is_told = region != NOWHERE
                && tally.sockets >= FEWEST
                && (self.told.len() < MAX_REMEMBERED || self.told.contains_key(&region));
            if is_told {
                self.changed |= self.told.insert(region, minute).is_none();
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
    fn a_region_that_was_cut_off_before_a_restart_is_told_as_zero_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("regions.json");
        let mut before = Gauge::open(file.clone());
        before.minute(100, census(&[(region("GA", 16_058), 50)]));
        before.keep(100);
        let mut after = Gauge::open(file.clone());
        let gone = after.minute(103, Census::default());
        assert_eq!(sockets(&gone), [("GA 16058".to_owned(), 0), ("ZZ 0".to_owned(), 0)]);
        // As long as without a restart, and then it is forgotten for good.
        assert_eq!(after.minute(101 + REMEMBERED_MINUTES, Census::default()).len(), 1);
        after.keep(101 + REMEMBERED_MINUTES);
        assert_eq!(fs::read(&file).unwrap(), b"[]");
        fs::write(&file, "half a fi").unwrap();
        assert_eq!(Gauge::open(file).minute(100, Census::default()).len(), 1);
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
