//! What an event says, once it is parsed: something complains about a resource, or has stopped to.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::account::PrincipalArn;
use crate::resource::Resource;
use crate::text::{InvalidText, consists_of, text_type};
use crate::time::Timestamp;

text_type! {
    /// The name of a Config rule. Security Hub and conformance packs append suffixes of their own.
    ConfigRuleName, "a Config rule's name", "1 to 128 letters, digits, spaces, and . _ : / @ + = , - # ( )", is_config_rule_name
}

const fn is_config_rule_name(text: &[u8]) -> bool {
    consists_of(text, b"._:/@+=,-#() ", 1, 128)
}

/// Who complains about a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A rule of AWS Config.
    ConfigRule(ConfigRuleName),
    /// A person, by what they do with the OpsItem.
    Person,
}

const PERSON: &str = "person";

impl Cause {
    /// `config-rule/<name>` or `person`: the key of the cause, for machines.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::ConfigRule(name) => format!("config-rule/{name}"),
            Self::Person => PERSON.to_owned(),
        }
    }
}

impl fmt::Display for Cause {
    /// For people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConfigRule(name) => write!(f, "Config rule {name}"),
            Self::Person => f.write_str("a person who reopened the OpsItem"),
        }
    }
}

impl FromStr for Cause {
    type Err = InvalidText;

    /// Reads a key.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some(("config-rule", name)) => ConfigRuleName::new(name).map(Self::ConfigRule),
            None if text == PERSON => Ok(Self::Person),
            _ => Err(InvalidText { kind: "a cause", rule: "config-rule/<name> or person" }),
        }
    }
}

/// What a cause says about the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CauseState {
    /// Something is wrong.
    Violated,
    /// It is right, or no longer this cause's business.
    Clear,
}

/// Whether an event may be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// It has just come.
    Live,
    /// It comes out of an archive: it carries a `replay-name`.
    Replayed,
    /// It is older than a day.
    Stale,
}

impl Freshness {
    /// How old an event may be before it is only recorded.
    pub const LIMIT: Duration = Duration::from_hours(24);
}

/// One cause's word about one resource at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Who says it.
    pub cause: Cause,
    /// Of what.
    pub resource: Resource,
    /// What.
    pub state: CauseState,
    /// When the source looked, by its own clock: this orders what it says.
    pub at: Timestamp,
    /// When the source recorded what it says. Where it has looked at the same thing twice, under changed
    /// rules for example, this tells which word is the later one.
    pub recorded_at: Timestamp,
    /// Whether it may be acted on.
    pub freshness: Freshness,
    /// Who changed the resource, where the event says so.
    pub changed_by: Option<PrincipalArn>,
}
