//! Answers "OpsItem Update": hears what a person says by resolving or reopening one of Mend's OpsItems.
//!
//! The event names only the OpsItem; the incident is read from the OpsItem's own data. Ignores what Mend's own
//! functions changed, other OpsItems, and changes that say nothing about whether it is over. Safe to run twice and
//! out of order: a person's word counts only if it is newer than their last.

mod event;

use mend_core::decision::{Decision, Reason, Verdict};
use mend_responder::Answer;
use mend_runtime::{HandlerError, Hands};
use serde_json::Value;

/// Answers one event.
pub async fn handle(payload: Value, hands: Hands<'_>) -> Result<Answer, HandlerError> {
    let change = match event::parse(payload, &hands.settings.stack.place, hands.now)? {
        Ok(change) => change,
        Err(decision) => return Ok(decision.into()),
    };
    match hands.aws.incident_of(&change.ops_item).await? {
        Some(incident) => Ok(hands.responder.person(change.word_about(incident)).await?),
        None => Ok(Decision::new(Verdict::Ignore, Reason::NotAnIncident).into()),
    }
}
