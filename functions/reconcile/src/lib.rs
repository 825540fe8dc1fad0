//! Runs on a schedule, and when a switch or a change calendar changes: finds what no event told, carries on what a
//! crash or a throttle left, decides again what was observed, suppressed or deferred.
//!
//! What it is sent says nothing that it would not find, so only that it is an event counts: one that finds another run
//! under way waits for its end, because that run may have read the switch before it changed. Opens at most so many new incidents a run. Safe to run
//! at any time and twice: one run at a time, and whatever it finds goes the way of an event.

use std::time::Duration;

use mend_responder::{Limits, Reconciled};
use mend_runtime::{HandlerError, Hands};
use serde_json::Value;

/// Most runs are over in a moment.
const PATIENCE: Duration = Duration::from_secs(15);

/// One run.
pub async fn handle(payload: Value, hands: Hands<'_>) -> Result<Reconciled, HandlerError> {
    let is_event = payload.get("detail-type").is_some();
    let patience = if is_event { PATIENCE } else { Duration::ZERO };
    let limits = Limits { new_incidents: hands.settings.new_incidents_per_run, patience };
    let run = hands.responder.reconcile(limits).await?;
    if run.elsewhere && is_event {
        return Err(HandlerError::RunUnderWay);
    }
    Ok(run)
}
