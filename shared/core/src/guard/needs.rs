//! What a decision still has to ask AWS: nothing when the answer is already no.

use super::mode;
use crate::exemption::Validity;
use crate::mode::{Environment, Mode};
use crate::policy::Route;
use crate::signal::Freshness;
use crate::switches::{BudgetSwitch, KillSwitch, Switches};
use crate::time::Timestamp;

/// What is worth asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The runbook's version.
    pub version: bool,
    /// The resource's tags.
    pub tags: bool,
    /// The change calendars.
    pub calendar: bool,
}

const NOTHING: Needs = Needs { version: false, tags: false, calendar: false };

/// What is worth asking, by what is known of the switches. Where they have to be asked, too, everything is asked at
/// once.
#[must_use]
pub fn needs(
    route: &Route,
    evidence: Freshness,
    switches: Option<&Switches>,
    environment: Environment,
    default_mode: Mode,
    now: Timestamp,
) -> Needs {
    let everything = Needs { version: true, tags: route.is_exempt_by_tag, calendar: true };
    let Some(switches) = switches else { return everything };
    let (mode, _) = mode(route, evidence, switches, environment, default_mode);
    let is_exempt = switches
        .exemption()
        .is_some_and(|written| matches!(written, Ok(exemption) if exemption.validity(now) == Validity::Holds));
    if mode == Mode::Off || is_exempt {
        return NOTHING;
    }
    if mode == Mode::Observe {
        return Needs { calendar: false, ..everything };
    }
    match switches {
        Switches::Read { kill: KillSwitch::Released, breaker: None, budget, .. }
            if !matches!(budget, BudgetSwitch::Set(0) | BudgetSwitch::NotUnderstood) =>
        {
            everything
        }
        // Tags may still say more than the calendar could.
        Switches::Read { kill: KillSwitch::Released, breaker: None, .. } => {
            Needs { calendar: false, ..everything }
        }
        Switches::Read { .. } | Switches::Unreadable => NOTHING,
    }
}
