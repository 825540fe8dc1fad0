//! What Mend decides about a signal or an outcome, and why.

mod reason;

use std::fmt;

use serde::Serialize;

use crate::mode::Environment;

pub use reason::Reason;

/// The decision, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The problem is answered, as far as the mode goes.
    Respond,
    /// The problem is over.
    Resolve,
    /// Not now: the incident waits in the ledger.
    Defer,
    /// Not at all, by the operators' wish: the incident is only recorded.
    Suppress,
    /// Nothing new, or not Mend's business.
    Ignore,
    /// Well formed and hostile.
    Reject,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Respond => "respond",
            Self::Resolve => "resolve",
            Self::Defer => "defer",
            Self::Suppress => "suppress",
            Self::Ignore => "ignore",
            Self::Reject => "reject",
        })
    }
}

/// A verdict with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is done.
    pub verdict: Verdict,
    /// Why, in the order in which it was found out.
    pub reasons: Vec<Reason>,
}

impl Decision {
    /// A verdict with one reason.
    #[must_use]
    pub fn new(verdict: Verdict, reason: Reason) -> Self {
        Self { verdict, reasons: vec![reason] }
    }
}

/// Where the mode that holds comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeOrigin {
    /// The operator's switch for the route.
    Switch,
    /// The stack's parameter `Mode`.
    Stack,
    /// The policy allows no more in this environment.
    Policy(Environment),
    /// The switch does not say a mode.
    SwitchNotUnderstood,
    /// The event comes out of an archive.
    Replayed,
    /// The event is older than a day.
    Stale,
}

impl fmt::Display for ModeOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch => f.write_str("the route's switch says so"),
            Self::Stack => f.write_str("the stack's default"),
            Self::Policy(environment) => write!(f, "the policy allows no more in {environment}"),
            Self::SwitchNotUnderstood => {
                f.write_str("the route's switch says none of off, observe, approve, enforce")
            }
            Self::Replayed => f.write_str("the event is a replay, which is recorded and never acted on"),
            Self::Stale => f.write_str("the event is older than a day, so it is recorded and not acted on"),
        }
    }
}
