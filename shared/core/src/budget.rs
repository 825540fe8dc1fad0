//! Budgets: how much may happen at a time. They are kept in the ledger, in the same transaction as what they count.

use std::fmt;
use std::time::Duration;

use crate::policy::Budget;
use crate::switches::BudgetSwitch;
use crate::time::Timestamp;

/// Two starts are so far apart at least. AWS starts one execution a second in an account and Region.
/// Source: AWS General Reference, "Systems Manager endpoints and quotas".
pub const SPACING: Duration = Duration::from_millis(1_250);

/// The limits that a start has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetLimits {
    /// Starts of the route in an hour of the clock.
    pub starts_per_hour: u16,
    /// Attempts of the route that are under way.
    pub running: u16,
    /// Attempts of all routes that are under way.
    pub running_in_all: u16,
}

impl BudgetLimits {
    /// The route's budget, as far as its switch leaves it, and the stack's.
    #[must_use]
    pub fn of(budget: Budget, switch: BudgetSwitch, running_in_all: u16) -> Self {
        let switch = match switch {
            BudgetSwitch::Unset => u16::MAX,
            BudgetSwitch::Set(starts) => starts,
            BudgetSwitch::NotUnderstood => 0,
        };
        Self { starts_per_hour: budget.starts_per_hour.min(switch), running: budget.running, running_in_all }
    }
}

/// A limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// The route's starts of this hour.
    StartsThisHour(u16),
    /// The route's attempts under way.
    Running(u16),
    /// All routes' attempts under way.
    RunningInAll(u16),
    /// Starts of this moment: the next may be made then.
    Pace(Timestamp),
}

impl Spent {
    /// When it may be different.
    #[must_use]
    pub fn until(self, now: Timestamp) -> Timestamp {
        match self {
            // For places among the running attempts, too, where nobody knows when one comes free: reconcile gives them
            // to the oldest in each of its runs.
            Self::StartsThisHour(_) | Self::Running(_) | Self::RunningInAll(_) => Hour::of(now).end(),
            Self::Pace(next) => next,
        }
    }
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartsThisHour(limit) => write!(f, "the route's {limit} starts of this hour are spent"),
            Self::Running(limit) => write!(f, "{limit} attempts of the route are under way, which is its limit"),
            Self::RunningInAll(limit) => {
                write!(f, "{limit} attempts of all routes are under way, which is the limit")
            }
            Self::Pace(_) => f.write_str("other runbooks are being started, one a second"),
        }
    }
}

/// An hour of the clock, for what is counted by the hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(i64);

const SECONDS: i64 = 3_600;

impl Hour {
    /// The hour that a time is in.
    #[must_use]
    pub const fn of(time: Timestamp) -> Self {
        Self(time.seconds().div_euclid(SECONDS))
    }

    /// The hour before.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0 - 1)
    }

    /// When it ends.
    #[must_use]
    pub fn end(self) -> Timestamp {
        Timestamp::from_milliseconds((self.0 + 1).saturating_mul(SECONDS * 1_000))
    }
}

impl fmt::Display for Hour {
    /// `2026-11-24T18`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begins = Timestamp::from_milliseconds(self.0.saturating_mul(SECONDS * 1_000)).to_string();
        f.write_str(begins.get(..13).unwrap_or(&begins))
    }
}

/// What is counted in the ledger, of a route or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Attempts that have ended.
    pub ended: u32,
    /// Those of them that failed.
    pub failed: u32,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { ended: self.ended.saturating_add(other.ended), failed: self.failed.saturating_add(other.failed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_only_lowers() {
        let budget = Budget { starts_per_hour: 10, running: 3 };
        for (switch, starts) in [
            (BudgetSwitch::Unset, 10),
            (BudgetSwitch::Set(4), 4),
            (BudgetSwitch::Set(0), 0),
            (BudgetSwitch::Set(100), 10),
            (BudgetSwitch::NotUnderstood, 0),
        ] {
            let limits = BudgetLimits::of(budget, switch, 25);
            assert_eq!(
                limits,
                BudgetLimits { starts_per_hour: starts, running: 3, running_in_all: 25 },
                "{switch:?}"
            );
        }
    }

    #[test]
    fn hours_are_those_of_the_clock() {
        let time = Timestamp::parse("2026-11-24T18:59:59.999Z").unwrap();
        assert_eq!(Hour::of(time).to_string(), "2026-11-24T18");
        assert_eq!(Hour::of(time).before().to_string(), "2026-11-24T17");
        assert_eq!(Hour::of(time).end().to_string(), "2026-11-24T19:00:00Z");
        assert_eq!(Hour::of(Hour::of(time).end()).to_string(), "2026-11-24T19");
        assert_eq!(Spent::StartsThisHour(1).until(time), Hour::of(time).end());
    }
}
