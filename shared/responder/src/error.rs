//! What can go wrong outside, told apart by the one question that matters: is it worth another try?

use std::fmt;

use thiserror::Error;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A call that may succeed later: throttled, timed out, or broken on the other side.
#[derive(Error)]
#[error("could not {attempted}")]
pub struct RetryableError {
    attempted: String,
    source: Source,
}

/// A call that will fail again until somebody changes something.
#[derive(Error)]
#[error("could not {attempted}; {remedy}")]
pub struct FinalError {
    attempted: String,
    remedy: &'static str,
    source: Source,
}

impl fmt::Debug for RetryableError {
    /// As in the log: the SDK's own `Debug` would print whole answers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(self))
    }
}

impl fmt::Debug for FinalError {
    /// As in the log: the SDK's own `Debug` would print whole answers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(self))
    }
}

/// A call that failed.
#[derive(Debug, Error)]
pub enum CallError {
    /// Worth another try.
    #[error(transparent)]
    Retryable(#[from] RetryableError),
    /// Not worth another try.
    #[error(transparent)]
    Final(#[from] FinalError),
}

impl CallError {
    /// A failure that may pass. `attempted` goes on from "could not": `start Mend-X for incident …`.
    pub fn retryable(attempted: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Retryable(RetryableError { attempted: attempted.into(), source: source.into() })
    }

    /// A failure that stays. `remedy` says what an operator can do.
    pub fn lasting(attempted: impl Into<String>, remedy: &'static str, source: impl Into<Source>) -> Self {
        Self::Final(FinalError { attempted: attempted.into(), remedy, source: source.into() })
    }
}

/// Why an incident could not be carried as far as it should go. All that was decided is in the ledger.
#[derive(Debug, Error)]
pub enum ResponseError {
    /// The ledger could not be read or written. Nothing was done that it does not say.
    #[error(
        "the ledger could not be read or written; what was written before stands, and the next try carries on"
    )]
    Ledger(#[source] CallError),
    /// Something else could not be asked, so nothing was decided.
    #[error("a decision needs more than could be read, so nothing was done")]
    Facts(#[source] RetryableError),
    /// Effects are left in the outbox.
    #[error("incident {incident} is written down, and {left} effect(s) wait in its outbox for the next try")]
    EffectsLeft {
        /// The incident.
        incident: String,
        /// How many effects are left.
        left: usize,
        /// Why the first of them failed.
        source: RetryableError,
    },
    /// The function's time is nearly over.
    #[error("the time is over: incident {incident} is written down, and {left} effect(s) wait in its outbox")]
    OutOfTime {
        /// The incident.
        incident: String,
        /// How many effects are left.
        left: usize,
    },
    /// Another invocation took the incident over.
    #[error("another invocation took over incident {fingerprint} when the lease had run out")]
    LeaseLost {
        /// The incident's fingerprint.
        fingerprint: String,
    },
    /// An earlier try of the same invocation holds the incident, and has probably died.
    #[error("an earlier try of this invocation holds incident {fingerprint}; the next one carries on from it")]
    EarlierTry {
        /// The incident's fingerprint.
        fingerprint: String,
    },
    /// Writers got in each other's way too often.
    #[error("the incident's row changed under every write; the next try carries on")]
    Contention,
}

/// An error and what led to it, in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        // Transparent layers say the same twice.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}
