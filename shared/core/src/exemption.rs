//! Exemptions: a person's word that a resource is left alone by a route, until when and why.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::text::printable;
use crate::time::Timestamp;

/// Where an exemption is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenIn {
    /// In Parameter Store.
    Parameter,
    /// In the resource's tags.
    Tags,
}

/// A resource is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemption {
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Where it is written down.
    pub written_in: WrittenIn,
}

/// Text that exempts nothing, because it has no end or no reason.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "an exemption must say \"until <date>: <reason>\", with a date like 2026-12-24 or a time like 2026-12-24T18:00:00Z"
)]
pub struct NotAnExemption;

/// Whether an exemption holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It does.
    Holds,
    /// Its end has passed.
    Ended,
    /// Its end is more than 90 days ahead: whoever wants that has to say it again.
    TooLong,
}

/// What the tags of a resource say about an exemption.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExemptionTags {
    /// `mend:exempt`
    pub exempt: Option<String>,
    /// `mend:exempt-until`
    pub until: Option<String>,
    /// `mend:exempt-reason`
    pub reason: Option<String>,
}

impl Exemption {
    /// The longest that an exemption may reach into the future.
    pub const LONGEST: Duration = Duration::from_hours(90 * 24);
    /// People are told so long before it ends.
    pub const WARNING: Duration = Duration::from_hours(7 * 24);

    /// Reads `until 2026-12-24: a reason`. A date ends when the day does, in UTC.
    pub fn parse(text: &str) -> Result<Self, NotAnExemption> {
        let (until, reason) =
            text.trim().strip_prefix("until ").and_then(|rest| rest.split_once(": ")).ok_or(NotAnExemption)?;
        Self::new(until, reason, WrittenIn::Parameter)
    }

    /// Reads tags. Nothing if they do not speak of an exemption.
    #[must_use]
    pub fn from_tags(tags: &ExemptionTags) -> Option<Result<Self, NotAnExemption>> {
        if tags.exempt.as_ref().is_none_or(|exempt| exempt.trim() != "true") {
            return None;
        }
        let both = tags.until.as_deref().zip(tags.reason.as_deref()).ok_or(NotAnExemption);
        Some(both.and_then(|(until, reason)| Self::new(until, reason, WrittenIn::Tags)))
    }

    fn new(until: &str, reason: &str, written_in: WrittenIn) -> Result<Self, NotAnExemption> {
        let until = until.trim();
        let end = if until.contains('T') { until.to_owned() } else { format!("{until}T23:59:59.999Z") };
        let until = Timestamp::parse(&end).map_err(|_| NotAnExemption)?;
        let reason = printable(reason);
        if reason.is_empty() { Err(NotAnExemption) } else { Ok(Self { until, reason, written_in }) }
    }

    /// Whether it holds now.
    #[must_use]
    pub fn validity(&self, now: Timestamp) -> Validity {
        if self.until <= now {
            Validity::Ended
        } else if self.until.since(now) > Self::LONGEST {
            Validity::TooLong
        } else {
            Validity::Holds
        }
    }
}

impl fmt::Display for Exemption {
    /// `until 2026-12-24T18:00:00Z: a reason`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "until {}: {}", self.until, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn an_exemption_has_an_end_and_a_reason() {
        let read = Exemption::parse("until 2026-12-24T18:00:00Z: a bastion: ticket 8").unwrap();
        assert_eq!(read.until, time("2026-12-24T18:00:00Z"));
        assert_eq!(read.reason, "a bastion: ticket 8");
        assert_eq!(read.to_string(), "until 2026-12-24T18:00:00Z: a bastion: ticket 8");
        // A day counts to its end.
        let day = Exemption::parse(" until 2026-12-24: x\n").unwrap();
        assert!(day.until > time("2026-12-24T23:59:59Z") && day.until <= time("2026-12-25T00:00:00Z"));
        for wrong in [
            "",
            "forever",
            "until 2026-12-24",
            "until 2026-12-24: ",
            "until then: x",
            "2026-12-24: x",
            "until : x",
        ] {
            assert_eq!(Exemption::parse(wrong), Err(NotAnExemption), "{wrong:?}");
        }
    }

    #[test]
    fn it_holds_for_90_days_at_the_most() {
        let now = time("2026-11-24T12:00:00Z");
        let validity = |until| Exemption::parse(&format!("until {until}: x")).unwrap().validity(now);
        assert_eq!(validity("2026-11-24T12:00:00Z"), Validity::Ended);
        assert_eq!(validity("2026-11-24T12:00:01Z"), Validity::Holds);
        assert_eq!(validity("2027-02-22T12:00:00Z"), Validity::Holds);
        assert_eq!(validity("2027-02-22T12:00:01Z"), Validity::TooLong);
    }

    #[test]
    fn tags_say_it_in_three_words() {
        let tags = |exempt: &str, until: Option<&str>, reason: Option<&str>| ExemptionTags {
            exempt: Some(exempt.to_owned()),
            until: until.map(str::to_owned),
            reason: reason.map(str::to_owned),
        };
        let read = Exemption::from_tags(&tags("true", Some("2026-12-24"), Some("a website"))).unwrap().unwrap();
        assert_eq!((read.reason.as_str(), read.written_in), ("a website", WrittenIn::Tags));
        assert_eq!(Exemption::from_tags(&ExemptionTags::default()), None);
        assert_eq!(Exemption::from_tags(&tags("false", None, None)), None);
        assert_eq!(Exemption::from_tags(&tags("true", None, Some("x"))), Some(Err(NotAnExemption)));
        assert_eq!(Exemption::from_tags(&tags("true", Some("2026-12-24"), None)), Some(Err(NotAnExemption)));
    }
}
