//! The circuit breaker: too many repairs that do not repair are worse than none. It opens by itself and is closed
//! by a person.

use crate::budget::Tally;
use crate::switches::Scope;

/// What ended in this hour and the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// Of the route.
    pub route: Tally,
    /// Of all routes.
    pub all: Tally,
}

/// Fewer failures of a route say nothing.
const ROUTE: u32 = 3;
/// Fewer failures of all routes say nothing.
const ALL: u32 = 6;

/// Which breaker opens, and why: half of what ended has failed, of one route or of all.
#[must_use]
pub fn trips(route: &Scope, tallies: Tallies) -> Option<(Scope, String)> {
    let too_many =
        |tally: Tally, least: u32| tally.failed >= least && tally.failed.saturating_mul(2) >= tally.ended;
    let why = |tally: Tally, of: &str| {
        format!(
            "{} of the last {} attempts{of} failed, in this hour and the one before",
            tally.failed, tally.ended
        )
    };
    if too_many(tallies.all, ALL) {
        return Some((Scope::All, why(tallies.all, " of all routes")));
    }
    too_many(tallies.route, ROUTE).then(|| (route.clone(), why(tallies.route, "")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::RouteName;

    #[test]
    fn half_of_enough_failures_trips() {
        let route = Scope::Route(RouteName::from_static("close-admin-ports"));
        let tally = |failed, ended| Tally { ended, failed };
        for (of_route, of_all, expected) in [
            (tally(0, 0), tally(0, 0), None),
            (tally(2, 2), tally(2, 2), None),
            (tally(3, 3), tally(3, 3), Some(&route)),
            (tally(3, 6), tally(3, 20), Some(&route)),
            (tally(3, 7), tally(3, 7), None),
            (tally(1, 1), tally(6, 12), Some(&Scope::All)),
            (tally(3, 3), tally(6, 12), Some(&Scope::All)),
            (tally(1, 1), tally(6, 13), None),
        ] {
            let tripped = trips(&route, Tallies { route: of_route, all: of_all });
            assert_eq!(tripped.as_ref().map(|(scope, _)| scope), expected, "{of_route:?} {of_all:?}");
        }
        let (_, why) = trips(&route, Tallies { route: tally(3, 4), all: tally(3, 4) }).unwrap();
        assert_eq!(why, "3 of the last 4 attempts failed, in this hour and the one before");
    }
}
