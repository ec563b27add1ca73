//! What people use in this world. The numbers of services here are how the rest of the crate names them.

use mbolo_pulse::ServiceId;

/// One service.
pub(crate) struct Service {
    pub(crate) id: &'static str,
    /// Follows the hours of offices.
    pub(crate) business: bool,
    /// How many of our users use it.
    pub(crate) used_by: f64,
}

/// Ours: it has sockets and heartbeats, and it lives in cells.
pub(crate) const OWN: usize = 0;
/// What people blame when their provider is cut: known from reports only.
pub(crate) const CARRIER: usize = 4;

pub(crate) const SERVICES: [Service; 5] = [
    Service { id: "mbolo", business: false, used_by: 1.0 },
    Service { id: "whatsapp", business: false, used_by: 0.9 },
    Service { id: "instagram", business: false, used_by: 0.6 },
    Service { id: "bank", business: true, used_by: 0.4 },
    Service { id: "carrier", business: false, used_by: 1.0 },
];

/// Services of others that beacons and agents measure: those a fault is given to.
pub(crate) const OTHERS: [usize; 3] = [1, 2, 3];

/// Our cells.
pub(crate) const CELLS: [&str; 4] = ["africa", "europe", "asia", "americas"];

pub(crate) fn ids() -> [ServiceId; SERVICES.len()] {
    std::array::from_fn(|at| ServiceId::new(SERVICES[at].id).expect("the names above are valid"))
}
