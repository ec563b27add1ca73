//! What may be called up. This is the one place where that is decided, for a service and for each place of it.
//!
//! That no incident is open is not enough: the detector does not judge before it knows what is usual, what always failed is
//! usual, and what comes late is never judged. So green is what was measured lately, has not mostly failed, and is not
//! being looked at. Everything else without an incident is unknown.

use mbolo_pulse::board::TargetBoard;
use mbolo_pulse::{Incident, IncidentState, Level, Scope};

use crate::config::ServiceConfig;
use crate::recent::Tally;

/// Attempts of which more than a third must fail to say that most of a thing may be broken; fewer only if all of them do.
const ENOUGH_ATTEMPTS: u32 = 5;

/// What speaks of a service in a place besides confirmed incidents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looks<'a> {
    pub scope: &'a Scope,
    /// Minutes are given to the detector.
    pub is_judging: bool,
    /// A measurement came within the last quarter of an hour.
    pub is_measured: bool,
    /// Attempts of that time.
    pub quarter: Tally,
    /// Networks whose sockets are known, and those of them that are cut off.
    pub networks: (u32, u32),
    /// Open incidents of the service.
    pub open: &'a [&'a Incident],
    /// One of the targets that the service needs was measured, or it needs none.
    pub is_needed_measured: bool,
    pub service: &'a ServiceConfig,
    pub targets: &'a [TargetBoard],
}

impl Looks<'_> {
    /// Nothing speaks against it, and something for it.
    pub fn may_be_up(&self) -> bool {
        self.is_judging
            && self.is_measured
            && !self.mostly_fails()
            && !self.is_mostly_cut_off()
            && !self.is_doubted()
            && !self.a_target_is_down()
            && self.is_needed_measured
    }

    fn mostly_fails(&self) -> bool {
        let Tally { attempts, failures, .. } = self.quarter;
        let is_much = failures.saturating_mul(3) > attempts;
        is_much && (attempts >= ENOUGH_ATTEMPTS || failures == attempts)
    }

    fn is_mostly_cut_off(&self) -> bool {
        let (measured, down) = self.networks;
        down > 0 && down.saturating_mul(2) >= measured
    }

    /// A suspicion is not announced, and neither is what too few people are behind, but nobody is told that all is well
    /// meanwhile. What is suspected of the whole world or of a cell is about the service, not about each country.
    fn is_doubted(&self) -> bool {
        let doubts = self.open.iter().filter(|incident| incident.state != IncidentState::Reported);
        doubts.map(|incident| &incident.scope).any(|doubted| match self.scope.level() {
            Level::World | Level::Cell => matches!(doubted, Scope::World | Scope::Cell { .. }),
            Level::Country | Level::Asn => *doubted != Scope::World && doubted.contains(self.scope),
        })
    }

    /// A target that counts, so any of them where none is needed more than others.
    fn a_target_is_down(&self) -> bool {
        let counts = |target: &TargetBoard| target.required || self.service.required().next().is_none();
        self.targets
            .iter()
            .any(|target| counts(target) && target.down_in.iter().any(|down| down.contains(self.scope)))
    }
}

#[cfg(test)]
mod tests {
    use mbolo_pulse::board::Health;
    use mbolo_pulse::{Country, IncidentId, IncidentKind, Minute};

    use super::*;
    use crate::config::ProbeTarget;

    fn gabon() -> Scope {
        Scope::Country { cc: Country::new("GA").unwrap() }
    }

    fn tally(attempts: u32, failures: u32) -> Tally {
        Tally { attempts, failures, measured: true, ..Tally::default() }
    }

    /// All is well with a service there.
    fn well<'a>(scope: &'a Scope, service: &'a ServiceConfig) -> Looks<'a> {
        Looks {
            scope,
            is_judging: true,
            is_measured: true,
            quarter: tally(100, 2),
            networks: (4, 0),
            open: &[],
            is_needed_measured: true,
            service,
            targets: &[],
        }
    }

    fn service() -> ServiceConfig {
        crate::config::default_services().swap_remove(3)
    }

    /// Whether it is up with this changed.
    fn is_up_with(change: impl FnOnce(&mut Looks<'_>)) -> bool {
        let service = service();
        let mut looks = well(&Scope::World, &service);
        change(&mut looks);
        looks.may_be_up()
    }

    #[test]
    fn what_was_not_measured_lately_or_is_not_judged_is_not_green() {
        assert!(is_up_with(|_| ()));
        assert!(!is_up_with(|looks| looks.is_measured = false));
        assert!(!is_up_with(|looks| looks.is_judging = false));
    }

    #[test]
    fn what_mostly_fails_is_not_green_although_no_incident_says_so() {
        assert!(is_up_with(|looks| looks.quarter = tally(0, 0)), "sockets alone");
        assert!(
            is_up_with(|looks| looks.quarter = tally(15, 5)),
            "one agent of three has trouble of its own"
        );
        assert!(!is_up_with(|looks| looks.quarter = tally(15, 6)));
        assert!(is_up_with(|looks| looks.quarter = tally(3, 2)), "three attempts say little");
        assert!(!is_up_with(|looks| looks.quarter = tally(1, 1)));
        assert!(is_up_with(|looks| looks.networks = (4, 1)));
        assert!(!is_up_with(|looks| looks.networks = (4, 2)));
    }

    #[test]
    fn a_suspicion_takes_the_green_where_it_is() {
        let suspected = |scope: &Scope| Incident {
            id: IncidentId("a".into()),
            services: Vec::new(),
            kind: IncidentKind::Service,
            scope: scope.clone(),
            scope_uncertain: false,
            state: IncidentState::Suspected,
            started_at: Minute(1),
            detected_at: Minute(1),
            confirmed_at: None,
            resolved_at: None,
            impact: None,
            evidence: Vec::new(),
        };
        let (world, here) = (suspected(&Scope::World), suspected(&gabon()));
        let (gabon, france) = (gabon(), Scope::Country { cc: Country::new("FR").unwrap() });
        let service = service();
        let is_up = |scope: &Scope, incident: &Incident| {
            Looks { open: &[incident], ..well(scope, &service) }.may_be_up()
        };
        assert!(!is_up(&Scope::World, &world));
        assert!(is_up(&Scope::World, &here));
        assert!(!is_up(&gabon, &here));
        assert!(is_up(&france, &here));
        assert!(is_up(&gabon, &world));
    }

    #[test]
    fn a_target_that_counts_takes_the_green_where_it_is_down_or_if_it_is_needed_and_not_measured() {
        let target = |required, networks, down_in: &[Scope]| TargetBoard {
            target: "https://a.example".into(),
            required,
            health: Health::Unknown,
            down_in: down_in.to_vec(),
            networks,
            networks_down: 0,
            failed_phase: None,
            down_since: None,
        };
        let is_up = |scope: &Scope, targets: &[TargetBoard], some_needed: bool| {
            let mut service = service();
            service.probes = vec![ProbeTarget { target: "https://b.example".into(), required: some_needed }];
            Looks { targets, ..well(scope, &service) }.may_be_up()
        };
        let down = [target(false, 5, &[gabon()])];
        assert!(is_up(&Scope::World, &down, false));
        assert!(!is_up(&gabon(), &down, false));
        assert!(is_up(&gabon(), &down, true), "another one is needed, this one is only shown");
        assert!(!is_up(&gabon(), &[target(true, 5, &[Scope::World])], true));
        assert!(!is_up_with(|looks| looks.is_needed_measured = false));
    }
}
