//! What a function answers to its caller.

use mend_core::automation::{ExecutionId, OpsItemId};
use mend_core::decision::{Decision, Reason, Verdict};
use serde::Serialize;

/// What was decided about one signal, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The decision in one word.
    pub decision: Verdict,
    /// Why, as clauses.
    pub reasons: Vec<Reason>,
    /// The incident, if there is one.
    pub incident: Option<String>,
    /// Its OpsItem, if there is one.
    pub ops_item: Option<OpsItemId>,
    /// The execution of its last attempt, if its id is known.
    pub execution: Option<ExecutionId>,
}

impl From<Decision> for Answer {
    /// The answer where no incident is concerned.
    fn from(decision: Decision) -> Self {
        Self {
            decision: decision.verdict,
            reasons: decision.reasons,
            incident: None,
            ops_item: None,
            execution: None,
        }
    }
}
