//! What goes wrong, and what an observatory should say about it.

use std::fmt;

use mbolo_pulse::{IncidentKind, Minute, Scope, ServiceId};
use serde::Serialize;

use crate::places::Places;
use crate::services::{CELLS, OWN, SERVICES, ids};

/// A class of events, as the table lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Our service fails everywhere for 3 to 10 % of attempts.
    OwnSlight,
    /// Our service fails everywhere for 10 to 90 %.
    OwnLarge,
    /// A service of others fails everywhere for 3 to 10 %.
    OtherSlight,
    /// A service of others fails everywhere for 10 to 90 %.
    OtherLarge,
    /// A service gets slowly worse over 40 minutes.
    BrownOut,
    /// One country cannot reach our service.
    BlockedOwn,
    /// One country cannot reach a service of others.
    BlockedOther,
    /// A country of Gabon's size loses its connectivity; people there cannot report.
    ShutdownSmall,
    /// The same in a larger country.
    ShutdownLarge,
    /// The largest provider of a country is cut.
    Provider,
    /// One of our cells drops everybody.
    Cell,
    /// Gabon is cut from 18 to 6 o'clock, night after night.
    Curfew,
    /// Bots report a service that works.
    Flood,
    /// The news says that a service is down that works.
    Panic,
    /// One of two faults at a time.
    Together,
    /// A service of others fails everywhere, and every agent says that it works.
    Denied,
    /// As many agents as can be outvoted say that a service is down that works.
    Liars,
    /// The clocks of a cell and of every third agent are an hour off.
    WrongClock,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::OwnSlight,
        Self::OwnLarge,
        Self::OtherSlight,
        Self::OtherLarge,
        Self::BrownOut,
        Self::BlockedOwn,
        Self::BlockedOther,
        Self::ShutdownSmall,
        Self::ShutdownLarge,
        Self::Provider,
        Self::Cell,
        Self::Curfew,
        Self::Flood,
        Self::Panic,
        Self::Together,
        Self::Denied,
        Self::Liars,
        Self::WrongClock,
    ];
    /// Those that come last, and not alone: with another one, or with somebody who misleads.
    pub const TWISTED: [Self; 4] = [Self::Together, Self::Denied, Self::Liars, Self::WrongClock];
    /// The outages that the gate on global detection is about.
    pub const GLOBAL: [Self; 4] = [Self::OwnSlight, Self::OwnLarge, Self::OtherSlight, Self::OtherLarge];

    /// Something really fails, so that it should be confirmed.
    pub fn is_real(self) -> bool {
        !matches!(self, Self::Flood | Self::Panic | Self::Liars | Self::WrongClock)
    }

    /// Nothing else is wrong at the same time.
    pub fn comes_alone(self) -> bool {
        !Self::TWISTED.contains(&self)
    }

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OwnSlight => "own_slight",
            Self::OwnLarge => "own_large",
            Self::OtherSlight => "other_slight",
            Self::OtherLarge => "other_large",
            Self::BrownOut => "brown_out",
            Self::BlockedOwn => "blocked_own",
            Self::BlockedOther => "blocked_other",
            Self::ShutdownSmall => "shutdown_small",
            Self::ShutdownLarge => "shutdown_large",
            Self::Provider => "provider",
            Self::Cell => "cell",
            Self::Curfew => "curfew",
            Self::Flood => "flood",
            Self::Panic => "panic",
            Self::Together => "together",
            Self::Denied => "denied",
            Self::Liars => "liars",
            Self::WrongClock => "wrong_clock",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    pub(crate) class: Class,
    pub(crate) from: Minute,
    /// The first minute that is well again.
    pub(crate) until: Minute,
    pub(crate) what: What,
    /// What share of its reports other services get.
    pub(crate) echo: f64,
}

