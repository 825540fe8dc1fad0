//! From the event to the execution that has ended. Pure.

use mend_core::automation::{ExecutionId, RunbookName};
use mend_core::decision::{Decision, Reason, Verdict};
use mend_core::report::Place;
use mend_core::time::Timestamp;
use mend_runtime::event::{MalformedEvent, open};
use serde::Deserialize;
use serde_json::Value;

/// The fields that Mend acts on. Numbers and dates are read from the execution itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Detail {
    execution_id: String,
    definition: String,
    status: String,
}

/// Reads the event: an execution of a Mend runbook that has ended, or the decision that it is none.
pub(crate) fn parse(
    payload: Value,
    place: &Place,
    now: Timestamp,
) -> Result<Result<ExecutionId, Decision>, MalformedEvent> {
    let detail_type = "EC2 Automation Execution Status-change Notification";
    let detail = match open::<Detail>(payload, "aws.ssm", detail_type, place, now)? {
        Ok(opened) => opened.detail,
        Err(decision) => return Ok(Err(decision)),
    };
    let execution = ExecutionId::new(detail.execution_id)
        .map_err(|error| MalformedEvent::new("detail.ExecutionId", error.to_string()))?;
    if RunbookName::new(detail.definition).is_err() {
        return Ok(Err(Decision::new(Verdict::Ignore, Reason::NotAnAttempt)));
    }
    // Only the end counts, and only as a hint to look: what ended how is read from the execution.
    match detail.status.as_str() {
        "Success" | "Failed" | "TimedOut" | "Canceled" | "Cancelled" | "Rejected" => Ok(Ok(execution)),
        _ => Ok(Err(Decision::new(Verdict::Ignore, Reason::NotEnded))),
    }
}

#[cfg(test)]
mod tests;
