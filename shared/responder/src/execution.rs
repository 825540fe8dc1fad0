//! From an execution to the report of an attempt. Pure.

use std::collections::{BTreeMap, HashMap};

use mend_core::automation::{ExecutionId, ParameterName, RunbookName};
use mend_core::decision::{Decision, Reason, Verdict};
use mend_core::identity::{AttemptNumber, IncidentId};
use mend_core::incident::{AttemptReport, Outcome};
use mend_core::time::Timestamp;
use serde::de::IgnoredAny;

/// What an execution says of itself, as far as an attempt's outcome needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The document's name.
    pub document: String,
    /// The status, in the API's spelling: `Success`, `Failed`, `TimedOut`, `Cancelled` …
    pub status: String,
    /// The parameters, each a list.
    pub parameters: HashMap<String, Vec<String>>,
    /// The outputs, by `step.Output`, each a list.
    pub outputs: HashMap<String, Vec<String>>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it failed.
    pub failure: Option<String>,
}

/// Every Mend runbook ends in a step of this name.
const OUTCOME: &str = "Conclude.Outcome";
const CHANGES: &str = "Conclude.Changes";
/// A step that records what it found, before anything is changed, has an output of this name.
const BEFORE_STATE: &str = ".BeforeState";

/// Why an execution is no report of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum NoReport {
    /// It was none.
    NotOurs(Decision),
    /// The event said that it has ended, and the execution does not say so yet.
    NotYet,
}

/// What the execution says of the attempt that it was.
pub fn report(id: &ExecutionId, execution: &Execution, now: Timestamp) -> Result<AttemptReport, NoReport> {
    let ignore = |reason| Err(NoReport::NotOurs(Decision::new(Verdict::Ignore, reason)));
    let parameter = |name: &str| execution.parameters.get(name).and_then(|values| values.first());
    let incident = parameter("Incident").and_then(|text| text.parse::<IncidentId>().ok());
    let attempt = parameter("Attempt").and_then(|text| text.parse::<AttemptNumber>().ok());
    let runbook = RunbookName::new(execution.document.as_str()).ok();
    let (Some(incident), Some(attempt), Some(runbook)) = (incident, attempt, runbook) else {
        return ignore(Reason::NotAnAttempt);
    };
    // Outputs of an execution that did not succeed are placeholders.
    let succeeded = execution.status == "Success";
    let output = |name: &str| {
        let text = execution.outputs.get(name).and_then(|values| values.first())?;
        (succeeded && !text.is_empty()).then(|| text.clone())
    };
    let outcome = match (execution.status.as_str(), output(OUTCOME).as_deref()) {
        ("Success", Some("Remediated")) => Outcome::Remediated,
        ("Success", Some("AlreadyCompliant")) => Outcome::AlreadyCompliant,
        ("Success", Some("Restored" | "AlreadyRestored")) => return ignore(Reason::Restored),
        ("Success", _) => Outcome::failed("it ended without saying what it achieved"),
        ("Failed", _) => {
            Outcome::failed(execution.failure.as_deref().unwrap_or("the execution failed without a message"))
        }
        ("TimedOut", _) => Outcome::TimedOut,
        ("Cancelled" | "Canceled", _) => Outcome::failed("it was cancelled"),
        ("Rejected", _) => Outcome::failed("it was rejected"),
        _ => return Err(NoReport::NotYet),
    };
    Ok(AttemptReport {
        incident,
        attempt,
        runbook,
        execution: id.clone(),
        parameters: parameters(execution),
        outcome,
        ended_at: execution.ended_at.unwrap_or(now),
        changes: output(CHANGES),
        before_state: before_state(execution),
    })
}

fn parameters(execution: &Execution) -> BTreeMap<ParameterName, String> {
    let named = execution.parameters.iter().filter_map(|(name, values)| {
        let name = ParameterName::new(name.as_str()).ok()?;
        Some((name, values.first()?.clone()))
    });
    named.collect()
}

/// Also of an execution that failed: it may have failed after its change.
fn before_state(execution: &Execution) -> Option<String> {
    let mut recorded = execution.outputs.iter().filter(|(name, _)| name.ends_with(BEFORE_STATE));
    let is_json = |text: &&String| serde_json::from_str::<IgnoredAny>(text).is_ok();
    recorded.find_map(|(_, values)| values.first().filter(is_json).cloned())
}

#[cfg(test)]
mod tests;