/// What happens. Services, places, networks and cells are by their numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// `share` of attempts fail everywhere, reached over `ramp` minutes.
    Outage {
        service: usize,
        share: f64,
        ramp: u32,
    },
    Block {
        service: usize,
        place: usize,
    },
    /// All of a country, or one network of it.
    Cut {
        place: usize,
        network: Option<usize>,
    },
    Cell {
        cell: usize,
    },
    Flood {
        service: usize,
        networks: Vec<usize>,
        per_minute: f64,
    },
    Panic {
        service: usize,
    },
    /// Agents say that a service is down, as many as can be outvoted; or all of them that it is not.
    Lies {
        service: usize,
        down: bool,
    },
    /// A cell's gauges and heartbeats, and some agents' results, are told for another minute.
    Clock {
        cell: usize,
        ahead: i32,
    },
}

/// What an observatory should say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Truth {
    pub(crate) scope: Scope,
    pub(crate) kind: IncidentKind,
    /// All that is concerned.
    pub(crate) services: Vec<ServiceId>,
    /// What has to be named.
    pub(crate) foremost: ServiceId,
}

impl Fault {
    pub(crate) fn is_on(&self, minute: Minute) -> bool {
        self.from <= minute && minute < self.until
    }

    /// The share of attempts that fail where an outage is, at `minute`.
    pub(crate) fn share_at(&self, minute: Minute) -> f64 {
        match self.what {
            What::Outage { share, ramp, .. } if ramp > 0 => {
                share * (f64::from(minute.since(self.from) + 1) / f64::from(ramp)).min(1.0)
            }
            What::Outage { share, .. } => share,
            _ => 1.0,
        }
    }

    /// `None` if nothing is wrong.
    pub(crate) fn truth(&self, places: &Places) -> Option<Truth> {
        let names = ids();
        let one = |service: usize, kind, scope| {
            let name = names[service].clone();
            Some(Truth { scope, kind, services: vec![name.clone()], foremost: name })
        };
        match &self.what {
            What::Outage { service, .. } => one(*service, IncidentKind::Service, Scope::World),
            What::Block { service, place } => {
                one(*service, IncidentKind::Blocked, Scope::Country { cc: places.places[*place].cc })
            }
            What::Cut { place, network } => {
                let cc = places.places[*place].cc;
                let scope = match network {
                    Some(network) => Scope::Asn { cc, asn: places.networks[*network].asn },
                    None => Scope::Country { cc },
                };
                Some(Truth {
                    scope,
                    kind: IncidentKind::Connectivity,
                    services: names.to_vec(),
                    foremost: names[OWN].clone(),
                })
            }
            What::Cell { cell } => one(OWN, IncidentKind::Service, Scope::Cell { cell: CELLS[*cell].into() }),
            What::Flood { .. } | What::Panic { .. } | What::Lies { .. } | What::Clock { .. } => None,
        }
    }

    /// For people: what happens, where.
    pub(crate) fn describe(&self, places: &Places) -> String {
        let name = |service: usize| SERVICES[service].id;
        match &self.what {
            What::Outage { service, share, .. } => {
                format!("{} fails everywhere for {:.1} % of attempts", name(*service), share * 100.0)
            }
            What::Block { service, place } => {
                let place = &places.places[*place];
                format!("{} is blocked in {} ({:.0} users)", name(*service), place.cc, place.users)
            }
            What::Cut { place, network } => {
                let place = &places.places[*place];
                match network {
                    Some(network) => {
                        let network = &places.networks[*network];
                        let (asn, users, all) = (network.asn.0, network.users, place.users);
                        format!("AS{asn} in {} is cut ({users:.0} of {all:.0} users)", place.cc)
                    }
                    None => format!("{} is cut ({:.0} users)", place.cc, place.users),
                }
            }
            What::Cell { cell } => format!("cell {} drops everybody", CELLS[*cell]),
            What::Flood { service, networks, per_minute } => {
                let count = networks.len();
                format!(
                    "{per_minute:.0} false reports a minute about {} from {count} networks",
                    name(*service)
                )
            }
            What::Panic { service } => format!("the news says that {} is down", name(*service)),
            What::Lies { service, down: true } => {
                format!("almost half of the agents lie that {} is down", name(*service))
            }
            What::Lies { service, down: false } => format!("all agents lie that {} works", name(*service)),
            What::Clock { cell, ahead } => format!("the clock of cell {} is {ahead} min ahead", CELLS[*cell]),
        }
    }
}
