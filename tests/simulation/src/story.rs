//! What happened, line by line, for whoever reads a failure.

use std::fmt;

use mend_core::time::Timestamp;

/// The story of a run. Lines are only made when somebody will read them.
#[derive(Debug, Default)]
pub struct Story {
    is_read: bool,
    began_at: Option<Timestamp>,
    lines: Vec<String>,
}

impl Story {
    /// A story that is written down, or one that nobody reads.
    #[must_use]
    pub fn new(is_read: bool) -> Self {
        Self { is_read, ..Self::default() }
    }

    /// Adds a line.
    pub(crate) fn tell(&mut self, now: Timestamp, line: impl FnOnce() -> String) {
        if !self.is_read {
            return;
        }
        let began_at = *self.began_at.get_or_insert(now);
        let milliseconds = now.since(began_at).as_millis();
        let (hours, minutes) = (milliseconds / 3_600_000, milliseconds / 60_000 % 60);
        let seconds = milliseconds / 1_000 % 60;
        self.lines.push(format!("{hours:02}:{minutes:02}:{seconds:02}.{:03} {}", milliseconds % 1_000, line()));
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
