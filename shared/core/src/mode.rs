//! How far Mend may go.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

/// How far a route may go. The order is the rank: the lowest of what policy, stack and operator say holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Record that it happened, and nothing else.
    Off,
    /// Decide and record, change nothing.
    Observe,
    /// Change only after a person said yes.
    Approve,
    /// Change.
    Enforce,
}

/// Text that is no mode, or no environment.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("must be one of {0}")]
pub struct NotOneOf(&'static str);

impl NotOneOf {
    pub(crate) const fn new(choices: &'static str) -> Self {
        Self(choices)
    }
}

impl FromStr for Mode {
    type Err = NotOneOf;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "observe" => Ok(Self::Observe),
            "approve" => Ok(Self::Approve),
            "enforce" => Ok(Self::Enforce),
            _ => Err(NotOneOf("off, observe, approve, enforce")),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Approve => "approve",
            Self::Enforce => "enforce",
        })
    }
}

/// Which environment the stack serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Development.
    Dev,
    /// Staging.
    Staging,
    /// Production.
    Prod,
}

impl FromStr for Environment {
    type Err = NotOneOf;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "dev" => Ok(Self::Dev),
            "staging" => Ok(Self::Staging),
            "prod" => Ok(Self::Prod),
            _ => Err(NotOneOf("dev, staging, prod")),
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        })
    }
}
