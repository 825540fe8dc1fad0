//! Points in time, as the ledger keeps them.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// Of two things that happened within so much time, by the clocks of AWS and of a function, it is not known which
/// was first.
pub const CLOCK_DIFFERENCE: Duration = Duration::from_secs(2);

/// A point in time in milliseconds since 1970, UTC. Times are handed in: nothing in this crate reads a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Text that should be an ISO 8601 time with an offset and is not.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("a time must look like 2026-03-04T05:06:07.123Z")]
pub struct InvalidTime;

impl Timestamp {
    /// From milliseconds since 1970, kept within the years that can be printed.
    #[must_use]
    pub fn from_milliseconds(milliseconds: i64) -> Self {
        let (first, last) = (jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
        Self(milliseconds.clamp(first, last))
    }

    /// Reads an ISO 8601 time, as AWS Config and EventBridge write it; parts below a millisecond are dropped.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        let time: jiff::Timestamp = text.parse().map_err(|_| InvalidTime)?;
        Ok(Self(time.as_millisecond()))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn milliseconds(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, as DynamoDB's time to live wants them.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// `2026-03-04T05:06:07.123Z`: milliseconds, for machines.
    #[must_use]
    pub fn precise(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).map(|time| format!("{time:.3}")).unwrap_or_default()
    }

    /// The time that much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_milliseconds(self.0.saturating_add(milliseconds))
    }

    /// The time that much earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_milliseconds(self.0.saturating_sub(milliseconds))
    }

    /// How long after `earlier` this is; nothing when it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    /// `2026-03-04T05:06:07Z`: whole seconds, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_second(self.seconds()).map_err(|_| fmt::Error)?;
        write!(f, "{time}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_that_aws_sends() {
        for (text, milliseconds) in [
            ("2026-03-04T05:06:07Z", 1_772_600_767_000),
            ("2026-03-04T05:06:07.123Z", 1_772_600_767_123),
            ("2026-03-04T05:06:07.123456Z", 1_772_600_767_123),
            ("2026-03-04T06:06:07+01:00", 1_772_600_767_000),
            ("1970-01-01T00:00:00Z", 0),
        ] {
            assert_eq!(Timestamp::parse(text).map(Timestamp::milliseconds), Ok(milliseconds), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in ["", "yesterday", "2026-03-04", "2026-03-04T05:06:07", "1772600767"] {
            assert_eq!(Timestamp::parse(text), Err(InvalidTime), "{text}");
        }
    }

    #[test]
    fn prints_whole_seconds() {
        assert_eq!(Timestamp::from_milliseconds(1_772_600_767_999).to_string(), "2026-03-04T05:06:07Z");
    }
}
