//! Answers "EC2 Automation Execution Status-change Notification" of Mend's runbooks: closes the loop.
//!
//! The event names only the execution. Incident and attempt are read from the execution's own parameters,
//! so that an outcome finds its incident even when it comes before the start was written down. A success
//! counts if the runbook says what it achieved. A restore is written into the story of the incident that it undoes.
//! Ignores other executions. Safe to run twice: an attempt's outcome is heard once.

mod event;

use mend_responder::world::Automation;
use mend_responder::{Answer, CallError, NoReport, report};
use mend_runtime::{HandlerError, Hands};
use serde_json::Value;

/// Answers one event.
pub async fn handle(payload: Value, hands: Hands<'_>) -> Result<Answer, HandlerError> {
    let execution = match event::parse(payload, &hands.settings.stack.place, hands.now)? {
        Ok(execution) => execution,
        Err(decision) => return Ok(decision.into()),
    };
    let attempted = || format!("read the outcome of the execution {execution}");
    let said = hands.aws.execution(&execution).await?.ok_or_else(|| {
        CallError::lasting(
            attempted(),
            "check that it exists in this account and Region",
            "there is no such execution",
        )
    })?;
    match report(&execution, &said, hands.now) {
        Ok(ended) => Ok(hands.responder.ended(ended).await?),
        Err(NoReport::NotOurs(decision)) => Ok(decision.into()),
        Err(NoReport::NotYet) => Err(CallError::retryable(attempted(), "it has not ended yet"))?,
    }
}
