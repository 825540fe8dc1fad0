//! Gatherings: many incidents of one route in one OpsItem. OpsCenter takes 10,000 OpsItems a month, and a person
//! reads far fewer.

use std::fmt;
use std::str::FromStr;

use crate::identity::{Fingerprint, IncidentId};
use crate::mode::NotOneOf;
use crate::policy::RouteName;
use crate::resource::Resource;
use crate::time::Timestamp;

/// So many incidents of all routes get an OpsItem of their own on a day, at most: OpsCenter takes 10,000 a month.
/// Source: AWS General Reference, "Systems Manager endpoints and quotas".
pub const OWN_OPS_ITEMS_A_DAY: u32 = 300;

/// What brings incidents together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GatheringKind {
    /// They are only observed.
    Observed,
    /// They come in a storm.
    Storm,
}

impl GatheringKind {
    /// How many incidents of a route get an OpsItem of their own in an hour before the others gather.
    #[must_use]
    pub const fn threshold(self, storm_threshold: u32) -> u32 {
        match self {
            // Nobody has to do anything at once about what is only observed.
            Self::Observed => storm_threshold.div_ceil(2),
            Self::Storm => storm_threshold,
        }
    }
}

impl fmt::Display for GatheringKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Observed => "observed",
            Self::Storm => "storm",
        })
    }
}

impl FromStr for GatheringKind {
    type Err = NotOneOf;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "observed" => Ok(Self::Observed),
            "storm" => Ok(Self::Storm),
            _ => Err(NotOneOf::new("observed, storm")),
        }
    }
}

/// One gathering: of a route, for a reason, on a day. So there are few, whatever happens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GatheringId {
    /// The route.
    pub route: RouteName,
    /// The reason.
    pub kind: GatheringKind,
    /// The day, in UTC, on which it began.
    pub day: Day,
}

/// A day of the calendar, in UTC: `2026-11-24`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(String);

impl Day {
    /// The day that a time is in.
    #[must_use]
    pub fn of(time: Timestamp) -> Self {
        Self(time.to_string().chars().take(10).collect())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that names no gathering.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("a gathering must look like close-admin-ports#storm#2026-11-24")]
pub struct InvalidGathering;

impl fmt::Display for GatheringId {
    /// `close-admin-ports#storm#2026-11-24`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}#{}", self.route, self.kind, self.day)
    }
}

impl FromStr for GatheringId {
    type Err = InvalidGathering;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let [route, kind, day] = text.split('#').collect::<Vec<_>>()[..] else { return Err(InvalidGathering) };
        let begins = Timestamp::parse(&format!("{day}T00:00:00Z")).map_err(|_| InvalidGathering)?;
        Ok(Self {
            route: RouteName::new(route).map_err(|_| InvalidGathering)?,
            kind: kind.parse().map_err(|_| InvalidGathering)?,
            day: Day::of(begins),
        })
    }
}

/// An incident in a gathering, as far as people look at it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The incident.
    pub incident: IncidentId,
    /// The resource.
    pub resource: Resource,
    /// Where it stands, in the word of [`state_name`](crate::report::state_name).
    pub state: String,
    /// Since when.
    pub at: Timestamp,
}

/// Where nothing is to be done, at least until something changes.
pub(crate) const RESTING: [&str; 2] = ["resolved", "suppressed"];

impl Member {
    /// Whether nothing is to be done about it.
    #[must_use]
    pub fn rests(&self) -> bool {
        RESTING.contains(&self.state.as_str())
    }

    /// Its key in the gathering.
    #[must_use]
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.incident.fingerprint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gathering_survives_the_round_trip_through_the_ledger() {
        let time = Timestamp::parse("2026-11-24T23:59:59Z").unwrap();
        let id = GatheringId {
            route: RouteName::from_static("close-admin-ports"),
            kind: GatheringKind::Storm,
            day: Day::of(time),
        };
        assert_eq!(id.to_string(), "close-admin-ports#storm#2026-11-24");
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in [
            "",
            "close-admin-ports#storm",
            "close-admin-ports#rain#2026-11-24",
            "x#storm#today",
            "x#storm#2026-11-24#y",
        ] {
            assert_eq!(wrong.parse::<GatheringId>(), Err(InvalidGathering), "{wrong}");
        }
    }
}
