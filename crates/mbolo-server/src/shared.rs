//! What all threads of a server look at.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use mbolo_cell::Stats;
use mbolo_geo::Geo;
use mbolo_isitme::CellInfo;
use mbolo_proto::CellId;

use crate::assets::Site;
use crate::metrics::Metrics;
use crate::pulse::{NOWHERE, Region};

/// One server's common state.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) metrics: Metrics,
    pub(crate) site: Site,
    pub(crate) cell_id: CellId,
    /// The server is on its way down.
    pub(crate) stopping: AtomicBool,
    /// /metrics is also on the main port, for this machine.
    pub(crate) local_metrics: bool,
    pub(crate) limits: Limits,
    pub(crate) patience: Patience,
    /// What everybody is told about the cell.
    pub(crate) info: CellInfo,
    geo: Option<Geo>,
    stats: Mutex<Stats>,
    addresses: Mutex<HashMap<Neighbourhood, u32>>,
}

/// The configured limits that gateways keep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connections: u64,
    pub(crate) connections_per_address: u32,
    pub(crate) send_queue_bytes: usize,
}

/// How long a connection may be silent, in seconds. Programs that test a server shorten it.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Before it has become a session; also for one that does not take what is sent to it at its end.
    pub request_s: u64,
    /// As a session that is not logged in.
    pub login_idle_s: u64,
    /// Until it is logged in, whatever it says. Leaves time for a sign-up's proof of work.
    pub login_s: u64,
    /// As a logged-in session, before it is asked whether it is there.
    pub ping_s: u64,
    /// From one count of the logged-in devices to the next, which is not about silence but as slow.
    pub gauge_s: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { request_s: 10, login_idle_s: 20, login_s: 60, ping_s: 50, gauge_s: 60 }
    }
}

/// Addresses that count as one: an IPv4 address or an IPv6 /64. `None` for this machine, which is not limited.
pub(crate) type Place = Option<Neighbourhood>;

/// See [`Place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Neighbourhood(u64);

/// Where an address belongs.
pub(crate) fn place_of(address: IpAddr) -> Place {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(address) => Some(Neighbourhood(u64::from(address.to_bits()))),
        IpAddr::V6(address) => Some(Neighbourhood((address.to_bits() >> 64) as u64)),
    }
}

impl Shared {
    pub(crate) fn new(
        site: Site,
        cell_id: CellId,
        local_metrics: bool,
        limits: Limits,
        patience: Patience,
    ) -> Self {
        Self {
            metrics: Metrics::default(),
            site,
            cell_id,
            stopping: AtomicBool::new(false),
            local_metrics,
            limits,
            patience,
            info: CellInfo::default(),
            geo: None,
            stats: Mutex::default(),
            addresses: Mutex::default(),
        }
    }

    /// The same with what the cell tells about itself and how it knows where its callers are.
    pub(crate) fn introduced(self, info: CellInfo, geo: Option<Geo>) -> Self {
        Self { info, geo, ..self }
    }

    /// Where an address is, as coarse as it is ever known.
    pub(crate) fn region_of(&self, address: IpAddr) -> Region {
        self.geo.as_ref().and_then(|geo| geo.lookup(address)).unwrap_or(NOWHERE)
    }

    /// The core's counters after its last batch.
    pub(crate) fn stats(&self) -> Stats {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_stats(&self, stats: Stats) {
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner) = stats;
    }

    /// Counts a new connection from `place`; false if there may be no more.
    pub(crate) fn admit(&self, place: Place) -> bool {
        if self.metrics.connections.fetch_add(1, Relaxed) >= self.limits.connections {
            self.metrics.connections.fetch_sub(1, Relaxed);
            return false;
        }
        let Some(place) = place else { return true };
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = addresses.entry(place).or_default();
        if *count >= self.limits.connections_per_address {
            self.metrics.connections.fetch_sub(1, Relaxed);
            return false;
        }
        *count += 1;
        true
    }

    /// Takes back one [`Shared::admit`].
    pub(crate) fn release(&self, place: Place) {
        self.metrics.connections.fetch_sub(1, Relaxed);
        let Some(place) = place else { return };
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = addresses.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets::Assets;

    #[test]
    fn one_address_gets_only_its_share_and_this_machine_is_free() {
        let limits = Limits { connections: 5, connections_per_address: 2, send_queue_bytes: 0 };
        let shared = Shared::new(
            Site::new(Assets::default(), None),
            CellId([0; 32]),
            true,
            limits,
            Patience::default(),
        );
        let place = |text: &str| place_of(text.parse().unwrap());
        assert_eq!(place("2001:db8:0:1::1"), place("2001:db8:0:1:ffff::2"));
        assert_ne!(place("2001:db8:0:1::1"), place("2001:db8:0:2::1"));
        assert_eq!(place("::ffff:192.0.2.1"), place("192.0.2.1"));

        assert!(shared.admit(place("192.0.2.1")) && shared.admit(place("192.0.2.1")));
        assert!(!shared.admit(place("192.0.2.1")));
        shared.release(place("192.0.2.1"));
        assert!(shared.admit(place("192.0.2.1")));
        assert!((0..3).all(|_| shared.admit(place("127.0.0.1"))));
        assert!(!shared.admit(place("127.0.0.1")), "five in all");
        assert_eq!(shared.metrics.connections.load(Relaxed), 5);
    }
}
