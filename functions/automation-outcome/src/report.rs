//! From an execution to the report of an attempt. Pure.

use mend_aws::Execution;
use mend_core::automation::{ExecutionId, RunbookName};
use mend_core::decision::{Decision, Reason, Verdict};
use mend_core::identity::{AttemptNumber, IncidentId};
use mend_core::incident::{AttemptReport, Outcome};
use mend_core::time::Timestamp;

/// Every Mend runbook ends in a step of this name.
const OUTCOME: &str = "Conclude.Outcome";
const CHANGES: &str = "Conclude.Changes";
const BEFORE_STATE: &str = "Conclude.BeforeState";

/// What the execution says of the attempt that it was; or the decision that it was none.
pub(crate) fn report(id: &ExecutionId, execution: &Execution, now: Timestamp) -> Result<AttemptReport, Decision> {
    let ignore = |reason| Err(Decision::new(Verdict::Ignore, reason));
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
        ("Success", _) => Outcome::Failed("it ended without saying what it achieved".to_owned()),
        ("Failed", _) => Outcome::Failed(why(execution.failure.as_deref())),
        ("TimedOut", _) => Outcome::TimedOut,
        ("Cancelled" | "Canceled", _) => Outcome::Failed("it was cancelled".to_owned()),
        ("Rejected", _) => Outcome::Failed("it was rejected".to_owned()),
        _ => return ignore(Reason::NotEnded),
    };
    Ok(AttemptReport {
        incident,
        attempt,
        runbook,
        execution: id.clone(),
        outcome,
        ended_at: execution.ended_at.unwrap_or(now),
        changes: output(CHANGES),
        before_state: output(BEFORE_STATE),
    })
}

/// Automation's own words, in one line and not too many.
fn why(failure: Option<&str>) -> String {
    const LONGEST: usize = 300;
    let words: Vec<_> = failure.unwrap_or("the execution failed without a message").split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
