//! Begun.

use mend_core::decision::{Decision, Reason, Verdict};
use mend_responder::Answer;
use mend_runtime::{HandlerError, Hands};
use serde_json::Value;

/// Answers one event.
pub async fn handle(_: Value, _: Hands<'_>) -> Result<Answer, HandlerError> {
    Ok(Decision::new(Verdict::Ignore, Reason::AlreadyKnown).into())
}
