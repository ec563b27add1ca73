//! Which nodes there are: one for each service in the world, in a country, in a network and on a cell.
//!
//! The number of nodes is what memory depends on, so it is limited: what does not fit any more counts for the world.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::model::{Asn, Country, Scope, ServiceId};

/// Services that are watched at most.
const MAX_SERVICES: usize = 256;
/// Networks of all services together.
const MAX_NETWORKS: usize = 60_000;
/// Cells of one service.
const MAX_CELLS: usize = 512;

/// Where in the list of nodes something is.
pub(crate) type Place = usize;

/// The nodes that a row counts for directly; countries and the world are summed up when the minute closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    pub service: usize,
    pub leaf: Place,
    pub cell: Option<Place>,
}

/// The nodes of one service.
#[derive(Debug)]
pub(crate) struct ServicePlaces {
    pub id: ServiceId,
    pub world: Place,
    /// What comes from places that are not known.
    pub elsewhere: Place,
    pub countries: BTreeMap<Country, Place>,
    /// With number 0 for what is known to come from a country, and from no network of it in particular.
    pub networks: BTreeMap<(Country, Asn), Place>,
    pub cells: BTreeMap<Arc<str>, Place>,
    by_country: BTreeMap<Country, Vec<(Asn, Place)>>,
}

impl ServicePlaces {
    /// The node of a scope.
    pub fn of(&self, scope: &Scope) -> Option<Place> {
        match scope {
            Scope::World => Some(self.world),
            Scope::Country { cc } => self.countries.get(cc).copied(),
            Scope::Asn { cc, asn } => self.networks.get(&(*cc, *asn)).copied(),
            Scope::Cell { cell } => self.cells.get(cell).copied(),
        }
    }

    /// The networks of a country, in order; see `networks` for number 0.
    pub fn networks_of(&self, cc: Country) -> &[(Asn, Place)] {
        self.by_country.get(&cc).map_or(&[], Vec::as_slice)
    }
}

/// All nodes. `scopes[place]` says what a node is.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub services: Vec<ServicePlaces>,
    /// Service and scope of each node.
    pub scopes: Vec<(usize, Scope)>,
    by_name: HashMap<Box<str>, usize>,
    by_key: HashMap<(u32, Country, Asn), Place>,
    /// The service of the row before: rows of one service often follow each other.
    last: usize,
    /// The network of the row before, and which one came after each the last time.
    last_leaf: Place,
    follower: Vec<Place>,
}

impl Places {
    /// Finds the nodes of a row, and makes them if they are new. None if there are too many services, or the name is
    /// not one.
    pub fn find(&mut self, service: &str, cc: Country, asn: Asn, cell: Option<&str>) -> Option<Hit> {
        let service = self.service(service)?;
        let leaf = if cc == Country::UNKNOWN {
            self.services[service].elsewhere
        } else if let Some(place) = self.guess(service, cc, asn) {
            place
        } else {
            let found = self.by_key.get(&(service as u32, cc, asn)).copied();
            let place = found.unwrap_or_else(|| self.new_network(service, cc, asn));
            self.follower.resize(self.scopes.len(), 0);
            self.follower[self.last_leaf] = place;
            self.last_leaf = place;
            place
        };
        let cell = cell.and_then(|cell| self.cell(service, cell));
        Some(Hit { service, leaf, cell })
    }

    /// Rows of a place often follow each other, and the places of a minute follow each other as in the minute before.
    fn guess(&mut self, service: usize, cc: Country, asn: Asn) -> Option<Place> {
        let is_it = |place: Place| self.scopes.get(place) == Some(&(service, Scope::Asn { cc, asn }));
        if is_it(self.last_leaf) {
            return Some(self.last_leaf);
        }
        let next = self.follower.get(self.last_leaf).copied().filter(|next| is_it(*next))?;
        self.last_leaf = next;
        Some(next)
    }

    /// The number of a service, if it is known.
    pub fn service_index(&self, service: &str) -> Option<usize> {
        self.by_name.get(service).copied()
    }

    fn service(&mut self, name: &str) -> Option<usize> {
        if self.services.get(self.last).is_some_and(|service| service.id.as_str() == name) {
            return Some(self.last);
        }
        let found = match self.by_name.get(name) {
            Some(found) => *found,
            None => self.new_service(name)?,
        };
        self.last = found;
        Some(found)
    }

    fn new_service(&mut self, name: &str) -> Option<usize> {
        let id = ServiceId::new(name).filter(|_| self.services.len() < MAX_SERVICES)?;
        let service = self.services.len();
        let world = self.new_node(service, Scope::World);
        let elsewhere = self.new_node(service, Scope::Asn { cc: Country::UNKNOWN, asn: Asn(0) });
        self.by_name.insert(name.into(), service);
        self.services.push(ServicePlaces {
            id,
            world,
            elsewhere,
            countries: BTreeMap::new(),
            networks: BTreeMap::new(),
            cells: BTreeMap::new(),
            by_country: BTreeMap::new(),
        });
        Some(service)
    }

    fn new_network(&mut self, service: usize, cc: Country, asn: Asn) -> Place {
        if self.by_key.len() >= MAX_NETWORKS {
            return self.services[service].elsewhere;
        }
        if !self.services[service].countries.contains_key(&cc) {
            let place = self.new_node(service, Scope::Country { cc });
            self.services[service].countries.insert(cc, place);
        }
        let place = self.new_node(service, Scope::Asn { cc, asn });
        self.services[service].networks.insert((cc, asn), place);
        let country = self.services[service].by_country.entry(cc).or_default();
        let at = country.partition_point(|(other, _)| *other < asn);
        country.insert(at, (asn, place));
        self.by_key.insert((service as u32, cc, asn), place);
        place
    }

    fn cell(&mut self, service: usize, cell: &str) -> Option<Place> {
        if let Some(place) = self.services[service].cells.get(cell) {
            return Some(*place);
        }
        if self.services[service].cells.len() >= MAX_CELLS || cell.is_empty() || cell.len() > 128 {
            return None;
        }
        let cell: Arc<str> = cell.into();
        let place = self.new_node(service, Scope::Cell { cell: Arc::clone(&cell) });
        self.services[service].cells.insert(cell, place);
        Some(place)
    }

    fn new_node(&mut self, service: usize, scope: Scope) -> Place {
        self.scopes.push((service, scope));
        self.scopes.len() - 1
    }
}
