//! Runs on a schedule: finds what no event told, carries on what a crash or a throttle left, decides again what
//! was observed, suppressed or deferred.
//!
//! What the schedule sends says nothing, so it is not read. Opens at most so many new incidents a run. Safe to run
//! at any time and twice: one run at a time, and whatever it finds goes the way of an event.

use mend_responder::{Limits, Reconciled};
use mend_runtime::{HandlerError, Hands};
use serde_json::Value;

/// One run.
pub async fn handle(_: Value, hands: Hands<'_>) -> Result<Reconciled, HandlerError> {
    let limits = Limits { new_incidents: hands.settings.new_incidents_per_run };
    Ok(hands.responder.reconcile(limits).await?)
}
