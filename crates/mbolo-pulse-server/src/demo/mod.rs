//! Two past days, played through the live page at high speed: the world outage of 19 July 2023, and Gabon in August 2023.
//!
//! The times are facts with sources (`data/known_outages.json`); the counts are a reconstruction, invented so that they
//! fit the facts, and every page and document says so. The detector, the store and the page are the live ones: nothing
//! tells them what happened. A time-keeper writes each minute's counts and then lets the clock go on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mbolo_pulse::Minute;

use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::edge::Edge;
use crate::serve::{Observatory, ServeError, Staging, asked_to_end};
use crate::shared::Shared;
use crate::store::{IncidentRow, Store, Watch, incidents, save_incident, save_watch, set_closed_minute};

mod facts;
mod world;

use facts::Fact;
use world::World;

/// History before the first minute that is played: the detector needs a week before it looks at countries.
const HISTORY_DAYS: u32 = 8;

/// Minutes of history that are written at once.
const CHUNK: u32 = 360;

/// How a demonstration is given.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// The address and port to serve on.
    pub listen: std::net::SocketAddr,
    /// How it is reached from outside; see [`Config::public_url`].
    pub public_url: Option<String>,
    /// What one minute lasts.
    pub minute: Duration,
    /// Where the stores go while it runs; a directory of its own among the system's temporary ones if `None`.
    pub data: Option<PathBuf>,
    /// Begins again after the last scene; else the last moment stays on the page.
    pub repeat: bool,
    /// Only the scene of this fact, `wa-2023-07-19` or `ga-2023-08-26`.
    pub only: Option<String>,
    /// Of the invented counts.
    pub seed: u64,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            listen: std::net::SocketAddr::from(([127, 0, 0, 1], 7979)),
            public_url: None,
            minute: Duration::from_millis(500),
            data: None,
            repeat: false,
            only: None,
            seed: 20_230_719,
        }
    }
}

/// Why a demonstration cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The observatory cannot run.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Something about the options.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no such scene.
    #[error("there is no scene `{0}`; there are wa-2023-07-19 and ga-2023-08-26")]
    NoScene(String),
}

/// One day that is played.
#[derive(Debug, Clone)]
struct Scene {
    fact: Fact,
    title: &'static str,
    /// The first minute that is played.
    from: Minute,
    /// Played minute by minute, these stretches; what lies between passes at once.
    stretches: Vec<(Minute, Minute)>,
}

fn scenes() -> Vec<Scene> {
    let outage = facts::fact("wa-2023-07-19");
    let shutdown = facts::fact("ga-2023-08-26");
    let around = |begin: Minute, before: u32, after: u32| (Minute(begin.0 - before), begin.plus(after));
    vec![
        Scene {
            title: "Reconstruction · 2023-07-19",
            from: Minute(outage.start.0 - 30),
            stretches: vec![(Minute(outage.start.0 - 30), outage.end.plus(60))],
            fact: outage,
        },
        Scene {
            title: "Reconstruction · Gabon · 2023-08-26",
            from: Minute(shutdown.start.0 - 20),
            stretches: vec![around(shutdown.start, 20, 90), around(shutdown.end, 20, 60)],
            fact: shutdown,
        },
    ]
}

/// Gives the demonstration until the process is asked to end.
///
/// # Errors
/// When the address or the directory cannot be used.
pub async fn demo(options: DemoOptions) -> Result<(), DemoError> {
    let place = options
        .data
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("mbolo-pulse-demo-{}", std::process::id())));
    let played = tokio::select! {
        played = play_all(&options, &place) => played,
        asked = asked_to_end() => asked.map_err(|error| ServeError::from(error).into()),
    };
    if options.data.is_none()
        && let Err(error) = std::fs::remove_dir_all(&place)
    {
        tracing::debug!(%error, "the demonstration's directory was not removed");
    }
    played
}

impl DemoOptions {
    /// Checks what can be checked before anything is opened.
    ///
    /// # Errors
    /// When there is no such scene.
    pub fn check(&self) -> Result<(), DemoError> {
        self.chosen().map(drop)
    }

    fn chosen(&self) -> Result<Vec<Scene>, DemoError> {
        let mut chosen = scenes();
        if let Some(only) = &self.only {
            chosen.retain(|scene| scene.fact.id == *only);
            if chosen.is_empty() {
                return Err(DemoError::NoScene(only.clone()));
            }
        }
        Ok(chosen)
    }
}

async fn play_all(options: &DemoOptions, place: &std::path::Path) -> Result<(), DemoError> {
    let chosen = options.chosen()?;
    let directory = |scene: usize| place.join(scene.to_string());
    let mut told = Vec::new();
    prepare(options, &chosen[0], &directory(0)).await?;
    for number in 0.. {
        let (scene, data) = (&chosen[number % chosen.len()], directory(number));
        let observatory = open(options, scene, &data, std::mem::take(&mut told)).await?;
        play(options, scene, observatory.shared()).await?;
        if number + 1 == chosen.len() && !options.repeat {
            tracing::info!("the demonstration is over; its last moment stays on the page");
            std::future::pending::<()>().await;
        }
        // While the page is still there: a reader who comes in between would find nothing.
        let next = &chosen[(number + 1) % chosen.len()];
        prepare(options, next, &directory(number + 1)).await?;
        if (number + 1) % chosen.len() != 0 {
            let of_scene = observatory.shared().store.read(|reader| incidents(reader, Minute(0)));
            told = of_scene.map_err(ServeError::from)?;
        }
        observatory.stop().await;
        // A directory that stays behind is removed with the whole.
        let _ = std::fs::remove_dir_all(&data);
    }
    Ok(())
}

