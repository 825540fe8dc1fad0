//! Answers "CloudWatch Alarm State Change", and alarms whose action is this function: opens circuit breakers.
//!
//! An alarm that rings opens the breakers of the routes that name it, or that of all routes if the stack names it.
//! Only a person closes a breaker, so an alarm that stops to ring changes nothing. Ignores other alarms. Safe to run
//! twice: a breaker that is open stays as it is.

mod event;

use mend_core::decision::{Decision, Reason, Verdict};
use mend_responder::Answer;
use mend_runtime::{HandlerError, Hands};
use serde_json::Value;

/// Answers one event.
pub async fn handle(payload: Value, hands: Hands<'_>) -> Result<Answer, HandlerError> {
    let alarm = match event::parse(payload, &hands.settings.stack.place, hands.now)? {
        Ok(alarm) => alarm,
        Err(decision) => return Ok(decision.into()),
    };
    let opened = hands.responder.alarm(&alarm.name, &alarm.why(), &hands.settings.breaker_alarms).await?;
    let decision = if opened.is_empty() {
        Decision::new(Verdict::Ignore, Reason::OtherAlarm(alarm.name))
    } else {
        let reasons = opened.into_iter().map(Reason::BreakerOpen).collect();
        Decision { verdict: Verdict::Respond, reasons }
    };
    Ok(decision.into())
}
