//! Plays the world and lets the detector watch.

use mbolo_pulse::{Count, Detector, DetectorConfig, Minute, Refused};

use crate::judge::Judge;
use crate::noise::NoiseFamily;
use crate::options::{Options, OptionsWrong};
use crate::places::Places;
use crate::random::Random;
use crate::report::{Report, Table};
use crate::schedule::{DAY, START, Schedule};
use crate::world::World;

/// Streams of chance of one seed; the world's own has another number.
const PLACES_STREAM: u64 = 1;
const SCHEDULE_STREAM: u64 = 2;

/// Plays every number of users with every family of noise. Takes minutes for the whole world, seconds for
/// [`Options::quick`].
pub fn run(options: Options) -> Result<Report, OptionsWrong> {
    options.check()?;
    let runs =
        options.families.iter().flat_map(|family| options.users.iter().map(move |users| (*users, *family)));
    let tables = runs.map(|run| play(&options, run)).collect();
    Ok(Report { options, tables })
}

fn play(options: &Options, run: (u64, NoiseFamily)) -> Table {
    let (places, schedule) = prepare(options, run.0);
    let mut detector = Detector::new(DetectorConfig::default());
    let mut judge = Judge::new(&places, &schedule);
    let mut given = 0;
    live(options, run.1, &places, &schedule, |minute, rows| {
        given += rows.len() as u64;
        for row in rows {
            let taken = detector.push(row);
            let early = row.minute > minute && taken == Err(Refused::Future);
            assert!(early || taken == Ok(()), "only a clock that is ahead is refused: {taken:?}");
        }
        let closed = minute.plus(1);
        judge.hear(closed, &detector.advance(closed));
        Ok::<(), std::convert::Infallible>(())
    })
    .unwrap_or_else(|never| match never {});
    let fault_days = f64::from(schedule.end.since(schedule.faults_from)) / f64::from(DAY);
    Table::new(options, run, given, fault_days, judge.finish())
}

/// Where people are, and what will happen to them.
pub(crate) fn prepare(options: &Options, users: u64) -> (Places, Schedule) {
    let places = Places::new(options, users, &mut Random::new(options.seed, PLACES_STREAM));
    let schedule = Schedule::new(options, &places, &mut Random::new(options.seed, SCHEDULE_STREAM));
    (places, schedule)
}

/// Hands every minute's counts to `watch`, until it fails.
pub(crate) fn live<E>(
    options: &Options,
    family: NoiseFamily,
    places: &Places,
    schedule: &Schedule,
    mut watch: impl FnMut(Minute, &[Count]) -> Result<(), E>,
) -> Result<(), E> {
    let mut world = World::new(places, schedule, family, options.seed);
    let mut rows = Vec::new();
    for minute in (START.0..schedule.end.0).map(Minute) {
        rows.clear();
        world.live(minute, &mut rows);
        watch(minute, &rows)?;
    }
    Ok(())
}