/// Invents the history of a scene.
async fn prepare(options: &DemoOptions, scene: &Scene, data: &std::path::Path) -> Result<(), DemoError> {
    tracing::info!(scene = scene.title, "inventing {HISTORY_DAYS} days of history");
    let (directory, from, seed, fact) = (data.to_owned(), scene.from, options.seed, scene.fact.clone());
    let written = tokio::task::spawn_blocking(move || write_history(&directory, from, seed, &fact));
    written
        .await
        .map_err(|error| ServeError::System(std::io::Error::other(error)))?
        .map_err(ServeError::from)?;
    Ok(())
}

/// Opens the page of a scene whose history is written. It remembers the incidents of the one before.
async fn open(
    options: &DemoOptions,
    scene: &Scene,
    data: &std::path::Path,
    told: Vec<IncidentRow>,
) -> Result<Observatory, DemoError> {
    let store = Store::open(data, 0).map_err(ServeError::from)?;
    store
        .change(move |transaction| told.iter().try_for_each(|row| save_incident(transaction, row)))
        .await
        .map_err(ServeError::from)?;
    // The observatory opens it for itself.
    drop(store);
    let mut config = Config {
        listen: options.listen,
        data: data.to_owned(),
        observatory: scene.title.to_owned(),
        public_url: options.public_url.clone(),
        replay_days: HISTORY_DAYS + 1,
        ..Config::default()
    };
    // Agents of that day measured none of today's targets.
    config.services.iter_mut().for_each(|service| service.probes.clear());
    // A visitor's minutes are slower than those that are played.
    config.limits.challenge_seconds = 3_600;
    config.limits.form_seconds = 86_400;
    let clock = Clock::played(scene.from.unix() * 1_000);
    let edge =
        Edge::new(None, Vec::new()).map_err(|error| ServeError::Geo { path: PathBuf::new(), error })?;
    let staging = Staging { clock, edge: Some(edge) };
    Ok(Observatory::staged(config, staging).await?)
}

fn write_history(
    directory: &std::path::Path,
    until: Minute,
    seed: u64,
    fact: &Fact,
) -> Result<(), crate::store::StoreError> {
    let store = Store::open(directory, 0)?;
    let mut world = World::new(seed, fact.clone());
    let first = Minute(until.0 - HISTORY_DAYS * 1_440);
    let mut at = first;
    while at < until {
        let end = at.plus(CHUNK).min(until);
        let counts = (at.0..end.0).flat_map(|minute| world.minute(Minute(minute))).collect();
        store.add_and_wait(counts)?;
        // What goes to the detector comes from the store, when the observatory starts.
        store.take_fresh();
        at = end;
    }
    store.change_and_wait(move |transaction| {
        save_watch(transaction, Watch { from: first, until })?;
        set_closed_minute(transaction, until)
    })
}

/// Lets the scene's minutes pass.
async fn play(options: &DemoOptions, scene: &Scene, shared: &Arc<Shared>) -> Result<(), DemoError> {
    let mut world = World::new(options.seed ^ 1, scene.fact.clone());
    let (Some(first), Some(last)) = (scene.stretches.first(), scene.stretches.last()) else { return Ok(()) };
    // The clock stands until the history is read.
    while shared.metrics.boards.get() == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let grace = i64::from(shared.config.grace_seconds);
    let mut at = first.0;
    while at < last.1 {
        let is_played = scene.stretches.iter().any(|(from, until)| (*from..*until).contains(&at));
        let began = tokio::time::Instant::now();
        // What passes at once is written hour by hour.
        let next = if is_played { at.plus(1) } else { next_stretch(scene, at).min(at.plus(60)) };
        let counts = (at.0..next.0).flat_map(|minute| world.minute(Minute(minute))).collect();
        shared.store.add(counts).await.map_err(ServeError::from)?;
        for (service, place, row) in world.probes(Minute(next.0 - 1)) {
            shared.note_probe(&service, &place.asn.0.to_string(), place, row);
        }
        shared.clock.set_ms((next.unix() + grace) * 1_000);
        at = next;
        if is_played {
            tokio::time::sleep_until(began + options.minute).await;
        } else {
            let closed = shared.metrics.minutes_closed.get();
            let patience = tokio::time::Instant::now() + Duration::from_secs(2);
            while shared.metrics.minutes_closed.get() == closed && tokio::time::Instant::now() < patience {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
    Ok(())
}

fn next_stretch(scene: &Scene, at: Minute) -> Minute {
    scene.stretches.iter().map(|(from, _)| *from).filter(|from| *from > at).min().unwrap_or(at.plus(1))
}

/// The history before 19 July 2023 in a store, a maker of the minutes after it, and when the outage begins.
#[cfg(test)]
pub(crate) fn staged_past(
    directory: &std::path::Path,
) -> (impl FnMut(Minute) -> Vec<mbolo_pulse::Count>, Minute) {
    let fact = facts::fact("wa-2023-07-19");
    let start = fact.start;
    write_history(directory, Minute(start.0 - 30), 1, &fact).expect("a new store takes a history");
    let mut world = World::new(2, fact);
    (move |minute| world.minute(minute), start)
}
