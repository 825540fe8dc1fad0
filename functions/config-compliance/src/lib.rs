//! Answers "Config Rules Compliance Change".
//!
//! `NON_COMPLIANT` says that the rule complains, `COMPLIANT` and `NOT_APPLICABLE` that it has stopped to;
//! `INSUFFICIENT_DATA` says nothing. Refuses events of other accounts and ids that must not reach an API
//! call; leaves resources of member accounts to their own Mend. Safe to run twice: a rule's word counts
//! only if it is newer than its last, by the time at which the rule looked.

mod event;

use mend_responder::Answer;
use mend_runtime::{HandlerError, Hands};
use serde_json::Value;

/// Answers one event.
pub async fn handle(payload: Value, hands: Hands<'_>) -> Result<Answer, HandlerError> {
    match event::parse(payload, &hands.settings.stack.place, hands.now)? {
        Ok(signal) => Ok(hands.responder.signal(signal).await?),
        Err(decision) => Ok(decision.into()),
    }
}
